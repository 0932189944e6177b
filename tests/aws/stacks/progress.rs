//! What is told while AWS works, and what AWS's trouble does to it.

use tests::stacks::{Given, Plan, Refusal, Resource, Trouble};

use super::*;

const NETWORK: &str = "Resources:\n  Network:\n    Type: AWS::CloudFormation::Stack\n    Properties:\n      TemplateURL: \
                       https://shop.s3.amazonaws.com/network.yaml\n";
const OLD: &str = "Resources:\n  Assets:\n    Type: AWS::S3::Bucket\n  Old:\n    Type: AWS::SQS::Queue\n";
/// More calls than any story here has.
const ALWAYS: usize = 10_000;

/// The events in a log: path and status.
fn told(log: &str) -> Vec<(String, String)> {
    let event = |line: &str| {
        let mut parts = line.get(9..)?.trim_start().split("  ");
        let (status, path) = (parts.next()?, parts.nth(1)?);
        let is_event = ["_IN_PROGRESS", "_COMPLETE", "_FAILED"].iter().any(|end| status.ends_with(end));
        is_event.then(|| (path.to_owned(), status.to_owned()))
    };
    log.lines().filter_map(event).collect()
}

#[test]
fn six_hundred_events_within_one_look_are_told_once_and_in_order() -> Result<()> {
    let stage = Stage::start()?;
    stage.stacks.put(Given::new("shop").template(BUCKET))?;
    let before = stage.stacks.events("shop").len();
    stage.stacks.on("shop", Plan::update().with_many(200, "AWS::SSM::Parameter").at_once());
    let ended = stage.run(BUCKET, &deploy("shop", ""))?;
    ended.expect_success();
    let events = stage.stacks.events("shop");
    let expected: Vec<_> = events[before..].iter().map(|(id, status, _)| (id.clone(), status.clone())).collect();
    assert_eq!(expected.len(), 3 + 3 * 200);
    assert_eq!(told(&ended.log), expected);
    Ok(())
}

#[test]
fn a_nested_stack_is_told_live_and_further_to_the_right() -> Result<()> {
    let stage = Stage::start()?;
    let subnet = Resource::new("Subnet", "AWS::EC2::Subnet").after("Vpc").holds();
    let zone = Resource::nested("Zone", Plan::create().with(Resource::new("Vpc", "AWS::EC2::VPC")).with(subnet));
    stage.stacks.on("shop", Plan::create().with(Resource::nested("Network", Plan::create().with(zone))));
    let id = stage.begin(NETWORK, &deploy("shop", ""))?;
    stage.says(&id, "     CREATE_COMPLETE  AWS::EC2::VPC  Network/Zone/Vpc")?;
    assert_eq!(stage.stacks.status("shop").as_deref(), Some("CREATE_IN_PROGRESS"), "it is told while it goes on");
    stage.stacks.release("shop");
    let ended = stage.ended(&id)?;
    ended.expect_success();
    let told = told(&ended.log);
    // Of a nested stack its parent tells three, and it tells two itself.
    for (path, count) in [("Network/Zone/Subnet", 3), ("Network/Zone/Vpc", 3), ("Network/Zone", 5), ("Network", 5)] {
        assert_eq!(told.iter().filter(|(told, _)| told == path).count(), count, "{path}: {}", ended.log);
    }
    assert_eq!(told.last(), Some(&("shop".into(), "CREATE_COMPLETE".into())), "the parent ends last: {}", ended.log);
    Ok(())
}

#[test]
fn a_failure_deep_in_nested_stacks_is_the_last_word_with_the_way_to_it() -> Result<()> {
    let stage = Stage::start()?;
    let subnet = Resource::new("Subnet", "AWS::EC2::Subnet").fails("There are no free addresses.");
    let zone = Plan::create().with(subnet).with(Resource::new("Gateway", "AWS::EC2::NatGateway").takes(9));
    let network = Plan::create().with(Resource::nested("Zone", zone));
    stage.stacks.on("shop", Plan::create().with(Resource::nested("Network", network)));
    let ended = stage.run(NETWORK, &deploy("shop", ""))?;
    ended.expect("failed", "STACK_FAILED");
    assert_eq!(
        ended.last_line(),
        "First cause: Network/Zone/Subnet (AWS::EC2::Subnet): There are no free addresses.",
        "{}",
        ended.log
    );
    assert!(!ended.log.contains("CREATE_FAILED  AWS::EC2::NatGateway"), "a cancellation is folded: {}", ended.log);
    Ok(())
}

#[test]
fn what_was_only_cancelled_is_one_line() -> Result<()> {
    let stage = Stage::start()?;
    let plan = Plan::create()
        .with(Resource::new("Assets", "AWS::S3::Bucket").fails("The name is taken."))
        .with(Resource::new("Feed", "AWS::SNS::Topic").takes(9))
        .with(Resource::new("Queue", "AWS::SQS::Queue").takes(9));
    stage.stacks.on("shop", plan);
    let ended = stage.run(BUCKET, &deploy("shop", ""))?;
    ended.expect("failed", "STACK_FAILED");
    ended.expect_words(&["… and 2 more were cancelled because of that: Feed, Queue"]);
    assert_eq!(told(&ended.log).iter().filter(|(_, status)| status == "CREATE_FAILED").count(), 1, "{}", ended.log);
    assert_eq!(ended.last_line(), "First cause: Assets (AWS::S3::Bucket): The name is taken.");
    Ok(())
}

#[test]
fn throttling_and_faults_of_aws_are_borne_and_nothing_is_done_twice() -> Result<()> {
    let stage = Stage::start()?;
    let troubles =
        [("throttled", 2, Trouble::Throttled), ("failed", 1, Trouble::Failed(503)), ("cut", 1, Trouble::Unreached)];
    for (stack, times, trouble) in troubles {
        stage.stacks.on(stack, Plan::create().at_once());
        for action in ["DescribeStackEvents", "CreateChangeSet", "ExecuteChangeSet", "DescribeChangeSet"] {
            stage.stacks.trouble(action, times, trouble.clone());
        }
        let before = stage.stacks.effects().len();
        let ended = stage.run(BUCKET, &deploy(stack, ""))?;
        ended.expect_success();
        assert_eq!(stage.stacks.effects().len(), before + 1, "{stack}");
        let told = told(&ended.log);
        let ends = told.iter().filter(|(path, status)| path == stack && status == "CREATE_COMPLETE").count();
        assert_eq!(ends, 1, "{stack}: {}", ended.log);
    }
    Ok(())
}

#[test]
fn an_operation_is_followed_on_when_aws_does_not_answer_for_long() -> Result<()> {
    let stage = Stage::start()?;
    stage.stacks.on("shop", Plan::create().holds());
    let id = stage.begin(BUCKET, &deploy("shop", ""))?;
    stage.says(&id, "CREATE_IN_PROGRESS")?;
    // More than the client itself tries again.
    stage.stacks.trouble("DescribeStacks", 6, Trouble::Failed(503));
    stage.says(&id, "The operation goes on in AWS, which is asked again until it answers.")?;
    stage.stacks.release("shop");
    let ended = stage.ended(&id)?;
    ended.expect_success();
    ended.expect_words(&["AWS answers again."]);
    Ok(())
}

#[test]
fn a_step_that_may_not_read_events_follows_the_state_and_says_so() -> Result<()> {
    let stage = Stage::start()?;
    stage.stacks.trouble("DescribeStackEvents", ALWAYS, Trouble::Denied);
    let ended = stage.run(BUCKET, &deploy("well", ""))?;
    ended.expect_success();
    ended.expect_words(&[
        "lacks the permission cloudformation:DescribeStackEvents",
        "Only the stack's state is followed, without its events.",
    ]);
    let broken = Resource::new("Assets", "AWS::S3::Bucket").fails("The name is taken.");
    stage.stacks.on("broken", Plan::create().with(broken));
    let ended = stage.run(BUCKET, &deploy("broken", ""))?;
    ended.expect("failed", "STACK_FAILED");
    ended.expect_words(&["Stack \"broken\" ended in ROLLBACK_COMPLETE"]);
    Ok(())
}

#[test]
fn a_change_whose_answer_is_lost_is_made_once() -> Result<()> {
    let stage = Stage::start()?;
    for (stack, action, keys) in [
        ("new-set", "CreateChangeSet", ""),
        ("new-run", "ExecuteChangeSet", ""),
        ("old-set", "CreateChangeSet", ""),
        ("old-run", "ExecuteChangeSet", ""),
        ("new-direct", "CreateStack", "change_set: direct"),
        ("old-direct", "UpdateStack", "change_set: direct"),
    ] {
        if stack.starts_with("old") {
            stage.stacks.put(Given::new(stack).template(OLD))?;
        }
        stage.stacks.trouble(action, 1, Trouble::Lost);
        let calls = stage.stacks.count(action);
        let ended = stage.run(BUCKET, &deploy(stack, keys))?;
        ended.expect_success();
        assert!(stage.stacks.count(action) > calls + 1, "{action} was asked again");
        let effects = stage.stacks.effects();
        assert_eq!(effects.iter().filter(|effect| effect.stack == stack).count(), 1, "{stack}: {effects:?}");
    }
    Ok(())
}

#[test]
fn a_deletion_whose_answer_is_lost_is_made_once() -> Result<()> {
    let stage = Stage::start()?;
    stage.stacks.put(Given::new("shop").template(OLD))?;
    stage.stacks.trouble("DeleteStack", 1, Trouble::Lost);
    let ended = stage.run(BUCKET, "delete: { stack: shop }")?;
    ended.expect_success();
    assert_eq!((stage.stacks.count("DeleteStack"), stage.stacks.effects().len()), (2, 1));
    Ok(())
}

#[test]
fn what_aws_says_was_asked_for_before_is_found_by_its_token_and_followed() -> Result<()> {
    let stage = Stage::start()?;
    let token = ("TokenAlreadyExistsException", "The ClientRequestToken [it] has already been used");
    let busy = ("ValidationError", "Stack:arn is in UPDATE_IN_PROGRESS state and can not be updated.");
    let executed =
        ("InvalidChangeSetStatus", "ChangeSet [it] cannot be executed in its current status of [EXECUTE_IN_PROGRESS]");
    let exists = ("AlreadyExistsException", "[it] already exists");
    for (stack, action, (code, message)) in [
        ("new-set", "CreateChangeSet", exists),
        ("old-run", "ExecuteChangeSet", executed),
        ("new-direct", "CreateStack", exists),
        ("new-token", "CreateStack", token),
        ("old-token", "UpdateStack", token),
        ("old-busy", "UpdateStack", busy),
        ("old-gone", "DeleteStack", token),
    ] {
        if stack.starts_with("old") {
            stage.stacks.put(Given::new(stack).template(OLD))?;
        }
        stage.stacks.trouble(action, 1, Trouble::Lost);
        stage.stacks.trouble(action, 1, Trouble::Refused(Refusal::new(400, code, message)));
        let keys = match action {
            "DeleteStack" => format!("delete: {{ stack: {stack} }}"),
            "CreateStack" | "UpdateStack" => deploy(stack, "change_set: direct"),
            _ => deploy(stack, ""),
        };
        let ended = stage.run(BUCKET, &keys)?;
        ended.expect_success();
        let told = told(&ended.log);
        assert!(told.iter().any(|(path, status)| path == stack && status.ends_with("_COMPLETE")), "{}", ended.log);
        let effects = stage.stacks.effects();
        assert_eq!(effects.iter().filter(|effect| effect.stack == stack).count(), 1, "{stack}: {effects:?}");
    }
    Ok(())
}

#[test]
fn what_is_done_though_aws_never_says_so_is_found_by_its_token() -> Result<()> {
    let stage = Stage::start()?;
    // As often as the client asks.
    stage.stacks.trouble("CreateChangeSet", 5, Trouble::Lost);
    stage.stacks.trouble("CreateStack", 5, Trouble::Lost);
    stage.run(BUCKET, &deploy("set", ""))?.expect_success();
    stage.run(BUCKET, &deploy("made", "change_set: direct"))?.expect_success();
    assert_eq!((stage.stacks.count("CreateStack"), stage.stacks.count("CreateChangeSet")), (5, 5));
    assert_eq!(stage.stacks.effects().len(), 2, "one each");
    Ok(())
}
