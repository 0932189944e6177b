//! Whoever works on a stack is killed with -9, at ten points of creating, updating and applying a change set: the agent, the
//! coordinator, or everything on the worker's host. AWS has one operation afterwards, and the step tells how that one ended.

use std::time::Duration;

use aws_lc_rs::digest;
use rustix::process::{Pid, Signal, kill_process};
use tests::{
    stacks::{Given, Kind, Plan, Resource, Trouble},
    until,
};
use uuid::Uuid;

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

#[test]
fn a_stack_that_came_up_while_nobody_looked_gets_its_policy_all_the_same() -> Result<()> {
    let mut stage = Stage::start()?;
    stage.stacks.on("shop", Plan::create().holds());
    let keys = "deploy:\n  stack: shop\n  template: template.yaml\n  stack_policy: '{\"Statement\":[]}'";
    let id = stage.begin(BUCKET, keys)?;
    stage.reach(&Point::Following)?;
    kill(&mut stage, Victim::Host);
    stage.host.host.start()?;
    stage.says(&id, "it is followed, and no other is begun")?;
    stage.stacks.release("shop");
    stage.ended(&id)?.expect_success();
    assert_eq!(stage.stacks.count("SetStackPolicy"), 1, "{:?}", stage.changed_by());
    Ok(())
}

#[test]
fn what_may_stay_is_kept_though_nobody_looked_when_the_deletion_failed() -> Result<()> {
    let mut stage = Stage::start()?;
    let full = Resource::new("Assets", "AWS::S3::Bucket").sticks("The bucket is not empty");
    stage.stacks.put(Given::new("shop").template(BUCKET).with(full))?;
    stage.stacks.on("shop", Plan::delete().holds());
    let id = stage.begin(BUCKET, "delete: { stack: shop, retain: [Assets] }")?;
    stage.reach(&Point::Following)?;
    kill(&mut stage, Victim::Host);
    stage.stacks.release("shop");
    stage.host.host.start()?;
    let ended = stage.ended(&id)?;
    ended.expect_success();
    ended.expect_words(&["is deleted again, without Assets."]);
    assert_eq!(stage.changed_by(), ["DeleteStack", "DeleteStack"]);
    Ok(())
}

#[test]
fn a_stack_that_others_made_after_ours_was_deleted_is_left_alone() -> Result<()> {
    let mut stage = Stage::start()?;
    stage.stacks.put(Given::new("shop").template(BUCKET))?;
    stage.stacks.on("shop", Plan::delete().holds());
    let id = stage.begin(BUCKET, "delete: { stack: shop }")?;
    stage.reach(&Point::Following)?;
    kill(&mut stage, Victim::Host);
    stage.stacks.release("shop");
    stage.stacks.by_hand();
    stage.stacks.advance("shop", 20);
    assert_eq!(stage.stacks.status("shop"), None);
    stage.stacks.put(Given::new("shop").template(BUCKET))?;
    stage.host.host.start()?;
    let ended = stage.ended(&id)?;
    ended.expect_success();
    ended.expect_words(&["was made afterwards, and is left alone"]);
    assert_eq!(stage.stacks.status("shop").as_deref(), Some("CREATE_COMPLETE"));
    Ok(())
}

#[test]
fn what_another_attempt_began_while_others_were_waited_for_is_followed_and_not_begun_again() -> Result<()> {
    let stage = Stage::start()?;
    stage.stacks.put(Given::new("shop").template("Resources:\n  Old:\n    Type: AWS::SQS::Queue\n"))?;
    stage.stacks.begin("shop", Plan::update().holds(), Some("Console-1"))?;
    let id = begin(&stage, DIRECT)?;
    stage.says(&id, "with the token Console-1. It is waited for.")?;
    stage.stacks.by_hand();
    stage.stacks.release("shop");
    stage.stacks.advance("shop", 20);
    stage.stacks.begin("shop", Plan::update(), Some(&operation(&id)?))?;
    stage.stacks.advance("shop", 20);
    let ended = stage.ended(&id)?;
    ended.expect_success();
    ended.expect_words(&["it is followed, and no other is begun"]);
    assert_eq!(stage.changed_by(), [""; 0]);
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

/// What the first attempt of a deployment's first step calls its operation.
fn operation(deployment: &str) -> Result<String> {
    let mut hash = digest::Context::new(&digest::SHA256);
    hash.update(b"longshore/step/v1");
    hash.update(Uuid::parse_str(deployment)?.as_bytes());
    hash.update(&0_u64.to_be_bytes());
    let key: String = hash.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("longshore-{}-00", &key[..40]))
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
