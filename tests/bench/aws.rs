//! (e) Steps in AWS against AWS's own client, on the same emulator, with the same rights.

mod client;
mod stacks;
mod uploads;

use std::{fs, path::PathBuf, time::Duration};

use anyhow::{Context, Result, ensure};
use jiff::Timestamp;
use serde_json::Value;
use tests::{World, process::peak_kib, until, world::Ec2Host};

use super::{Size, report::Report};
use client::Client;

/// An hour: longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(3600);

/// A world with one worker, the clients to compare with, and what the step is told.
struct Stage {
    world: World,
    host: Ec2Host,
    clients: Vec<Client>,
}

/// What a step took.
struct Took {
    /// Seconds from its offer to its end: with the files' way from the coordinator to the worker.
    whole: f64,
    /// Seconds from its process's start to its end.
    process: f64,
    /// KiB that the process has had at most.
    peak: u64,
    log: String,
}

pub(crate) fn measure(report: &mut Report, size: Size) -> Result<()> {
    println!("steps in AWS");
    let stage = Stage::start()?;
    uploads::measure(report, &stage, size)?;
    stacks::measure(report, &stage, size)
}

impl Stage {
    fn start() -> Result<Self> {
        let world = World::start()?;
        let host = world.ec2_host("one", "default")?;
        let clients = Client::all(&world)?;
        Ok(Self { world, host, clients })
    }

    /// The folder of the project.
    fn folder(&self) -> PathBuf {
        self.world.folder().join("projects/bench")
    }

    fn write(&self, path: &str, content: &[u8]) -> Result<()> {
        let place = self.folder().join(path);
        fs::create_dir_all(place.parent().context("a path in a folder")?)?;
        fs::write(place, content).context("a file cannot be written")
    }

    /// Deploys a project with one step, whose action this is, to its end.
    fn run(&self, action: &str) -> Result<Took> {
        let yaml = format!(
            "project: bench\nsteps:\n  - name: Step\n    aws: {{ identity: worker-role, region: eu-west-1 }}\n    {action}\n"
        );
        let folder = self.world.project("bench", &yaml)?;
        self.patiently(&["project", "apply", "-f", &folder.to_string_lossy()])?;
        let id = self.world.start_deployment("bench")?;
        let peak = self.peak_of_step()?;
        self.patiently(&["deployment", "watch", &id, "--plain"])?;
        let deployment = self.world.deployment(&id)?;
        let log = self.world.log(&id, "Step")?;
        ensure!(deployment["state"] == "succeeded", "{action} failed: {log}");
        let attempt = &deployment["steps"][0]["attempts"][0];
        Ok(Took {
            whole: seconds(attempt, "offer_time", "end_time")?,
            process: seconds(attempt, "start_time", "end_time")?,
            peak,
            log,
        })
    }

    fn patiently(&self, arguments: &[&str]) -> Result<()> {
        let answer = self.world.cli().start(arguments, "")?.finish(PATIENCE)?;
        ensure!(answer.code == 0, "{arguments:?} failed: {answer}");
        Ok(())
    }

    /// Follows the step's process from its start to its end.
    fn peak_of_step(&self) -> Result<u64> {
        let process = until("the step's process", PATIENCE, || Ok(self.host.host.steps().first().copied()))?;
        let mut peak = 0;
        until("its end", PATIENCE, || {
            let now = peak_kib(process);
            peak = now.unwrap_or(peak);
            Ok(now.is_none().then_some(()))
        })?;
        Ok(peak)
    }
}

fn seconds(attempt: &Value, from: &str, to: &str) -> Result<f64> {
    let time = |name: &str| -> Result<Timestamp> {
        let text = attempt[name].as_str().with_context(|| format!("an attempt without {name}"))?;
        text.parse().with_context(|| format!("{name} is {text}"))
    };
    Ok((time(to)? - time(from)?).total(jiff::Unit::Second)?)
}
