//! Processes by their user: what a step's user runs is the step's, however it came to be.

use std::{collections::BTreeSet, fs, io};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::descendants::pids;

/// Every user that has a live process, by any of the ids that a process has.
///
/// # Errors
/// When /proc cannot be read: then nothing may be concluded.
pub fn users_with_processes() -> io::Result<BTreeSet<u32>> {
    // An empty answer of an unreadable folder must not pass for "nobody".
    fs::read_dir("/proc")?;
    Ok(pids().filter_map(users_of).flatten().collect())
}

/// Whether a user has a live process.
pub(super) fn has_processes(uid: u32) -> bool {
    pids().any(|pid| belongs_to(pid, uid))
}

/// Kills every process of a user that there is now; answers how many.
pub(super) fn kill_all_of(uid: u32) -> usize {
    pids().filter(|pid| kill_if_of(*pid, uid)).count()
}

/// The pidfd keeps the number from becoming another's between look and kill.
fn kill_if_of(pid: i32, uid: u32) -> bool {
    let Some(raw) = Pid::from_raw(pid) else { return false };
    let Ok(pidfd) = pidfd_open(raw, PidfdFlags::empty()) else { return false };
    belongs_to(pid, uid) && pidfd_send_signal(pidfd, Signal::KILL).is_ok()
}

fn belongs_to(pid: i32, uid: u32) -> bool {
    users_of(pid).is_some_and(|users| users.contains(&uid))
}

/// Real, effective, saved and file system user; none of a process that is gone or dead.
fn users_of(pid: i32) -> Option<Vec<u32>> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    if field("State:").is_some_and(|state| state.starts_with(['Z', 'X'])) {
        return None;
    }
    field("Uid:")?.split_ascii_whitespace().map(|uid| uid.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_users_of_this_process_are_among_those_with_processes() {
        let own = rustix::process::geteuid().as_raw();
        assert!(users_with_processes().unwrap().contains(&own) && has_processes(own));
        assert!(!has_processes(4_100_000_009), "an id that nobody has");
        assert_eq!(kill_all_of(4_100_000_009), 0);
    }
}
