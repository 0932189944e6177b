//! One deployment, two AWS identities, and what was promised about it.

use anyhow::{Context, Result};
use serde_json::Value;
use tests::canary;

use super::setting_up::Secrets;
use crate::{
    cast::{Cast, DEPLOY_ROLE},
    stage::Stage,
};

pub(crate) fn play(stage: &mut Stage, cast: &mut Cast) -> Result<()> {
    stage.heading("A deployment, followed live");
    let (code, live) = stage.follow(&cast.cli, &["deploy", "web-shop", "--environment", "production"])?;
    stage.check("the deployment succeeded", "0", &code.to_string());

    stage.heading("What was promised about it");
    let deployment = newest(cast, "web-shop")?;
    check_callers(stage, cast, &deployment)?;
    check_log(stage, cast, &deployment, &live)?;
    check_outputs(stage, cast, &deployment)?;
    check_stack(stage, cast, &deployment)?;

    stage.heading("Who used whose credentials");
    check_releases(stage, cast, &deployment)
}

/// Nothing secret is in any file or on any command line.
pub(crate) fn check_secrets(stage: &mut Stage, cast: &Cast, secrets: &Secrets) {
    stage.heading("Secrets");
    let logs = cast.folder.path().join("logs");
    let folders =
        [cast.coordinator.data_dir(), cast.build_host.data_dir(), cast.deploy_host.data_dir(), logs.as_path()];
    for (name, secret) in &secrets.0 {
        let files = canary::files_that_hold(&[secret], &folders);
        let promise = format!("{name} is in no file of coordinator and workers, and in no log");
        stage.check_that(&promise, files.is_empty(), &format!("found in {files:?}"));
        let lines = canary::command_lines_that_hold(&[secret]);
        stage.check_that(
            &format!("{name} is on no command line"),
            lines.is_empty(),
            &format!("found on {} of them", lines.len()),
        );
    }
}

/// What ran where as whom.
pub(crate) fn show_table(stage: &mut Stage, cast: &Cast) -> Result<()> {
    stage.heading("What ran where as whom");
    let deployment = newest(cast, "web-shop")?;
    let mut whole = true;
    stage.say(&format!("{:<16} {:<10} {:<10} {:<26} {}", "STEP", "STATE", "WORKER", "IDENTITY", "ARN"));
    for step in deployment["steps"].as_array().into_iter().flatten() {
        let attempt = &step["attempts"][0];
        let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        let (worker, identity) = (text(&attempt["worker"]), &attempt["identity"]);
        whole &= worker != "-";
        stage.say(&format!(
            "{:<16} {:<10} {worker:<10} {:<26} {}",
            text(&step["name"]),
            text(&step["state"]),
            text(&identity["source"]),
            text(&identity["arn"])
        ));
    }
    stage.check_that("every step has its place in the table", whole, "a step has no worker");
    Ok(())
}

fn check_callers(stage: &mut Stage, cast: &Cast, deployment: &Value) -> Result<()> {
    let instance = cast.deploy_imds.instance().id;
    let user = "arn:aws:iam::123456789012:user/shop".to_owned();
    let role = format!("arn:aws:sts::123456789012:assumed-role/{DEPLOY_ROLE}/{instance}");
    for (name, worker, source, arn) in [
        ("Who am I", "build-1", "account shop-production", &user),
        ("Who is the host", "deploy-1", "worker-role (imds)", &role),
        ("Network", "deploy-1", "worker-role (imds)", &role),
    ] {
        let attempt = &step(deployment, name)?["attempts"][0];
        stage.check(&format!("\"{name}\" ran on {worker}"), worker, attempt["worker"].as_str().unwrap_or("nowhere"));
        let seen = &attempt["identity"];
        stage.check(
            &format!("\"{name}\" had its credentials from {source}"),
            source,
            seen["source"].as_str().unwrap_or("nowhere"),
        );
        stage.check(&format!("\"{name}\" ran as {arn}"), arn, seen["arn"].as_str().unwrap_or("nobody"));
    }
    // Not only what Longshore says of it: what STS answered to the scripts themselves.
    stage.check("AWS told the first script the account's user", &user, &output(deployment, "Who am I", "Caller")?);
    stage.check(
        "AWS told the second script the instance's role",
        &role,
        &output(deployment, "Who is the host", "Caller")?,
    );
    Ok(())
}

/// The key itself stays in the coordinator: a session was made of it, and that is written down.
fn check_releases(stage: &mut Stage, cast: &Cast, deployment: &Value) -> Result<()> {
    let ends = step(deployment, "Who am I")?["attempts"][0]["identity"]["expire_time"].as_str().unwrap_or_default();
    stage.check_that("the step with the account had a session, which ends", !ends.is_empty(), "it had the key itself");
    stage.run(&cast.cli, &["worker", "show", cast.deploy_host.name()])?;
    let rows = stage.run(&cast.cli, &["audit", "list", "--account", "shop-production"])?;
    for (promise, part) in [
        ("the audit log has the release of the session", "credentials.release"),
        ("and says which step it was for", "step \"Who am I\""),
        ("and who started it", "first-admin"),
    ] {
        stage.check_that(promise, rows.contains(part), &format!("it does not hold {part:?}"));
    }
    Ok(())
}

fn check_log(stage: &mut Stage, cast: &Cast, deployment: &Value, live: &str) -> Result<()> {
    let id = deployment["id"].as_str().context("a deployment without an id")?;
    let log = cast.cli.ok(&["deployment", "logs", id, "--step", "Who am I"])?;
    for (promise, line) in [
        ("the log begins with who the step runs as", "Runs in AWS account 123456789012"),
        ("OctopusPrintVariables shows the account", "[AWS Account] = 'amazonwebservicesaccount-shop-production'"),
        ("the secret key is masked in the list of variables", "[AWS Account.SecretKey] = '********'"),
        ("a sensitive variable that a script prints is masked", "database password: ********"),
    ] {
        stage.check_that(promise, log.contains(line), &format!("the log does not hold {line:?}"));
    }
    let key = format!("[AWS Account.AccessKey] = '{}'", cast.key.id);
    stage.check_that(
        "the access key id, which is no secret, is whole",
        log.contains(&key),
        &format!("the log does not hold {key:?}"),
    );
    let shown = "database password: ********";
    stage.check_that("the same line was shown live", live.contains(shown), &format!("{shown:?} was not"));
    Ok(())
}

fn check_outputs(stage: &mut Stage, cast: &Cast, deployment: &Value) -> Result<()> {
    let id = deployment["id"].as_str().context("a deployment without an id")?;
    let log = cast.cli.ok(&["deployment", "logs", id, "--step", "Who is the host"])?;
    let used = "the step before ran as arn:aws:iam::123456789012:user/shop";
    stage.check_that(
        "an output of one step is used by the next, on another host",
        log.contains(used),
        &format!("the log does not hold {used:?}"),
    );
    let bucket = output(deployment, "Network", "AwsOutputs[AssetBucket]")?;
    stage.check("an output of the stack is used by a Python step", &bucket, &output(deployment, "Report", "Bucket")?);
    Ok(())
}

fn check_stack(stage: &mut Stage, cast: &Cast, deployment: &Value) -> Result<()> {
    let status = cast.aws.client().stack_status("shop-network-production")?.unwrap_or_else(|| "no such stack".into());
    stage.check("AWS has the stack", "CREATE_COMPLETE", &status);
    let id = deployment["id"].as_str().context("a deployment without an id")?;
    let log = cast.cli.ok(&["deployment", "logs", id, "--step", "Network"])?;
    for resource in ["Vpc", "Assets", "Orders", "shop-network-production"] {
        let told = log.lines().any(|line| line.contains("CREATE_COMPLETE") && line.contains(resource));
        stage.check_that(&format!("the log tells when {resource} was complete"), told, "it does not");
    }
    Ok(())
}

/// The newest deployment of a project, with its steps.
pub(crate) fn newest(cast: &Cast, project: &str) -> Result<Value> {
    let list = cast.cli.json(&["deployment", "list", "--project", project])?;
    let list =
        list.as_array().or_else(|| list["deployments"].as_array()).context("a list of deployments is no list")?;
    let id = list.first().and_then(|deployment| deployment["id"].as_str()).context("there is no deployment")?;
    cast.cli.json(&["deployment", "show", id])
}

fn step<'a>(deployment: &'a Value, name: &str) -> Result<&'a Value> {
    let steps = deployment["steps"].as_array().context("a deployment without steps")?;
    steps.iter().find(|step| step["name"] == name).with_context(|| format!("there is no step \"{name}\""))
}

fn output(deployment: &Value, name: &str, variable: &str) -> Result<String> {
    let outputs = step(deployment, name)?["outputs"].as_array().cloned().unwrap_or_default();
    let found = outputs.iter().find(|output| output["name"] == variable).and_then(|output| output["value"].as_str());
    Ok(found.unwrap_or("nothing").to_owned())
}
