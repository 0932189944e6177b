//! Change sets shown and applied, shown and kept, or none at all; and everything that a step says reaches AWS.

use tests::stacks::{Given, Plan, Resource};

use super::*;

const OLD: &str = "Resources:\n  Assets:\n    Type: AWS::S3::Bucket\n  Old:\n    Type: AWS::DynamoDB::Table\n  Worker:\n    Type: \
                   AWS::Lambda::Function\n";
const NEW: &str = "Resources:\n  Assets:\n    Type: AWS::S3::Bucket\n  Worker:\n    Type: AWS::Lambda::Function\n";
const ROLE: &str = "Parameters:\n  Size: { Type: String }\nResources:\n  Role:\n    Type: AWS::IAM::Role\n    Properties:\n      RoleName: \
                    shop\n      Description: !Ref Size\n";

/// A change set that was made and shown, and not applied.
struct Reviewed {
    id: String,
    digest: String,
}

fn review(stage: &Stage, stack: &str, template: &str) -> Result<Reviewed> {
    let ended = stage.run(template, &deploy(stack, "change_set: review"))?;
    ended.expect_success();
    let output = |name: &str| ended.output(&format!("AwsOutputs[{name}]")).to_owned();
    Ok(Reviewed { id: output("ChangesetId"), digest: output("ChangesDigest") })
}

fn apply_keys(stack: &str, reviewed: &Reviewed) -> String {
    let Reviewed { id, digest } = reviewed;
    format!("apply_change_set: {{ stack: {stack}, change_set: \"{id}\", digest: \"{digest}\" }}")
}

fn executions(stage: &Stage) -> usize {
    stage.stacks.count("ExecuteChangeSet")
}

#[test]
fn changes_are_shown_before_they_are_made_and_what_endangers_data_is_said_in_words() -> Result<()> {
    let stage = Stage::start()?;
    stage.stacks.put(Given::new("shop").template(OLD))?;
    let plan = Plan::update()
        .with(Resource::new("Assets", "AWS::S3::Bucket").replaced())
        .with(Resource::new("Worker", "AWS::Lambda::Function").replaced())
        .with(Resource::new("Feed", "AWS::SNS::Topic"));
    stage.stacks.on("shop", plan);
    let ended = stage.run(NEW, &deploy("shop", ""))?;
    ended.expect_success();
    let shown =
        |id: &str| ended.log.lines().find(|line| line.split_whitespace().nth(1) == Some(id)).unwrap_or_default();
    for (id, words) in [
        ("Assets", ["Modify", "AWS::S3::Bucket", "True", "REPLACED — its data is lost unless it was copied before"]),
        ("Worker", ["Modify", "AWS::Lambda::Function", "True", "replaced"]),
        ("Old", ["Remove", "AWS::DynamoDB::Table", "", "DELETED — holds data"]),
        ("Feed", ["Add", "AWS::SNS::Topic", "", ""]),
    ] {
        let line = shown(id);
        assert!(words.iter().all(|word| line.contains(word)), "{id} is {line:?} in {}", ended.log);
    }
    ended.expect_words(&["Changes of stack \"shop\": 4 resources.", "Assets is replaced", "Old is deleted"]);
    let danger = ended.log.find("Data is in danger").context("a warning")?;
    let begun = ended.log.find("UPDATE_IN_PROGRESS").context("the update is told of")?;
    assert!(danger < begun, "shown before anything is changed: {}", ended.log);
    Ok(())
}

#[test]
fn a_change_set_of_many_pages_is_shown_whole() -> Result<()> {
    let stage = Stage::start()?;
    stage.stacks.put(Given::new("shop").template(BUCKET))?;
    stage.stacks.on("shop", Plan::update().with_many(250, "AWS::SSM::Parameter").at_once());
    let ended = stage.run(BUCKET, &deploy("shop", "change_set: review"))?;
    ended.expect_success();
    ended.expect_words(&["Changes of stack \"shop\": 250 resources."]);
    let shown = ended.log.lines().filter(|line| line.starts_with("Add ") && line.contains("Part")).count();
    assert_eq!((shown, ended.output("AwsOutputs[ChangeCount]")), (250, "250"));
    Ok(())
}

#[test]
fn a_review_changes_nothing_and_what_was_reviewed_is_applied_by_another_deployment() -> Result<()> {
    let stage = Stage::start()?;
    stage.stacks.on("shop", Plan::create().output("AssetBucket", "assets-1").change_set_takes(3));
    let reviewed = review(&stage, "shop", BUCKET)?;
    assert_eq!(stage.changed_by(), ["CreateChangeSet"]);
    assert!(stage.stacks.effects().is_empty());
    assert_eq!(stage.stacks.status("shop").as_deref(), Some("REVIEW_IN_PROGRESS"));
    let ended = stage.run(BUCKET, &apply_keys("shop", &reviewed))?;
    ended.expect_success();
    assert_eq!(stage.changed_by(), ["CreateChangeSet", "ExecuteChangeSet"]);
    assert_eq!(ended.output("AwsOutputs[AssetBucket]"), "assets-1");
    Ok(())
}

#[test]
fn only_what_was_approved_is_applied() -> Result<()> {
    let stage = Stage::start()?;
    stage.stacks.put(Given::new("shop").template(OLD))?;
    stage.stacks.put(Given::new("other").template(OLD))?;
    let (shop, other) = (review(&stage, "shop", NEW)?, review(&stage, "other", NEW)?);
    let forged = Reviewed { id: shop.id.clone(), digest: other.digest.clone() };
    for (stack, reviewed, words) in [
        ("shop", &forged, "is not what was approved: it differs in the stack"),
        ("shop", &other, "is for stack \"other\", not for \"shop\""),
    ] {
        let ended = stage.run(BUCKET, &apply_keys(stack, reviewed))?;
        ended.expect("failed", "CHANGE_SET_CHANGED");
        ended.expect_words(&[words, "Nothing was changed."]);
    }
    assert_eq!(executions(&stage), 0);
    Ok(())
}

#[test]
fn a_change_set_that_was_applied_made_void_or_deleted_is_not_applied() -> Result<()> {
    let stage = Stage::start()?;
    for name in ["applied", "void", "deleted"] {
        stage.stacks.put(Given::new(name).template(OLD))?;
    }
    let applied = review(&stage, "applied", NEW)?;
    stage.run(BUCKET, &apply_keys("applied", &applied))?.expect_success();
    let again = stage.run(BUCKET, &apply_keys("applied", &applied))?;
    again.expect("failed", "CHANGE_SET_CHANGED");

    let void = review(&stage, "void", NEW)?;
    stage.run(OLD, &deploy("void", "change_set: direct, tags: { team: shop }"))?.expect_success();
    let ended = stage.run(BUCKET, &apply_keys("void", &void))?;
    ended.expect("failed", "CHANGE_SET_CHANGED");
    ended.expect_words(&["OBSOLETE"]);

    let deleted = review(&stage, "deleted", NEW)?;
    stage.run(BUCKET, &deploy("deleted", ""))?.expect_success();
    let ended = stage.run(BUCKET, &apply_keys("deleted", &deleted))?;
    ended.expect("failed", "STACK_GONE");
    assert_eq!(executions(&stage), 2, "one of the first, one of the last");
    Ok(())
}

#[test]
fn a_review_that_finds_nothing_leaves_nothing_to_apply() -> Result<()> {
    let stage = Stage::start()?;
    stage.stacks.put(Given::new("shop").template(BUCKET).output("AssetBucket", "assets-1", None))?;
    let reviewed = review(&stage, "shop", BUCKET)?;
    assert_eq!((reviewed.id.as_str(), reviewed.digest.as_str()), ("", ""));
    assert_eq!(stage.changed_by(), ["CreateChangeSet", "DeleteChangeSet"]);
    let ended = stage.run(BUCKET, &deploy("shop", ""))?;
    ended.expect_success();
    ended.expect_words(&["No changes need to be performed."]);
    assert_eq!(ended.output("AwsOutputs[AssetBucket]"), "assets-1", "the outputs are there all the same");
    assert!(stage.stacks.effects().is_empty());
    Ok(())
}

#[test]
fn a_change_set_that_fails_fails_the_step_with_the_reason_of_aws_and_leaves_nothing_behind() -> Result<()> {
    let stage = Stage::start()?;
    let why = "User: deployer is not authorized to perform: s3:GetObject";
    stage.stacks.put(Given::new("old").template(OLD))?;
    for (stack, plan, changes) in [
        ("old", Plan::update(), &["CreateChangeSet", "DeleteChangeSet"][..]),
        ("new", Plan::create(), &["CreateChangeSet", "DeleteChangeSet", "DeleteStack"]),
    ] {
        stage.stacks.on(stack, plan.change_set_fails(why));
        let before = stage.changes().len();
        let ended = stage.run(NEW, &deploy(stack, ""))?;
        ended.expect("failed", "CHANGE_SET_FAILED");
        assert!(ended.last_line().contains(why), "{}", ended.log);
        assert_eq!(&stage.changed_by()[before..], changes, "{stack}");
    }
    stage.stacks.advance("new", 2);
    assert_eq!((executions(&stage), stage.stacks.status("new")), (0, None), "the empty stack is gone as well");
    Ok(())
}

#[test]
fn a_stack_is_created_and_updated_directly_and_nothing_to_update_is_no_fault() -> Result<()> {
    let stage = Stage::start()?;
    let direct = deploy("shop", "change_set: direct");
    stage.run(OLD, &direct)?.expect_success();
    stage.run(NEW, &direct)?.expect_success();
    let ended = stage.run(NEW, &direct)?;
    ended.expect_success();
    ended.expect_words(&["No updates are to be performed."]);
    assert_eq!(stage.changed_by(), ["CreateStack", "UpdateStack", "UpdateStack"]);
    assert_eq!(stage.stacks.effects().len(), 2);
    Ok(())
}

#[test]
fn everything_that_the_step_says_reaches_aws_whatever_the_mode() -> Result<()> {
    let stage = Stage::start()?;
    let keys = |stack: &str, size: &str| {
        format!(
            "deploy:\n  stack: {stack}\n  template: template.yaml\n  change_set: {stack}\n  parameters: {{ Size: {size} }}\n  \
             capabilities: [CAPABILITY_NAMED_IAM]\n  tags: {{ team: web shop }}\n  role_arn: arn:aws:iam::123456789012:role/deployer\n  \
             termination_protection: true\n  notification_arns: [\"arn:aws:sns:eu-west-1:123456789012:told\"]\n  \
             rollback_triggers: {{ alarms: [\"arn:aws:cloudwatch:eu-west-1:123456789012:alarm:errors\"], monitoring: 5m }}\n  \
             on_failure: delete\n  stack_policy: '{POLICY}'"
        )
    };
    for stack in ["execute", "direct"] {
        stage.run(ROLE, &keys(stack, "small"))?.expect_success();
        stage.run(ROLE, &keys(stack, "large"))?.expect_success();
    }
    let changes = stage.changes();
    let asked = |action: &str| changes.iter().filter(|call| call.action == action).collect::<Vec<_>>();
    let said = |call: &Call, name: &str| call.parameters.get(name).cloned().unwrap_or_default();
    let (sets, created, updated) = (asked("CreateChangeSet"), asked("CreateStack"), asked("UpdateStack"));
    assert_eq!((sets.len(), created.len(), updated.len()), (2, 1, 1));
    for call in sets.iter().chain(&created).chain(&updated) {
        for (name, value) in SAID {
            assert_eq!(said(call, name), value, "{name} of {}", call.action);
        }
        let size = said(call, "Parameters.member.1.ParameterValue");
        assert!(size == "small" || size == "large", "{size:?} in {}", call.action);
    }
    assert_eq!((said(sets[0], "OnStackFailure"), said(created[0], "OnFailure")), ("DELETE".into(), "DELETE".into()));
    assert_eq!(said(created[0], "StackPolicyBody"), POLICY);
    assert_eq!(said(created[0], "EnableTerminationProtection"), "true");
    let policies = asked("SetStackPolicy");
    assert!(policies.len() == 3 && policies.iter().all(|call| said(call, "StackPolicyBody") == POLICY));
    assert_eq!(asked("UpdateTerminationProtection").len(), 1, "once for the one that a change set made");
    assert_tokens(&changes);
    Ok(())
}

const POLICY: &str = r#"{"Statement": [{"Effect": "Allow", "Action": "Update:*", "Principal": "*", "Resource": "*"}]}"#;

const SAID: [(&str, &str); 8] = [
    ("Parameters.member.1.ParameterKey", "Size"),
    ("Capabilities.member.1", "CAPABILITY_NAMED_IAM"),
    ("Tags.member.1.Key", "team"),
    ("Tags.member.1.Value", "web shop"),
    ("RoleARN", "arn:aws:iam::123456789012:role/deployer"),
    ("NotificationARNs.member.1", "arn:aws:sns:eu-west-1:123456789012:told"),
    ("RollbackConfiguration.MonitoringTimeInMinutes", "5"),
    ("RollbackConfiguration.RollbackTriggers.member.1.Arn", "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:errors"),
];

/// Every call that AWS takes a token for has one of the step's own.
fn assert_tokens(changes: &[Call]) {
    for call in changes {
        let token = match call.action.as_str() {
            "CreateChangeSet" => "ClientToken",
            "SetStackPolicy" | "UpdateTerminationProtection" | "DeleteChangeSet" => continue,
            _ => "ClientRequestToken",
        };
        let given = call.parameters.get(token).map(String::as_str).unwrap_or_default();
        assert!(given.starts_with("longshore-"), "{} has the token {given:?}", call.action);
    }
}

#[test]
fn the_time_of_a_creation_is_bounded_by_aws_and_then_there_is_no_change_set() -> Result<()> {
    let stage = Stage::start()?;
    let ended = stage.run(BUCKET, &deploy("shop", "creation_timeout: 30m, on_failure: do-nothing"))?;
    ended.expect_success();
    ended.expect_words(&["The stack is created without a change set"]);
    let changes = stage.changes();
    assert_eq!(stage.changed_by(), ["CreateStack"]);
    assert_eq!(changes[0].parameters.get("TimeoutInMinutes").map(String::as_str), Some("30"));
    assert_eq!(changes[0].parameters.get("OnFailure").map(String::as_str), Some("DO_NOTHING"));
    assert_tokens(&changes);
    Ok(())
}

#[test]
fn a_creation_that_fails_leaves_what_the_step_wishes() -> Result<()> {
    let stage = Stage::start()?;
    for (mode, on_failure, end) in [
        ("execute", "rollback", "ROLLBACK_COMPLETE"),
        ("execute", "delete", "DELETE_COMPLETE"),
        ("execute", "do-nothing", "CREATE_FAILED"),
        ("direct", "rollback", "ROLLBACK_COMPLETE"),
        ("direct", "delete", "DELETE_COMPLETE"),
        ("direct", "do-nothing", "CREATE_FAILED"),
    ] {
        let stack = format!("{mode}-{on_failure}");
        let assets = Resource::new("Assets", "AWS::S3::Bucket").fails("The name is taken.");
        stage.stacks.on(&stack, Plan::create().with(assets).at_once());
        let ended = stage.run(BUCKET, &deploy(&stack, &format!("change_set: {mode}, on_failure: {on_failure}")))?;
        ended.expect("failed", "STACK_FAILED");
        ended.expect_words(&[&format!("Stack \"{stack}\" ended in {end}")]);
        assert!(ended.last_line().ends_with("Assets (AWS::S3::Bucket): The name is taken."), "{}", ended.log);
    }
    assert_eq!(stage.stacks.count("DeleteStack"), 0, "it is AWS that deletes");
    Ok(())
}

#[test]
fn a_template_in_s3_is_read_by_aws_and_checked_by_what_aws_says_of_it() -> Result<()> {
    let stage = Stage::start()?;
    let place = "/shop-templates/queue.yaml";
    stage.stacks.templates_from(move |url| {
        let template = "Parameters:\n  Size: { Type: String }\nResources:\n  Queue:\n    Type: AWS::SQS::Queue\n";
        url.ends_with(place).then(|| template.to_owned())
    });
    let keys = |more: &str| format!("deploy: {{ stack: shop, template: \"s3:/{place}\"{more} }}");
    let refused = stage.run("", &keys(""))?;
    refused.expect("failed", "STACK_INPUT");
    refused.expect_words(&["\"Size\""]);
    assert!(stage.changes().is_empty());
    stage.run("", &keys(", parameters: { Size: large }"))?.expect_success();
    let asked = stage.changes().remove(0);
    assert!(asked.parameters.get("TemplateURL").is_some_and(|url| url.ends_with(place)), "{asked:?}");
    assert_eq!(stage.stacks.status("shop").as_deref(), Some("CREATE_COMPLETE"));
    Ok(())
}
