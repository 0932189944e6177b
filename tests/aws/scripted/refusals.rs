//! What is refused, and how.

use anyhow::Result;
use tests::{
    Stacks,
    stacks::{Given, Trouble},
};

use super::{SHOP, call, ok, settled};

const ROLE: &str = "Parameters:\n  Name: { Type: String }\n  Size:\n    Type: String\n    Default: small\nResources:\n  \
                    Role:\n    Type: AWS::IAM::Role\n";
const NAMED: (&str, &str) = ("StackName", "shop");

#[test]
fn parameters_and_capabilities_are_asked_for_before_anything_begins() -> Result<()> {
    let stacks = Stacks::start()?;
    let named = ("Parameters.member.1.ParameterKey", "Name");
    let value = ("Parameters.member.1.ParameterValue", "web");
    let other = ("Parameters.member.1.ParameterKey", "Nmae");
    let new = |rest: &[(&'static str, &'static str)]| [&[NAMED, ("TemplateBody", ROLE)], rest].concat();
    for (rest, code, message) in [
        (&[][..], "ValidationError", "Parameters: [Name] must have values"),
        (&[other, value], "ValidationError", "Parameters: [Nmae] do not exist in the template"),
        (&[named, value], "InsufficientCapabilitiesException", "Requires capabilities : [CAPABILITY_IAM]"),
    ] {
        let (status, body) = call(&stacks, "CreateStack", &new(rest))?;
        assert!(status == 400 && body.contains(code) && body.contains(message), "{body}");
    }
    assert!(stacks.effects().is_empty());
    ok(&stacks, "CreateStack", &new(&[named, value, ("Capabilities.member.1", "CAPABILITY_IAM")]))?;
    let shown = ok(&stacks, "DescribeStacks", &[NAMED])?;
    assert!(shown.contains("<ParameterValue>small</ParameterValue>"), "{shown}");
    let summary = ok(&stacks, "GetTemplateSummary", &[("TemplateBody", ROLE)])?;
    assert!(summary.contains("<DefaultValue>small</DefaultValue>") && summary.contains("CAPABILITY_IAM"), "{summary}");
    Ok(())
}

#[test]
fn names_and_statuses_are_guarded_as_in_aws() -> Result<()> {
    let stacks = Stacks::start()?;
    let body = ("TemplateBody", SHOP);
    stacks.put(Given::new("shop").template(SHOP).protected())?;
    stacks.put(Given::new("failed").in_state("ROLLBACK_COMPLETE"))?;
    stacks.put(Given::new("busy").in_state("UPDATE_IN_PROGRESS"))?;
    let busy = ("StackName", "busy");
    for (action, parameters, message) in [
        ("CreateStack", vec![NAMED, body], "already exists"),
        ("UpdateStack", vec![NAMED, body], "No updates are to be performed."),
        ("UpdateStack", vec![("StackName", "nobody"), body], "Stack [nobody] does not exist"),
        ("UpdateStack", vec![("StackName", "failed"), body], "is in ROLLBACK_COMPLETE state and can not be updated."),
        ("UpdateStack", vec![busy, body], "is in UPDATE_IN_PROGRESS state and can not be updated."),
        ("DeleteStack", vec![busy], "cannot be deleted while in status UPDATE_IN_PROGRESS"),
        ("DeleteStack", vec![NAMED], "Stack [shop] cannot be deleted while TerminationProtection is enabled"),
        ("ContinueUpdateRollback", vec![NAMED], "cannot be called from current stack status"),
        ("DetectStackDrift", vec![NAMED], "Could not find operation DetectStackDrift"),
    ] {
        let (status, body) = call(&stacks, action, &parameters)?;
        assert!(status == 400 && body.contains(message), "{action}: {body}");
    }
    assert!(stacks.effects().is_empty());
    Ok(())
}

#[test]
fn a_stack_policy_denies_what_it_says() -> Result<()> {
    let stacks = Stacks::start()?;
    let policy = r#"{"Statement": [{"Effect": "Allow", "Action": "Update:*", "Principal": "*", "Resource": "*"},
        {"Effect": "Deny", "Action": "Update:Modify", "Principal": "*", "Resource": "LogicalResourceId/Assets"}]}"#;
    stacks.put(Given::new("shop").template(SHOP).policy(policy))?;
    let changed = SHOP.replace("AWS::S3::Bucket\"", "AWS::S3::Bucket\", \"Properties\": {\"BucketName\": \"b\"}");
    ok(&stacks, "UpdateStack", &[NAMED, ("TemplateBody", &changed)])?;
    assert_eq!(settled(&stacks, "shop")?, "UPDATE_ROLLBACK_COMPLETE");
    let events = stacks.events("shop");
    let reason = events.into_iter().find(|(id, status, _)| id == "Assets" && status == "UPDATE_FAILED");
    let sentence = "Action denied by stack policy: Statement [#2] does not allow [Update:Modify] for resource \
                    [LogicalResourceId/Assets];";
    assert_eq!(reason.and_then(|event| event.2).as_deref(), Some(sentence));
    Ok(())
}

#[test]
fn an_export_that_is_imported_keeps_its_stack() -> Result<()> {
    let stacks = Stacks::start()?;
    stacks.put(Given::new("shop").output("Vpc", "vpc-1", Some("shop-vpc")))?;
    stacks.put(Given::new("app").imports("shop-vpc"))?;
    let imports = ok(&stacks, "ListImports", &[("ExportName", "shop-vpc")])?;
    assert!(imports.contains("<member>app</member>"), "{imports}");
    assert!(ok(&stacks, "ListExports", &[])?.contains("<Value>vpc-1</Value>"));
    ok(&stacks, "DeleteStack", &[NAMED])?;
    assert_eq!(stacks.status("shop").as_deref(), Some("DELETE_FAILED"));
    Ok(())
}

#[test]
fn trouble_comes_in_place_of_an_answer_or_after_the_deed() -> Result<()> {
    let stacks = Stacks::start()?;
    let new = [NAMED, ("TemplateBody", SHOP)];
    for (trouble, status, parts) in [
        (Trouble::Throttled, 400, ["Throttling", "Rate exceeded"]),
        (Trouble::Failed(503), 503, ["<Type>Receiver</Type>", "InternalFailure"]),
        (Trouble::Expired, 403, ["ExpiredToken", "security token"]),
        (
            Trouble::Denied,
            403,
            ["AccessDenied", "no identity-based policy allows the cloudformation:CreateStack action"],
        ),
    ] {
        stacks.trouble("CreateStack", 1, trouble);
        let (found, body) = call(&stacks, "CreateStack", &new)?;
        assert!(found == status && parts.iter().all(|part| body.contains(part)), "{found} {body}");
    }
    stacks.trouble("CreateStack", 1, Trouble::Unreached);
    assert!(call(&stacks, "CreateStack", &new).is_err());
    assert!(stacks.effects().is_empty(), "none of them did anything");
    stacks.trouble("CreateStack", 1, Trouble::Lost);
    assert!(call(&stacks, "CreateStack", &new).is_err());
    assert_eq!(stacks.effects().len(), 1, "it was done, and nobody was told");
    assert_eq!(stacks.count("CreateStack"), 6);
    Ok(())
}
