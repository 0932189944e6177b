//! Change sets, imports, pages, and what somebody else does.

use anyhow::Result;
use tests::{
    Stacks,
    stacks::{Given, Plan, Resource},
};

use super::{SHOP, call, ok, settled, texts};

const NAMED: (&str, &str) = ("StackName", "shop");
const SET: (&str, &str) = ("ChangeSetName", "first");
const NEW: [(&str, &str); 4] = [NAMED, SET, ("TemplateBody", SHOP), ("ChangeSetType", "CREATE")];

#[test]
fn a_change_set_makes_a_shell_is_ready_after_some_looks_and_is_executed_once() -> Result<()> {
    let stacks = Stacks::start()?;
    stacks.on("shop", Plan::create().change_set_takes(3).output("Bucket", "b"));
    let made = ok(&stacks, "CreateChangeSet", &NEW)?;
    assert_eq!(stacks.status("shop").as_deref(), Some("REVIEW_IN_PROGRESS"));
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.extend(texts(&ok(&stacks, "DescribeChangeSet", &[NAMED, SET])?, "Status"));
        if statuses.len() == 2 {
            let (status, body) = call(&stacks, "ExecuteChangeSet", &[NAMED, SET])?;
            assert!(status == 400 && body.contains("InvalidChangeSetStatus"), "{body}");
        }
    }
    assert_eq!(statuses, ["CREATE_PENDING", "CREATE_IN_PROGRESS", "CREATE_COMPLETE"]);
    let id = texts(&made, "Id").remove(0);
    let shown = ok(&stacks, "DescribeChangeSet", &[("ChangeSetName", &id)])?;
    assert_eq!(texts(&shown, "LogicalResourceId"), ["Assets", "Feed"]);
    ok(&stacks, "ExecuteChangeSet", &[("ChangeSetName", &id), ("ClientRequestToken", "token-1")])?;
    let (status, body) = call(&stacks, "ExecuteChangeSet", &[("ChangeSetName", &id)])?;
    assert!(status == 400 && body.contains("InvalidChangeSetStatus") && body.contains("EXECUTE_IN_PROGRESS"), "{body}");
    assert_eq!(settled(&stacks, "shop")?, "CREATE_COMPLETE");
    let shown = ok(&stacks, "DescribeChangeSet", &[("ChangeSetName", &id)])?;
    assert_eq!(texts(&shown, "ExecutionStatus"), ["EXECUTE_COMPLETE"]);
    let events = ok(&stacks, "DescribeStackEvents", &[NAMED])?;
    assert_eq!(texts(&events, "ClientRequestToken").len(), texts(&events, "EventId").len() - 1, "all but the shell's");
    Ok(())
}

#[test]
fn a_change_set_without_changes_or_with_a_fault_fails_and_says_why() -> Result<()> {
    let stacks = Stacks::start()?;
    stacks.put(Given::new("shop").template(SHOP))?;
    let unchanged = [NAMED, SET, ("TemplateBody", SHOP)];
    ok(&stacks, "CreateChangeSet", &unchanged)?;
    let shown = ok(&stacks, "DescribeChangeSet", &[NAMED, SET])?;
    assert!(
        shown.contains("FAILED") && shown.contains("didn&apos;t contain changes") || shown.contains("didn't contain")
    );
    let (status, body) = call(&stacks, "CreateChangeSet", &unchanged)?;
    assert!(status == 400 && body.contains("AlreadyExistsException"), "{body}");
    ok(&stacks, "DeleteChangeSet", &[NAMED, SET])?;
    let (status, body) = call(&stacks, "DescribeChangeSet", &[NAMED, SET])?;
    assert!(status == 404 && body.contains("ChangeSetNotFound"), "{body}");
    stacks.on("shop", Plan::update().change_set_fails("Access denied for bucket"));
    let changed = SHOP.replace("SNS::Topic", "SQS::Queue");
    ok(&stacks, "CreateChangeSet", &[NAMED, SET, ("TemplateBody", &changed)])?;
    let shown = ok(&stacks, "DescribeChangeSet", &[NAMED, SET])?;
    assert_eq!(texts(&shown, "StatusReason"), ["Access denied for bucket"]);
    Ok(())
}

#[test]
fn a_change_set_shows_what_is_added_changed_replaced_and_removed_page_by_page() -> Result<()> {
    let stacks = Stacks::start()?;
    stacks.put(Given::new("shop").template(SHOP).with(Resource::new("Old", "AWS::SQS::Queue")))?;
    let plan = Plan::update().with(Resource::new("Assets", "AWS::S3::Bucket").replaced());
    stacks.on("shop", plan.with_many(2, "AWS::SSM::Parameter"));
    stacks.pages_of(3);
    ok(&stacks, "CreateChangeSet", &[NAMED, SET, ("TemplateBody", SHOP)])?;
    let first = ok(&stacks, "DescribeChangeSet", &[NAMED, SET])?;
    assert_eq!(texts(&first, "Action"), ["Modify", "Add", "Add"]);
    assert_eq!(texts(&first, "Replacement"), ["True"]);
    let next = texts(&first, "NextToken").remove(0);
    let second = ok(&stacks, "DescribeChangeSet", &[NAMED, SET, ("NextToken", &next)])?;
    assert_eq!(
        (texts(&second, "Action"), texts(&second, "LogicalResourceId")),
        (vec!["Remove".into()], vec!["Old".into()])
    );
    Ok(())
}

#[test]
fn an_import_that_fails_lets_go_of_what_it_took() -> Result<()> {
    for (fault, end) in [(None, "IMPORT_COMPLETE"), (Some("no such bucket"), "IMPORT_ROLLBACK_COMPLETE")] {
        let stacks = Stacks::start()?;
        stacks.put(Given::new("shop").template(SHOP))?;
        let old = Resource::new("Old", "AWS::S3::Bucket").after("Older");
        let old = fault.map_or(old.clone(), |fault| old.fails(fault));
        stacks.on("shop", Plan::import().with(Resource::new("Older", "AWS::S3::Bucket")).with(old));
        let import = [NAMED, SET, ("TemplateBody", SHOP), ("ChangeSetType", "IMPORT")];
        ok(&stacks, "CreateChangeSet", &import)?;
        ok(&stacks, "DescribeChangeSet", &[NAMED, SET])?;
        ok(&stacks, "ExecuteChangeSet", &[NAMED, SET])?;
        assert_eq!(settled(&stacks, "shop")?, end);
    }
    Ok(())
}

#[test]
fn events_that_come_between_two_pages_move_none_of_the_older_ones() -> Result<()> {
    let stacks = Stacks::start()?;
    stacks.put(Given::new("shop"))?;
    stacks.by_hand();
    stacks.pages_of(10);
    stacks.begin("shop", Plan::update().with_many(6, "AWS::SSM::Parameter"), None)?;
    stacks.advance("shop", 1);
    let first = ok(&stacks, "DescribeStackEvents", &[NAMED])?;
    stacks.advance("shop", 1);
    let next = texts(&first, "NextToken").remove(0);
    let second = ok(&stacks, "DescribeStackEvents", &[NAMED, ("NextToken", &next)])?;
    let read = [texts(&first, "EventId"), texts(&second, "EventId")].concat();
    assert_eq!(read.len(), 14, "two of the stack, two of each resource, and not those that came since");
    assert!(!second.contains("<NextToken>"));
    Ok(())
}

#[test]
fn what_somebody_else_does_has_their_token_and_stays_until_it_is_released() -> Result<()> {
    let stacks = Stacks::start()?;
    let id = stacks.put(Given::new("shop").template(SHOP).by_token("theirs"))?;
    stacks.begin("shop", Plan::update().with_many(1, "AWS::SSM::Parameter").holds(), Some("other"))?;
    for _ in 0..3 {
        ok(&stacks, "DescribeStacks", &[NAMED])?;
    }
    assert_eq!(stacks.status("shop").as_deref(), Some("UPDATE_IN_PROGRESS"));
    stacks.release("shop");
    assert_eq!(settled(&stacks, "shop")?, "UPDATE_COMPLETE");
    let events = ok(&stacks, "DescribeStackEvents", &[NAMED])?;
    let tokens = texts(&events, "ClientRequestToken");
    assert!(tokens.contains(&"theirs".into()) && tokens.contains(&"other".into()), "{events}");
    stacks.set_status("shop", "DELETE_COMPLETE", None)?;
    assert_eq!(stacks.status("shop"), None);
    assert_eq!(stacks.status(&id).as_deref(), Some("DELETE_COMPLETE"));
    Ok(())
}
