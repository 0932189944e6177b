//! CloudFormation stacks, created and waited for.

use std::fs;

use anyhow::Result;
use serde_json::Value;
use tests::World;

const BUCKET: &str =
    "Resources:\n  Assets:\n    Type: AWS::S3::Bucket\nOutputs:\n  AssetBucket:\n    Value: !Ref Assets\n";
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

#[test]
fn a_stack_is_created_and_its_outputs_are_variables() -> Result<()> {
    let world = World::start()?;
    let _host = world.ec2_host("one", "default")?;
    let (deployment, log) = deploy(&world, BUCKET, "")?;
    assert_eq!(deployment["state"], "succeeded", "{deployment:#}\n{log}");
    assert_eq!(world.aws().stack_status("shop-assets")?.as_deref(), Some("CREATE_COMPLETE"));
    let outputs = deployment["steps"][0]["outputs"].to_string();
    assert!(outputs.contains("AwsOutputs[AssetBucket]") && outputs.contains("AwsOutputs[StackId]"), "{outputs}");
    let events: Vec<&str> = log.lines().filter(|line| line.contains("CREATE_")).collect();
    let mut once = events.clone();
    once.dedup();
    assert_eq!(events, once, "every event once");
    assert!(events.iter().any(|line| line.contains("CREATE_IN_PROGRESS") && line.contains("Assets")), "{log}");
    assert!(
        events.last().is_some_and(|line| line.contains("CREATE_COMPLETE") && line.contains("shop-assets")),
        "{log}"
    );
    Ok(())
}

#[test]
fn a_stack_that_fails_fails_the_step_and_its_first_cause_is_the_last_word() -> Result<()> {
    let world = World::start()?;
    let _host = world.ec2_host("one", "default")?;
    let (deployment, log) = deploy(&world, BROKEN, "CAPABILITY_IAM")?;
    assert_eq!(deployment["state"], "failed", "{deployment:#}\n{log}");
    assert_eq!(world.aws().stack_status("shop-assets")?.as_deref(), Some("ROLLBACK_COMPLETE"), "{log}");
    let last = log.lines().last().unwrap_or_default();
    assert!(last.contains("missing-role"), "the last line is {last:?} in {log}");
    Ok(())
}

#[test]
fn a_stack_of_somebody_else_is_left_alone() -> Result<()> {
    let world = World::start()?;
    let _host = world.ec2_host("one", "default")?;
    world.aws().as_root("cloudformation", "CreateStack", &[("StackName", "shop-assets"), ("TemplateBody", BUCKET)])?;
    let (deployment, log) = deploy(&world, BUCKET, "")?;
    assert_eq!(deployment["state"], "failed", "{deployment:#}");
    assert!(log.contains("shop-assets") && log.contains("already"), "{log}");
    assert_eq!(world.aws().stack_status("shop-assets")?.as_deref(), Some("CREATE_COMPLETE"));
    Ok(())
}

#[test]
fn a_template_that_makes_roles_without_leave_to_is_refused_before_anything_is_made() -> Result<()> {
    let world = World::start()?;
    let _host = world.ec2_host("one", "default")?;
    let (deployment, log) = deploy(&world, BROKEN, "")?;
    assert_eq!(deployment["state"], "failed", "{deployment:#}");
    assert!(log.contains("CAPABILITY_IAM"), "{log}");
    assert_eq!(world.aws().stack_status("shop-assets")?, None);
    Ok(())
}

fn deploy(world: &World, template: &str, capabilities: &str) -> Result<(Value, String)> {
    let yaml = format!(
        "project: shop\nsteps:\n  - name: Stack\n    aws: {{ identity: worker-role, region: eu-west-1 }}\n    \
         cloudformation: {{ deploy: {{ stack: shop-assets, template: template.yaml, capabilities: [{capabilities}] }} }}\n"
    );
    let folder = world.project("shop", &yaml)?;
    fs::write(folder.join("template.yaml"), template)?;
    world.cli().ok(&["project", "apply", "-f", &folder.to_string_lossy()])?;
    let id = world.start_deployment("shop")?;
    let deployment = world.ended(&id)?;
    let log = world.log(&id, "Stack")?;
    Ok((deployment, log))
}
