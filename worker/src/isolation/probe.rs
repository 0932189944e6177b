//! A process that runs as a step's user, tries what it is asked to try, and tells.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufRead, Read, Write},
    net::SocketAddr,
    os::unix::process::CommandExt,
    path::PathBuf,
    process::{Command, ExitCode, Stdio},
    time::Duration,
};

use rustix::{
    io::Errno,
    process::{Signal, getegid, geteuid, getgroups, kill_process, umask},
    thread::set_no_new_privs,
};
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpSocket,
    task::JoinSet,
};

use crate::process::own_program;

/// 30 seconds, on a busy host: a probe that takes longer tells nothing.
const PATIENCE: Duration = Duration::from_secs(30);
/// 2.5 seconds: what the host itself refuses, it refuses at once or at the second try to connect, after one second. That
/// nobody answers on the link takes three.
const CONNECT: Duration = Duration::from_millis(2500);
/// `ARPHRD_LOOPBACK`, as /sys/class/net/DEVICE/type has it.
const LOOPBACK: &str = "772";
/// 64 KiB: answers are a few lines.
const LONGEST: u64 = 64 << 10;

/// What a probe is to try.
#[derive(Default, Debug, Serialize, Deserialize)]
pub(super) struct Questions {
    /// Folders in which it must be able to write.
    pub(super) writable: Vec<PathBuf>,
    /// Files and folders that it must not be able to open.
    pub(super) hidden: Vec<PathBuf>,
    /// Addresses that it must not be able to reach.
    pub(super) connect: Vec<SocketAddr>,
}

/// What came of it: nothing in it means that all is well.
#[derive(Default, Debug, Serialize, Deserialize)]
pub(super) struct Answers {
    /// As whom it ran.
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) groups: usize,
    /// Folders in which it could not write, and why.
    pub(super) unwritable: Vec<(PathBuf, String)>,
    /// What it could open.
    pub(super) readable: Vec<PathBuf>,
    /// What the host itself did not refuse, each as the beginning of a sentence.
    pub(super) reached: Vec<String>,
}

/// Runs a probe as a user, and hears it.
///
/// # Errors
/// When it cannot be run as that user, says nothing in time, or cannot be killed: then a step could not be, either.
pub(super) async fn ask(uid: u32, questions: &Questions) -> io::Result<Answers> {
    let mut child = tokio::process::Command::new(own_program()?)
        .args(["probe", &uid.to_string()])
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let (Some(mut stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(io::Error::other("it has no pipes"));
    };
    let question = serde_json::to_string(questions)? + "\n";
    let mut answer = String::new();
    let heard = async {
        // One that could not be started reads nothing, and says why on standard error.
        let _ = stdin.write_all(question.as_bytes()).await;
        BufReader::new(stdout.take(LONGEST)).read_line(&mut answer).await
    };
    tokio::time::timeout(PATIENCE, heard).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    if answer.is_empty() {
        let mut why = String::new();
        if let Some(stderr) = child.stderr.take() {
            stderr.take(LONGEST).read_to_string(&mut why).await?;
        }
        return Err(io::Error::other(why.trim().to_owned()));
    }
    let answers: Answers = serde_json::from_str(&answer)?;
    if (answers.uid, answers.gid, answers.groups) != (uid, uid, 0) {
        return Err(io::Error::other(format!("it ran as another user ({answers:?})")));
    }
    kill(&child)?;
    child.wait().await?;
    drop(stdin);
    Ok(answers)
}

/// It waits for the end of its standard input, so it is there to be killed.
fn kill(child: &tokio::process::Child) -> io::Result<()> {
    let pid = child.id().and_then(|id| rustix::process::Pid::from_raw(id.cast_signed()));
    let pid = pid.ok_or_else(|| io::Error::other("it ended by itself"))?;
    kill_process(pid, Signal::KILL).map_err(|error| io::Error::other(format!("it cannot be killed: {error}")))
}

/// Becomes the user, if it is not that user yet, by a further run of this program: so the answers are of a process that was
/// started as a step's is.
#[must_use]
pub fn main(user: &str) -> ExitCode {
    let done = user.parse().map_err(io::Error::other).and_then(|uid: u32| {
        if geteuid().as_raw() == uid {
            answer()
        } else {
            umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
            set_no_new_privs(true)?;
            Err(Command::new(own_program()?).args(["probe", user]).uid(uid).gid(uid).exec())
        }
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = write!(io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}

fn answer() -> io::Result<()> {
    let mut stdin = io::stdin().lock();
    let mut line = String::new();
    stdin.read_line(&mut line)?;
    let questions: Questions = serde_json::from_str(&line)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let own = geteuid().as_raw();
    let answers = Answers {
        uid: own,
        gid: getegid().as_raw(),
        groups: getgroups()?.len(),
        unwritable: questions.writable.iter().filter_map(|folder| Some((folder.clone(), write_in(folder)?))).collect(),
        readable: questions.hidden.iter().filter(|path| can_open(path)).cloned().collect(),
        reached: runtime.block_on(reach(questions.connect)),
    };
    let mut stdout = io::stdout();
    writeln!(stdout, "{}", serde_json::to_string(&answers)?)?;
    stdout.flush()?;
    // Until it is killed.
    stdin.read_to_end(&mut Vec::new()).map(drop)
}

fn write_in(folder: &std::path::Path) -> Option<String> {
    let file = folder.join("probe");
    OpenOptions::new().write(true).create_new(true).open(file).err().map(|error| error.to_string())
}

/// Everything but a refusal counts as success: what is not there could not be tried.
fn can_open(path: &std::path::Path) -> bool {
    !matches!(File::open(path), Err(error) if error.kind() == io::ErrorKind::PermissionDenied)
}

/// Tries every address as any program would, and bound to each network device, which goes around routes.
async fn reach(addresses: Vec<SocketAddr>) -> Vec<String> {
    let devices: Vec<_> = fs::read_dir("/sys/class/net")
        .into_iter()
        .flatten()
        .flatten()
        // What is sent through loopback never leaves the host.
        .filter(|entry| fs::read_to_string(entry.path().join("type")).is_ok_and(|kind| kind.trim() != LOOPBACK))
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    let mut tries = JoinSet::new();
    for address in addresses {
        tries.spawn(attempt(address, None));
        for device in &devices {
            tries.spawn(attempt(address, Some(device.clone())));
        }
    }
    let mut reached: Vec<_> = tries.join_all().await.into_iter().flatten().collect();
    reached.sort();
    reached
}

/// What happened, unless the host itself refused.
async fn attempt(address: SocketAddr, device: Option<String>) -> Option<String> {
    let connected = tokio::time::timeout(CONNECT, connect(address, device.as_deref())).await;
    let what = match connected {
        Ok(Ok(())) => "a connection was made".to_owned(),
        Ok(Err(error)) if is_own_refusal(&error) => return None,
        Ok(Err(error)) => error.to_string(),
        Err(_) => "no refusal in time".to_owned(),
    };
    let through = device.map(|device| format!(" through {device}")).unwrap_or_default();
    Some(format!("a try to reach {address}{through} ended with: {what}"))
}

async fn connect(address: SocketAddr, device: Option<&str>) -> io::Result<()> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if let Some(device) = device {
        // A kernel before 5.7 allows that to root only, which is a refusal.
        socket.bind_device(Some(device.as_bytes()))?;
    }
    socket.connect(address).await.map(drop)
}

/// Whether no packet can have left the host: by a rule, for want of a route, an address or the whole protocol, or because a
/// device is down or went away.
fn is_own_refusal(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(
            Errno::ACCESS
                | Errno::PERM
                | Errno::HOSTUNREACH
                | Errno::NETUNREACH
                | Errno::AFNOSUPPORT
                | Errno::ADDRNOTAVAIL
                | Errno::NETDOWN
                | Errno::NODEV
        )
    )
}
