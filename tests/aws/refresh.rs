//! Steps that outlive their sessions, with everybody there and with the coordinator away.

use std::{fs, time::Duration};

use anyhow::{Result, ensure};
use serde_json::Value;
use tests::{
    Fault, Instance, World, canary,
    emulator::{ACCOUNT, Client},
    fault::Session,
    parts::environment,
    until,
    world::EVERYTHING,
};

/// 8 seconds: a step of 20 outlives it twice.
const SHORT: Duration = Duration::from_secs(8);
/// 90 seconds for what takes a few on a machine that does nothing else.
const SEEN: Duration = Duration::from_secs(90);

#[test]
fn a_step_that_outlives_its_sessions_twice_never_fails_and_none_of_their_secrets_is_kept() -> Result<()> {
    let world = World::behind(Fault::start, |_| ())?;
    world.fault().shorten("GetSessionToken", SHORT);
    world.fault().shorten("AssumeRole", SHORT);
    world.account("shop", &world.deployer("shop")?)?;
    let host = ec2_host(&world)?;
    host.imds.vend_for(SHORT);

    let mut ids = Vec::new();
    for (project, aws) in [("keys", ACCOUNT_SHOP), ("own", "identity: worker-role")] {
        let kept = world.folder().join(project);
        let script = format!(
            "{} &\nboto3=$!\nuntil=$((SECONDS + 20))\n\
             while [ $SECONDS -lt $until ]; do aws sts get-caller-identity > /dev/null || exit 9; sleep 1; done\n\
             wait $boto3 || exit 8\n\
             {}\n\
             curl -s -H \"Authorization: $(cat \"$AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE\")\" \"$AWS_CONTAINER_CREDENTIALS_FULL_URI\"\n\
             env; set\n(env; set) > '{}'",
            boto3("time.time() < begun + 20")?,
            python("import boto3\nprint(boto3.Session().get_credentials().get_frozen_credentials())\n")?,
            kept.display()
        );
        ids.push((project, start(&world, project, aws, &script)?, kept));
    }
    let mut said = String::new();
    for (project, id, _) in &ids {
        let deployment = world.ended(id)?;
        let log = world.log(id, "Step")?;
        ensure!(deployment["state"] == "succeeded", "{project}: {deployment:#}\n{log}");
        for printed in ["secret_key='********', token='********'", r#""SecretAccessKey":"********","Token":"********""#]
        {
            ensure!(log.contains(printed), "{project} printed its keys, and they are masked: {log}");
        }
        said += &format!("{log}{deployment}");
    }
    let fault = world.fault();
    let expired: Vec<_> = fault.calls().into_iter().filter(|call| call.is_troubled).collect();
    ensure!(expired.is_empty(), "no call was signed with a session that had ended: {expired:#?}");
    for agent in ["Boto3/", "aws-cli/"] {
        for action in ["GetSessionToken", "AssumeRole"] {
            let used = fault.keys_of(agent);
            let made = fault.sessions().into_iter().filter(|session| session.action == action);
            let count = made.filter(|session| used.contains(&session.key.id)).count();
            ensure!(count >= 3, "{agent} signed with {count} sessions of {action}");
        }
    }
    for arguments in [&["audit", "list"][..], &["account", "show", "shop"], &["worker", "show", "one"]] {
        said += &world.cli().ok(&[arguments, &["--output", "json"]].concat())?;
    }
    let secrets = fault.secrets();
    let secrets: Vec<&str> = secrets.iter().map(String::as_str).collect();
    assert!(secrets.len() > 12 && !secrets.iter().any(|secret| said.contains(secret)), "a secret was told");
    let logs = world.folder().join("logs");
    let mut folders = vec![world.coordinator().data_dir(), host.host.data_dir(), logs.as_path()];
    folders.extend(ids.iter().map(|(_, _, kept)| kept.as_path()));
    let files = canary::files_that_hold(&secrets, &folders);
    assert!(files.is_empty(), "in {files:?}");
    Ok(())
}

#[test]
fn sessions_are_renewed_over_a_coordinators_restart_and_by_the_worker_itself_while_it_is_away() -> Result<()> {
    let mut world = World::behind(Fault::start, |_| ())?;
    world.fault().shorten("GetSessionToken", Duration::from_secs(40));
    world.fault().shorten("AssumeRole", Duration::from_secs(10));
    world.account("shop", &world.deployer("shop")?)?;
    let host = ec2_host(&world)?;
    host.imds.vend_for(Duration::from_secs(10));
    for role in ["here", "on-top"] {
        create_role(world.aws(), role)?;
    }
    let here = arn("here");
    world.cli().ok(&["account", "create", "here", "aws-role", "--role-arn", &here])?;

    let go = world.folder().join("go");
    let on_top = format!("identity: worker-role, assume_role: {{ arn: \"{}\" }}", arn("on-top"));
    let steps = [
        ("keys", ACCOUNT_SHOP),
        ("here", "identity: account, account: here, region: eu-west-1"),
        ("on-top", on_top.as_str()),
    ];
    let script = boto3(&format!("not os.path.exists('{}')", go.display()))?;
    let mut ids = Vec::new();
    for (project, aws) in steps {
        ids.push(start(&world, project, aws, &script)?);
    }
    for id in &ids {
        until("a step to ask AWS", SEEN, || Ok(world.log(id, "Step")?.contains("begun").then_some(())))?;
    }
    world.coordinator_mut().kill9();
    let before = ["here", "on-top"].map(|role| sessions_of(&world, role));
    for (role, before) in ["here", "on-top"].into_iter().zip(before) {
        until(&format!("{role} to be renewed twice"), SEEN, || {
            Ok((sessions_of(&world, role) >= before + 2).then_some(()))
        })?;
    }
    world.coordinator_mut().restart()?;
    let user_sessions = |world: &World| {
        let made = world.fault().sessions().into_iter().filter(|session| session.action == "GetSessionToken");
        made.collect::<Vec<Session>>()
    };
    until("the account's session to be renewed and used", SEEN, || {
        let (made, used) = (user_sessions(&world), world.fault().keys_of("Boto3/"));
        Ok(made.iter().skip(1).any(|session| used.contains(&session.key.id)).then_some(()))
    })?;
    fs::write(&go, "")?;
    for id in &ids {
        let deployment = world.ended(id)?;
        ensure!(deployment["state"] == "succeeded", "{deployment:#}\n{}", world.log(id, "Step")?);
    }
    let expired: Vec<_> = world.fault().calls().into_iter().filter(|call| call.is_troubled).collect();
    ensure!(expired.is_empty(), "no call was signed with a session that had ended: {expired:#?}");
    drop(host);
    Ok(())
}

#[test]
fn a_step_is_warned_before_its_session_ends_unrenewed_and_goes_on_when_the_coordinator_is_back() -> Result<()> {
    let mut world = World::behind(Fault::start, |_| ())?;
    world.fault().shorten("GetSessionToken", Duration::from_secs(16));
    world.account("shop", &world.deployer("shop")?)?;
    let host = ec2_host(&world)?;
    let go = world.folder().join("go");
    let wait = format!("echo begun; until [ -e '{}' ]; do sleep 0.2; done; aws sts get-caller-identity", go.display());
    let id = start(&world, "keys", ACCOUNT_SHOP, &wait)?;
    until("the step to run", SEEN, || Ok(world.log(&id, "Step")?.contains("begun").then_some(())))?;
    world.coordinator_mut().kill9();

    let session = world.fault().sessions().into_iter().find(|session| session.action == "GetSessionToken");
    let ends = session.and_then(|session| session.key.expiration).unwrap_or_default();
    let warning = format!(
        "The step's AWS credentials end at {ends} and could not be refreshed: The coordinator cannot be asked for the step's AWS \
         credentials"
    );
    until("the warning on the worker's disk", SEEN, || {
        Ok((!canary::files_that_hold(&[&warning], &[host.host.data_dir()]).is_empty()).then_some(()))
    })?;
    let told = jiff::Timestamp::now();
    ensure!(told < ends.parse()?, "told at {told}, and they end at {ends}");
    let end: jiff::Timestamp = ends.parse()?;
    until("the session to end", SEEN, || Ok((jiff::Timestamp::now() > end).then_some(())))?;
    world.coordinator_mut().restart()?;
    until("newer credentials", SEEN, || {
        Ok(world.log(&id, "Step")?.contains("The step's AWS credentials were refreshed; they end at").then_some(()))
    })?;
    fs::write(&go, "")?;
    let deployment = world.ended(&id)?;
    ensure!(deployment["state"] == "succeeded", "{deployment:#}");
    let frames = world.cli().ok(&["deployment", "logs", &id, "--step", "Step", "--output", "json"])?;
    let warned = frames.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).any(|frame| {
        let text = frame.to_string().to_lowercase();
        text.contains("\"warning\"") && text.contains(&ends.to_lowercase())
    });
    ensure!(warned, "{frames}");
    ensure!(!world.fault().secrets().iter().any(|secret| frames.contains(secret)), "a secret was told");
    Ok(())
}

/// What a step says that takes the account `shop`.
pub(super) const ACCOUNT_SHOP: &str = "identity: account, account: shop, region: eu-west-1";

/// An instance with the role `own`, vended through whoever stands before AWS, and a connected worker on it.
fn ec2_host(world: &World) -> Result<tests::world::Ec2Host> {
    world.aws().create_instance_role("own", EVERYTHING)?;
    let mut host = world.unstarted_host("one", Instance::with_role("own"))?;
    world.bring_up(&mut host.host, "default")?;
    Ok(host)
}

/// A command that calls AWS every second from one process of boto3 for as long as this holds.
fn boto3(condition: &str) -> Result<String> {
    let program = format!(
        "import os, time, boto3\nbegun = time.time()\nsts = boto3.client('sts')\nwhile {condition}:\n    sts.get_caller_identity()\n    \
         print('begun', flush=True)\n    time.sleep(1)\n"
    );
    python(&program)
}

/// A command that runs this in a Python that has boto3.
fn python(program: &str) -> Result<String> {
    let python = environment("parliament")?;
    Ok(format!("'{}' -c \"$(printf '{}')\"", python.display(), program.replace('\n', "\\n").replace('\'', "\\047")))
}

/// Starts a deployment of a step that is this in AWS.
pub(super) fn start(world: &World, project: &str, aws: &str, script: &str) -> Result<String> {
    let body: String = script.lines().map(|line| format!("        {line}\n")).collect();
    let account = aws.split("account: ").nth(1).and_then(|rest| rest.split(',').next());
    let variables = account.map_or_else(String::new, |name| {
        format!("variables:\n  - {{ name: {name}, type: aws-account, value: {name} }}\n")
    });
    let yaml = format!(
        "project: {project}\n{variables}steps:\n  - name: Step\n    aws: {{ {aws} }}\n    script:\n      shell: bash\n      body: |\n{body}"
    );
    world.apply(project, &yaml)?;
    world.start_deployment(project)
}

fn arn(role: &str) -> String {
    format!("arn:aws:iam::{ACCOUNT}:role/{role}")
}

/// A role that the instance's own role may assume.
fn create_role(aws: &Client, name: &str) -> Result<()> {
    let trust = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"AWS":"{}"}},"Action":["sts:AssumeRole","sts:TagSession","sts:SetSourceIdentity"]}}]}}"#,
        arn("own")
    );
    aws.as_root("iam", "CreateRole", &[("RoleName", name), ("AssumeRolePolicyDocument", &trust)])?;
    let policy = format!(r#"{{"Version":"2012-10-17","Statement":[{EVERYTHING}]}}"#);
    aws.as_root("iam", "PutRolePolicy", &[("RoleName", name), ("PolicyName", "only"), ("PolicyDocument", &policy)])?;
    Ok(())
}

/// How many sessions of a role AWS has given.
fn sessions_of(world: &World, role: &str) -> usize {
    let of_role = format!(":assumed-role/{role}/");
    world.fault().sessions().iter().filter(|session| session.arn.contains(&of_role)).count()
}
