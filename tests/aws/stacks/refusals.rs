//! What is refused and how that is said; and secrets, which are told nowhere.

use tests::{
    canary,
    stacks::{Given, Plan, Refusal, Resource, Trouble},
};

use super::*;

const ROLE: &str = "Parameters:\n  Name: { Type: String }\n  Size: { Type: String, AllowedValues: [small, large] }\nResources:\n  \
                    Role:\n    Type: AWS::IAM::Role\n";
const OLD: &str = "Resources:\n  Old:\n    Type: AWS::SQS::Queue\n";
const CANARY: &str = "canary-0a4d55a8d778e5022fab701977c5d840";

#[test]
fn everything_that_does_not_fit_the_template_is_named_at_once_and_nothing_is_begun() -> Result<()> {
    let stage = Stage::start()?;
    stage.stacks.put(Given::new("old").template(OLD))?;
    for (stack, mode) in [("new", "execute"), ("new", "direct"), ("new", "review"), ("old", "execute")] {
        let keys = format!("change_set: {mode}, parameters: {{ Nmae: web, Colour: red, Size: medium }}");
        let ended = stage.run(ROLE, &deploy(stack, &keys))?;
        ended.expect("failed", "STACK_INPUT");
        ended.expect_words(&[
            "nothing was changed",
            "parameter \"Name\" has no value and no default",
            "the template has no parameter \"Nmae\": did you mean \"Name\"?",
            "the template has no parameter \"Colour\"",
            "parameter \"Size\" has the value \"medium\", and may have only \"small\", \"large\".",
            "acknowledge that with CAPABILITY_IAM in `capabilities`",
        ]);
    }
    assert!(stage.changes().is_empty());
    Ok(())
}

#[test]
fn a_value_that_is_to_be_kept_must_be_there() -> Result<()> {
    let stage = Stage::start()?;
    let template = "Parameters:\n  Size: { Type: String }\nResources:\n  Queue:\n    Type: AWS::SQS::Queue\n";
    let keys = "parameters: { Size: { use_previous: true } }";
    let ended = stage.run(template, &deploy("shop", keys))?;
    ended.expect("failed", "STACK_INPUT");
    ended.expect_words(&["parameter \"Size\" has `use_previous`, and the stack has no such parameter yet"]);
    assert!(stage.changes().is_empty());
    stage.stacks.put(Given::new("shop").template(template).parameter("Size", "large"))?;
    let changed = template.replace("Queue:", "Queue2:");
    stage.run(&changed, &deploy("shop", keys))?.expect_success();
    let asked = stage.changes().remove(0);
    assert_eq!(asked.parameters.get("Parameters.member.1.UsePreviousValue").map(String::as_str), Some("true"));
    Ok(())
}

#[test]
fn a_template_that_aws_refuses_is_refused_before_anything_is_begun() -> Result<()> {
    let stage = Stage::start()?;
    let refusal = Refusal::new(
        400,
        "ValidationError",
        "Template error: instance of Fn::GetAtt references undefined resource Nobody",
    );
    stage.stacks.trouble("GetTemplateSummary", 1, Trouble::Refused(refusal));
    let ended = stage.run(BUCKET, &deploy("shop", ""))?;
    ended.expect("failed", "TEMPLATE_INVALID");
    ended.expect_words(&["references undefined resource Nobody"]);
    assert!(stage.changes().is_empty());
    Ok(())
}

#[test]
fn a_missing_permission_is_named_whatever_it_is_for() -> Result<()> {
    let stage = Stage::start()?;
    for (stack, action, keys) in [
        ("new-look", "DescribeStacks", deploy("new-look", "")),
        ("new-set", "CreateChangeSet", deploy("new-set", "")),
        ("new-run", "ExecuteChangeSet", deploy("new-run", "")),
        ("new-direct", "CreateStack", deploy("new-direct", "change_set: direct")),
        ("old-direct", "UpdateStack", deploy("old-direct", "change_set: direct")),
        ("old-delete", "DeleteStack", "delete: { stack: old-delete }".to_owned()),
    ] {
        if stack.starts_with("old") {
            stage.stacks.put(Given::new(stack).template(OLD))?;
        }
        stage.stacks.trouble(action, 1, Trouble::Denied);
        let ended = stage.run(BUCKET, &keys)?;
        ended.expect("failed", "PERMISSION_MISSING");
        let who = "arn:aws:sts::123456789012:assumed-role/deployer/step";
        assert!(
            ended
                .log
                .contains(&format!("{who} lacks the permission cloudformation:{action} on arn:aws:cloudformation:")),
            "{action}: {}",
            ended.log
        );
        assert!(ended.last_line().contains("Request id: "), "{}", ended.log);
    }
    assert!(stage.stacks.effects().is_empty());
    Ok(())
}

#[test]
fn a_step_that_may_not_ask_what_a_template_needs_reads_it_by_itself() -> Result<()> {
    let stage = Stage::start()?;
    stage.stacks.trouble("GetTemplateSummary", 2, Trouble::Denied);
    let ended = stage.run(ROLE, &deploy("shop", "parameters: { Size: small }"))?;
    ended.expect("failed", "STACK_INPUT");
    ended.expect_words(&["parameter \"Name\" has no value", "CAPABILITY_IAM"]);
    stage.run(BUCKET, &deploy("shop", ""))?.expect_success();
    Ok(())
}

#[test]
fn a_session_that_has_ended_is_told_as_that_and_borne_while_the_stack_goes_on() -> Result<()> {
    let stage = Stage::start()?;
    stage.stacks.trouble("CreateChangeSet", 1, Trouble::Expired);
    let ended = stage.run(BUCKET, &deploy("shop", ""))?;
    ended.expect("failed", "CREDENTIALS_EXPIRED");
    ended.expect_words(&["ExpiredToken", "The security token included in the request is expired"]);
    stage.stacks.on("shop", Plan::create().holds());
    let id = stage.begin(BUCKET, &deploy("shop", ""))?;
    stage.says(&id, "CREATE_IN_PROGRESS")?;
    stage.stacks.trouble("DescribeStacks", 2, Trouble::Expired);
    stage.says(&id, "The operation goes on in AWS")?;
    stage.stacks.release("shop");
    stage.ended(&id)?.expect_success();
    Ok(())
}

#[test]
fn a_secret_parameter_is_told_nowhere_even_when_aws_repeats_it() -> Result<()> {
    let stage = Stage::start()?;
    let template = "Parameters:\n  Password: { Type: String, NoEcho: true }\nResources:\n  Db:\n    Type: AWS::RDS::DBInstance\n    \
                    Properties:\n      MasterUserPassword: !Ref Password\n";
    let fault = format!("The parameter MasterUserPassword is not a valid password: {CANARY}");
    let plan = Plan::create().with(Resource::new("Db", "AWS::RDS::DBInstance").fails(&fault).holds());
    stage.stacks.on("shop", plan);
    let yaml = "project: shop\nvariables:\n  - { name: Canary, type: sensitive }\n  - { name: OctopusPrintEvaluatedVariables, value: \"True\" }\n\
                steps:\n  - name: Stack\n    aws: { identity: worker-role, region: eu-west-1 }\n    cloudformation:\n      deploy:\n        \
                stack: shop\n        template: template.yaml\n        parameters: { Password: \"#{Canary}\" }\n";
    let folder = stage.world.project("shop", yaml)?;
    fs::write(folder.join("template.yaml"), template)?;
    stage.world.cli().ok(&["project", "apply", "-f", &folder.to_string_lossy()])?;
    stage.world.cli().ok_with_input(&["variable", "set", "shop", "Canary", "--sensitive"], CANARY)?;
    let id = stage.world.start_deployment("shop")?;
    stage.says(&id, "CREATE_IN_PROGRESS  AWS::RDS::DBInstance")?;
    assert_nowhere(&stage)?;
    assert!(canary::command_lines_that_hold(&[CANARY]).is_empty());
    stage.stacks.release("shop");
    let ended = stage.ended(&id)?;
    ended.expect("failed", "STACK_FAILED");
    assert!(ended.last_line().ends_with("is not a valid password: ********."), "{}", ended.log);
    assert!(!ended.log.contains(CANARY) && !ended.deployment.to_string().contains(CANARY));
    assert_nowhere(&stage)?;
    let given = stage.changes().remove(0);
    assert_eq!(
        given.parameters.get("Parameters.member.1.ParameterValue").map(String::as_str),
        Some(CANARY),
        "AWS has it"
    );
    Ok(())
}

#[test]
fn a_value_that_is_secret_by_the_template_or_by_the_step_is_masked_wherever_it_came_from() -> Result<()> {
    let stage = Stage::start()?;
    for (stack, declared, given) in [
        ("template", "{ Type: String, NoEcho: true }", format!("\"{CANARY}\"")),
        ("step", "{ Type: String }", format!("{{ value: \"{CANARY}\", no_echo: true }}")),
    ] {
        let template =
            format!("Parameters:\n  Password: {declared}\nResources:\n  Db:\n    Type: AWS::RDS::DBInstance\n");
        let fault = format!("{CANARY} is too long");
        stage.stacks.on(stack, Plan::create().with(Resource::new("Db", "AWS::RDS::DBInstance").fails(&fault)));
        let ended = stage.run(&template, &deploy(stack, &format!("parameters: {{ Password: {given} }}")))?;
        ended.expect("failed", "STACK_FAILED");
        ended.expect_words(&["First cause: Db (AWS::RDS::DBInstance): ******** is too long."]);
        assert!(!ended.log.contains(CANARY) && !ended.deployment.to_string().contains(CANARY), "{stack}");
    }
    // It is written in the project's file, and the coordinator keeps that; the worker keeps nothing.
    let worker = [stage.host.host.data_dir(), &stage.world.folder().join("logs")];
    assert_eq!(canary::files_that_hold(&[CANARY], &worker), [""; 0].map(std::path::PathBuf::from));
    Ok(())
}

#[test]
fn outputs_that_the_step_calls_secret_are_secrets() -> Result<()> {
    let stage = Stage::start()?;
    let plan = Plan::create().export("DbPassword", CANARY, "shop-db-password").output("DbName", "shop");
    stage.stacks.on("shop", plan);
    let ended = stage.run(BUCKET, &deploy("shop", "sensitive_outputs: [\"*password\"]"))?;
    ended.expect_success();
    assert_eq!(ended.output("AwsOutputs[DbName]"), "shop");
    ended.expect_words(&["AwsOutputs[DbPassword] = ********"]);
    assert!(ended.outputs().contains("AwsExports[shop-db-password]"), "{}", ended.outputs());
    assert!(!ended.log.contains(CANARY) && !ended.deployment.to_string().contains(CANARY), "{}", ended.deployment);
    assert_nowhere(&stage)
}

/// No file of this world holds the canary.
fn assert_nowhere(stage: &Stage) -> Result<()> {
    let files = canary::files_that_hold(&[CANARY], &[stage.world.folder()]);
    anyhow::ensure!(files.is_empty(), "in {files:?}");
    Ok(())
}
