//! Who descends from whom, as /proc tells it.

use std::fs;

use rustix::process::Pid;

/// All processes that descend from `ancestor`, without it. Processes that come or go meanwhile may be missing.
pub(super) fn descendants(ancestor: Pid) -> Vec<Pid> {
    let parents: Vec<(i32, i32)> = pids().filter_map(|pid| Some((pid, parent(pid)?))).collect();
    let mut found = vec![ancestor.as_raw_nonzero().get()];
    let mut next = 0;
    while next < found.len() {
        let parent = found[next];
        found.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(pid, _)| pid));
        next += 1;
    }
    found[1..].iter().filter_map(|pid| Pid::from_raw(*pid)).collect()
}

/// All processes of the host that we may see.
pub(super) fn pids() -> impl Iterator<Item = i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

fn parent(pid: i32) -> Option<i32> {
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    field(&stat, PARENT)
}

/// When a process started, in clock ticks since boot: with the boot id, what makes a pid unmistakable.
#[must_use]
pub fn start_ticks(pid: i32) -> Option<u64> {
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    field(&stat, START)
}

/// Fields of /proc/PID/stat after the program's name, which is in brackets and may hold anything.
const PARENT: usize = 1;
const START: usize = 19;

fn field<T: std::str::FromStr>(stat: &[u8], index: usize) -> Option<T> {
    let end_of_name = stat.iter().rposition(|byte| *byte == b')')?;
    let rest = std::str::from_utf8(&stat[end_of_name + 1..]).ok()?;
    rest.split_ascii_whitespace().nth(index)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_cannot_hide_its_parent_by_its_name() {
        let stat = b"77 (a) R 1 2 (x\n)) S 4711 77 77 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 8899 0";
        assert_eq!(field::<i32>(stat, PARENT), Some(4711));
        assert_eq!(field::<u64>(stat, START), Some(8899));
    }

    #[test]
    fn a_grandchild_is_a_descendant() {
        let mut child = std::process::Command::new("sh")
            .args(["-c", "sleep 60 & echo; wait"])
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = [0];
        std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut line).unwrap();
        let found = descendants(rustix::process::getpid());
        assert!(found.contains(&Pid::from_child(&child)));
        let grandchildren = descendants(Pid::from_child(&child));
        assert_eq!(grandchildren.len(), 1);
        for pid in grandchildren {
            rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        }
        child.wait().unwrap();
    }
}
