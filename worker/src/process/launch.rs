//! Starting the one child of a shim.
//!
//! The only unsafe code of the worker is here: what must happen in the child between fork and exec. Only system calls are
//! made there, on values prepared before, so that nothing allocates or takes a lock. It is in the shim and not in the
//! agent, because a fork copies the page tables of the process and the shim is small.
#![allow(unsafe_code)]

use std::{
    ffi::OsString,
    fs::File,
    io::{self, PipeReader},
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::process::CommandExt,
    },
    path::Path,
    process::{Child, Command, Stdio},
};

use rustix::{
    io::{FdFlags, fcntl_dupfd_cloexec, fcntl_setfd, write},
    pipe::{PipeFlags, pipe_with},
    process::{
        Pid, PidfdFlags, Resource, Rlimit, Signal, getpid, getppid, getrlimit, pidfd_open,
        set_parent_process_death_signal, setrlimit, setsid,
    },
};
use shared::limits;

use super::Cgroup;

/// Where a child finds the side channel for service messages: above what shells and scripts use by themselves.
pub const SIDE_CHANNEL_FD: i32 = 199;

/// What to start.
#[derive(Debug)]
pub struct Launch<'a> {
    /// Looked up in the PATH of `environment` when it is a bare name.
    pub program: OsString,
    /// After the program's name. No secrets: every user of the host can read them.
    pub arguments: Vec<OsString>,
    /// All of it: nothing is inherited.
    pub environment: Vec<(OsString, OsString)>,
    /// Working folder.
    pub directory: &'a Path,
    /// Where to put it, if the host allows a cgroup.
    pub cgroup: Option<&'a Cgroup>,
    /// As whom to run it, with the group of the same number and no other; none means as we do.
    pub user: Option<u32>,
}

/// The child, and what is heard from it.
#[derive(Debug)]
pub struct Launched {
    /// Its process, the leader of a session and a process group of its own.
    pub child: Child,
    /// Readable when it has ended.
    pub pidfd: OwnedFd,
    /// Its standard output.
    pub stdout: PipeReader,
    /// Its standard error.
    pub stderr: PipeReader,
    /// What it says on [`SIDE_CHANNEL_FD`].
    pub side: PipeReader,
}

impl Launch<'_> {
    /// Starts it. From the main thread only: the child is killed when the thread that started it ends.
    ///
    /// # Errors
    /// `NotFound` or `PermissionDenied` when the program cannot be executed; otherwise whatever the kernel says.
    pub fn spawn(self) -> io::Result<Launched> {
        let (stdout, child_stdout) = io::pipe()?;
        let (stderr, child_stderr) = io::pipe()?;
        let (side, child_side) = pipe_with(PipeFlags::CLOEXEC)?;
        let child_side = fcntl_dupfd_cloexec(child_side, SIDE_CHANNEL_FD)?;
        if child_side.as_raw_fd() != SIDE_CHANNEL_FD {
            return Err(io::Error::other(format!("file descriptor {SIDE_CHANNEL_FD} is in use")));
        }
        // The one descriptor that the child inherits as it is.
        fcntl_setfd(&child_side, FdFlags::empty())?;
        let procs = self.cgroup.map(Cgroup::open_procs).transpose()?;
        let mut command = Command::new(&self.program);
        command
            .args(&self.arguments)
            .env_clear()
            .envs(self.environment)
            .current_dir(self.directory)
            .stdin(Stdio::null())
            .stdout(child_stdout)
            .stderr(child_stderr);
        if let Some(user) = self.user {
            // Drops every supplementary group as well, since we are root then.
            command.uid(user).gid(user);
        }
        let processes = self.user.map(|_| few_processes());
        let parent = getpid();
        // SAFETY: `enter` makes system calls only (see the module's head).
        unsafe { command.pre_exec(move || enter(procs.as_ref(), processes, parent)) };
        let child = command.spawn()?;
        let pidfd = pidfd_open(Pid::from_child(&child), PidfdFlags::empty())?;
        Ok(Launched { child, pidfd, stdout, stderr, side: side.into() })
    }
}

/// What multiplies without end stops there. The kernel counts by user: nobody else's processes are among them.
fn few_processes() -> Rlimit {
    let maximum = getrlimit(Resource::Nproc).maximum;
    let current = maximum.map_or(limits::STEP_PROCESSES, |maximum| maximum.min(limits::STEP_PROCESSES));
    Rlimit { current: Some(current), maximum }
}

fn enter(procs: Option<&File>, processes: Option<Rlimit>, parent: Pid) -> io::Result<()> {
    if let Some(procs) = procs {
        write(procs, b"0")?;
    }
    if let Some(processes) = processes {
        setrlimit(Resource::Nproc, processes)?;
    }
    setsid()?;
    // A belt beside the cgroup: a shim that is killed takes its child along. Here, and not before: the change of user, which
    // has happened by now, would have undone it.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    if getppid() != Some(parent) {
        return Err(io::ErrorKind::Interrupted.into());
    }
    Ok(())
}
