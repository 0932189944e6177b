//! Deleting stacks.

use tests::stacks::{Given, Plan, Resource, Trouble};

use super::*;

const OLD: &str = "Resources:\n  Assets:\n    Type: AWS::S3::Bucket\n  Old:\n    Type: AWS::SQS::Queue\n";
const DELETE: &str = "delete: { stack: shop }";
const FULL: &str = "The bucket you tried to delete is not empty";

#[test]
fn a_stack_is_deleted_by_its_id_with_a_token_and_the_role_of_the_step() -> Result<()> {
    let stage = Stage::start()?;
    let id = stage.stacks.put(Given::new("shop").template(OLD))?;
    let role = "arn:aws:iam::123456789012:role/deployer";
    let ended = stage.run(BUCKET, &format!("delete: {{ stack: shop, role_arn: \"{role}\" }}"))?;
    ended.expect_success();
    let asked = stage.changes();
    assert_eq!(stage.changed_by(), ["DeleteStack"]);
    let said = |name: &str| asked[0].parameters.get(name).map(String::as_str).unwrap_or_default();
    assert_eq!((said("StackName"), said("RoleARN")), (id.as_str(), role));
    assert!(said("ClientRequestToken").starts_with("longshore-"), "{}", said("ClientRequestToken"));
    assert_eq!(stage.stacks.status(&id).as_deref(), Some("DELETE_COMPLETE"));
    ended.expect_words(&["DELETE_COMPLETE  AWS::S3::Bucket  Assets", "Deleted stack called shop in region eu-west-1"]);
    Ok(())
}

#[test]
fn a_stack_that_is_not_there_needs_no_deletion() -> Result<()> {
    let stage = Stage::start()?;
    let ended = stage.run(BUCKET, DELETE)?;
    ended.expect_success();
    ended.expect_words(&["No stack called shop exists in region eu-west-1"]);
    assert!(stage.changes().is_empty());
    Ok(())
}

#[test]
fn a_stack_with_termination_protection_stays() -> Result<()> {
    let stage = Stage::start()?;
    stage.stacks.put(Given::new("shop").template(OLD).protected())?;
    let ended = stage.run(BUCKET, DELETE)?;
    ended.expect("failed", "STACK_PROTECTED");
    ended.expect_words(&["nothing of it was deleted", "--no-enable-termination-protection"]);
    assert!(stage.changes().is_empty());
    Ok(())
}

#[test]
fn what_keeps_a_stack_is_named_and_kept_only_if_the_step_says_so() -> Result<()> {
    let stage = Stage::start()?;
    let full = Resource::new("Assets", "AWS::S3::Bucket").sticks(FULL);
    stage.stacks.put(Given::new("shop").template(OLD).with(full))?;
    let ended = stage.run(BUCKET, DELETE)?;
    ended.expect("failed", "STACK_FAILED");
    ended.expect_words(&["is in DELETE_FAILED", "`retain: [Assets]`"]);
    assert!(ended.last_line().ends_with(&format!("Assets (AWS::S3::Bucket): {FULL}.")), "{}", ended.log);
    assert_eq!(stage.stacks.status("shop").as_deref(), Some("DELETE_FAILED"));
    // What is allowed to stay is not enough: nothing is kept then.
    stage.run(BUCKET, "delete: { stack: shop, retain: [Other] }")?.expect("failed", "STACK_FAILED");
    let ended = stage.run(BUCKET, "delete: { stack: shop, retain: [Assets, Other] }")?;
    ended.expect_success();
    let asked = stage.changes();
    let kept: Vec<_> =
        asked.iter().map(|call| call.parameters.get("RetainResources.member.1").map(String::as_str)).collect();
    assert_eq!(kept, [None, None, Some("Assets")]);
    assert_eq!(stage.stacks.status("shop"), None);
    Ok(())
}

#[test]
fn what_may_stay_is_kept_when_it_is_seen_to_keep_the_stack() -> Result<()> {
    let stage = Stage::start()?;
    let full = Resource::new("Assets", "AWS::S3::Bucket").sticks(FULL);
    stage.stacks.put(Given::new("shop").template(OLD).with(full))?;
    let ended = stage.run(BUCKET, "delete: { stack: shop, retain: [Assets] }")?;
    ended.expect_success();
    ended.expect_words(&[
        "DELETE_FAILED",
        "Stack \"shop\" is deleted again, without Assets.",
        "Deleted stack called shop",
    ]);
    assert_eq!(stage.changed_by(), ["DeleteStack", "DeleteStack"]);
    let tokens: Vec<_> =
        stage.changes().iter().map(|call| call.parameters.get("ClientRequestToken").cloned()).collect();
    assert!(tokens[0] != tokens[1], "{tokens:?}");
    Ok(())
}

#[test]
fn an_export_that_others_import_keeps_its_stack_and_is_told() -> Result<()> {
    let stage = Stage::start()?;
    stage.stacks.put(Given::new("shop").template(OLD).output("Vpc", "vpc-1", Some("shop-vpc")))?;
    stage.stacks.put(Given::new("app").imports("shop-vpc"))?;
    let ended = stage.run(BUCKET, DELETE)?;
    ended.expect("failed", "STACK_FAILED");
    assert!(ended.last_line().contains("Export shop-vpc cannot be deleted as it is in use by app"), "{}", ended.log);
    Ok(())
}

#[test]
fn what_others_do_is_waited_for_and_their_deletion_is_as_good_as_ours() -> Result<()> {
    let stage = Stage::start()?;
    for (plan, calls) in [(Plan::update(), 1), (Plan::delete(), 0)] {
        stage.stacks.put(Given::new("shop").template(OLD))?;
        stage.stacks.begin("shop", plan.holds(), Some("Console-1"))?;
        let before = stage.stacks.count("DeleteStack");
        let id = stage.begin(BUCKET, DELETE)?;
        stage.says(&id, "with the token Console-1. It is waited for.")?;
        stage.stacks.release("shop");
        let ended = stage.ended(&id)?;
        ended.expect_success();
        ended.expect_words(&["Deleted stack called shop"]);
        assert_eq!(stage.stacks.count("DeleteStack"), before + calls);
    }
    Ok(())
}

#[test]
fn a_stack_goes_in_whatever_state_it_is() -> Result<()> {
    let stage = Stage::start()?;
    let states = [
        "REVIEW_IN_PROGRESS",
        "ROLLBACK_COMPLETE",
        "ROLLBACK_FAILED",
        "UPDATE_ROLLBACK_FAILED",
        "IMPORT_ROLLBACK_FAILED",
    ];
    for status in states {
        let id = stage.stacks.put(Given::new("shop").in_state(status))?;
        stage.run(BUCKET, DELETE)?.expect_success();
        assert_eq!(stage.stacks.status(&id).as_deref(), Some("DELETE_COMPLETE"), "{status}");
    }
    Ok(())
}

#[test]
fn a_deletion_without_the_right_to_read_events_is_followed_by_the_state() -> Result<()> {
    let stage = Stage::start()?;
    stage.stacks.trouble("DescribeStackEvents", 10_000, Trouble::Denied);
    stage.stacks.put(Given::new("shop").template(OLD))?;
    let ended = stage.run(BUCKET, DELETE)?;
    ended.expect_success();
    ended.expect_words(&["lacks the permission cloudformation:DescribeStackEvents", "Deleted stack called shop"]);
    Ok(())
}
