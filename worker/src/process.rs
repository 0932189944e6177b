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
    path::Path,
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
pub fn own_program() -> io::Result<std::path::PathBuf> {
    let program = std::env::current_exe()?;
    if program.exists() { Ok(program) } else { Ok("/proc/self/exe".into()) }
}
