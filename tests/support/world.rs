//! Everything one story needs: an AWS, a coordinator, an admin, and hosts as they are wanted.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    cli::{Cli, PATIENCE},
    coordinator::{self, Coordinator},
    emulator::{AccessKey, Client, Emulator},
    fault::Fault,
    imds::{Imds, Instance},
    port::free_port,
    worker_host::{self, WorkerHost, invite_and_join},
};

/// A world of its own; nothing of it is left when dropped.
#[derive(Debug)]
pub struct World {
    // Dropped in this order: the coordinator before AWS, the folder last.
    coordinator: Coordinator,
    emulator: Option<Emulator>,
    /// Who stands before AWS, if anybody does.
    fault: Option<Fault>,
    cli: Cli,
    folder: TempDir,
}

/// A host whose instance has its own metadata service.
#[derive(Debug)]
pub struct Ec2Host {
    /// The host. First, so that the agent ends before its metadata does.
    pub host: WorkerHost,
    /// Its metadata service.
    pub imds: Imds,
}

impl World {
    /// Starts AWS and a coordinator, and logs an admin in.
    ///
    /// # Errors
    /// When a part is not installed or does not come up.
    pub fn start() -> Result<Self> {
        Self::start_at("127.0.0.1")
    }

    /// The same on another address of this machine.
    ///
    /// # Errors
    /// When a part is not installed or does not come up.
    pub fn start_at(address: &str) -> Result<Self> {
        Self::start_but(address, |_| ())
    }

    /// The same, and the coordinator with other settings.
    ///
    /// # Errors
    /// When a part is not installed or does not come up.
    pub fn start_but(address: &str, change: impl FnOnce(&mut coordinator::Settings)) -> Result<Self> {
        let folder = folder()?;
        let emulator = Emulator::start_at(folder.path(), address)?;
        let mut settings = coordinator::Settings {
            address: address.into(),
            aws_endpoint_url: Some(emulator.client().url()),
            ..coordinator::Settings::loopback(&folder.path().join("coordinator"))
        };
        change(&mut settings);
        Self::around(settings, Some(emulator), None, folder)
    }

    /// The same with somebody between AWS and all who ask it; only what tests themselves set up goes straight there.
    ///
    /// # Errors
    /// When a part is not installed or does not come up.
    pub fn behind(
        fault: impl FnOnce(&Client) -> Result<Fault>,
        change: impl FnOnce(&mut coordinator::Settings),
    ) -> Result<Self> {
        let folder = folder()?;
        let emulator = Emulator::start(folder.path())?;
        let fault = fault(emulator.client())?;
        let mut settings = coordinator::Settings::loopback(&folder.path().join("coordinator"));
        settings.aws_endpoint_url = Some(fault.url());
        change(&mut settings);
        Self::around(settings, Some(emulator), Some(fault), folder)
    }

    /// Starts a coordinator for stories in which no AWS occurs.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn without_aws() -> Result<Self> {
        Self::without_aws_but(|_| ())
    }

    /// The same with other settings.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn without_aws_but(change: impl FnOnce(&mut coordinator::Settings)) -> Result<Self> {
        let folder = folder()?;
        let mut settings = coordinator::Settings::loopback(&folder.path().join("coordinator"));
        change(&mut settings);
        Self::around(settings, None, None, folder)
    }

    fn around(
        settings: coordinator::Settings,
        emulator: Option<Emulator>,
        fault: Option<Fault>,
        folder: TempDir,
    ) -> Result<Self> {
        let coordinator = Coordinator::start(settings, &folder.path().join("logs/coordinator.log"))?;
        let cli = Cli::new(&folder.path().join("admin"))?;
        log_in(&cli, &coordinator)?;
        Ok(Self { coordinator, emulator, fault, cli, folder })
    }

    /// The coordinator.
    #[must_use]
    pub fn coordinator(&self) -> &Coordinator {
        &self.coordinator
    }

    /// The coordinator, to be stopped or killed.
    pub fn coordinator_mut(&mut self) -> &mut Coordinator {
        &mut self.coordinator
    }

    /// AWS.
    ///
    /// # Panics
    /// In a world without AWS.
    #[must_use]
    pub fn aws(&self) -> &Client {
        self.emulator.as_ref().expect("this world was started with AWS").client()
    }

    /// Who stands before AWS.
    ///
    /// # Panics
    /// In a world in which nobody does.
    #[must_use]
    pub fn fault(&self) -> &Fault {
        self.fault.as_ref().expect("this world has somebody before AWS")
    }

    /// Where coordinator, workers and steps seek AWS.
    fn aws_url(&self) -> String {
        self.fault.as_ref().map_or_else(|| self.aws().url(), Fault::url)
    }

    /// The admin's tool.
    #[must_use]
    pub fn cli(&self) -> &Cli {
        &self.cli
    }

    /// Where everything of this world is.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a project beside nothing else; answers its folder.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn project(&self, name: &str, yaml: &str) -> Result<PathBuf> {
        let folder = self.folder().join("projects").join(name);
        fs::create_dir_all(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
        fs::write(folder.join("longshore.yaml"), yaml).context("a project file cannot be written")?;
        Ok(folder)
    }

    /// Writes and applies a project.
    ///
    /// # Errors
    /// When it is refused.
    pub fn apply(&self, name: &str, yaml: &str) -> Result<PathBuf> {
        let folder = self.project(name, yaml)?;
        self.cli.ok(&["project", "apply", "-f", &folder.to_string_lossy()])?;
        Ok(folder)
    }

    /// A user of AWS with rights to everything, and a key of theirs.
    ///
    /// # Errors
    /// When AWS refuses.
    pub fn deployer(&self, user: &str) -> Result<AccessKey> {
        self.aws().create_user(user, EVERYTHING)?;
        self.aws().create_access_key(user)
    }

    /// Saves a key as an account.
    ///
    /// # Errors
    /// When it is refused.
    pub fn account(&self, name: &str, key: &AccessKey) -> Result<()> {
        let create = ["account", "create", name, "aws", "--access-key-id", &key.id, "--secret-key-stdin"];
        self.cli.ok_with_input(&create, &key.secret).map(drop)
    }

    /// Adds a pool, unless it is the one that is always there.
    ///
    /// # Errors
    /// When it is refused.
    pub fn pool(&self, name: &str) -> Result<()> {
        self.cli.ok(&["pool", "create", name]).map(drop)
    }

    /// An instance with a role of its own that may do everything, and a connected worker on it.
    ///
    /// # Errors
    /// When it cannot be brought up.
    pub fn ec2_host(&self, name: &str, pool: &str) -> Result<Ec2Host> {
        let role = format!("{name}-role");
        self.aws().create_instance_role(&role, EVERYTHING)?;
        let mut host = self.unstarted_host(name, Instance::with_role(&role))?;
        self.bring_up(&mut host.host, pool)?;
        Ok(host)
    }

    /// An instance on which nothing has joined yet.
    ///
    /// # Errors
    /// When its metadata service cannot be started.
    pub fn unstarted_host(&self, name: &str, instance: Instance) -> Result<Ec2Host> {
        let aws = match &self.fault {
            // The one that shortens sessions is whom instances get theirs from as well.
            Some(fault) if fault.ca_pem().is_none() => self.aws().through(&fault.address()),
            _ => self.aws().clone(),
        };
        let imds = Imds::start(instance, aws)?;
        let settings = worker_host::Settings {
            imds_url: Some(imds.url()),
            aws_endpoint_url: Some(self.aws_url()),
            ..worker_host::Settings::default()
        };
        Ok(Ec2Host { host: WorkerHost::new(self.folder(), name, settings)?, imds })
    }

    /// A host outside AWS, on which nothing has joined yet: its metadata service refuses connections.
    ///
    /// # Errors
    /// When its folders cannot be made.
    pub fn plain_host(&self, name: &str) -> Result<WorkerHost> {
        let nobody = format!("http://127.0.0.1:{}", free_port());
        let settings = worker_host::Settings { imds_url: Some(nobody), ..worker_host::Settings::default() };
        WorkerHost::new(self.folder(), name, settings)
    }

    /// A host outside AWS with a connected worker in the pool `default`.
    ///
    /// # Errors
    /// When it cannot be brought up.
    pub fn host(&self, name: &str) -> Result<WorkerHost> {
        let mut host = self.plain_host(name)?;
        self.bring_up(&mut host, "default")?;
        Ok(host)
    }

    /// Joins a host's worker, starts it and waits for its session.
    ///
    /// # Errors
    /// When any of it fails.
    pub fn bring_up(&self, host: &mut WorkerHost, pool: &str) -> Result<()> {
        invite_and_join(&self.cli, host, pool, &[])?;
        host.start()?;
        host.connected(&self.cli)
    }

    /// Applies a project of one step called `Step` that runs this script in bash, and starts a deployment of it to the
    /// environment `test`; answers its id.
    ///
    /// # Errors
    /// When any of it is refused.
    pub fn start_script(&self, project: &str, script: &str) -> Result<String> {
        self.apply(project, &script_project(project, script))?;
        self.start_deployment(project)
    }

    /// Starts a deployment to the environment `test`, which is made when it is not there; answers its id.
    ///
    /// # Errors
    /// When it is refused.
    pub fn start_deployment(&self, project: &str) -> Result<String> {
        let made = self.cli.run(&["environment", "create", "test"])?;
        if made.code != 0 && !made.stderr.contains("test") {
            bail!("the environment could not be made: {made}");
        }
        Ok(self.cli.ok(&["deploy", project, "--environment", "test", "--detach"])?.trim().to_owned())
    }

    /// Runs a script to its end; answers the deployment.
    ///
    /// # Errors
    /// When it is refused or does not end.
    pub fn run_script(&self, project: &str, script: &str) -> Result<Value> {
        let id = self.start_script(project, script)?;
        self.ended(&id)
    }

    /// Waits for a deployment's end, or for the question what to do about a step; answers the deployment.
    ///
    /// # Errors
    /// When it does not end.
    pub fn ended(&self, id: &str) -> Result<Value> {
        self.cli.start(&["deployment", "watch", id, "--plain"], "")?.finish(PATIENCE)?;
        self.deployment(id)
    }

    /// A deployment with its steps.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn deployment(&self, id: &str) -> Result<Value> {
        self.cli.json(&["deployment", "show", id])
    }

    /// The log of a step's newest attempt.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn log(&self, id: &str, step: &str) -> Result<String> {
        self.cli.ok(&["deployment", "logs", id, "--step", step])
    }
}

/// A policy statement that allows everything.
pub const EVERYTHING: &str = r#"{"Effect":"Allow","Action":"*","Resource":"*"}"#;

/// A project file with one step called `Step` that runs this script in bash.
#[must_use]
pub fn script_project(name: &str, script: &str) -> String {
    let body: String = script.lines().map(|line| format!("        {line}\n")).collect();
    format!(
        "project: {name}\nscripts: {{ strict: false }}\nsteps:\n  - name: Step\n    script:\n      shell: bash\n      body: |\n{body}"
    )
}

/// A folder of this world's own.
///
/// # Errors
/// When the disk refuses.
pub fn folder() -> Result<TempDir> {
    tempfile::Builder::new()
        .prefix("longshore-world-")
        .tempdir_in(env::temp_dir())
        .context("a temporary folder cannot be made")
}

/// Logs a person in with the first admin token.
///
/// # Errors
/// When it is refused.
pub fn log_in(cli: &Cli, coordinator: &Coordinator) -> Result<()> {
    let token = coordinator.token_file();
    let ca = coordinator.ca_file();
    cli.ok(&[
        "login",
        "--coordinator",
        &coordinator.url(),
        "--token-file",
        &token.to_string_lossy(),
        "--ca-file",
        &ca.to_string_lossy(),
    ])
    .map(drop)
}
