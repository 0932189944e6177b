//! What becomes of a stack whose step is cancelled: AWS stops what it can stop, and nothing is left alone.

use tests::stacks::{Given, Plan, Resource, Trouble};

use super::*;

const OLD: &str = "Resources:\n  Assets:\n    Type: AWS::S3::Bucket\n  Old:\n    Type: AWS::SQS::Queue\n";

fn cancel(stage: &Stage, id: &str) -> Result<()> {
    stage.world.cli().ok(&["deployment", "cancel", id]).map(drop)
}

/// An update that goes on until it is released or taken back.
fn held() -> Plan {
    Plan::update().with(Resource::new("Feed", "AWS::SNS::Topic").holds())
}

impl Ended {
    /// What the last attempt came to, in words.
    fn detail(&self) -> String {
        self.deployment["steps"][0].to_string()
    }
}

#[test]
fn an_update_is_cancelled_in_aws_and_followed_until_it_is_taken_back() -> Result<()> {
    let stage = Stage::start()?;
    for mode in ["execute", "direct"] {
        stage.stacks.put(Given::new(mode).template(OLD))?;
        stage.stacks.on(mode, held());
        let id = stage.begin(BUCKET, &deploy(mode, &format!("change_set: {mode}")))?;
        stage.says(&id, "CREATE_IN_PROGRESS  AWS::SNS::Topic  Feed")?;
        cancel(&stage, &id)?;
        let ended = stage.ended(&id)?;
        ended.expect("cancelled", "CANCELLED");
        ended.expect_words(&["AWS is asked to cancel the update", "UPDATE_ROLLBACK_COMPLETE"]);
        assert!(ended.detail().contains("ended in UPDATE_ROLLBACK_COMPLETE"), "{}", ended.detail());
        assert_eq!(stage.stacks.status(mode).as_deref(), Some("UPDATE_ROLLBACK_COMPLETE"));
        let asked = stage.changes().into_iter().rfind(|call| call.action == "CancelUpdateStack");
        let token = asked.and_then(|call| call.parameters.get("ClientRequestToken").cloned()).unwrap_or_default();
        assert!(token.starts_with("longshore-") && token.ends_with("-cancel"), "{token}");
    }
    assert_eq!(stage.stacks.count("CancelUpdateStack"), 2);
    Ok(())
}

#[test]
fn an_update_that_is_done_before_it_can_be_stopped_is_told_as_done() -> Result<()> {
    let stage = Stage::start()?;
    stage.stacks.put(Given::new("late").template(OLD))?;
    stage.stacks.on("late", held().ignores_cancel());
    stage.stacks.put(Given::new("refused").template(OLD))?;
    stage.stacks.on("refused", held());
    stage.stacks.trouble("CancelUpdateStack", 1, Trouble::Throttled);
    for (stack, trouble) in [("late", None), ("refused", Some(Trouble::Denied))] {
        if let Some(trouble) = trouble {
            stage.stacks.trouble("CancelUpdateStack", 1, trouble);
        }
        let before = stage.stacks.count("CancelUpdateStack");
        let id = stage.begin(BUCKET, &deploy(stack, ""))?;
        stage.says(&id, "CREATE_IN_PROGRESS  AWS::SNS::Topic  Feed")?;
        cancel(&stage, &id)?;
        until("the cancellation", SOON, || Ok((stage.stacks.count("CancelUpdateStack") > before).then_some(())))?;
        if stack == "refused" {
            stage.says(&id, "lacks the permission cloudformation:CancelUpdateStack")?;
        }
        stage.stacks.release(stack);
        let ended = stage.ended(&id)?;
        ended.expect("cancelled", "CANCELLED");
        ended.expect_words(&["was updated before it could be stopped (UPDATE_COMPLETE)"]);
        assert_eq!(stage.stacks.status(stack).as_deref(), Some("UPDATE_COMPLETE"));
    }
    Ok(())
}

#[test]
fn a_creation_cannot_be_stopped_and_is_followed_to_its_end() -> Result<()> {
    let stage = Stage::start()?;
    for (stack, fault, end) in [
        ("well", None, "was created before it could be stopped (CREATE_COMPLETE)"),
        ("broken", Some("The name is taken."), "ended in ROLLBACK_COMPLETE"),
    ] {
        let assets = Resource::new("Assets", "AWS::S3::Bucket").holds();
        let assets = fault.map_or(assets.clone(), |fault| assets.fails(fault));
        stage.stacks.on(stack, Plan::create().with(assets));
        let id = stage.begin(BUCKET, &deploy(stack, ""))?;
        stage.says(&id, "CREATE_IN_PROGRESS  AWS::S3::Bucket  Assets")?;
        cancel(&stage, &id)?;
        stage.says(&id, "AWS cannot stop what it does to a stack in CREATE_IN_PROGRESS")?;
        stage.stacks.release(stack);
        let ended = stage.ended(&id)?;
        ended.expect("cancelled", "CANCELLED");
        ended.expect_words(&["The step was cancelled.", end]);
        assert!(ended.detail().contains(end), "{}", ended.detail());
    }
    assert_eq!(stage.changed_by().len(), 4, "a change set and its execution each: {:?}", stage.changed_by());
    Ok(())
}

#[test]
fn a_change_set_that_is_being_made_is_deleted_and_nothing_is_changed() -> Result<()> {
    let stage = Stage::start()?;
    stage.stacks.put(Given::new("old").template(OLD))?;
    for (stack, plan, undone) in [
        ("new", Plan::create(), &["CreateChangeSet", "DeleteChangeSet", "DeleteStack"][..]),
        ("old", Plan::update(), &["CreateChangeSet", "DeleteChangeSet"]),
    ] {
        stage.stacks.on(stack, plan.change_set_takes(10_000));
        let (before, looks) = (stage.changes().len(), stage.stacks.count("DescribeChangeSet"));
        let id = stage.begin(BUCKET, &deploy(stack, ""))?;
        // The first may be the question whether an earlier attempt made it.
        until("the change set", SOON, || Ok((stage.stacks.count("DescribeChangeSet") > looks + 1).then_some(())))?;
        cancel(&stage, &id)?;
        let ended = stage.ended(&id)?;
        ended.expect("cancelled", "CANCELLED");
        ended.expect_words(&["before anything of stack", "its change set was deleted"]);
        assert_eq!(&stage.changed_by()[before..], undone, "{stack}");
    }
    assert!(stage.stacks.effects().iter().all(|effect| effect.stack == "new"), "only the shell was deleted");
    stage.stacks.advance("new", 2);
    assert_eq!(stage.stacks.status("new"), None);
    Ok(())
}

#[test]
fn waiting_for_others_ends_when_the_step_is_cancelled() -> Result<()> {
    let stage = Stage::start()?;
    stage.stacks.put(Given::new("shop").template(OLD))?;
    stage.stacks.begin("shop", Plan::update().holds(), Some("Console-UpdateStack-1"))?;
    let id = stage.begin(BUCKET, &deploy("shop", ""))?;
    stage.says(&id, "It is waited for.")?;
    cancel(&stage, &id)?;
    let ended = stage.ended(&id)?;
    ended.expect("cancelled", "CANCELLED");
    ended.expect_words(&["while it waited for others to be done with stack \"shop\"; it began nothing"]);
    assert!(stage.changes().is_empty());
    assert_eq!(stage.stacks.status("shop").as_deref(), Some("UPDATE_IN_PROGRESS"), "theirs goes on");
    Ok(())
}

#[test]
fn a_deletion_cannot_be_stopped_and_is_followed_to_its_end() -> Result<()> {
    let stage = Stage::start()?;
    stage.stacks.put(Given::new("shop").template(OLD))?;
    stage.stacks.on("shop", Plan::delete().with(Resource::new("Old", "AWS::SQS::Queue").holds()));
    let id = stage.begin(BUCKET, "delete: { stack: shop }")?;
    stage.says(&id, "DELETE_IN_PROGRESS  AWS::SQS::Queue  Old")?;
    cancel(&stage, &id)?;
    stage.says(&id, "AWS cannot stop what it does to a stack in DELETE_IN_PROGRESS")?;
    stage.stacks.release("shop");
    let ended = stage.ended(&id)?;
    assert_eq!(ended.state(), "cancelled", "{}", ended.log);
    ended.expect_words(&["DELETE_COMPLETE", "Deleted stack called shop"]);
    assert_eq!((stage.stacks.status("shop"), stage.stacks.count("DeleteStack")), (None, 1));
    Ok(())
}

#[test]
fn a_step_whose_time_is_over_takes_its_update_back() -> Result<()> {
    let stage = Stage::start()?;
    stage.stacks.put(Given::new("shop").template(OLD))?;
    stage.stacks.on("shop", held());
    let yaml = "project: shop\nsteps:\n  - name: Stack\n    timeout: 6s\n    aws: { identity: worker-role, region: eu-west-1 }\n    \
                cloudformation:\n      deploy: { stack: shop, template: template.yaml, change_set: direct }\n";
    let folder = stage.world.project("shop", yaml)?;
    fs::write(folder.join("template.yaml"), BUCKET)?;
    stage.world.cli().ok(&["project", "apply", "-f", &folder.to_string_lossy()])?;
    let id = stage.world.start_deployment("shop")?;
    let ended = stage.ended(&id)?;
    ended.expect("failed", "TIMED_OUT");
    ended.expect_words(&["AWS is asked to cancel the update", "ended in UPDATE_ROLLBACK_COMPLETE"]);
    assert!(ended.detail().contains("UPDATE_ROLLBACK_COMPLETE"), "{}", ended.detail());
    assert_eq!(stage.stacks.status("shop").as_deref(), Some("UPDATE_ROLLBACK_COMPLETE"));
    Ok(())
}
