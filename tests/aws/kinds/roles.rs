//! Roles on top of a worker's own role, of keys and of one another, and what the log says of where they come from.

use anyhow::{Context, Result};
use serde_json::Value;
use tests::{World, trust, world::EVERYTHING};

use super::{account, account_variable, by_account, releases};
use crate::deployed::{Deployed, WHO, step};

#[test]
fn a_role_is_reached_over_every_way_that_leads_to_it() -> Result<()> {
    let world = World::start()?;
    let (_one, _two) = (world.ec2_host("one", "default")?, world.ec2_host("two", "default")?);
    world.account("shop", &world.deployer("shop")?)?;
    let hub = trust::role("hub");
    let hub_id = account(&world, &["on-worker", "aws-role", "--role-arn", &hub])?;
    let hub_id = hub_id["external_id"].as_str().context("an external id")?;
    world.aws().create_role("hub", &trust::callers(&[&trust::role("one-role")], Some(hub_id)), EVERYTHING)?;
    let trusts = trust::callers(&[&hub, &trust::user("shop")], None);
    let deployer = world.aws().create_role("deployer", &trusts, EVERYTHING)?;
    account(&world, &["on-another", "aws-role", "--role-arn", &deployer, "--base-account", "on-worker"])?;
    account(&world, &["on-key", "aws-role", "--role-arn", &deployer, "--base-account", "shop"])?;

    let mut variables: Vec<_> =
        [("Worker", "on-worker"), ("Another", "on-another"), ("Key", "on-key"), ("Shop", "shop")]
            .map(|(name, account)| account_variable(name, account))
            .into();
    variables.push("  - { name: Deployer, value: deployer }".into());
    variables.push(format!("  - {{ name: Hub, value: \"{hub}\" }}\n  - {{ name: Hub Id, value: {hub_id} }}"));
    let to_hub = "{ arn: \"#{Hub}\", external_id: \"#{Hub Id}\" }";
    let to_deployer = "{ arn: \"arn:aws:iam::123456789012:role/#{Deployer}\" }";
    let assumes =
        |identity: &str, roles: &str| format!("aws: {{ {identity}, region: eu-west-1, assume_role: {roles} }}");
    let ways = [
        ("Role", by_account("Worker"), "hub", "account on-worker on worker-role (imds) > role hub"),
        (
            "Chain",
            by_account("Another"),
            "deployer",
            "account on-another on worker-role (imds) > role hub > role deployer",
        ),
        ("Key", by_account("Key"), "deployer", "account on-key"),
        ("Hop", assumes("identity: account, account: Shop", to_deployer), "deployer", "account shop > role deployer"),
        ("Own", assumes("identity: worker-role", to_hub), "hub", "worker-role (imds) > role hub"),
        (
            "Hops",
            assumes("identity: worker-role", &format!("[{to_hub}, {to_deployer}]")),
            "deployer",
            "worker-role (imds) > role hub > role deployer",
        ),
        (
            "Twice",
            assumes("identity: account, account: Worker", &format!("[{to_deployer}]")),
            "deployer",
            "account on-worker on worker-role (imds) > role hub > role deployer",
        ),
    ];
    let together = |aws: &str| -> Vec<String> {
        ["start: with-previous", "requires: { aws.role: one-role }", aws].map(str::to_owned).into()
    };
    let mut steps: Vec<_> = ways
        .iter()
        .map(|(name, aws, ..)| {
            let rest = together(aws);
            step(name, &rest.iter().map(String::as_str).collect::<Vec<_>>(), "python", WHO)
        })
        .collect();
    // The role may do everything; the session policy leaves it one thing.
    let policy = r#"'{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:*","Resource":"*"}]}'"#;
    let narrowed = assumes("identity: account, account: Shop", &format!("{{ arn: \"{deployer}\", policy: {policy} }}"));
    let lists = format!(
        "{WHO}\ntry:\n    session.create_client('iam').list_users()\n    print('it lists users')\nexcept Exception as refusal:\n    print('refused:', refusal)\n"
    );
    for (name, aws) in [("Wide", ways[3].1.as_str()), ("Narrow", &narrowed)] {
        steps.push(step(name, &["start: with-previous", aws], "python", &lists));
    }

    let deployed = Deployed::to_its_end(&world, "ways", &variables.join("\n"), &steps)?;
    for (name, _, role, source) in &ways {
        let worker = deployed.attempt(name)["worker"].as_str().context("a worker")?;
        let session = format!("longshore-ways-1-{name}-1-{worker}");
        assert_eq!(deployed.who(name)?, format!("arn:aws:sts::123456789012:assumed-role/{role}/{session}"));
        assert_eq!(deployed.source(name)?, *source, "{name}");
    }
    assert!(deployed.log("Wide")?.contains("it lists users"), "{}", deployed.log("Wide")?);
    let narrow = deployed.log("Narrow")?;
    assert!(narrow.contains("refused:") && narrow.contains("iam:ListUsers"), "{narrow}");
    // Whoever asks who used the key finds what was done through the account that stands on it.
    let by_key = releases::of(&world, "shop")?;
    let through =
        |row: &Value| row["detail"].as_str().is_some_and(|detail| detail.contains("through account \"on-key\""));
    assert!(by_key.iter().any(through), "{by_key:#?}");
    differ(&world)
}

/// One of two workers can become the role: the test says so of both, and is not passed.
fn differ(world: &World) -> Result<()> {
    let test = world.cli().refused(1, &["account", "test", "on-worker", "--pool", "default"])?;
    for part in ["one ", "two ", ":assumed-role/hub/longshore-", "AWS does not let"] {
        assert!(test.stdout.contains(part), "there is no {part:?} in the table: {test}");
    }
    let difference = "They differ: from one it is the role hub of account 123456789012, from two it is refused.";
    assert!(test.stderr.contains(difference), "{test}");
    world.cli().ok(&["account", "test", "on-worker", "--worker", "one"])?;
    let here = world.cli().refused(1, &["account", "test", "on-worker"])?;
    assert!(here.stdout.contains("--pool") && here.stdout.contains("--worker"), "only a worker can say: {here}");
    Ok(())
}
