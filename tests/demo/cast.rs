//! Who plays: an AWS, a coordinator, an admin, and two hosts with a role each.

use anyhow::{Context, Result};
use tempfile::TempDir;
use tests::{
    AccessKey, Cli, Coordinator, Emulator, Imds, Instance, WorkerHost, coordinator, worker_host,
    world::{self, EVERYTHING},
};

use crate::stage::Stage;

/// Role of the host in the pool `default`.
pub(crate) const BUILD_ROLE: &str = "shop-builder";
/// Role of the host in the pool `production-workers`.
pub(crate) const DEPLOY_ROLE: &str = "shop-deployer";

/// Everything that runs; ends when dropped, hosts before what they need.
pub(crate) struct Cast {
    pub(crate) build_host: WorkerHost,
    pub(crate) deploy_host: WorkerHost,
    pub(crate) cli: Cli,
    pub(crate) coordinator: Coordinator,
    pub(crate) key: AccessKey,
    pub(crate) deploy_imds: Imds,
    _build_imds: Imds,
    pub(crate) aws: Emulator,
    pub(crate) folder: TempDir,
}

impl Cast {
    pub(crate) fn assemble(stage: &mut Stage) -> Result<Self> {
        stage
            .heading("Real parts: an AWS emulator that verifies signatures, policies and trust, and two EC2 instances");
        let folder = world::folder()?;
        let aws = Emulator::start(folder.path())?;
        let client = aws.client();
        client.create_user("shop", EVERYTHING)?;
        let key = client.create_access_key("shop")?;
        let mut instances = Vec::new();
        for role in [BUILD_ROLE, DEPLOY_ROLE] {
            client.create_instance_role(role, EVERYTHING)?;
            let imds = Imds::start(Instance::with_role(role), client.clone())?;
            stage.say(&format!(
                "instance {} with the role {role}; its metadata is at {}",
                imds.instance().id,
                imds.url()
            ));
            instances.push(imds);
        }
        stage.say(&format!("AWS is at {}; its user `shop` has the access key {}", client.url(), key.id));
        let deploy_imds = instances.pop().context("there are two instances")?;
        let build_imds = instances.pop().context("there are two instances")?;

        stage.heading("A coordinator: embedded SQLite, a CA of its own");
        let settings = coordinator::Settings {
            aws_endpoint_url: Some(client.url()),
            ..coordinator::Settings::loopback(&folder.path().join("coordinator"))
        };
        stage.show_command_line("longshore-coordinator serve --data-dir …/coordinator");
        let coordinator = Coordinator::start(settings, &folder.path().join("logs/coordinator.log"))?;
        stage.show(&coordinator.log());

        let host = |name: &str, imds: &Imds| {
            let settings = worker_host::Settings {
                imds_url: Some(imds.url()),
                aws_endpoint_url: Some(client.url()),
                ..worker_host::Settings::default()
            };
            WorkerHost::new(folder.path(), name, settings)
        };
        Ok(Self {
            build_host: host("build-1", &build_imds)?,
            deploy_host: host("deploy-1", &deploy_imds)?,
            cli: Cli::new(&folder.path().join("admin"))?,
            coordinator,
            key,
            deploy_imds,
            _build_imds: build_imds,
            aws,
            folder,
        })
    }

    /// The last lines of everyone who keeps a log: what is wanted when a check failed.
    #[allow(clippy::print_stdout, reason = "part of what the demo shows")]
    pub(crate) fn show_logs(&self) {
        for (name, log) in [
            ("the coordinator", self.coordinator.log()),
            (self.build_host.name(), self.build_host.log()),
            (self.deploy_host.name(), self.deploy_host.log()),
        ] {
            println!("\n-- the last lines of {name}'s log");
            let lines: Vec<&str> = log.lines().collect();
            for line in &lines[lines.len().saturating_sub(25)..] {
                println!("   {line}");
            }
        }
    }
}
