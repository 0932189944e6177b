//! A host with a real worker on it: its own data, its own instance metadata, its own life.

use std::{
    ffi::OsStr,
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use uuid::Uuid;

use crate::{
    cli::{Answer, Cli},
    network::HostNetwork,
    parts,
    process::Process,
    wait::until,
};

/// 60 s: from the start of the program to a session, on a busy machine.
const CONNECT: Duration = Duration::from_secs(60);

/// What kind of host.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// For `AWS_EC2_METADATA_SERVICE_ENDPOINT`; none asks at the real address.
    pub imds_url: Option<String>,
    /// Where AWS is.
    pub aws_endpoint_url: Option<String>,
    /// Environment of the agent on top of PATH: e.g. what somebody forgot there.
    pub env: Vec<(String, String)>,
    /// Further flags of `run`.
    pub flags: Vec<String>,
    /// Its own network, when it has one.
    pub network: Option<HostNetwork>,
    /// For `--step-users`; none is `off`, since folders of tests are their own user's only.
    pub step_users: Option<String>,
    /// The agent's program; the one that was built when absent.
    pub program: Option<PathBuf>,
    /// Where its data is; a folder of the world's when absent.
    pub data_dir: Option<PathBuf>,
}

/// A host; everything on it ends when dropped.
#[derive(Debug)]
pub struct WorkerHost {
    name: String,
    settings: Settings,
    data_dir: PathBuf,
    runtime_dir: PathBuf,
    log: PathBuf,
    process: Option<Process>,
}

impl WorkerHost {
    /// A host on which nothing runs yet.
    ///
    /// # Errors
    /// When its folders cannot be made.
    pub fn new(folder: &Path, name: &str, settings: Settings) -> Result<Self> {
        let data_dir = settings.data_dir.clone().unwrap_or_else(|| folder.join("hosts").join(name));
        // Memory, as the worker demands: what is in it dies with the machine.
        let runtime_dir = Path::new("/dev/shm").join(format!("longshore-test-{}", Uuid::new_v4().simple()));
        for made in [&data_dir, &runtime_dir] {
            fs::create_dir_all(made).with_context(|| format!("{} cannot be made", made.display()))?;
        }
        let log = folder.join("logs").join(format!("worker-{name}.log"));
        Ok(Self { name: name.into(), settings, data_dir, runtime_dir, log, process: None })
    }

    /// Name of its worker.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Data folder of its worker.
    #[must_use]
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// Runtime folder of its worker, in memory.
    #[must_use]
    pub fn runtime_dir(&self) -> &Path {
        &self.runtime_dir
    }

    /// Everything its agent has said, over all its lives.
    #[must_use]
    pub fn log(&self) -> String {
        crate::process::read_lossy(&self.log)
    }

    /// What the next start will do differently.
    pub fn settings_mut(&mut self) -> &mut Settings {
        &mut self.settings
    }

    /// Process id of the agent, while it runs.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.process.as_ref().map(Process::id)
    }

    /// Redeems a join string as a person would: `longshore-worker join`, the string on its standard input.
    ///
    /// # Errors
    /// When the program cannot be run; a refusal is an answer.
    pub fn join(&self, join_string: &str) -> Result<Answer> {
        let mut child = self
            .command(&["join", "--join-string-file", "-"])?
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("longshore-worker cannot be run")?;
        if let Some(mut stdin) = child.stdin.take() {
            // A refusal may come before it reads.
            let _ = stdin.write_all(join_string.as_bytes());
        }
        let output = child.wait_with_output().context("longshore-worker join cannot be waited for")?;
        Ok(Answer {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// Starts the agent.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(&mut self) -> Result<()> {
        let mut command = self.command(&["run"])?;
        command.args(&self.settings.flags);
        self.process = Some(Process::start(&format!("the agent of {}", self.name), &mut command, &self.log)?);
        Ok(())
    }

    /// Waits until the coordinator has a session with it.
    ///
    /// # Errors
    /// When there is none in time, or the agent ended; the sentence has its log.
    pub fn connected(&mut self, cli: &Cli) -> Result<()> {
        let name = self.name.clone();
        until(&format!("worker {name} to connect"), CONNECT, || {
            if let Some(process) = &mut self.process
                && let Some(status) = process.ended()?
            {
                bail!("the agent of {name} ended with {status}:\n{}", process.log());
            }
            let worker = cli.json(&["worker", "show", &name])?;
            Ok((worker["connected"] == true).then_some(()))
        })
        .with_context(|| format!("its log: {}", self.log()))
    }

    /// Ends the agent at once; what it started goes on.
    pub fn kill9(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill9();
        }
    }

    /// Asks the agent to end, and waits.
    ///
    /// # Errors
    /// When it does not.
    pub fn stop(&mut self) -> Result<()> {
        match self.process.take() {
            Some(mut process) => process.terminate(Duration::from_secs(30)).map(drop),
            None => Ok(()),
        }
    }

    /// Whether the agent has ended by itself.
    pub fn ended_early(&mut self) -> bool {
        self.process.as_mut().is_none_or(|process| process.ended().is_ok_and(|status| status.is_some()))
    }

    /// Waits for the agent to end by itself; answers its exit code.
    ///
    /// # Errors
    /// When it does not within `limit`, or does not run.
    pub fn ended(&mut self, limit: Duration) -> Result<i32> {
        let mut process = self.process.take().with_context(|| format!("the agent of {} does not run", self.name))?;
        Ok(process.wait(limit)?.code().unwrap_or(-1))
    }

    /// Process ids of the shims of this host, which outlive the agent.
    #[must_use]
    pub fn shims(&self) -> Vec<u32> {
        let here = self.data_dir.join("exec");
        processes(|pid| {
            let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let mut words = line.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned());
            words.next().is_some_and(|program| Path::new(&program).file_name() == Some(OsStr::new("longshore-worker")))
                && words.next().is_some_and(|word| word == "shim")
                && words.next().is_some_and(|folder| Path::new(&folder).starts_with(&here))
        })
    }

    /// Process ids of the steps of this host: everything that carries an execution's id and a home of this host.
    #[must_use]
    pub fn steps(&self) -> Vec<u32> {
        let here = self.runtime_dir.to_string_lossy().into_owned();
        processes(|pid| {
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            let environment = String::from_utf8_lossy(&environment);
            let mut words = environment.split('\0');
            words.clone().any(|word| word.starts_with("LONGSHORE_EXECUTION_ID="))
                && words.any(|word| word.strip_prefix("HOME=").is_some_and(|home| home.starts_with(&here)))
        })
    }

    fn command(&self, arguments: &[&str]) -> Result<Command> {
        let program = match &self.settings.program {
            Some(program) => program.clone(),
            None => parts::program("longshore-worker")?,
        };
        let mut command = match &self.settings.network {
            Some(network) => network.command(&program),
            None => Command::new(program),
        };
        command
            .args(arguments)
            .arg("--data-dir")
            .arg(&self.data_dir)
            .env_clear()
            .env("PATH", parts::host_path())
            .env("LANG", "C.UTF-8");
        if arguments.first() == Some(&"run") {
            command.arg("--runtime-dir").arg(&self.runtime_dir);
            command.args(["--step-users", self.settings.step_users.as_deref().unwrap_or("off")]);
            if let Some(url) = &self.settings.aws_endpoint_url {
                command.args(["--aws-endpoint-url", url]);
            }
        }
        if let Some(url) = &self.settings.imds_url {
            command.env("AWS_EC2_METADATA_SERVICE_ENDPOINT", url);
        }
        command.envs(self.settings.env.iter().map(|(name, value)| (name, value)));
        Ok(command)
    }
}

impl Drop for WorkerHost {
    fn drop(&mut self) {
        self.kill9();
        // The agent is gone, so nothing starts any more: what is found now is all there is.
        for pid in self.shims().into_iter().chain(self.steps()) {
            if let Some(pid) = Pid::from_raw(pid.cast_signed()) {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
        let _ = fs::remove_dir_all(&self.runtime_dir);
    }
}

/// Asks for a join string and redeems it on a host.
///
/// # Errors
/// When the invitation or the join is refused.
pub fn invite_and_join(cli: &Cli, host: &WorkerHost, pool: &str, labels: &[&str]) -> Result<()> {
    let mut arguments = vec!["worker", "invite", "--pool", pool, "--name", host.name()];
    for label in labels {
        arguments.extend(["--label", label]);
    }
    let invitation = cli.json(&arguments)?;
    let join_string = invitation["join_string"].as_str().context("an invitation without a join string")?;
    let answer = host.join(join_string)?;
    ensure!(answer.code == 0, "{} could not join: {answer}", host.name());
    Ok(())
}

fn processes(wanted: impl Fn(u32) -> bool) -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).filter(|pid| wanted(*pid)).collect()
}
