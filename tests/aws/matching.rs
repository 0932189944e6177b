//! Which worker a step goes to because of who the worker is, and what is said where none fits.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tests::{World, until};

use crate::deployed::{Deployed, begun, step};

/// A variable that nobody reads.
const NOTHING: &str = "  - { name: Nothing, value: x }";
/// 60 seconds: until workers have asked AWS who they are, on a busy machine.
const SOON: Duration = Duration::from_secs(60);

#[test]
fn a_step_goes_to_the_worker_that_is_who_it_needs() -> Result<()> {
    let world = World::start()?;
    world.cli().ok(&["pool", "create", "strict", "--require", "aws.account=123456789012"])?;
    world.cli().ok(&["pool", "create", "elsewhere", "--require", "aws.account=999999999999"])?;
    let hosts = [("one", "default"), ("two", "default"), ("three", "strict"), ("four", "elsewhere")]
        .into_iter()
        .map(|(name, pool)| world.ec2_host(name, pool))
        .collect::<Result<Vec<_>>>()?;
    for host in &hosts {
        shows_its_identity(&world, host.host.name(), &host.imds.instance().id)?;
    }
    goes_to_the_right_one(&world)?;
    waits_for_nobody(&world)?;
    expects_nobody(&world)?;
    let invite = ["worker", "invite", "--pool", "default", "--label", "aws.role=shop-deployer"];
    let refused = world.cli().refused(2, &invite)?;
    assert!(refused.stderr.contains("\"aws.role\"") && refused.stderr.contains("reports"), "{refused}");
    Ok(())
}

fn shows_its_identity(world: &World, worker: &str, instance: &str) -> Result<()> {
    let shown = until("the worker to know who it is", SOON, || {
        let shown = world.cli().json(&["worker", "show", worker])?;
        let is_whole = shown["identity"]["arn"].is_string() && shown["isolation_detail"] != "";
        Ok(is_whole.then_some(shown))
    })?;
    let identity = &shown["identity"];
    let expected = json!({
        "account": "123456789012",
        "arn": format!("arn:aws:sts::123456789012:assumed-role/{worker}-role/{instance}"),
        "region": "eu-west-1",
        "partition": "aws",
        "source": "worker-role (imds)",
    });
    for (field, value) in expected.as_object().context("an object")? {
        assert_eq!(&identity[field], value, "{shown:#}");
    }
    let time = |field: &str| identity[field].as_str().with_context(|| format!("{field}: {shown:#}"));
    let (obtained, ends): (jiff::Timestamp, jiff::Timestamp) =
        (time("obtain_time")?.parse()?, time("expire_time")?.parse()?);
    let left = ends.duration_since(jiff::Timestamp::now()).as_secs();
    assert!(obtained <= jiff::Timestamp::now() && (600..=6 * 3600).contains(&left), "{shown:#}");
    assert_eq!(shown["imds_isolated"], false, "steps run as the agent's own user here: {shown:#}");
    Ok(())
}

/// By the role of the worker, by the account that its pool demands, and by both.
fn goes_to_the_right_one(world: &World) -> Result<()> {
    let steps = [
        ("First", "one", "default", "aws.role: one-role"),
        ("Second", "two", "default", "aws.role: two-role, aws.account: \"123456789012\", aws.region: eu-west-1"),
        ("Third", "three", "strict", ""),
        ("Fourth", "three", "strict", "aws.role: three-role"),
    ];
    let written = steps.map(|(name, _, pool, requires)| {
        let rest = [
            "start: with-previous",
            "aws: { identity: worker-role }",
            &format!("pool: {pool}"),
            &format!("requires: {{ {requires} }}"),
        ];
        step(name, &rest, "bash", "true")
    });
    let deployed = Deployed::to_its_end(world, "matching", NOTHING, &written)?;
    for (name, worker, ..) in steps {
        assert_eq!(deployed.attempt(name)["worker"], worker, "{:#}", deployed.step(name));
        let arn = deployed.attempt(name)["identity"]["arn"].as_str().unwrap_or_default();
        assert!(arn.contains(&format!(":assumed-role/{worker}-role/")), "{arn}");
    }
    Ok(())
}

/// Steps that no worker fits wait, say what each worker is instead, and can be cancelled.
fn waits_for_nobody(world: &World) -> Result<()> {
    let ran = world.folder().join("ran");
    let waiting = [
        (
            "Role",
            "requires: { aws.role: shop-deployer }",
            "IDENTITY_MISSING",
            &["aws.role=shop-deployer", "worker one says one-role", "worker two says two-role"][..],
        ),
        ("Pool", "pool: elsewhere", "IDENTITY_MISSING", &["aws.account=999999999999", "worker four says 123456789012"]),
        (
            "Isolated",
            "aws: { identity: none, require_isolation: true }",
            "ISOLATION_REQUIRED",
            &["keeps steps from its instance's metadata", "`longshore worker show one` says why"],
        ),
    ];
    let script = format!("touch '{}'", ran.display());
    let written = waiting.map(|(name, rest, ..)| step(name, &["start: with-previous", rest], "bash", &script));
    let id = begun(world, "waiting", NOTHING, &written)?;
    let reason = |shown: &Value, at: usize| shown["steps"][at]["queue_reason"].as_str().unwrap_or_default().to_owned();
    let shown = until("every step to say why it waits", SOON, || {
        let shown = world.deployment(&id)?;
        Ok((0..waiting.len()).all(|at| !reason(&shown, at).is_empty()).then_some(shown))
    })?;
    for (at, (name, _, code, parts)) in waiting.into_iter().enumerate() {
        let said = reason(&shown, at);
        assert_eq!(shown["steps"][at]["reason"], code, "{name}: {said}");
        for part in parts {
            assert!(said.contains(part), "{name}: there is no {part:?} in {said}");
        }
    }
    world.cli().ok(&["deployment", "cancel", &id, "--reason", "nobody fits"])?;
    let ended = world.ended(&id)?;
    assert_eq!(ended["state"], "cancelled", "{ended:#}");
    assert!(!ran.exists(), "nothing was started");
    Ok(())
}

/// What a step expects of its worker's own role, and no worker of its pool is, ends it at once.
fn expects_nobody(world: &World) -> Result<()> {
    let ran = world.folder().join("ran");
    let aws = "aws: { identity: worker-role, expect: { role: shop-deployer } }";
    let script = format!("touch '{}'", ran.display());
    let deployed = Deployed::to_its_end(world, "expecting", NOTHING, &[step("Step", &[aws], "bash", &script)])?;
    let detail = deployed.step("Step")["detail"].as_str().unwrap_or_default();
    assert_eq!(deployed.code("Step"), "EXPECTATION_NOT_MET", "{:#}", deployed.shown);
    for part in ["shop-deployer", "worker one has the role one-role", "worker two has the role two-role"] {
        assert!(detail.contains(part), "there is no {part:?} in {detail}");
    }
    assert!(deployed.attempt("Step").is_null() && !ran.exists(), "no worker was asked: {:#}", deployed.shown);
    Ok(())
}
