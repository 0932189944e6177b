//! Which tools steps find on this host. Versions are asked in a process of its own, with no more rights than steps have, and only
//! when another program is found than before.

use std::{
    collections::BTreeMap,
    env, fs, io,
    io::{Read, Write},
    os::unix::{fs::MetadataExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::{
    fs::{Access, OFlags, access, fcntl_setfl},
    process::{Pid, Signal, kill_process_group},
};
use shared::tool::{TOOLS, Tool, version_in};
use tokio::sync::oneshot;

use crate::process::own_program;

/// 1 minute between looks: what is installed is offered work soon after.
pub const LOOK_AGAIN: Duration = Duration::from_secs(60);
/// 10 seconds for a tool to say its version: some start a whole runtime for that.
const PATIENCE: Duration = Duration::from_secs(10);
/// 20 ms between looks whether it has.
const PAUSE: Duration = Duration::from_millis(20);
/// 16 KiB of what it says.
const LONGEST: u64 = 16 << 10;
/// The user that owns nothing: where every step has a user of its own, it may do as little as those.
pub const NOBODY: u32 = 65_534;

/// What was found where; the same while no program was exchanged.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Found(Vec<(&'static str, PathBuf, u64, i64)>);

impl Found {
    /// Looks through the PATH of this process, which is that of its steps.
    #[must_use]
    pub fn now() -> Self {
        let path = env::var_os("PATH").unwrap_or_default();
        let found = TOOLS.iter().filter_map(|tool| {
            let file = env::split_paths(&path).map(|folder| folder.join(tool.program)).find(|file| is_program(file))?;
            let about = fs::metadata(&file).ok()?;
            Some((tool.name, file, about.ino(), about.mtime()))
        });
        Self(found.collect())
    }
}

/// What tools said of themselves.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Said {
    /// By name, each with its version, empty where it did not say one.
    pub versions: BTreeMap<String, String>,
    /// Whether all of them answered in time: on a busy host it is worth asking again.
    pub is_whole: bool,
}

/// Asks the tools for their versions. They are run as a user, or as the agent's own.
///
/// # Errors
/// When the process that asks cannot be started, or is killed.
pub async fn ask(user: Option<u32>) -> io::Result<Said> {
    let (tell, answer) = oneshot::channel();
    // A thread of its own: the agent's end waits for what its runtime runs, and not for a tool that hangs.
    thread::Builder::new().name("tools".into()).spawn(move || {
        // Nobody listens when the agent has ended.
        let _ = tell.send(ask_now(user));
    })?;
    answer.await.unwrap_or_else(|_| Err(io::Error::other("the thread that asks ended")))
}

fn ask_now(user: Option<u32>) -> io::Result<Said> {
    // Whoever reaps the agent's children reaps this one, too.
    let mut asking = Command::new(own_program()?);
    asking.arg("tools").args(user.map(|user| user.to_string()));
    let child = asking.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let mut answer = String::new();
    if let Some(mut stdout) = child.stdout {
        stdout.read_to_string(&mut answer)?;
    }
    let said: BTreeMap<String, Option<String>> = serde_json::from_str(&answer)?;
    let is_whole = said.values().all(Option::is_some);
    Ok(Said {
        versions: said.into_iter().map(|(name, version)| (name, version.unwrap_or_default())).collect(),
        is_whole,
    })
}

/// The process that asks, as a user if one is named: prints what it heard as JSON.
#[must_use]
pub fn main(user: Option<&str>) -> ExitCode {
    let user = user.and_then(|user| user.parse().ok());
    let found = Found::now().0;
    // What cannot be run at all is no tool.
    let tools: BTreeMap<&str, Option<String>> =
        found.iter().filter_map(|(name, file, ..)| Some((*name, version(name, file, user).ok()?))).collect();
    let printed = serde_json::to_string(&tools).map(|text| io::stdout().write_all(text.as_bytes()));
    if matches!(printed, Ok(Ok(()))) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Empty when it does not say one; none when it did not end in time.
fn version(name: &str, program: &Path, user: Option<u32>) -> io::Result<Option<String>> {
    let tool: &Tool = TOOLS.iter().find(|tool| tool.name == name).ok_or(io::ErrorKind::NotFound)?;
    let (mut said, mouth) = io::pipe()?;
    let mut command = Command::new(program);
    command
        .args(tool.version)
        .env_clear()
        .envs(env::var_os("PATH").map(|path| ("PATH", path)))
        .envs([("HOME", "/nonexistent"), ("LC_ALL", "C.UTF-8")])
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(mouth.try_clone()?)
        .stderr(mouth)
        .process_group(0);
    if let Some(user) = user {
        // Drops every supplementary group as well, since we are root then.
        command.uid(user).gid(user);
    }
    let mut child = command.spawn()?;
    // It holds the ends of the pipe to which the tool writes.
    drop(command);
    let until = Instant::now() + PATIENCE;
    let mut status = child.try_wait()?;
    while status.is_none() && Instant::now() < until {
        thread::sleep(PAUSE);
        status = child.try_wait()?;
    }
    // Whatever is left of it, too; usually nothing is.
    let _ = kill_process_group(Pid::from_child(&child), Signal::KILL);
    let _ = child.wait();
    let mut text = Vec::new();
    // What somebody outside its group would still say, nobody waits for.
    fcntl_setfl(&said, OFlags::NONBLOCK)?;
    let _ = said.by_ref().take(LONGEST).read_to_end(&mut text);
    Ok(status.map(|_| version_in(&String::from_utf8_lossy(&text)).unwrap_or_default().to_owned()))
}

fn is_program(file: &Path) -> bool {
    file.is_file() && access(file, Access::EXEC_OK).is_ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn saying(folder: &Path, script: &str) -> String {
        let file = folder.join("jq");
        fs::write(&file, format!("#!/bin/sh\n{script}\n")).expect("written");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).expect("made executable");
        version("jq", &file, None).expect("it can be run").expect("in time")
    }

    #[test]
    fn a_version_is_what_the_tool_says_on_either_stream() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(saying(folder.path(), "echo \"jq-1.7.1 $1\""), "1.7.1");
        assert_eq!(saying(folder.path(), "echo 'version \"17.0\"' >&2; exit 1"), "17.0");
        assert_eq!(saying(folder.path(), "echo nothing"), "");
        assert_eq!(saying(folder.path(), "yes 2.5 | head -c 10000; sleep 1000 &"), "2.5");
        assert_eq!(saying(folder.path(), "env | grep -c CARGO"), "0", "it has no environment of ours");
        version("jq", &folder.path().join("nothing"), None).expect_err("it is not there");
    }

    #[test]
    fn what_is_found_is_the_same_until_a_program_is_exchanged() {
        let found = Found::now();
        assert!(found.0.iter().any(|(name, file, ..)| *name == "bash" && file.ends_with("bash")), "{found:?}");
        assert_eq!(found, Found::now());
    }
}
