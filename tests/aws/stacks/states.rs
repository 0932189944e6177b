//! What a deployment does with a stack, by the state in which it finds it. Nothing that was healthy once is ever deleted.

use tests::stacks::{Given, Kind, Plan, Refusal, Resource, Trouble};

use super::*;

/// What was there before [`BUCKET`].
const OLD: &str = "Resources:\n  Assets:\n    Type: AWS::S3::Bucket\n  Old:\n    Type: AWS::SQS::Queue\n";
const BY_CHANGE_SET: [&str; 2] = ["CreateChangeSet", "ExecuteChangeSet"];
const ANEW: [&str; 3] = ["DeleteStack", "CreateChangeSet", "ExecuteChangeSet"];
/// States in which a stack is that never was healthy.
const NEVER_HEALTHY: [&str; 3] = ["CREATE_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED"];

/// A stack whose creation failed, begun with this token.
fn could_not_be_created(stage: &Stage, stack: &str, status: &str, token: &str) -> Result<String> {
    let assets = Resource::new("Assets", "AWS::S3::Bucket");
    let id = stage.stacks.put(Given::new(stack).in_state("CREATE_IN_PROGRESS").with(assets).by_token(token))?;
    stage.stacks.set_status(stack, status, Some("The following resource(s) failed to create: [Queue]."))?;
    Ok(id)
}

/// The name of a stack for a state: `rollback-complete`.
fn named_for(status: &str) -> String {
    status.to_lowercase().replace('_', "-")
}

#[test]
fn an_absent_stack_is_created() -> Result<()> {
    let stage = Stage::start()?;
    stage.stacks.on("shop", Plan::create().output("AssetBucket", "assets-1"));
    let ended = stage.run(BUCKET, &deploy("shop", ""))?;
    ended.expect_success();
    assert_eq!(stage.changed_by(), BY_CHANGE_SET);
    assert_eq!(stage.stacks.status("shop").as_deref(), Some("CREATE_COMPLETE"));
    assert!(ended.outputs().contains("assets-1"), "{}", ended.outputs());
    ended.expect_words(&["Created stack arn:aws:cloudformation:eu-west-1:"]);
    Ok(())
}

#[test]
fn a_stack_that_waits_for_its_first_change_set_is_created_from_one() -> Result<()> {
    let stage = Stage::start()?;
    for mode in ["execute", "direct"] {
        let id = stage.stacks.put(Given::new(mode).in_state("REVIEW_IN_PROGRESS"))?;
        let before = stage.changes().len();
        let ended = stage.run(BUCKET, &deploy(mode, &format!("change_set: {mode}")))?;
        ended.expect_success();
        assert_eq!(stage.changed_by()[before..], BY_CHANGE_SET, "{mode}");
        assert_eq!(stage.changes()[before].parameters.get("ChangeSetType").map(String::as_str), Some("CREATE"));
        assert_eq!(stage.stacks.status(&id).as_deref(), Some("CREATE_COMPLETE"), "it is the same stack");
    }
    Ok(())
}

#[test]
fn a_change_set_that_fails_for_an_empty_stack_is_no_success() -> Result<()> {
    let stage = Stage::start()?;
    let why = "Transform AWS::Include failed with: S3 bucket [shop-snippets] does not exist";
    stage.stacks.on("shop", Plan::create().change_set_fails(why));
    let id = stage.stacks.put(Given::new("shop").in_state("REVIEW_IN_PROGRESS"))?;
    let ended = stage.run(BUCKET, &deploy("shop", ""))?;
    ended.expect("failed", "CHANGE_SET_FAILED");
    assert!(ended.last_line().contains(why), "{}", ended.log);
    assert_eq!(stage.changed_by(), ["CreateChangeSet", "DeleteChangeSet"]);
    assert_eq!(stage.stacks.status(&id).as_deref(), Some("REVIEW_IN_PROGRESS"), "the shell was not ours to delete");
    Ok(())
}

#[test]
fn a_stack_of_ours_that_never_was_healthy_is_deleted_and_created_anew() -> Result<()> {
    let stage = Stage::start()?;
    for status in NEVER_HEALTHY {
        let name = named_for(status);
        let id = could_not_be_created(&stage, &name, status, "longshore-0f-0")?;
        let before = stage.changes().len();
        let ended = stage.run(BUCKET, &deploy(&name, ""))?;
        ended.expect_success();
        let changes = &stage.changes()[before..];
        assert_eq!(changes.iter().map(|call| call.action.as_str()).collect::<Vec<_>>(), ANEW, "{status}");
        assert_eq!(changes[0].parameters.get("StackName"), Some(&id), "it is deleted by its id");
        ended.expect_words(&[
            &format!("Stack \"{name}\" is in {status} and never was healthy: it is deleted and created anew."),
            "What is left of it is deleted: Assets (AWS::S3::Bucket).",
            "DELETE_COMPLETE",
        ]);
        assert_eq!(stage.stacks.status(&id).as_deref(), Some("DELETE_COMPLETE"));
        assert_eq!(stage.stacks.status(&name).as_deref(), Some("CREATE_COMPLETE"));
    }
    Ok(())
}

#[test]
fn a_failed_stack_of_somebody_else_is_deleted_only_if_the_step_allows_it() -> Result<()> {
    let stage = Stage::start()?;
    for status in NEVER_HEALTHY {
        let name = named_for(status);
        could_not_be_created(&stage, &name, status, "Console-CreateStack-1")?;
        let before = stage.changes().len();
        let ended = stage.run(BUCKET, &deploy(&name, ""))?;
        ended.expect("failed", "STACK_STATE");
        ended.expect_words(&[status, "it never was healthy", "`replace_failed: true`"]);
        assert_eq!(stage.changes().len(), before, "{status}");
        let ended = stage.run(BUCKET, &deploy(&name, "replace_failed: true"))?;
        ended.expect_success();
        assert_eq!(stage.changed_by()[before..], ANEW, "{status}");
    }
    Ok(())
}

#[test]
fn a_failed_stack_of_ours_is_kept_if_the_step_says_so() -> Result<()> {
    let stage = Stage::start()?;
    for status in NEVER_HEALTHY {
        let name = named_for(status);
        could_not_be_created(&stage, &name, status, "longshore-0f-0")?;
        let ended = stage.run(BUCKET, &deploy(&name, "replace_failed: false"))?;
        ended.expect("failed", "STACK_STATE");
        assert_eq!(stage.stacks.status(&name).as_deref(), Some(status));
    }
    assert!(stage.changes().is_empty());
    Ok(())
}

#[test]
fn a_stack_that_was_healthy_or_may_have_been_is_never_deleted() -> Result<()> {
    let stage = Stage::start()?;
    // Of the first AWS has forgotten how it began, the second was healthy for a while.
    stage.stacks.put(Given::new("forgotten").in_state("ROLLBACK_COMPLETE").by_token("longshore-0f-0"))?;
    could_not_be_created(&stage, "healthy", "CREATE_COMPLETE", "longshore-0f-0")?;
    stage.stacks.set_status("healthy", "ROLLBACK_FAILED", None)?;
    for name in ["forgotten", "healthy"] {
        let ended = stage.run(BUCKET, &deploy(name, "replace_failed: true"))?;
        ended.expect("failed", "STACK_STATE");
        ended.expect_words(&["it may have been healthy once, so that nothing of it is deleted"]);
    }
    assert!(stage.changes().is_empty());
    Ok(())
}

#[test]
fn a_failed_stack_that_is_protected_is_not_replaced() -> Result<()> {
    let stage = Stage::start()?;
    stage.stacks.put(Given::new("shop").in_state("CREATE_IN_PROGRESS").by_token("longshore-0f-0").protected())?;
    stage.stacks.set_status("shop", "ROLLBACK_COMPLETE", None)?;
    let ended = stage.run(BUCKET, &deploy("shop", ""))?;
    ended.expect("failed", "STACK_PROTECTED");
    assert!(stage.changes().is_empty());
    Ok(())
}

#[test]
fn an_update_that_could_not_be_taken_back_is_never_deleted_and_how_to_go_on_is_said() -> Result<()> {
    let stage = Stage::start()?;
    let stuck = Resource::new("Assets", "AWS::S3::Bucket").sticks("The bucket is gone");
    stage.stacks.put(Given::new("shop").in_state("UPDATE_ROLLBACK_FAILED").template(OLD).with(stuck))?;
    let ended = stage.run(BUCKET, &deploy("shop", "replace_failed: true"))?;
    ended.expect("failed", "STACK_STATE");
    ended.expect_words(&[
        "Nothing of it is deleted.",
        "Assets (AWS::S3::Bucket): The bucket is gone.",
        "`continue_rollback: { skip: [Assets] }`",
        "aws cloudformation continue-update-rollback --stack-name shop --resources-to-skip Assets",
    ]);
    assert!(stage.changes().is_empty());
    let ended = stage.run(BUCKET, &deploy("shop", "continue_rollback: { skip: [Assets] }"))?;
    ended.expect_success();
    let changes = stage.changes();
    assert_eq!(stage.changed_by(), ["ContinueUpdateRollback", "CreateChangeSet", "ExecuteChangeSet"]);
    assert_eq!(changes[0].parameters.get("ResourcesToSkip.member.1").map(String::as_str), Some("Assets"));
    ended.expect_words(&["its rollback is continued without Assets", "UPDATE_ROLLBACK_COMPLETE", "Updated stack"]);
    assert_eq!(stage.stacks.status("shop").as_deref(), Some("UPDATE_COMPLETE"));
    Ok(())
}

#[test]
fn a_rollback_that_fails_again_says_what_keeps_it() -> Result<()> {
    let stage = Stage::start()?;
    let stuck = Resource::new("Assets", "AWS::S3::Bucket").sticks("Access Denied to the bucket");
    stage.stacks.put(Given::new("shop").in_state("UPDATE_ROLLBACK_FAILED").template(OLD).with(stuck))?;
    let ended = stage.run(BUCKET, &deploy("shop", "continue_rollback: {}"))?;
    ended.expect("failed", "STACK_FAILED");
    ended.expect_words(&["`continue_rollback: { skip: [Assets] }`"]);
    assert!(ended.last_line().contains("Access Denied to the bucket"), "{}", ended.log);
    assert_eq!(stage.changed_by(), ["ContinueUpdateRollback"]);
    Ok(())
}

#[test]
fn a_stack_that_could_not_be_deleted_says_what_blocks_it() -> Result<()> {
    let stage = Stage::start()?;
    let full = Resource::new("Assets", "AWS::S3::Bucket").sticks("The bucket you tried to delete is not empty");
    stage.stacks.put(Given::new("shop").in_state("DELETE_FAILED").template(OLD).with(full))?;
    let ended = stage.run(BUCKET, &deploy("shop", "replace_failed: true"))?;
    ended.expect("failed", "STACK_STATE");
    ended.expect_words(&["`cloudformation.delete`", "`retain`"]);
    assert!(ended.last_line().contains("Assets (AWS::S3::Bucket): The bucket you tried to delete is not empty."));
    assert!(stage.changes().is_empty());
    Ok(())
}

#[test]
fn what_somebody_else_does_is_waited_for_and_told_with_who_and_since_when() -> Result<()> {
    let stage = Stage::start()?;
    stage.stacks.put(Given::new("shop").template(OLD))?;
    let theirs = Plan::update().with(Resource::new("Old", "AWS::SQS::Queue"));
    stage.stacks.begin("shop", theirs.holds(), Some("Console-UpdateStack-1"))?;
    let id = stage.begin(BUCKET, &deploy("shop", ""))?;
    stage.says(&id, "Stack \"shop\" is in UPDATE_IN_PROGRESS: somebody else began that at ")?;
    stage.says(&id, " UTC with the token Console-UpdateStack-1. It is waited for.")?;
    assert!(stage.changes().is_empty());
    stage.stacks.release("shop");
    let ended = stage.ended(&id)?;
    ended.expect_success();
    assert_eq!(stage.changed_by(), BY_CHANGE_SET);
    Ok(())
}

#[test]
fn a_stack_that_is_being_deleted_is_waited_for_and_created() -> Result<()> {
    let stage = Stage::start()?;
    let old = stage.stacks.put(Given::new("shop").template(OLD))?;
    stage.stacks.begin("shop", Plan::delete().holds(), None)?;
    let id = stage.begin(BUCKET, &deploy("shop", ""))?;
    stage.says(&id, "Stack \"shop\" is in DELETE_IN_PROGRESS: somebody else began that at ")?;
    stage.stacks.release("shop");
    let ended = stage.ended(&id)?;
    ended.expect_success();
    assert_eq!(stage.changed_by(), BY_CHANGE_SET);
    assert_eq!(stage.stacks.status(&old).as_deref(), Some("DELETE_COMPLETE"));
    assert_eq!(stage.stacks.status("shop").as_deref(), Some("CREATE_COMPLETE"));
    Ok(())
}

#[test]
fn a_stack_that_somebody_imports_into_is_waited_for_and_updated() -> Result<()> {
    let stage = Stage::start()?;
    stage.stacks.put(Given::new("shop").template(OLD).in_state("IMPORT_IN_PROGRESS").by_token("theirs"))?;
    let id = stage.begin(BUCKET, &deploy("shop", ""))?;
    stage.says(&id, "Stack \"shop\" is in IMPORT_IN_PROGRESS: somebody else began that at ")?;
    stage.stacks.set_status("shop", "IMPORT_COMPLETE", None)?;
    stage.ended(&id)?.expect_success();
    assert_eq!(stage.stacks.status("shop").as_deref(), Some("UPDATE_COMPLETE"));
    Ok(())
}

#[test]
fn a_stack_that_is_well_is_updated_whatever_brought_it_there() -> Result<()> {
    let stage = Stage::start()?;
    let well = [
        "CREATE_COMPLETE",
        "UPDATE_COMPLETE",
        "UPDATE_ROLLBACK_COMPLETE",
        "IMPORT_COMPLETE",
        "IMPORT_ROLLBACK_COMPLETE",
    ];
    for status in well {
        let name = named_for(status);
        stage.stacks.put(Given::new(&name).template(OLD).in_state(status))?;
        let before = stage.changes().len();
        stage.run(BUCKET, &deploy(&name, ""))?.expect_success();
        assert_eq!(stage.changed_by()[before..], BY_CHANGE_SET, "{status}");
        assert_eq!(stage.changes()[before].parameters.get("ChangeSetType").map(String::as_str), Some("UPDATE"));
        assert_eq!(stage.stacks.status(&name).as_deref(), Some("UPDATE_COMPLETE"), "{status}");
    }
    Ok(())
}

#[test]
fn a_state_in_which_aws_takes_no_update_is_refused_with_what_to_do() -> Result<()> {
    let stage = Stage::start()?;
    for (status, advice) in [
        ("IMPORT_ROLLBACK_FAILED", "an import failed, and AWS could not take it back. Continue that by hand"),
        ("UPDATE_FAILED", "Go on from there with `on_failure: do-nothing`, or take it back first"),
    ] {
        let name = named_for(status);
        stage.stacks.put(Given::new(&name).template(OLD).in_state(status))?;
        let ended = stage.run(BUCKET, &deploy(&name, "replace_failed: true"))?;
        ended.expect("failed", "STACK_STATE");
        ended.expect_words(&[status, advice]);
    }
    assert!(stage.changes().is_empty());
    stage.run(BUCKET, &deploy("update-failed", "on_failure: do-nothing"))?.expect_success();
    assert_eq!(stage.changed_by(), BY_CHANGE_SET);
    Ok(())
}

#[test]
fn what_the_stack_policy_forbids_is_told_as_that() -> Result<()> {
    let stage = Stage::start()?;
    let policy = r#"{"Statement": [{"Effect": "Allow", "Action": "Update:*", "Principal": "*", "Resource": "*"},
        {"Effect": "Deny", "Action": "Update:Delete", "Principal": "*", "Resource": "LogicalResourceId/Old"}]}"#;
    stage.stacks.put(Given::new("shop").template(OLD).policy(policy))?;
    let ended = stage.run(BUCKET, &deploy("shop", ""))?;
    ended.expect("failed", "STACK_PROTECTED");
    assert!(ended.last_line().contains("Old (AWS::SQS::Queue): Action denied by stack policy"), "{}", ended.log);
    assert_eq!(stage.stacks.status("shop").as_deref(), Some("UPDATE_ROLLBACK_COMPLETE"));
    Ok(())
}

#[test]
fn a_stack_that_somebody_deletes_meanwhile_is_told_as_gone() -> Result<()> {
    let stage = Stage::start()?;
    stage.stacks.put(Given::new("during").template(OLD))?;
    stage.stacks.on("during", Plan::update().holds());
    let id = stage.begin(BUCKET, &deploy("during", ""))?;
    stage.says(&id, "UPDATE_IN_PROGRESS")?;
    stage.stacks.set_status("during", "DELETE_COMPLETE", None)?;
    let ended = stage.ended(&id)?;
    ended.expect("failed", "STACK_GONE");
    ended.expect_words(&["somebody deleted it meanwhile"]);

    let gone = Refusal::new(404, "ChangeSetNotFound", "ChangeSet [it] does not exist");
    stage.stacks.put(Given::new("before").template(OLD))?;
    stage.stacks.trouble("ExecuteChangeSet", 1, Trouble::Refused(gone));
    let ended = stage.run(BUCKET, &deploy("before", ""))?;
    ended.expect("failed", "STACK_GONE");
    ended.expect_words(&["nothing was changed"]);
    assert_eq!(stage.stacks.effects().iter().filter(|effect| effect.kind != Kind::Update).count(), 0);
    Ok(())
}

#[test]
fn a_stack_that_somebody_creates_meanwhile_is_told_as_theirs() -> Result<()> {
    let stage = Stage::start()?;
    let taken = Refusal::new(400, "AlreadyExistsException", "Stack [shop] already exists");
    stage.stacks.trouble("CreateStack", 1, Trouble::Refused(taken));
    let ended = stage.run(BUCKET, &deploy("shop", "change_set: direct"))?;
    ended.expect("failed", "STACK_GONE");
    ended.expect_words(&["Somebody else created a stack \"shop\" meanwhile, and this step began nothing."]);
    assert!(stage.stacks.effects().is_empty());
    Ok(())
}
