//! The processes of a step: the shim's child, and whatever descends from it.

use std::{
    io, thread,
    time::{Duration, Instant},
};

use rustix::{
    io::Errno,
    process::{Pid, Signal, WaitOptions, getpid, kill_process, kill_process_group, set_child_subreaper, wait},
};

use super::{
    Cgroup,
    descendants::descendants,
    users::{has_processes, kill_all_of},
};

/// 30 seconds: how long killed processes may take to be gone before the step is said to have left some behind. Only one
/// that hangs inside the kernel, e.g. on a dead network file system, takes longer than milliseconds.
const VANISH: Duration = Duration::from_secs(30);
/// 2 ms between looks: a killed process is gone in less.
const LOOK: Duration = Duration::from_millis(2);

/// The processes of a step.
#[derive(Debug)]
pub struct Tree {
    leader: Pid,
    cgroup: Option<Cgroup>,
    /// Whose processes are all of this tree, wherever they descend from; none when the step shares its user.
    user: Option<u32>,
}

impl Tree {
    /// Makes this process the parent of every orphan below it, so that none of the step's processes can leave its tree.
    ///
    /// # Errors
    /// On a kernel before 3.4.
    pub fn adopt_orphans() -> io::Result<()> {
        Ok(set_child_subreaper(Some(getpid()))?)
    }

    /// The tree of a child that leads its own process group, and has a user to itself if one is given.
    #[must_use]
    pub fn new(leader: Pid, cgroup: Option<Cgroup>, user: Option<u32>) -> Self {
        Self { leader, cgroup, user }
    }

    /// Asks the leader's process group to end. Only while the leader was not waited for: later its id may be another's.
    pub fn terminate(&self) {
        // No such group means that it ended just now, which the pidfd says.
        let _ = kill_process_group(self.leader, Signal::TERM);
    }

    /// Kills every process of the tree that there is now.
    pub fn kill(&self) {
        if let Some(cgroup) = &self.cgroup {
            cgroup.kill();
        }
        for pid in descendants(getpid()) {
            // Gone meanwhile is as good.
            let _ = kill_process(pid, Signal::KILL);
        }
        self.user.map(kill_all_of);
    }

    /// Whether no process of the tree is left. Only after the leader was waited for: it reaps every child.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        no_child_left() && self.cgroup.as_ref().is_none_or(Cgroup::is_empty) && !self.user.is_some_and(has_processes)
    }

    /// Kills until none is left; answers whether that was reached in [`VANISH`]. Only after the leader was waited for.
    #[must_use]
    pub fn kill_until_empty(&self) -> bool {
        let deadline = Instant::now() + VANISH;
        while !self.is_empty() {
            if Instant::now() > deadline {
                return false;
            }
            self.kill();
            // Their end is no event that could be waited for: they may be anybody's children until they are ours.
            thread::sleep(LOOK);
        }
        true
    }
}

/// Reaps every child that has ended. None left means none below us either: orphans become our children.
fn no_child_left() -> bool {
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some(_)) | Err(Errno::INTR) => {}
            Ok(None) => return false,
            Err(_) => return true,
        }
    }
}
