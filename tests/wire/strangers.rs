//! grpcurl, which knows nothing of us but what reflection tells it.

use std::process::{Command, Output};

use anyhow::{Context, Result};
use tests::{World, parts::part};

#[test]
fn a_stranger_with_a_token_finds_every_service_and_calls_one() -> Result<()> {
    let world = World::without_aws()?;
    let token = std::fs::read_to_string(world.coordinator().token_file())?;
    let header = format!("authorization: Bearer {}", token.trim());
    let listed = grpcurl(&world, &["-H", &header], &["list"])?;
    let services = said(&listed);
    for service in
        ["AccountService", "DeploymentService", "PoolService", "ProjectService", "WorkerService", "AuditService"]
    {
        assert!(services.contains(&format!("longshore.deployment.v1.{service}")), "{services}");
    }
    let pools = grpcurl(&world, &["-H", &header, "-d", "{}"], &["longshore.deployment.v1.PoolService/ListPools"])?;
    assert!(said(&pools).contains("\"default\""), "{}", said(&pools));
    Ok(())
}

#[test]
fn health_is_told_to_everybody_and_nothing_else_is() -> Result<()> {
    let world = World::without_aws()?;
    let token = std::fs::read_to_string(world.coordinator().token_file())?;
    let header = format!("authorization: Bearer {}", token.trim());
    // Reflection wants a token, so the shape of the health service is asked for with one; the call itself goes without.
    let health = grpcurl(&world, &["-reflect-header", &header, "-d", "{}"], &["grpc.health.v1.Health/Check"])?;
    assert!(said(&health).contains("SERVING"), "{}", said(&health));
    let pools =
        grpcurl(&world, &["-reflect-header", &header, "-d", "{}"], &["longshore.deployment.v1.PoolService/ListPools"])?;
    assert!(said(&pools).contains("Unauthenticated"), "{}", said(&pools));
    Ok(())
}

#[test]
fn a_token_that_nobody_gave_out_is_refused() -> Result<()> {
    let world = World::without_aws()?;
    let token = std::fs::read_to_string(world.coordinator().token_file())?;
    let good = format!("authorization: Bearer {}", token.trim());
    let mut forged = token.trim().to_owned();
    forged.replace_range(10..11, if &forged[10..11] == "x" { "y" } else { "x" });
    let bad = format!("authorization: Bearer {forged}");
    let call = ["longshore.deployment.v1.PoolService/ListPools"];
    let pools = grpcurl(&world, &["-reflect-header", &good, "-rpc-header", &bad, "-d", "{}"], &call)?;
    assert!(said(&pools).contains("Unauthenticated"), "{}", said(&pools));
    assert!(!said(&pools).contains(&forged), "a token is a secret: {}", said(&pools));
    Ok(())
}

fn grpcurl(world: &World, flags: &[&str], call: &[&str]) -> Result<Output> {
    let address = world.coordinator().url().trim_start_matches("https://").to_owned();
    Command::new(part("grpcurl")?)
        .arg("-cacert")
        .arg(world.coordinator().ca_file())
        .args(flags)
        .arg(address)
        .args(call)
        .output()
        .context("grpcurl cannot be run")
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
