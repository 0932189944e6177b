//! AWS that throttles, that is somebody else, or whose clock is another: steps fail before their first command, by a name that can be
//! looked up and with a sentence that says what to do.

use std::{fs, path::PathBuf, process::Command, time::Duration};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tests::{Fault, Trouble, World, parts::program, until};

use super::refresh::{ACCOUNT_SHOP, start};

/// 30 seconds for what takes one.
const SEEN: Duration = Duration::from_secs(30);
const PAGE: &str = "<html><body>Please log in.</body></html>";

#[test]
fn what_stands_between_a_step_and_aws_has_a_name_and_nothing_was_started() -> Result<()> {
    let world = World::behind(Fault::start, |_| ())?;
    world.account("shop", &world.deployer("shop")?)?;
    let _host = world.ec2_host("one", "default")?;
    let url = world.fault().url();
    let page = |status| Trouble::Answer { status, body: PAGE.into() };
    let clock = Trouble::Clock { minutes_ahead: 30 };
    // Each session is a new key, of which the worker asks anew who it is.
    for (action, host) in [("GetSessionToken", "the coordinator's host"), ("GetCallerIdentity", "the worker's host")] {
        let clocks = [host, "AWS's clock says", "behind. Set the clock of"];
        for (trouble, code, parts) in [
            (page(200), "AWS_UNAVAILABLE", &[url.as_str(), action][..]),
            (page(500), "AWS_UNAVAILABLE", &[&url, "status 500", action]),
            (Trouble::Answer { status: 502, body: String::new() }, "AWS_UNAVAILABLE", &[&url, "status 502"]),
            (clock.clone(), "CLOCK_SKEW", &clocks),
        ] {
            world.fault().trouble(action, usize::MAX, trouble);
            refused(&world, code, parts)?;
            world.fault().no_trouble();
        }
    }
    Ok(())
}

#[test]
fn a_few_throttled_calls_are_told_of_in_the_log_and_many_are_the_steps_failure() -> Result<()> {
    let world = World::behind(Fault::start, |_| ())?;
    world.account("shop", &world.deployer("shop")?)?;
    let _host = world.ec2_host("one", "default")?;
    // What is throttled is to be the step's: by then the worker has asked who it is itself.
    until("the worker's own role", SEEN, || {
        let worker = world.cli().json(&["worker", "show", "one"])?;
        Ok(worker["identity"]["arn"].is_string().then_some(()))
    })?;

    world.fault().trouble("GetSessionToken", 2, Trouble::Throttling);
    world.fault().trouble("GetCallerIdentity", 1, Trouble::Throttling);
    let (deployment, log) = run(&world, "true")?;
    ensure!(deployment["state"] == "succeeded", "{deployment:#}\n{log}");
    ensure!(log.contains("AWS STS asked for fewer calls (3 of them) before it answered"), "{log}");

    for (action, host) in [("GetSessionToken", "coordinator"), ("GetCallerIdentity", "worker")] {
        world.fault().trouble(action, 20, Trouble::Throttling);
        let sentence = format!("AWS throttled {action} of account");
        refused(&world, "AWS_THROTTLED", &[&sentence, "6 times in ", "Rate exceeded"]).context(host)?;
        let throttled = world.fault().calls().into_iter().filter(|call| call.action == action && call.is_troubled);
        ensure!(throttled.count() <= 6 + 2, "the {host} gave up after 6 tries");
        world.fault().no_trouble();
    }
    Ok(())
}

#[test]
fn a_private_authority_in_the_middle_is_named_and_trusted_once_it_is_in_the_bundle() -> Result<()> {
    let mut world = World::behind(|aws| Fault::start_tls(aws, "Shop Corp Proxy CA"), |_| ())?;
    world.account("shop", &world.deployer("shop")?)?;
    let mut host = world.ec2_host("one", "default")?;
    let parts = ["is not trusted on", "Shop Corp Proxy CA", "--ca-bundle"];

    let test = world.cli().run(&["account", "test", "shop"])?;
    ensure!(test.code == 1, "{test}");
    let worker = ["run", "--pool", "default", "--worker-role", "--region", "eu-west-1", "--", "true"];
    let step = world.cli().run(&worker)?;
    ensure!(step.code == 1, "{step}");
    for part in parts {
        ensure!(test.to_string().contains(part), "{part}: {test}");
        ensure!(step.to_string().contains(part), "{part}: {step}");
    }
    refused(&world, "AWS_CERTIFICATE_NOT_TRUSTED", &[&parts[..], &["the coordinator's host"]].concat())?;

    let bundle = world.folder().join("proxy-ca.pem");
    fs::write(&bundle, world.fault().ca_pem().context("it has an authority")?)?;
    let flags = vec!["--ca-bundle".to_owned(), bundle.display().to_string()];
    let coordinator = world.coordinator_mut();
    coordinator.stop()?;
    coordinator.settings_mut().flags = flags.clone();
    coordinator.restart()?;
    host.host.stop()?;
    host.host.settings_mut().flags = flags;
    host.host.start()?;
    host.host.connected(world.cli())?;

    world.cli().ok(&["account", "test", "shop"])?;
    world.cli().ok(&["account", "test", "shop", "--worker", "one"])?;
    let asks = "aws sts get-caller-identity --query Arn --output text; echo \"bundle $AWS_CA_BUNDLE\"";
    let who = world.cli().ok(&["run", "--pool", "default", "--worker-role", "--", asks])?;
    ensure!(who.matches("assumed-role/one-role/").count() >= 2, "{who}");
    ensure!(
        who.contains("bundle /") && !who.contains(&bundle.display().to_string()),
        "a whole one of the worker's: {who}"
    );
    Ok(())
}

/// A step of the account fails with this code and these words before its script, and the code can be looked up.
fn refused(world: &World, code: &str, parts: &[&str]) -> Result<()> {
    let ran: PathBuf = world.folder().join("ran");
    let (deployment, log) = run(world, &format!("touch '{}'", ran.display()))?;
    ensure!(deployment["state"] == "failed", "{deployment:#}");
    ensure!(deployment["steps"][0]["reason"] == code, "it should be {code}: {deployment:#}\n{log}");
    for part in parts {
        ensure!(log.contains(part), "{code} without {part:?}: {log}");
    }
    ensure!(!ran.exists(), "the script was started");
    let mut explain = Command::new(program("longshore-coordinator")?);
    let explained = explain.args(["explain", code]).output()?;
    ensure!(explained.status.success() && explained.stdout.len() > 40, "{code} is not explained");
    Ok(())
}

/// Runs a script as the account; answers the deployment and its log.
fn run(world: &World, script: &str) -> Result<(Value, String)> {
    let id = start(world, "troubled", ACCOUNT_SHOP, script)?;
    Ok((world.ended(&id)?, world.log(&id, "Step")?))
}
