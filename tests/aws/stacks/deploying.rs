//! Stacks that come up, change, fail and go, on the emulator.

use super::*;

/// Its second resource needs a role that is not there.
const BROKEN: &str = r#"Resources:
  Assets:
    Type: AWS::S3::Bucket
  Rights:
    Type: AWS::IAM::Policy
    DependsOn: Assets
    Properties:
      PolicyName: rights
      PolicyDocument: { Version: "2012-10-17", Statement: [{ Effect: Allow, Action: "s3:*", Resource: "*" }] }
      Roles: [missing-role]
"#;
const DEPLOY: &str = "deploy: { stack: shop-assets, template: template.yaml }";
const DELETE: &str = "delete: { stack: shop-assets }";

fn world() -> Result<(World, Ec2Host)> {
    let world = World::start()?;
    let host = world.ec2_host("one", "default")?;
    Ok((world, host))
}

fn run(world: &World, template: &str, keys: &str) -> Result<Ended> {
    apply(world, template, keys)?;
    ended(world, &world.start_deployment("shop")?)
}

#[test]
fn a_stack_is_shown_made_and_told_of_and_its_outputs_are_variables() -> Result<()> {
    let (world, _host) = world()?;
    let ended = run(&world, BUCKET, DEPLOY)?;
    assert_eq!(ended.state(), "succeeded", "{}", ended.log);
    assert_eq!(world.aws().stack_status("shop-assets")?.as_deref(), Some("CREATE_COMPLETE"));
    let outputs = ended.outputs();
    assert!(outputs.contains("AwsOutputs[AssetBucket]") && outputs.contains("AwsOutputs[StackId]"), "{outputs}");
    let events = ended.events();
    let mut once = events.clone();
    once.dedup();
    assert_eq!(events, once, "every event once");
    assert!(events.iter().any(|line| line.contains("CREATE_IN_PROGRESS") && line.contains("Assets")), "{}", ended.log);
    let end = events.last().is_some_and(|line| line.contains("CREATE_COMPLETE") && line.contains("shop-assets"));
    assert!(end, "{}", ended.log);
    let shown = ended.log.find("Add").context("the change set is shown")?;
    let begun = ended.log.find("CREATE_IN_PROGRESS").context("the stack is told of")?;
    assert!(shown < begun, "shown before it is applied: {}", ended.log);
    Ok(())
}

#[test]
fn a_stack_that_fails_fails_the_step_and_its_first_cause_is_the_last_word() -> Result<()> {
    let (world, _host) = world()?;
    let keys = "deploy: { stack: shop-assets, template: template.yaml, capabilities: [CAPABILITY_NAMED_IAM] }";
    let ended = run(&world, BROKEN, keys)?;
    assert_eq!((ended.state(), ended.reason()), ("failed", "STACK_FAILED"), "{}", ended.log);
    assert_eq!(world.aws().stack_status("shop-assets")?.as_deref(), Some("ROLLBACK_COMPLETE"), "{}", ended.log);
    assert!(ended.last_line().contains("missing-role"), "the last line is {:?} in {}", ended.last_line(), ended.log);
    Ok(())
}

#[test]
fn a_stack_that_never_was_healthy_is_made_anew_and_one_that_was_is_updated() -> Result<()> {
    let (world, _host) = world()?;
    let keys = "deploy: { stack: shop-assets, template: template.yaml, capabilities: [CAPABILITY_NAMED_IAM] }";
    assert_eq!(run(&world, BROKEN, keys)?.reason(), "STACK_FAILED");
    let mended = run(&world, BUCKET, keys)?;
    assert_eq!(mended.state(), "succeeded", "{}", mended.log);
    assert!(mended.log.contains("DELETE_COMPLETE"), "{}", mended.log);
    let nothing = run(&world, BUCKET, keys)?;
    assert_eq!(nothing.state(), "succeeded", "{}", nothing.log);
    assert!(nothing.log.contains("No changes need to be performed."), "{}", nothing.log);
    let changed = run(&world, &BUCKET.replace("AWS::S3::Bucket", "AWS::SQS::Queue"), keys)?;
    assert_eq!(changed.state(), "succeeded", "{}", changed.log);
    assert_eq!(world.aws().stack_status("shop-assets")?.as_deref(), Some("UPDATE_COMPLETE"), "{}", changed.log);
    Ok(())
}

#[test]
fn a_stack_is_deleted_and_one_that_is_not_there_needs_no_deletion() -> Result<()> {
    let (world, _host) = world()?;
    assert_eq!(run(&world, BUCKET, DEPLOY)?.state(), "succeeded");
    let deleted = run(&world, BUCKET, DELETE)?;
    assert_eq!(deleted.state(), "succeeded", "{}", deleted.log);
    assert!(deleted.events().iter().any(|line| line.contains("DELETE_COMPLETE")), "{}", deleted.log);
    let absent = run(&world, BUCKET, DELETE)?;
    assert_eq!(absent.state(), "succeeded", "{}", absent.log);
    assert!(absent.log.contains("No stack called shop-assets exists in region eu-west-1"), "{}", absent.log);
    Ok(())
}

#[test]
fn a_template_that_makes_roles_without_leave_to_is_refused_before_anything_is_made() -> Result<()> {
    let (world, _host) = world()?;
    let ended = run(&world, BROKEN, DEPLOY)?;
    assert_eq!((ended.state(), ended.reason()), ("failed", "STACK_INPUT"), "{}", ended.log);
    assert!(ended.log.contains("IAM"), "{}", ended.log);
    assert_eq!(world.aws().stack_status("shop-assets")?, None);
    Ok(())
}

#[test]
fn a_change_set_is_reviewed_by_one_step_and_applied_by_another() -> Result<()> {
    let (world, _host) = world()?;
    let step = |name: &str, keys: &str| {
        format!(
            "  - name: {name}\n    aws: {{ identity: worker-role, region: eu-west-1 }}\n    cloudformation:\n      {keys}\n"
        )
    };
    let review = step("Review", "deploy: { stack: shop-assets, template: template.yaml, change_set: review }");
    let output = |name: &str| format!("\"#{{Octopus.Action[Review].Output.AwsOutputs[{name}]}}\"");
    let (id, digest) = (output("ChangesetId"), output("ChangesDigest"));
    let apply =
        step("Stack", &format!("apply_change_set: {{ stack: shop-assets, change_set: {id}, digest: {digest} }}"));
    let folder = world.project("shop", &format!("project: shop\nsteps:\n{review}{apply}"))?;
    fs::write(folder.join("template.yaml"), BUCKET)?;
    world.cli().ok(&["project", "apply", "-f", &folder.to_string_lossy()])?;
    let id = world.start_deployment("shop")?;
    let ended = ended(&world, &id)?;
    assert_eq!(ended.state(), "succeeded", "{}\n{}", world.log(&id, "Review")?, ended.log);
    assert_eq!(world.aws().stack_status("shop-assets")?.as_deref(), Some("CREATE_COMPLETE"));
    Ok(())
}
