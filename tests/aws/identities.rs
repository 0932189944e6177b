//! Whose credentials a step has is decided by one word, and by nothing that lies around.

use anyhow::{Context, Result};
use tests::{Answer, Instance, World};

const CALLER: &str = "aws sts get-caller-identity --query Arn --output text";

#[test]
fn steps_on_two_instances_run_under_two_roles() -> Result<()> {
    let world = World::start()?;
    world.pool("second")?;
    let first = world.ec2_host("one", "default")?;
    let second = world.ec2_host("two", "second")?;
    for (pool, host) in [("default", &first), ("second", &second)] {
        let answer = run(&world, &["--pool", pool, "--worker-role"], CALLER)?;
        let instance = host.imds.instance();
        let role = instance.role.context("a role")?;
        let arn = format!("arn:aws:sts::123456789012:assumed-role/{role}/{}", instance.id);
        assert_eq!(answer.code, 0, "{answer}");
        assert!(answer.stdout.matches(&arn).count() >= 2, "the identity line and the script's own word: {answer}");
    }
    Ok(())
}

#[test]
fn what_somebody_left_in_the_agents_environment_does_not_reach_a_step() -> Result<()> {
    let world = World::start()?;
    let key = world.deployer("shop")?;
    world.account("shop", &key)?;
    world.aws().create_instance_role("own-role", tests::world::EVERYTHING)?;
    let mut host = world.unstarted_host("one", Instance::with_role("own-role"))?;
    let stale = [
        ("AWS_ACCESS_KEY_ID", "AKIASTALESTALESTALE0"),
        ("AWS_SECRET_ACCESS_KEY", "stale-secret-of-somebody-else"),
        ("AWS_SESSION_TOKEN", "stale-session-token"),
        ("AWS_PROFILE", "stale-profile"),
        ("AWS_ROLE_ARN", "arn:aws:iam::999999999999:role/stale"),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", "/stale/token"),
        ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/stale"),
        ("AWS_CONFIG_FILE", "/stale/config"),
    ];
    host.host.settings_mut().env =
        stale.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    world.bring_up(&mut host.host, "default")?;
    let script = format!("env | grep '^AWS_' | sort; {CALLER}");

    let account = run(&world, &["--pool", "default", "--account", "shop", "--region", "eu-west-1"], &script)?;
    assert_eq!(account.code, 0, "{account}");
    assert!(account.stdout.contains("arn:aws:iam::123456789012:user/shop"), "{account}");
    let role = run(&world, &["--pool", "default", "--worker-role"], &script)?;
    assert_eq!(role.code, 0, "{role}");
    assert!(role.stdout.contains("assumed-role/own-role/"), "{role}");
    let nobody = run(&world, &["--pool", "default"], &format!("env | grep '^AWS_' | sort; ! {CALLER}"))?;
    assert_eq!(nobody.code, 0, "a step without an identity has no credentials: {nobody}");
    for answer in [&account, &role, &nobody] {
        assert!(!answer.stdout.to_lowercase().contains("stale"), "{answer}");
        assert!(!answer.stdout.contains("AWS_ACCESS_KEY_ID="), "no key is in the environment: {answer}");
    }
    Ok(())
}

#[test]
fn an_account_that_resolves_nowhere_fails_and_never_takes_the_workers_role() -> Result<()> {
    let world = World::start()?;
    let host = world.ec2_host("one", "default")?;
    let key = world.deployer("shop")?;
    world.account("shop-staging", &key)?;
    let ran = world.folder().join("ran");
    let yaml = format!(
        "project: shop\nvariables:\n  - {{ name: AWS Account, type: aws-account, value: shop-staging, environments: [staging] }}\n\
         steps:\n  - name: Who\n    aws: {{ identity: account, account: AWS Account, region: eu-west-1 }}\n    \
         script: {{ shell: bash, body: \"touch '{}'; {CALLER}\" }}\n",
        ran.display()
    );
    for environment in ["staging", "production"] {
        world.cli().ok(&["environment", "create", environment])?;
    }
    world.apply("shop", &yaml)?;
    let answer = world.cli().run(&["deploy", "shop", "--environment", "production"])?;
    assert_eq!(answer.code, 1, "{answer}");
    let said = format!("{}{}", answer.stdout, answer.stderr);
    assert!(
        said.contains("AWS Account") && said.contains("production"),
        "it names the variable and the scope: {answer}"
    );
    assert!(!ran.exists(), "the script did not start");
    assert!(!said.contains("assumed-role"), "{answer}");
    drop(host);
    Ok(())
}

#[test]
fn a_step_that_expects_another_identity_does_not_start() -> Result<()> {
    let world = World::start()?;
    let _host = world.ec2_host("one", "default")?;
    for (expect, expected, seen) in [
        ("role: other-role", "other-role", "one-role"),
        ("account: \"999999999999\"", "999999999999", "123456789012"),
        ("region: us-east-1", "us-east-1", "eu-west-1"),
    ] {
        let ran = world.folder().join("ran");
        let yaml = format!(
            "project: picky\nsteps:\n  - name: Step\n    aws: {{ identity: worker-role, expect: {{ {expect} }} }}\n    \
             script: {{ shell: bash, body: \"touch '{}'\" }}\n",
            ran.display()
        );
        world.apply("picky", &yaml)?;
        let id = world.start_deployment("picky")?;
        let deployment = world.ended(&id)?;
        let said = format!("{deployment}{}", world.log(&id, "Step")?);
        assert_eq!(deployment["state"], "failed", "{deployment:#}");
        assert!(said.contains(expected) && said.contains(seen), "it says both: {said}");
        assert!(!ran.exists(), "the script did not start");
    }
    Ok(())
}

fn run(world: &World, flags: &[&str], script: &str) -> Result<Answer> {
    world.cli().run(&[&["run"], flags, &["--", script]].concat())
}
