//! Whoever works on a stack is killed with -9, at ten points of creating, updating and applying a change set: the agent, the
//! coordinator, or everything on the worker's host. AWS has one operation afterwards, and the step tells how that one ended.

use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tests::{
    stacks::{Given, Kind, Plan, Resource, Trouble},
    until,
};

use super::*;

const SOON: Duration = Duration::from_secs(60);
const CHANGE_SET: &str = "execute";
const DIRECT: &str = "direct";

/// Where somebody is killed.
enum Point {
    /// AWS has done what this call asks, or answered it, and the answer is on its way.
    During(&'static str),
    /// The operation is under way, and is being followed.
    Following,
}

/// Who is killed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Victim {
    Agent,
    Coordinator,
    /// Agent, shim and action: all there is on the host.
    Host,
}

#[test]
fn before_a_change_set_is_asked_for() -> Result<()> {
    everybody_is_killed(Kind::Create, CHANGE_SET, &Point::During("GetTemplateSummary"))
}

#[test]
fn while_a_change_set_for_a_new_stack_is_asked_for() -> Result<()> {
    everybody_is_killed(Kind::Create, CHANGE_SET, &Point::During("CreateChangeSet"))
}

#[test]
fn while_a_change_set_is_being_made() -> Result<()> {
    everybody_is_killed(Kind::Create, CHANGE_SET, &Point::During("DescribeChangeSet"))
}

#[test]
fn while_a_change_set_for_a_new_stack_is_applied() -> Result<()> {
    everybody_is_killed(Kind::Create, CHANGE_SET, &Point::During("ExecuteChangeSet"))
}

#[test]
fn while_a_new_stack_comes_up_from_a_change_set() -> Result<()> {
    everybody_is_killed(Kind::Create, CHANGE_SET, &Point::Following)
}

#[test]
fn while_a_change_set_for_a_stack_is_asked_for() -> Result<()> {
    everybody_is_killed(Kind::Update, CHANGE_SET, &Point::During("CreateChangeSet"))
}

#[test]
fn while_a_change_set_for_a_stack_is_applied() -> Result<()> {
    everybody_is_killed(Kind::Update, CHANGE_SET, &Point::During("ExecuteChangeSet"))
}

#[test]
fn while_a_stack_is_created_without_a_change_set() -> Result<()> {
    everybody_is_killed(Kind::Create, DIRECT, &Point::During("CreateStack"))
}

#[test]
fn while_a_stack_is_updated_without_a_change_set() -> Result<()> {
    everybody_is_killed(Kind::Update, DIRECT, &Point::During("UpdateStack"))
}

#[test]
fn while_an_update_without_a_change_set_is_followed() -> Result<()> {
    everybody_is_killed(Kind::Update, DIRECT, &Point::Following)
}

#[test]
fn an_operation_that_failed_while_nobody_looked_is_told_as_failed_and_not_begun_again() -> Result<()> {
    let mut stage = Stage::start()?;
    let plan = Plan::create().with(Resource::new("Assets", "AWS::S3::Bucket").fails("The name is taken.")).holds();
    stage.stacks.on("shop", plan);
    let id = begin(&stage, CHANGE_SET)?;
    stage.reach(&Point::Following)?;
    kill(&mut stage, Victim::Host);
    stage.stacks.release("shop");
    stage.stacks.by_hand();
    stage.stacks.advance("shop", 20);
    assert_eq!(stage.stacks.status("shop").as_deref(), Some("ROLLBACK_COMPLETE"));
    stage.host.host.start()?;
    let ended = stage.ended(&id)?;
    assert_eq!((ended.state(), ended.reason()), ("failed", "STACK_FAILED"), "{}", ended.log);
    assert!(ended.last_line().contains("The name is taken"), "{}", ended.log);
    assert_eq!(stage.stacks.effects().len(), 1, "{:?}", stage.stacks.effects());
    Ok(())
}

fn everybody_is_killed(kind: Kind, change_set: &str, point: &Point) -> Result<()> {
    for victim in [Victim::Agent, Victim::Coordinator, Victim::Host] {
        somebody_is_killed(kind, change_set, point, victim).with_context(|| format!("{victim:?}"))?;
    }
    Ok(())
}

fn somebody_is_killed(kind: Kind, change_set: &str, point: &Point, victim: Victim) -> Result<()> {
    let mut stage = Stage::start()?;
    if kind == Kind::Update {
        stage.stacks.put(Given::new("shop").template("Resources:\n  Old:\n    Type: AWS::SQS::Queue\n"))?;
    }
    stage.stacks.on("shop", Plan::new(kind).output("AssetBucket", "assets-1").holds());
    if let Point::During(call) = point {
        stage.stacks.trouble(call, 1, Trouble::Held);
    }
    let id = begin(&stage, change_set)?;
    stage.reach(point)?;
    kill(&mut stage, victim);
    stage.stacks.let_answers_go();
    match victim {
        Victim::Agent | Victim::Host => stage.host.host.start()?,
        Victim::Coordinator => stage.world.coordinator_mut().restart()?,
    }
    until("the operation to be followed", SOON, || {
        let begun = !stage.stacks.effects().is_empty();
        stage.stacks.release("shop");
        Ok(begun.then_some(()))
    })?;
    let ended = stage.ended(&id)?;
    assert_eq!(ended.state(), "succeeded", "{victim:?}: {}", ended.log);
    let effects: Vec<Kind> = stage.stacks.effects().iter().map(|effect| effect.kind).collect();
    assert_eq!(effects, [kind], "{victim:?}: one operation: {}", ended.log);
    assert!(ended.outputs().contains("assets-1"), "{victim:?}: {}", ended.outputs());
    let attempts = ended.deployment["steps"][0]["attempts"].as_array().map_or(0, Vec::len);
    assert_eq!(attempts, if victim == Victim::Host { 2 } else { 1 }, "{victim:?}");
    Ok(())
}

impl Stage {
    fn reach(&self, point: &Point) -> Result<()> {
        until("the point of the crash", SOON, || {
            let reached = match point {
                Point::During(call) => self.stacks.count(call) > 0,
                Point::Following => !self.stacks.effects().is_empty() && self.stacks.count("DescribeStackEvents") > 1,
            };
            Ok(reached.then_some(()))
        })
    }
}

fn begin(stage: &Stage, change_set: &str) -> Result<String> {
    let yaml = format!(
        "project: shop\nsteps:\n  - name: Stack\n    retries: {{ count: 0, backoff: 1s }}\n    aws: {{ identity: worker-role, region: \
         eu-west-1 }}\n    cloudformation:\n      deploy: {{ stack: shop, template: template.yaml, change_set: {change_set} }}\n"
    );
    let folder = stage.world.project("shop", &yaml)?;
    fs::write(folder.join("template.yaml"), BUCKET)?;
    stage.world.cli().ok(&["project", "apply", "-f", &folder.to_string_lossy()])?;
    stage.world.start_deployment("shop")
}

fn kill(stage: &mut Stage, victim: Victim) {
    if victim == Victim::Coordinator {
        return stage.world.coordinator_mut().kill9();
    }
    let host = &mut stage.host.host;
    host.kill9();
    if victim == Victim::Host {
        // The shim first: it would tell how its action was killed.
        for pid in host.shims().into_iter().chain(host.steps()) {
            if let Some(pid) = Pid::from_raw(pid.cast_signed()) {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
    }
}
