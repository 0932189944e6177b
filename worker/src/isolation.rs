//! Whether steps are kept apart from the agent, from each other, and from the instance's metadata, where the agent gets
//! its own credentials. What is claimed is what was tried, at every start, by a process that runs as a step does.

mod block;
pub mod probe;

use std::{
    fs, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs},
    os::unix::fs::PermissionsExt,
    path::PathBuf,
};

use crate::{
    config::Config,
    exec_dir::{ExecDir, RuntimeDir, give, let_pass, remove_tree},
    failure::{Exit, Failure},
    home::Home,
    process::own_program,
    step_users::{StepUsers, USUAL, UidRange, UserPool},
};
use probe::{Answers, Questions};

/// Whether steps are isolated.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Isolation {
    /// Every step has a user to itself, and none reaches the instance's metadata.
    pub holds: bool,
    /// Why not, and what to do, in sentences; empty when it holds.
    pub why: String,
}

/// What the instance answers on besides its metadata service (the first and fourth): credentials of containers and pods.
const METADATA: [IpAddr; 5] = [
    IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 2)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 23)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23)),
];
/// Where they answer.
const HTTP: u16 = 80;

/// Decides, by trying, as whom steps run.
///
/// # Errors
/// With exit code 64, when steps were to run as certain users and cannot.
pub async fn establish(config: &Config, home: &Home) -> Result<(Option<UserPool>, Isolation), Failure> {
    let own = |why: String| Ok((None, Isolation { holds: false, why }));
    let range = match config.step_users {
        StepUsers::Off => return own("Steps run as the agent's own user, because step_users is off.".into()),
        StepUsers::Auto if !rustix::process::geteuid().is_root() => {
            return own(fallback(
                "the agent is not root",
                "Run it as root, or say that this is meant with --step-users off.",
            ));
        }
        StepUsers::Auto => USUAL,
        StepUsers::Range(range) => range,
    };
    let refused = |obstacle: Obstacle| {
        let Obstacle { cause, remedy } = obstacle;
        match config.step_users {
            StepUsers::Range(_) => {
                let sentence = format!("Steps cannot run as the users {range}, because {cause}. {remedy}");
                Err(Failure::new(Exit::Usage, sentence))
            }
            _ => own(fallback(&cause, &remedy)),
        }
    };
    let users = match claim(range) {
        Ok(users) => users,
        Err(obstacle) => return refused(obstacle),
    };
    let spare = users.spare(home).map_err(|error| internal(&error))?;
    let Some(uid) = spare else {
        // Steps of an earlier agent hold all of them; a probe beside one of them would prove nothing.
        let why =
            format!("Each of the step users {range} was in use when the agent started, so isolation was not tried.");
        return Ok((Some(users), Isolation { holds: false, why: why + " Give a larger range with --step-users." }));
    };
    if let Err(obstacle) = try_users(home, uid).await {
        return refused(obstacle);
    }
    let isolation = match shut_metadata_out(config, range, uid).await {
        Ok(()) => Isolation { holds: true, why: String::new() },
        Err(why) => Isolation { holds: false, why },
    };
    Ok((Some(users), isolation))
}

fn fallback(cause: &str, remedy: &str) -> String {
    format!("Steps run as the agent's own user, because {cause}. {remedy}")
}

/// Why steps cannot have users of their own.
struct Obstacle {
    /// Goes on after "because".
    cause: String,
    /// A sentence.
    remedy: String,
}

impl Obstacle {
    fn new(cause: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { cause: cause.into(), remedy: remedy.into() }
    }
}

fn claim(range: UidRange) -> Result<UserPool, Obstacle> {
    match UserPool::claim(range) {
        Ok(Some(users)) => Ok(users),
        Ok(None) => Err(Obstacle::new(
            format!("another agent of this host has the users {range}"),
            "Give each agent a range of its own with --step-users.",
        )),
        Err(error) => Err(Obstacle::new(
            format!("it cannot be noted in /run that this agent has the users {range}: {error}"),
            "Let the agent write in /run.",
        )),
    }
}

/// Two attempts as a shim lays them out: one of the probe's, one of somebody else's. Gone when dropped.
struct Stage {
    mine: (ExecDir, RuntimeDir),
    other: (ExecDir, RuntimeDir),
}

impl Stage {
    fn lay_out(home: &Home, uid: u32) -> io::Result<Self> {
        let stage = Self { mine: home.rehearsal("probe-mine"), other: home.rehearsal("probe-other") };
        // Left behind by an agent that was killed.
        stage.clear();
        // Nobody's: the neighbour of a range with one user is root, which is as good for this.
        for ((exec, runtime), owner) in [(&stage.mine, uid), (&stage.other, 0)] {
            exec.create()?;
            runtime.create()?;
            runtime.write_private("order", b"secret")?;
            let step = runtime.step();
            step.create()?;
            step.write_private("token", b"secret")?;
            give(&exec.work(), owner)?;
            give(step.path(), owner)?;
            let_pass(exec.path())?;
            let_pass(runtime.path())?;
        }
        Ok(stage)
    }

    fn questions(&self, home: &Home) -> Questions {
        let (my_exec, my_runtime) = &self.mine;
        let (their_exec, their_runtime) = &self.other;
        let mut hidden = vec![
            my_runtime.path().join("order"),
            their_runtime.path().join("order"),
            their_runtime.step().path().join("token"),
            their_exec.work(),
            home.identity(),
            home.journal(),
        ];
        hidden.extend(files_in(home.identity()));
        hidden.extend(home.folders());
        // Before a worker's first start some are not there yet, and nothing that is not there could be read.
        hidden.retain(|path| path.exists());
        Questions { writable: vec![my_exec.work(), my_runtime.step().home()], hidden, connect: Vec::new() }
    }

    fn clear(&self) {
        for (exec, runtime) in [&self.mine, &self.other] {
            // What stays is empty of secrets, and is tried again at the next start.
            let _ = remove_tree(exec.path());
            let _ = runtime.wipe();
        }
    }

    fn is_gone(&self) -> bool {
        [&self.mine, &self.other].iter().all(|(exec, runtime)| !exec.path().exists() && !runtime.path().exists())
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.clear();
    }
}

fn files_in(folder: PathBuf) -> Vec<PathBuf> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

/// Has a process do as a step's user what a step must be able to do, and what it must not.
async fn try_users(home: &Home, uid: u32) -> Result<(), Obstacle> {
    let capabilities = "Let the agent keep the capabilities CHOWN, DAC_OVERRIDE, FOWNER, KILL, SETGID and SETUID.";
    let stage = Stage::lay_out(home, uid)
        .map_err(|error| Obstacle::new(format!("the agent cannot give files to uid {uid}: {error}"), capabilities))?;
    let answers = probe::ask(uid, &stage.questions(home)).await.map_err(|error| unexecutable(&error, capabilities))?;
    judge(&answers)?;
    stage.clear();
    if stage.is_gone() {
        Ok(())
    } else {
        Err(Obstacle::new(format!("the agent cannot remove files of uid {uid}"), capabilities))
    }
}

fn unexecutable(error: &io::Error, capabilities: &str) -> Obstacle {
    let program = own_program().unwrap_or_default();
    let remedy = match closed_folder(&program) {
        Some(folder) => format!(
            "Others may not pass through the folder {}: install the program elsewhere, e.g. in /usr/local/bin.",
            folder.display()
        ),
        None => capabilities.to_owned(),
    };
    Obstacle::new(format!("{} cannot be run as one of them: {error}", program.display()), remedy)
}

/// The outermost folder on the way to a file that others may not pass through.
fn closed_folder(path: &std::path::Path) -> Option<PathBuf> {
    let mut folders: Vec<_> = path.ancestors().skip(1).collect();
    folders.reverse();
    let closed =
        |folder: &&std::path::Path| fs::metadata(folder).is_ok_and(|found| found.permissions().mode() & 0o001 == 0);
    folders.into_iter().find(closed).map(Into::into)
}

fn judge(answers: &Answers) -> Result<(), Obstacle> {
    if let Some((path, error)) = answers.unwritable.first() {
        let place = closed_folder(path).unwrap_or_else(|| path.clone());
        return Err(Obstacle::new(
            format!("they cannot work in {}: {error}", path.display()),
            format!(
                "Let others pass through {} (chmod o+x), or choose other folders with --data-dir and --runtime-dir.",
                place.display()
            ),
        ));
    }
    match answers.readable.first() {
        None => Ok(()),
        Some(path) => Err(Obstacle::new(
            format!("they can read {}", path.display()),
            "Put the data and runtime folders on a file system that keeps owners and modes.",
        )),
    }
}

/// Shuts step users out of the metadata service, and has one of them try.
async fn shut_metadata_out(config: &Config, range: UidRange, uid: u32) -> Result<(), String> {
    let blocked = block::block(range, &METADATA).await;
    let connect = METADATA.iter().map(|address| SocketAddr::new(*address, HTTP)).chain(configured(config)).collect();
    let questions = Questions { connect, ..Questions::default() };
    let answers = probe::ask(uid, &questions).await.map_err(|error| format!("Isolation cannot be tried: {error}."))?;
    blocked.map_err(|why| format!("Steps are not kept from the instance's metadata: {why}."))?;
    match answers.reached.first() {
        None => Ok(()),
        Some(reached) => Err(format!("Steps are not kept from the instance's metadata: {reached}.")),
    }
}

/// Where a metadata endpoint of the configuration's is; it counts as much as the real one.
fn configured(config: &Config) -> Vec<SocketAddr> {
    let Some(uri) = config.metadata_endpoint.as_deref().and_then(|url| url.parse::<http::Uri>().ok()) else {
        return Vec::new();
    };
    let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("https") { 443 } else { HTTP });
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    (host, port).to_socket_addrs().into_iter().flatten().collect()
}

fn internal(error: &io::Error) -> Failure {
    Failure::new(Exit::Internal, format!("Users of steps cannot be looked up: {error}."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_outermost_closed_folder_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let inner = folder.path().join("inner");
        fs::create_dir(&inner).expect("made");
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).expect("closed");
        assert_eq!(closed_folder(&inner.join("file")).as_deref(), Some(folder.path()));
        assert_eq!(closed_folder("/etc/passwd".as_ref()), None);
    }

    #[test]
    fn what_a_probe_could_not_write_or_could_read_is_an_obstacle_with_a_remedy() {
        let unwritable = Answers { unwritable: vec![("/etc/x".into(), "no".into())], ..Answers::default() };
        let readable = Answers { readable: vec!["/etc/key".into()], ..Answers::default() };
        for (answers, cause) in [(unwritable, "cannot work in /etc/x: no"), (readable, "can read /etc/key")] {
            let obstacle = judge(&answers).expect_err("an obstacle");
            assert!(obstacle.cause.contains(cause) && obstacle.remedy.ends_with('.'), "{}", obstacle.cause);
        }
        assert!(judge(&Answers::default()).is_ok());
    }
}
