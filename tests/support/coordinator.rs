//! A real coordinator on ports of its own.

use std::{
    fs,
    net::TcpStream,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result, bail};

use crate::{parts, port::free_port, process::Process, wait::until};

/// 60 s: making three keys and a store on a busy machine.
const START: Duration = Duration::from_secs(60);

/// Where a coordinator listens and keeps its data, and what else it is told.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Address to listen on.
    pub address: String,
    /// Data folder.
    pub data_dir: PathBuf,
    /// Port of the admin listener.
    pub admin: u16,
    /// Port of the join listener.
    pub join: u16,
    /// Port of the worker listener.
    pub worker: u16,
    /// Where AWS is.
    pub aws_endpoint_url: Option<String>,
    /// Environment on top of PATH.
    pub env: Vec<(String, String)>,
    /// Further flags of `serve`.
    pub flags: Vec<String>,
}

/// A coordinator; stopped when dropped.
#[derive(Debug)]
pub struct Coordinator {
    settings: Settings,
    process: Process,
    log: PathBuf,
}

impl Settings {
    /// On loopback, on ports nobody uses, with its data in this folder.
    #[must_use]
    pub fn loopback(data_dir: &Path) -> Self {
        Self {
            address: "127.0.0.1".into(),
            data_dir: data_dir.into(),
            admin: free_port(),
            join: free_port(),
            worker: free_port(),
            aws_endpoint_url: None,
            env: Vec::new(),
            flags: Vec::new(),
        }
    }

    /// The command that serves with these settings.
    ///
    /// # Errors
    /// When the program is not built.
    pub fn command(&self) -> Result<Command> {
        let at = |port: u16| format!("{}:{port}", self.address);
        let mut command = Command::new(parts::program("longshore-coordinator")?);
        command
            .env_clear()
            .env("PATH", parts::host_path())
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .arg("serve")
            .arg("--data-dir")
            .arg(&self.data_dir)
            .args(["--admin-listen", &at(self.admin), "--join-listen", &at(self.join)])
            .args(["--worker-listen", &at(self.worker), "--public-address", &self.address]);
        if let Some(url) = &self.aws_endpoint_url {
            command.args(["--aws-endpoint-url", url]);
        }
        command.args(&self.flags);
        Ok(command)
    }
}

impl Coordinator {
    /// Starts one and waits until it listens.
    ///
    /// # Errors
    /// When it does not come up; the sentence has its log.
    pub fn start(settings: Settings, log: &Path) -> Result<Self> {
        let process = serve(&settings, log)?;
        Ok(Self { settings, process, log: log.into() })
    }

    /// For the CLI.
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://{}:{}", self.settings.address, self.settings.admin)
    }

    /// How it was started.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What the next start will do differently.
    pub fn settings_mut(&mut self) -> &mut Settings {
        &mut self.settings
    }

    /// The first admin token.
    #[must_use]
    pub fn token_file(&self) -> PathBuf {
        self.settings.data_dir.join("admin.token")
    }

    /// The CA whose certificates its listeners show.
    #[must_use]
    pub fn ca_file(&self) -> PathBuf {
        self.settings.data_dir.join("ca.pem")
    }

    /// Data folder.
    #[must_use]
    pub fn data_dir(&self) -> &Path {
        &self.settings.data_dir
    }

    /// Everything it has said, over all its lives.
    #[must_use]
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// Process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Ends it at once, as a power cut does for one process.
    pub fn kill9(&mut self) {
        self.process.kill9();
    }

    /// Asks it to end, and waits.
    ///
    /// # Errors
    /// When it does not.
    pub fn stop(&mut self) -> Result<()> {
        self.process.terminate(Duration::from_secs(30)).map(drop)
    }

    /// Starts it again on the same data and ports, after [`Self::kill9`] or [`Self::stop`].
    ///
    /// # Errors
    /// When it does not come up.
    pub fn restart(&mut self) -> Result<()> {
        self.process.kill9();
        self.process = serve(&self.settings, &self.log)?;
        Ok(())
    }
}

fn serve(settings: &Settings, log: &Path) -> Result<Process> {
    if let Some(folder) = settings.data_dir.parent() {
        fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    }
    let mut process = Process::start("the coordinator", &mut settings.command()?, log)?;
    until("the coordinator to listen", START, || {
        if let Some(status) = process.ended()? {
            bail!("the coordinator ended with {status}:\n{}", process.log());
        }
        let listens = |port: u16| TcpStream::connect((settings.address.as_str(), port)).is_ok();
        let ready = [settings.admin, settings.join, settings.worker].into_iter().all(listens);
        Ok((ready && settings.data_dir.join("admin.token").exists()).then_some(()))
    })
    .with_context(|| format!("its log: {}", process.log()))?;
    Ok(process)
}
