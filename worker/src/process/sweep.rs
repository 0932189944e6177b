//! Ending what a dead shim left behind.

use std::{
    fs, io, thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::{
    Cgroup,
    descendants::pids,
    users::{has_processes, kill_all_of},
};

/// The variable that every process of a step inherits, and by which it is found.
const MARK: &str = "LONGSHORE_EXECUTION_ID=";
/// 10 ms between looks.
const LOOK: Duration = Duration::from_millis(10);

/// Kills every process of an attempt whose shim is dead: those in its cgroup, those that carry its id in their
/// environment, and those of its user, if it had one to itself. Answers how many were found, once none is left.
///
/// # Errors
/// `TimedOut` when some are still there after `patience`: then nobody may say that the attempt is dead.
pub fn sweep(execution_id: &str, cgroup: Option<&Cgroup>, user: Option<u32>, patience: Duration) -> io::Result<usize> {
    let mark = format!("{MARK}{execution_id}");
    let deadline = Instant::now() + patience;
    let mut found = 0;
    loop {
        if let Some(cgroup) = cgroup {
            cgroup.kill();
        }
        let killed = pids().filter(|pid| kill_marked(*pid, &mark)).count() + user.map_or(0, kill_all_of);
        if killed == 0 && cgroup.is_none_or(Cgroup::is_empty) && !user.is_some_and(has_processes) {
            return Ok(found);
        }
        found = found.max(killed);
        if Instant::now() > deadline {
            let left = format!("{killed} processes of attempt {execution_id} cannot be killed");
            return Err(io::Error::new(io::ErrorKind::TimedOut, left));
        }
        thread::sleep(LOOK);
    }
}

/// Kills a process if it is a step's; answers whether it was. The pidfd keeps its number from becoming another's between
/// look and kill.
fn kill_marked(pid: i32, mark: &str) -> bool {
    let Some(pid) = Pid::from_raw(pid) else { return false };
    let Ok(pidfd) = pidfd_open(pid, PidfdFlags::empty()) else { return false };
    // A zombie has no environment any more: it is dead, and whoever is its parent reaps it.
    let Ok(environment) = fs::read(format!("/proc/{pid}/environ")) else { return false };
    let marked = environment.split(|byte| *byte == 0).any(|entry| entry == mark.as_bytes());
    marked && pidfd_send_signal(pidfd, Signal::KILL).is_ok()
}
