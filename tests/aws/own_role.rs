//! The worker's own role: from the one source that was named, seen when it is exchanged, and said to be missing in words
//! that tell why.

use std::{fs, net::TcpListener, path::Path, time::Duration};

use anyhow::{Context, Result, ensure};
use tests::{
    Answer, Instance, Mode, World,
    emulator::AccessKey,
    http::{Response, Server},
    port::free_port,
    until,
    world::EVERYTHING,
};

const CALLER: &str = "aws sts get-caller-identity --query Arn --output text";
/// 90 seconds: a look every 20 seconds, and a heartbeat that carries it, on a busy machine.
const SEEN: Duration = Duration::from_secs(90);

#[test]
fn a_role_that_is_exchanged_under_a_running_worker_is_seen_and_used() -> Result<()> {
    let world = World::start()?;
    let host = world.ec2_host("one", "default")?;
    own_role(&world, "one", "one-role")?;
    world.aws().create_instance_role("other-role", EVERYTHING)?;
    host.imds.set_role(Some("other-role"));
    own_role(&world, "one", "other-role")?;
    let answer = run(&world, &["--pool", "default"], CALLER)?;
    assert_eq!(answer.code, 0, "{answer}");
    assert!(answer.stdout.matches("assumed-role/other-role/").count() >= 2, "{answer}");
    assert!(answer.stdout.contains("from worker-role (imds)"), "the log names the source: {answer}");
    assert!(host.host.log().contains("other-role"), "the agent's log says it: {}", host.host.log());
    let rows = world.cli().ok(&["audit", "list", "--account", "worker-role"])?;
    for part in ["credentials.release", "started by token first-admin", "assumed-role/other-role/", " until 20"] {
        assert!(rows.contains(part), "the audit log has what was released, for how long and for whom: {rows}");
    }
    Ok(())
}

#[test]
fn a_step_does_not_become_the_role_that_its_worker_is_given_while_it_runs() -> Result<()> {
    let world = World::start()?;
    for role in ["first", "second"] {
        world.aws().create_instance_role(role, EVERYTHING)?;
    }
    let mut host = world.unstarted_host("one", Instance::with_role("first"))?;
    host.imds.vend_for(Duration::from_secs(20));
    world.bring_up(&mut host.host, "default")?;
    let go = world.folder().join("go");
    let id = waiting_step(&world, &go)?;
    until("the step to run", SEEN, || Ok(world.log(&id, "Step")?.contains("begun").then_some(())))?;
    host.imds.set_role(Some("second"));
    let kept = "and could not be refreshed: the step began as arn:aws:sts::123456789012:assumed-role/first/";
    until("the warning in the step's log", SEEN, || Ok(world.log(&id, "Step")?.contains(kept).then_some(())))?;
    fs::write(&go, "")?;
    world.ended(&id)?;
    let log = world.log(&id, "Step")?;
    let mut said = log.lines().filter(|line| line.trim_start().starts_with("arn:"));
    ensure!(said.all(|arn| arn.contains("assumed-role/first/")), "it is somebody else: {log}");
    Ok(())
}

#[test]
fn a_worker_without_a_usable_role_says_which_way_it_is_unusable() -> Result<()> {
    let world = World::start()?;
    world.aws().create_instance_role("some", EVERYTHING)?;
    for (name, role, mode, part) in [
        ("no-role", None, Mode::Normal, "no role is attached to the worker's instance"),
        ("refused", Some("some"), Mode::RoleRefused, "AssumeRoleUnauthorizedAccess"),
        ("disabled", Some("some"), Mode::Disabled, "is switched off (status 403)"),
        ("hop-limit", Some("some"), Mode::HopLimit, "HttpPutResponseHopLimit"),
        ("slow", Some("some"), Mode::Slow, "does not answer in time"),
        ("garbage", Some("some"), Mode::Garbage, "something that is no role's name"),
        ("broken", Some("some"), Mode::Status(500), "status 500"),
        ("rotating", Some("some"), Mode::Rotating, "has no credentials of it"),
    ] {
        world.pool(name)?;
        let instance = role.map_or_else(Instance::without_role, Instance::with_role);
        let mut host = world.unstarted_host(name, instance)?;
        host.imds.set_mode(mode);
        world.bring_up(&mut host.host, name)?;
        refused(&world, name, part)?;
    }
    world.pool("nowhere")?;
    let mut host = world.unstarted_host("nowhere", Instance::with_role("some"))?;
    host.host.settings_mut().imds_url = Some(format!("http://127.0.0.1:{}", free_port()));
    world.bring_up(&mut host.host, "nowhere")?;
    refused(&world, "nowhere", "The worker is not on EC2")
}

#[test]
fn the_source_that_was_named_is_taken_and_no_other() -> Result<()> {
    let world = World::start()?;
    for role in ["instance-role", "task-role"] {
        world.aws().create_instance_role(role, EVERYTHING)?;
    }
    world.pool("container")?;
    world.pool("web-identity")?;
    let session = world.aws().instance_session("task-role", "task-1", Duration::from_secs(3600))?;
    let token_file = world.folder().join("container-token");
    fs::write(&token_file, "canary-container-token\n")?;
    let service = container_service(session)?;
    let variables = vec![
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI".to_owned(), format!("http://{}/v1/credentials", service.address())),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE".to_owned(), token_file.display().to_string()),
    ];

    // Each host has a container's variables and an instance's role; the flag alone decides.
    for (pool, source, role) in [("default", "imds", "instance-role"), ("container", "container", "task-role")] {
        let mut host = world.unstarted_host(source, Instance::with_role("instance-role"))?;
        host.host.settings_mut().env.clone_from(&variables);
        host.host.settings_mut().flags = vec!["--role-source".into(), source.into()];
        world.bring_up(&mut host.host, pool)?;
        own_role(&world, source, role)?;
        let answer = run(&world, &["--pool", pool], &format!("env | grep ^AWS_ || true; {CALLER}"))?;
        assert_eq!(answer.code, 0, "{answer}");
        assert!(answer.stdout.matches(&format!("assumed-role/{role}/")).count() >= 2, "{answer}");
        assert!(answer.stdout.contains(&format!("from worker-role ({source})")), "{answer}");
        for kept in [&service.address().to_string(), "canary-container-token", &token_file.display().to_string()] {
            assert!(!answer.stdout.contains(kept), "the agent's own way to its role is not the step's: {answer}");
        }
        assert!(!host.host.log().contains("canary-container-token"), "{}", host.host.log());
    }

    let mut host = world.unstarted_host("nobody", Instance::with_role("instance-role"))?;
    host.host.settings_mut().env.clone_from(&variables);
    host.host.settings_mut().flags = vec!["--role-source".into(), "web-identity".into()];
    world.bring_up(&mut host.host, "web-identity")?;
    refused(&world, "web-identity", "AWS_ROLE_ARN is not in the agent's environment")
}

#[test]
fn a_step_is_told_before_its_credentials_end_and_when_newer_ones_came() -> Result<()> {
    let world = World::start()?;
    world.aws().create_instance_role("short", EVERYTHING)?;
    let mut host = world.unstarted_host("one", Instance::with_role("short"))?;
    host.imds.vend_for(Duration::from_secs(20));
    world.bring_up(&mut host.host, "default")?;
    let go = world.folder().join("go");
    let id = waiting_step(&world, &go)?;
    until("the step to run", SEEN, || Ok(world.log(&id, "Step")?.contains("begun").then_some(())))?;
    host.imds.set_mode(Mode::Status(500));
    let warned = "and could not be refreshed: The worker's own role cannot be had: the instance metadata service at";
    until("the warning in the step's log", SEEN, || Ok(world.log(&id, "Step")?.contains(warned).then_some(())))?;
    host.imds.set_mode(Mode::Normal);
    until("the refresh in the step's log", SEEN, || {
        Ok(world.log(&id, "Step")?.contains("The step's AWS credentials were refreshed; they end at").then_some(()))
    })?;
    fs::write(&go, "")?;
    let deployment = world.ended(&id)?;
    let log = world.log(&id, "Step")?;
    ensure!(deployment["state"] == "succeeded", "{deployment:#}\n{log}");
    ensure!(log.matches("assumed-role/short/").count() >= 2, "{log}");
    Ok(())
}

fn waiting_step(world: &World, go: &Path) -> Result<String> {
    let script = format!("echo begun; while [ ! -e '{}' ]; do sleep 0.2; done; {CALLER}", go.display());
    let yaml = format!(
        "project: waiting\nsteps:\n  - name: Step\n    aws: {{ identity: worker-role }}\n    script: {{ shell: bash, body: \"{script}\" }}\n"
    );
    world.apply("waiting", &yaml)?;
    world.start_deployment("waiting")
}

/// What stands beside a container, for whoever shows the token.
fn container_service(session: AccessKey) -> Result<Server> {
    let listener = TcpListener::bind("127.0.0.1:0").context("no port for the container's credential service")?;
    Server::start(listener, move |request| {
        let is_right = request.path == "/v1/credentials"
            && request.headers.get("authorization").is_some_and(|token| token == "canary-container-token");
        if !is_right {
            return Response::new(401, "application/json", "{}");
        }
        let answer = serde_json::json!({
            "AccessKeyId": session.id,
            "SecretAccessKey": session.secret,
            "Token": session.session_token,
            "Expiration": session.expiration,
            "RoleArn": "arn:aws:iam::123456789012:role/task-role",
        });
        Response::new(200, "application/json", answer.to_string())
    })
}

/// Waits until the coordinator knows that the worker is this role.
fn own_role(world: &World, worker: &str, role: &str) -> Result<()> {
    until(&format!("{worker} to be {role}"), SEEN, || {
        let shown = world.cli().json(&["worker", "show", worker])?;
        let arn = shown["identity"]["arn"].as_str().unwrap_or_default();
        Ok(arn.contains(&format!("assumed-role/{role}/")).then_some(()))
    })
}

/// A step that takes the worker's role fails before its script, and its log says why.
fn refused(world: &World, pool: &str, part: &str) -> Result<()> {
    let ran = world.folder().join("ran");
    let answer = run(world, &["--pool", pool, "--region", "eu-west-1"], &format!("touch '{}'", ran.display()))?;
    assert_eq!(answer.code, 1, "{pool}: {answer}");
    assert!(answer.stdout.contains("The worker's own role cannot be had: "), "{pool}: {answer}");
    assert!(answer.stdout.contains(part), "{pool}: {answer}");
    assert!(!ran.exists(), "the script did not start");
    Ok(())
}

fn run(world: &World, flags: &[&str], script: &str) -> Result<Answer> {
    world.cli().run(&[&["run", "--worker-role"], flags, &["--", script]].concat())
}
