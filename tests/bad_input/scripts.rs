//! Scripts that behave badly, on a real worker.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tests::{WorkerHost, World, until};

/// One coordinator and one host for all of them: each must leave both fit for the next.
#[test]
fn a_script_that_behaves_badly_harms_nobody_but_itself() -> Result<()> {
    let world = World::without_aws()?;
    let host = world.host("one")?;
    prints_nul_bytes(&world)?;
    closes_its_output_early(&world)?;
    leaves_a_daemon_behind(&world, &host)?;
    ends_by_a_signal(&world)?;
    runs_too_long(&world, &host)?;
    prints_much_without_a_newline(&world)?;
    ensure!(world.run_script("hello", "echo hello")?["state"] == "succeeded", "the worker is no longer fit");
    ensure!(host.shims().is_empty() && host.steps().is_empty(), "something is left behind");
    Ok(())
}

#[test]
fn a_step_can_be_cancelled_and_nothing_of_it_is_left() -> Result<()> {
    let world = World::without_aws()?;
    let host = world.host("one")?;
    let id = world.start_script(
        "endless",
        "trap '' TERM\necho started\n(trap '' TERM; sleep 1000) &\nsleep 1000 & wait; wait; sleep 1000",
    )?;
    let mut watch = world.cli().start(&["deployment", "watch", &id, "--plain"], "")?;
    watch.until_line("the script to run", Duration::from_secs(60), |line| line.ends_with("started"))?;
    world.cli().ok(&["deployment", "cancel", &id, "--reason", "enough"])?;
    let answer = watch.finish(Duration::from_secs(60))?;
    assert_eq!(answer.code, 1, "{answer}");
    let deployment = world.deployment(&id)?;
    assert_eq!(deployment["state"], "cancelled", "{deployment:#}");
    assert_eq!(deployment["steps"][0]["attempts"][0]["state"], "cancelled", "{deployment:#}");
    assert!(host.steps().is_empty(), "its processes are gone");
    Ok(())
}

#[test]
fn a_program_that_is_not_there_is_named() -> Result<()> {
    let world = World::without_aws()?;
    let mut host = world.plain_host("one")?;
    // A host without Python or bash: its PATH leads nowhere.
    host.settings_mut().env = vec![("PATH".into(), world.folder().to_string_lossy().into_owned())];
    world.bring_up(&mut host, "default")?;
    let yaml = "project: python\nsteps:\n  - name: Step\n    script: { shell: python, body: print(1) }\n";
    world.apply("python", yaml)?;
    let id = world.start_deployment("python")?;
    let deployment = world.ended(&id)?;
    let attempt = &deployment["steps"][0]["attempts"][0];
    assert_eq!(deployment["state"], "failed", "{deployment:#}");
    assert_eq!(attempt["reason"], "NOT_EXECUTABLE", "{deployment:#}");
    assert!(attempt["detail"].as_str().is_some_and(|detail| detail.contains("python3")), "{deployment:#}");
    Ok(())
}

fn prints_nul_bytes(world: &World) -> Result<()> {
    let deployment = world.run_script("nul", r"printf 'a\0b\n'; printf '\xff\xfe\n'; echo after")?;
    ensure!(deployment["state"] == "succeeded", "{deployment:#}");
    let log = world.log(id(&deployment)?, "Step")?;
    ensure!(log.contains("a\0b\n"), "NUL is a byte like any other: {log:?}");
    ensure!(log.contains("after\n"), "{log:?}");
    Ok(())
}

fn closes_its_output_early(world: &World) -> Result<()> {
    let deployment = world.run_script("closing", "echo before; exec >&- 2>&-; sleep 0.3; echo unheard; exit 3")?;
    ensure!(
        deployment["steps"][0]["attempts"][0]["exit_code"] == 3,
        "its exit code is known all the same: {deployment:#}"
    );
    ensure!(world.log(id(&deployment)?, "Step")?.contains("before\n"), "{deployment:#}");
    Ok(())
}

fn leaves_a_daemon_behind(world: &World, host: &WorkerHost) -> Result<()> {
    let deployment = world
        .run_script("daemon", "setsid -f bash -c 'while true; do echo still here; sleep 0.05; done'\necho done")?;
    ensure!(deployment["state"] == "succeeded", "{deployment:#}");
    until("the daemon to be gone", Duration::from_secs(10), || Ok(host.steps().is_empty().then_some(())))?;
    ensure!(world.log(id(&deployment)?, "Step")?.contains("done\n"));
    Ok(())
}

fn ends_by_a_signal(world: &World) -> Result<()> {
    let deployment = world.run_script("signal", "kill -SEGV $$")?;
    ensure!(deployment["state"] == "failed", "{deployment:#}");
    ensure!(deployment["steps"][0]["attempts"][0]["signal"] == 11, "{deployment:#}");
    Ok(())
}

fn runs_too_long(world: &World, host: &WorkerHost) -> Result<()> {
    let yaml = "project: long\nsteps:\n  - name: Step\n    timeout: 1s\n    script: { shell: bash, body: \"echo started; sleep 1000\" }\n";
    world.apply("long", yaml)?;
    let deployment = world.ended(&world.start_deployment("long")?)?;
    ensure!(deployment["state"] == "failed", "{deployment:#}");
    ensure!(deployment["steps"][0]["attempts"][0]["state"] == "timed_out", "{deployment:#}");
    ensure!(host.steps().is_empty(), "its processes are gone");
    Ok(())
}

fn prints_much_without_a_newline(world: &World) -> Result<()> {
    let deployment = world.run_script("long-line", "head -c 100000000 /dev/zero | tr '\\0' x; echo; echo the end")?;
    ensure!(deployment["state"] == "succeeded", "{deployment:#}");
    let log = world.log(id(&deployment)?, "Step")?;
    ensure!(log.matches('x').count() == 100_000_000, "{} of 100,000,000 bytes are there", log.matches('x').count());
    ensure!(log.ends_with("the end\n"), "the end is missing");
    Ok(())
}

fn id(deployment: &Value) -> Result<&str> {
    deployment["id"].as_str().context("no id")
}
