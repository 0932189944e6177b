//! A cgroup of a step's own: what it starts, however it starts it, can be killed at once and counted.

use std::{
    fs::{self, File, OpenOptions},
    io,
    path::{Path, PathBuf},
};

/// A cgroup v2 folder made for one step. Dropping it removes the folder, once it is empty.
#[derive(Debug)]
pub struct Cgroup {
    path: PathBuf,
}

impl Cgroup {
    /// Makes the step's cgroup below our own. `None` where the host has no cgroup v2 or does not allow it: the step then
    /// runs without, and its processes are found by descent.
    #[must_use]
    pub fn create(execution_id: &str) -> Option<Self> {
        let path = own_folder()?.join(format!("longshore-{execution_id}"));
        fs::create_dir(&path).ok()?;
        Some(Self { path })
    }

    /// Why steps have none here; nothing when they have. Tries it.
    #[must_use]
    pub fn refusal() -> Option<String> {
        let Some(own) = own_folder() else { return Some("The host has no cgroup v2.".into()) };
        let probe = own.join(format!("longshore-probe-{}", std::process::id()));
        match fs::create_dir(&probe) {
            Ok(()) => {
                drop(Self { path: probe });
                None
            }
            Err(error) => Some(format!("None can be made in {}: {error}.", own.display())),
        }
    }

    /// The cgroup that a shim recorded; it may be gone.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Its folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file that moves a process in: writing `0` moves the writer.
    ///
    /// # Errors
    /// When we may not move processes.
    pub fn open_procs(&self) -> io::Result<File> {
        OpenOptions::new().write(true).open(self.path.join("cgroup.procs"))
    }

    /// Kills all of its processes at once. A kernel before 5.14 cannot; then they are found by descent.
    pub fn kill(&self) {
        // Nothing hangs on the answer: whether the group is empty is asked afterwards.
        let _ = fs::write(self.path.join("cgroup.kill"), "1");
    }

    /// Whether no process is in it or below it; one that is gone is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match fs::read_to_string(self.path.join("cgroup.events")) {
            Ok(events) => !events.lines().any(|line| line == "populated 1"),
            Err(error) => error.kind() == io::ErrorKind::NotFound,
        }
    }
}

impl Drop for Cgroup {
    /// Removes it, if it is empty: the kernel refuses otherwise.
    fn drop(&mut self) {
        // A cgroup that stays is an empty folder and harms nobody.
        let _ = fs::remove_dir(&self.path);
    }
}

fn own_folder() -> Option<PathBuf> {
    let own = fs::read_to_string("/proc/self/cgroup").ok()?;
    let own = own.lines().find_map(|line| line.strip_prefix("0::"))?;
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    mounts.lines().find_map(|line| below_mount(line, own))
}

/// Where a cgroup is in the file system, by a line of mountinfo: `36 35 0:31 ROOT MOUNT_POINT … - cgroup2 …`.
fn below_mount(line: &str, cgroup: &str) -> Option<PathBuf> {
    let (mount, kind) = line.split_once(" - ")?;
    if !kind.starts_with("cgroup2 ") {
        return None;
    }
    let mut fields = mount.split(' ').skip(3);
    let (root, mount_point) = (fields.next()?, fields.next()?);
    let below = Path::new(cgroup).strip_prefix(root).ok()?;
    Some(Path::new(mount_point).join(below))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_folder_is_found_under_a_mount_of_the_whole_tree_or_of_a_part() {
        let whole = "41 31 0:38 / /sys/fs/cgroup rw,relatime shared:9 - cgroup2 cgroup2 rw";
        assert_eq!(below_mount(whole, "/system.slice/a"), Some("/sys/fs/cgroup/system.slice/a".into()));
        assert_eq!(below_mount(whole, "/"), Some("/sys/fs/cgroup/".into()));
        let part = "41 31 0:38 /docker/1 /sys/fs/cgroup rw - cgroup2 cgroup rw";
        assert_eq!(below_mount(part, "/docker/1/x"), Some("/sys/fs/cgroup/x".into()));
        assert_eq!(below_mount(part, "/elsewhere"), None);
        assert_eq!(below_mount("41 31 0:38 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu", "/"), None);
    }
}
