//! What went wrong in systems like this one, by the number under which they know it: none of it happens here.
//!
//! Others of them are told elsewhere: GitLab Runner 38017 (a result lost while the server restarts) and Nomad 17424 (what ended
//! without its agent runs again) in `crash`; runner 4601 (processes that escape) in the zoo of `worker/tests/shim`; Windmill 9214
//! (a slow worker's late word fails a flow that went well) and Woodpecker's lease of 60 seconds in the stories of
//! `coordinator/core`; Tentacle's late StartScript in those of `worker/core`; Hatchet 4254 (a worker that is alive and deaf) in both.

use std::{fs, process::Command, time::Duration};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};
use tests::{WorkerHost, World, coordinator::Settings, parts, until, world::script_project};

#[test]
fn nativelink_2658_a_worker_lives_on_when_its_coordinator_dies_with_an_offer_under_way() -> Result<()> {
    let mut world = World::without_aws()?;
    let mut host = world.host("one")?;
    let ledger = world.folder().join("ledger");
    world.apply("brief", &script_project("brief", &format!("echo ran >> '{}'", ledger.display())))?;
    let mut deployments = Vec::new();
    for _ in 0..5 {
        deployments.push(world.start_deployment("brief")?);
        world.coordinator_mut().kill9();
        world.coordinator_mut().restart()?;
    }
    for id in &deployments {
        let deployment = world.ended(id)?;
        assert_eq!(deployment["state"], "succeeded", "{deployment:#}");
    }
    assert!(!host.ended_early(), "{}", host.log());
    assert_eq!(fs::read_to_string(&ledger)?.lines().count(), deployments.len(), "each ran once");
    Ok(())
}

#[test]
fn nativelink_1972_a_worker_that_vanishes_as_it_is_chosen_holds_nothing_up() -> Result<()> {
    let world = World::without_aws()?;
    let mut first = world.host("one")?;
    let ledger = world.folder().join("ledger");
    signal(&first, Signal::STOP)?;
    let id = world.start_script("brief", &format!("echo ran >> '{}'", ledger.display()))?;
    let _second = world.host("two")?;
    first.kill9();
    let deployment = world.ended(&id)?;
    assert_eq!(deployment["state"], "succeeded", "{deployment:#}");
    let attempts = deployment["steps"][0]["attempts"].as_array().context("attempts")?;
    assert_eq!(attempts.last().context("one at least")?["worker"], "two", "{deployment:#}");
    assert_eq!(fs::read_to_string(&ledger)?.lines().count(), 1, "it ran once");
    Ok(())
}

#[test]
fn woodpecker_7110_a_worker_never_gives_its_coordinator_up() -> Result<()> {
    let mut world = World::without_aws()?;
    let mut host = world.host("one")?;
    for again in 1..=3 {
        world.coordinator_mut().stop()?;
        until("the worker to try in vain", Duration::from_secs(60), || {
            let in_vain = host.log().matches("no session with the coordinator").count();
            Ok((in_vain >= 2 * again).then_some(()))
        })?;
        world.coordinator_mut().restart()?;
        host.connected(world.cli())?;
    }
    let deployment = world.run_script("brief", "true")?;
    assert_eq!(deployment["state"], "succeeded", "{deployment:#}");
    Ok(())
}

#[test]
fn octopus_2023_two_coordinators_cannot_have_one_store() -> Result<()> {
    let world = World::without_aws()?;
    let _host = world.host("one")?;
    let second = Settings::loopback(world.coordinator().data_dir());
    let refused = second.command()?.output()?;
    let said = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(73), "{said}");
    assert!(said.contains("in use by another coordinator"), "{said}");
    let restore = Command::new(parts::program("longshore-coordinator")?)
        .args(["restore", "--data-dir"])
        .arg(world.coordinator().data_dir())
        .output()?;
    assert_eq!(restore.status.code(), Some(73), "{}", String::from_utf8_lossy(&restore.stderr));
    let deployment = world.run_script("brief", "true")?;
    assert_eq!(deployment["state"], "succeeded", "{deployment:#}");
    Ok(())
}

fn signal(host: &WorkerHost, signal: Signal) -> Result<()> {
    let pid = host.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)).context("no agent")?;
    Ok(kill_process(pid, signal)?)
}
