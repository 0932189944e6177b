//! The only place that starts or ends a process of a step: the shim of an attempt, the one child of a shim, and whatever that
//! child started.

mod cgroup;
mod descendants;
mod launch;
mod sweep;
mod tree;
mod users;

use std::{
    ffi::OsStr,
    io,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

pub use self::{
    cgroup::Cgroup,
    descendants::start_ticks,
    launch::{Launch, Launched, SIDE_CHANNEL_FD},
    sweep::sweep,
    tree::Tree,
    users::users_with_processes,
};

/// What a shim inherits of the agent's environment, and passes on to the step's process.
pub const INHERITED: [&str; 6] = ["PATH", "HOME", "USER", "LANG", "LC_ALL", "TZ"];

/// Starts the shim of an attempt and returns at once. It goes on when its parent dies. Only paths are on its command line.
///
/// # Errors
/// Whatever the kernel says: no process was started.
pub fn spawn_shim(exec_dir: &Path, runtime_dir: &Path) -> io::Result<Child> {
    let inherited = INHERITED.iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
    Command::new(own_program()?)
        .args([OsStr::new("shim"), exec_dir.as_os_str(), runtime_dir.as_os_str()])
        .env_clear()
        .envs(inherited)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
}

/// The program that runs now. While it is being replaced on disk, the kernel still knows the old one.
///
/// # Errors
/// When /proc is not mounted.
pub fn own_program() -> io::Result<PathBuf> {
    let program = std::env::current_exe()?;
    if program.exists() { Ok(program) } else { Ok("/proc/self/exe".into()) }
}

/// The same for another process to run, whose /proc/self is its own: after a replacement, the new program at the old place.
///
/// # Errors
/// When /proc is not mounted.
pub fn own_program_for_others() -> io::Result<PathBuf> {
    std::env::current_exe().map(at_its_place)
}

/// The kernel marks the path of a program that was replaced or removed.
fn at_its_place(program: PathBuf) -> PathBuf {
    match program.as_os_str().as_encoded_bytes().strip_suffix(b" (deleted)") {
        Some(place) if !program.exists() => PathBuf::from(OsStr::from_bytes(place)),
        _ => program,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_was_replaced_is_found_at_its_place() {
        assert_eq!(at_its_place("/usr/bin/longshore-worker (deleted)".into()), Path::new("/usr/bin/longshore-worker"));
        assert_eq!(at_its_place("/usr/bin/longshore-worker".into()), Path::new("/usr/bin/longshore-worker"));
    }
}
