//! How operations end.

use anyhow::Result;
use tests::{
    Stacks,
    stacks::{Given, Plan, Resource},
};

use super::{SHOP, call, ok, settled, texts, told};

const NAMED: [(&str, &str); 1] = [("StackName", "shop")];
const NEW: [(&str, &str); 2] = [("StackName", "shop"), ("TemplateBody", SHOP)];

#[test]
fn a_creation_goes_step_by_step_with_each_look() -> Result<()> {
    let stacks = Stacks::start()?;
    ok(&stacks, "CreateStack", &NEW)?;
    assert_eq!(told(&stacks, "shop"), ["shop CREATE_IN_PROGRESS"]);
    for (looks, last) in [(1, "Assets CREATE_IN_PROGRESS"), (2, "Feed CREATE_IN_PROGRESS"), (3, "shop CREATE_COMPLETE")]
    {
        ok(&stacks, "DescribeStacks", &NAMED)?;
        assert_eq!(told(&stacks, "shop").last().map(String::as_str), Some(last), "after {looks} looks");
    }
    Ok(())
}

#[test]
fn a_failed_creation_cancels_what_runs_and_ends_as_its_caller_wished() -> Result<()> {
    for (wish, end) in
        [("ROLLBACK", "ROLLBACK_COMPLETE"), ("DO_NOTHING", "CREATE_FAILED"), ("DELETE", "DELETE_COMPLETE")]
    {
        let stacks = Stacks::start()?;
        let broken = Resource::new("Queue", "AWS::SQS::Queue").fails("no");
        let slow = Resource::new("Topic", "AWS::SNS::Topic").takes(9);
        stacks.on("shop", Plan::create().with(broken).with(slow));
        let made = ok(&stacks, "CreateStack", &[NEW[0], NEW[1], ("OnFailure", wish)])?;
        let id = texts(&made, "StackId").remove(0);
        assert_eq!(settled(&stacks, &id)?, end);
        let events = stacks.events(&id);
        let cancelled = events.iter().find(|(id, status, _)| id == "Topic" && status == "CREATE_FAILED");
        assert_eq!(cancelled.and_then(|event| event.2.as_deref()), Some("Resource creation cancelled"), "{events:?}");
    }
    Ok(())
}

#[test]
fn a_rollback_that_fails_leaves_the_stack_in_rollback_failed() -> Result<()> {
    let stacks = Stacks::start()?;
    let bucket = Resource::new("Assets", "AWS::S3::Bucket").sticks("The bucket you tried to delete is not empty");
    stacks.on("shop", Plan::create().with(bucket).with(Resource::new("Feed", "AWS::SNS::Topic").fails("no")));
    ok(&stacks, "CreateStack", &NEW)?;
    assert_eq!(settled(&stacks, "shop")?, "ROLLBACK_FAILED");
    assert!(told(&stacks, "shop").contains(&"Assets DELETE_FAILED".to_owned()));
    Ok(())
}

#[test]
fn a_failed_update_goes_back_and_cleans_up() -> Result<()> {
    let stacks = Stacks::start()?;
    stacks.put(Given::new("shop").template(SHOP))?;
    let plan = Plan::update()
        .with(Resource::new("Assets", "AWS::S3::Bucket"))
        .with(Resource::new("Queue", "AWS::SQS::Queue").after("Assets").fails("no"));
    stacks.on("shop", plan);
    ok(&stacks, "UpdateStack", &[NAMED[0], ("UsePreviousTemplate", "true")])?;
    assert_eq!(settled(&stacks, "shop")?, "UPDATE_ROLLBACK_COMPLETE");
    let told = told(&stacks, "shop");
    let of = |id: &str| told.iter().filter(|event| event.starts_with(id)).cloned().collect::<Vec<_>>();
    assert_eq!(
        of("Queue"),
        ["Queue CREATE_IN_PROGRESS", "Queue CREATE_FAILED", "Queue DELETE_IN_PROGRESS", "Queue DELETE_COMPLETE"]
    );
    assert_eq!(
        of("shop")[1..],
        [
            "shop UPDATE_IN_PROGRESS",
            "shop UPDATE_ROLLBACK_IN_PROGRESS",
            "shop UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS",
            "shop UPDATE_ROLLBACK_COMPLETE"
        ]
    );
    Ok(())
}

#[test]
fn an_update_that_cannot_go_back_is_continued_by_skipping_or_once_it_is_mended() -> Result<()> {
    for is_skipped in [true, false] {
        let stacks = Stacks::start()?;
        stacks.put(Given::new("shop").template(SHOP))?;
        let plan = Plan::update()
            .with(Resource::new("Assets", "AWS::S3::Bucket").sticks("Access Denied"))
            .with(Resource::new("Feed", "AWS::SNS::Topic").fails("no"));
        stacks.on("shop", plan);
        ok(&stacks, "UpdateStack", &[NAMED[0], ("UsePreviousTemplate", "true")])?;
        assert_eq!(settled(&stacks, "shop")?, "UPDATE_ROLLBACK_FAILED");
        let (status, body) = call(&stacks, "UpdateStack", &NEW)?;
        assert!(status == 400 && body.contains("is in UPDATE_ROLLBACK_FAILED state and can not be updated"), "{body}");
        let skip = [NAMED[0], ("ResourcesToSkip.member.1", "Assets")];
        if !is_skipped {
            stacks.mend("shop", "Assets");
        }
        ok(&stacks, "ContinueUpdateRollback", if is_skipped { &skip } else { &NAMED })?;
        assert_eq!(settled(&stacks, "shop")?, "UPDATE_ROLLBACK_COMPLETE");
    }
    Ok(())
}

#[test]
fn a_deletion_that_is_blocked_can_retain_what_blocks_it() -> Result<()> {
    let stacks = Stacks::start()?;
    let bucket = Resource::new("Assets", "AWS::S3::Bucket").sticks("The bucket you tried to delete is not empty");
    let id = stacks.put(Given::new("shop").template(SHOP).with(bucket))?;
    let retain = [NAMED[0], ("RetainResources.member.1", "Assets")];
    let (status, body) = call(&stacks, "DeleteStack", &retain)?;
    assert!(status == 400 && body.contains("only when the stack is in the DELETE_FAILED state"), "{body}");
    ok(&stacks, "DeleteStack", &NAMED)?;
    assert_eq!(settled(&stacks, "shop")?, "DELETE_FAILED");
    ok(&stacks, "DeleteStack", &retain)?;
    assert_eq!(settled(&stacks, &id)?, "DELETE_COMPLETE");
    assert!(told(&stacks, &id).contains(&"Assets DELETE_SKIPPED".to_owned()));
    let (status, body) = call(&stacks, "DescribeStacks", &NAMED)?;
    assert!(status == 400 && body.contains("Stack with id shop does not exist"), "{body}");
    ok(&stacks, "DescribeStacks", &[("StackName", &id)])?;
    ok(&stacks, "DeleteStack", &NAMED)?;
    Ok(())
}

#[test]
fn an_update_that_is_told_not_to_roll_back_can_be_rolled_back_later() -> Result<()> {
    let stacks = Stacks::start()?;
    stacks.put(Given::new("shop").template(SHOP))?;
    stacks.on("shop", Plan::update().with(Resource::new("Feed", "AWS::SNS::Topic").fails("no")));
    ok(&stacks, "UpdateStack", &[NAMED[0], ("UsePreviousTemplate", "true"), ("DisableRollback", "true")])?;
    assert_eq!(settled(&stacks, "shop")?, "UPDATE_FAILED");
    ok(&stacks, "RollbackStack", &NAMED)?;
    assert_eq!(settled(&stacks, "shop")?, "UPDATE_ROLLBACK_COMPLETE");
    Ok(())
}

#[test]
fn a_replacement_and_a_removal_are_cleaned_up_after_the_update() -> Result<()> {
    let stacks = Stacks::start()?;
    stacks.put(Given::new("shop").template(SHOP))?;
    let plan = Plan::update()
        .with(Resource::new("Assets", "AWS::S3::Bucket").replaced())
        .with(Resource::new("Feed", "AWS::SNS::Topic").removed().retained());
    stacks.begin("shop", plan, None)?;
    assert_eq!(settled(&stacks, "shop")?, "UPDATE_COMPLETE");
    let told = told(&stacks, "shop");
    let cleanup = told.iter().position(|event| event.contains("CLEANUP")).unwrap_or_default();
    assert!(told[..cleanup].contains(&"Assets UPDATE_COMPLETE".to_owned()), "{told:?}");
    assert!(told[cleanup..].contains(&"Assets DELETE_COMPLETE".to_owned()), "{told:?}");
    assert!(told[cleanup..].contains(&"Feed DELETE_SKIPPED".to_owned()), "{told:?}");
    Ok(())
}
