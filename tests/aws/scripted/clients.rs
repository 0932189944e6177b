//! AWS's own client understands it.

use std::{collections::BTreeSet, fs};

use anyhow::Result;
use serde_json::Value;
use tempfile::TempDir;
use tests::{
    Stacks,
    stacks::{Given, Plan, Resource, Trouble},
};

use super::{SHOP, aws, aws_json};

#[test]
fn the_client_creates_a_stack_waits_for_it_and_reads_its_outputs() -> Result<()> {
    let stacks = Stacks::start()?;
    stacks.on("shop", Plan::create().output("AssetBucket", "shop-assets-1").at_once());
    stacks.trouble("CreateStack", 2, Trouble::Throttled);
    let made = aws_json(&stacks, &["create-stack", "--stack-name", "shop", "--template-body", SHOP])?;
    let (code, said) = aws(&stacks, &["wait", "stack-create-complete", "--stack-name", "shop"])?;
    assert_eq!(code, 0, "{said}");
    let shown = aws_json(&stacks, &["describe-stacks", "--stack-name", "shop"])?;
    let stack = &shown["Stacks"][0];
    assert_eq!((&stack["StackId"], &stack["StackStatus"]), (&made["StackId"], &Value::from("CREATE_COMPLETE")));
    assert_eq!(stack["Outputs"][0]["OutputValue"], "shop-assets-1", "{shown:#}");
    assert_eq!(stacks.count("CreateStack"), 3, "throttled calls were repeated");
    assert_eq!(stacks.effects().len(), 1, "one stack was made");
    Ok(())
}

#[test]
fn the_client_deploys_by_change_set_and_says_when_there_is_nothing_to_change() -> Result<()> {
    let stacks = Stacks::start()?;
    let folder = TempDir::new()?;
    let file = folder.path().join("shop.yaml");
    fs::write(&file, "Resources:\n  Assets:\n    Type: AWS::S3::Bucket\n")?;
    let file = file.to_string_lossy().into_owned();
    let deploy = ["deploy", "--stack-name", "shop", "--template-file", &file];
    stacks.on("shop", Plan::create().at_once());
    let (code, said) = aws(&stacks, &deploy)?;
    assert!(code == 0 && said.contains("Successfully created/updated stack - shop"), "{said}");
    let (code, said) = aws(&stacks, &deploy)?;
    assert!(code != 0 && said.contains("No changes to deploy"), "{said}");
    assert_eq!(stacks.effects().len(), 1);
    Ok(())
}

#[test]
fn the_client_tells_of_a_deployment_that_fails_and_is_rolled_back() -> Result<()> {
    let stacks = Stacks::start()?;
    let broken = Resource::new("Feed", "AWS::SNS::Topic").fails("Invalid parameter: DisplayName");
    stacks.on("shop", Plan::create().with(broken).at_once());
    aws_json(&stacks, &["create-stack", "--stack-name", "shop", "--template-body", SHOP])?;
    let (code, said) = aws(&stacks, &["wait", "stack-create-complete", "--stack-name", "shop"])?;
    assert!(code != 0 && said.contains("ROLLBACK_COMPLETE"), "{said}");
    let events = aws_json(&stacks, &["describe-stack-events", "--stack-name", "shop"])?;
    let events = events["StackEvents"].as_array().cloned().unwrap_or_default();
    assert_eq!(events[0]["ResourceStatus"], "ROLLBACK_COMPLETE", "the newest is first");
    let failed = events.iter().find(|event| event["ResourceStatus"] == "CREATE_FAILED");
    assert_eq!(failed.map(|event| &event["ResourceStatusReason"]), Some(&"Invalid parameter: DisplayName".into()));
    Ok(())
}

#[test]
fn the_client_reads_more_than_five_hundred_events_of_one_look_page_by_page() -> Result<()> {
    let stacks = Stacks::start()?;
    stacks.put(Given::new("shop"))?;
    stacks.begin("shop", Plan::update().with_many(200, "AWS::SSM::Parameter").at_once(), Some("token-1"))?;
    let events = aws_json(&stacks, &["describe-stack-events", "--stack-name", "shop"])?;
    let events = events["StackEvents"].as_array().cloned().unwrap_or_default();
    let ids: BTreeSet<String> = events.iter().map(|event| event["EventId"].to_string()).collect();
    assert_eq!(events.len(), 1 + 3 + 3 * 200, "created, three of the stack, three of each resource");
    assert_eq!(ids.len(), events.len(), "each once");
    assert_eq!(stacks.count("DescribeStackEvents"), 7);
    assert!(events.iter().filter(|event| event["ClientRequestToken"] == "token-1").count() == 603);
    Ok(())
}

#[test]
fn the_client_cancels_an_update() -> Result<()> {
    let stacks = Stacks::start()?;
    stacks.put(Given::new("shop").template(SHOP))?;
    stacks.begin("shop", Plan::update().with(Resource::new("Assets", "AWS::S3::Bucket").holds()), None)?;
    aws_json(&stacks, &["describe-stacks", "--stack-name", "shop"])?;
    let (code, said) = aws(&stacks, &["cancel-update-stack", "--stack-name", "shop"])?;
    assert_eq!(code, 0, "{said}");
    assert_eq!(super::settled(&stacks, "shop")?, "UPDATE_ROLLBACK_COMPLETE");
    let (code, said) = aws(&stacks, &["cancel-update-stack", "--stack-name", "shop"])?;
    assert!(code != 0 && said.contains("cannot be called from current stack status"), "{said}");
    Ok(())
}
