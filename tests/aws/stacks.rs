//! CloudFormation stacks, through the step: on the emulator, and on a CloudFormation that does what a test says.

mod cancelling;
mod crashes;
mod deleting;
mod deploying;
mod modes;
mod progress;
mod refusals;
mod states;

use std::{fs, time::Duration};

use anyhow::{Context, Result};
use serde_json::Value;
use tests::{
    Instance, World,
    stacks::{Call, Stacks},
    until,
    world::{EVERYTHING, Ec2Host},
};

/// One resource and one output.
const BUCKET: &str =
    "Resources:\n  Assets:\n    Type: AWS::S3::Bucket\nOutputs:\n  AssetBucket:\n    Value: !Ref Assets\n";

/// A minute: longer than anything takes that a test waits for.
const SOON: Duration = Duration::from_secs(60);

/// A world with one worker, for which CloudFormation is one that does what the test says.
struct Stage {
    world: World,
    host: Ec2Host,
    stacks: Stacks,
}

/// What became of a deployment of one step.
struct Ended {
    deployment: Value,
    log: String,
}

impl Stage {
    fn start() -> Result<Self> {
        let (world, stacks) = (World::start()?, Stacks::start()?);
        let host = host(&world, "one", &stacks)?;
        Ok(Self { world, host, stacks })
    }

    /// Deploys a project with one step `Stack`, whose keys below `cloudformation` these are.
    fn run(&self, template: &str, keys: &str) -> Result<Ended> {
        let id = self.begin(template, keys)?;
        self.ended(&id)
    }

    /// Starts it; answers the deployment's id.
    fn begin(&self, template: &str, keys: &str) -> Result<String> {
        apply(&self.world, template, keys)?;
        self.world.start_deployment("shop")
    }

    fn ended(&self, id: &str) -> Result<Ended> {
        ended(&self.world, id)
    }

    /// Waits until the step's log has these words, while the step goes on.
    fn says(&self, id: &str, words: &str) -> Result<()> {
        // As long as the step has not begun it has no log.
        let log = || self.world.log(id, "Stack").unwrap_or_default();
        until(&format!("{words:?} in the log"), SOON, || Ok(log().contains(words).then_some(())))
            .with_context(|| format!("the log is {}", log()))
    }

    /// The calls so far that change something, in order; repetitions of a call that was refused or lost included.
    fn changes(&self) -> Vec<Call> {
        const READING: [&str; 4] = ["Describe", "Get", "List", "Validate"];
        let is_reading = |call: &Call| READING.iter().any(|word| call.action.starts_with(word));
        self.stacks.calls().into_iter().filter(|call| !is_reading(call)).collect()
    }

    /// Their names alone.
    fn changed_by(&self) -> Vec<String> {
        self.changes().into_iter().map(|call| call.action).collect()
    }
}

impl Ended {
    fn state(&self) -> &str {
        self.deployment["state"].as_str().unwrap_or_default()
    }

    /// The stable code of the last attempt's end.
    fn reason(&self) -> &str {
        let attempts = self.deployment["steps"][0]["attempts"].as_array();
        let last = attempts.and_then(|attempts| attempts.last());
        last.and_then(|attempt| attempt["reason"].as_str()).unwrap_or_default()
    }

    fn expect_success(&self) {
        assert_eq!(self.state(), "succeeded", "{}", self.log);
    }

    /// Checks the deployment's state and the last attempt's reason.
    fn expect(&self, state: &str, reason: &str) {
        assert_eq!((self.state(), self.reason()), (state, reason), "{}", self.log);
    }

    /// Checks that the log has all these words.
    fn expect_words(&self, words: &[&str]) {
        for word in words {
            assert!(self.log.contains(word), "the log has no {word:?}: {}", self.log);
        }
    }

    fn last_line(&self) -> &str {
        self.log.lines().last().unwrap_or_default()
    }

    /// The value of an output variable; empty when it is not set.
    fn output(&self, name: &str) -> &str {
        let outputs = self.deployment["steps"][0]["outputs"].as_array().into_iter().flatten();
        let found = outputs.filter(|output| output["name"] == name).find_map(|output| output["value"].as_str());
        found.unwrap_or_default()
    }

    fn outputs(&self) -> String {
        self.deployment["steps"][0]["outputs"].to_string()
    }

    /// The lines about events of CloudFormation: those with a status.
    fn events(&self) -> Vec<&str> {
        let is_event =
            |line: &&str| line.contains("_IN_PROGRESS") || line.contains("_COMPLETE") || line.contains("_FAILED");
        self.log.lines().filter(is_event).collect()
    }
}

/// The keys of a deployment of a stack from `template.yaml`, with these besides.
fn deploy(stack: &str, more: &str) -> String {
    format!("deploy: {{ stack: {stack}, template: template.yaml, {more} }}")
}

/// A worker with every right, for which CloudFormation is this one.
fn host(world: &World, name: &str, stacks: &Stacks) -> Result<Ec2Host> {
    let role = format!("{name}-role");
    world.aws().create_instance_role(&role, EVERYTHING)?;
    let mut host = world.unstarted_host(name, Instance::with_role(&role))?;
    host.host.settings_mut().flags = stacks.worker_flags();
    world.bring_up(&mut host.host, "default")?;
    Ok(host)
}

fn apply(world: &World, template: &str, keys: &str) -> Result<()> {
    let yaml = format!(
        "project: shop\nsteps:\n  - name: Stack\n    aws: {{ identity: worker-role, region: eu-west-1 }}\n    cloudformation:\n{}",
        keys.lines().map(|line| format!("      {line}\n")).collect::<String>()
    );
    let folder = world.project("shop", &yaml)?;
    fs::write(folder.join("template.yaml"), template).context("a template cannot be written")?;
    world.cli().ok(&["project", "apply", "-f", &folder.to_string_lossy()])?;
    Ok(())
}

fn ended(world: &World, id: &str) -> Result<Ended> {
    Ok(Ended { deployment: world.ended(id)?, log: world.log(id, "Stack")? })
}
