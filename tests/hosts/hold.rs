//! A coordinator that is restored from a backup: workers have gone on since, and nothing of what they did runs twice.

use std::{fs, path::Path, process::Command, time::Duration};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tests::{World, parts, until};

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn what_ran_since_the_backup_is_taken_up_or_stays_in_doubt_and_runs_once() -> Result<()> {
    let mut world = World::without_aws()?;
    let _host = world.host("one")?;
    let (first, second) = (world.folder().join("first"), world.folder().join("second"));
    let go_on = world.folder().join("go-on");
    world.apply("shop", &two_steps(&first, &second, &go_on))?;
    let id = world.start_deployment("shop")?;
    until("the first step to begin", PATIENCE, || Ok(first.exists().then_some(())))?;
    let backup = world.folder().join("backup");
    coordinator(&world, "backup", &[backup.to_str().context("a name")?])?;

    // In the future that is lost the first step ends and is forgotten, and the second one begins.
    fs::write(world.folder().join("first-may-end"), "")?;
    until("the second step to begin", PATIENCE, || Ok(second.exists().then_some(())))?;
    restore(&mut world, &backup)?;

    let hold = until("the worker to be heard", PATIENCE, || {
        let hold = world.cli().json(&["hold", "show"])?;
        let is_heard = hold["heard"][0] == "one" && hold["adopted"].as_array().is_some_and(|all| all.len() == 1);
        Ok(is_heard.then_some(hold))
    })?;
    assert_eq!(hold["is_on_hold"], true, "{hold:#}");
    assert_eq!(hold["doubtful"][0]["deployment_id"], id.as_str(), "{hold:#}");
    // The second step was left alone, and ends as if nothing had been.
    fs::write(&go_on, "")?;
    until("the second step to end", PATIENCE, || {
        let deployment = world.deployment(&id)?;
        Ok((deployment["steps"][1]["state"] == "succeeded").then_some(()))
    })?;
    world.cli().ok(&["hold", "lift", "--reason", "one has told all it did"])?;
    let refused = world.cli().refused(1, &["hold", "lift", "--reason", "once more"])?;
    assert!(refused.stderr.contains("not on hold"), "{refused}");

    let told = world.cli().run(&["deployment", "resolve", &id, "--step", "First"])?;
    assert_eq!(told.code, 5, "{told}");
    assert!(told.stdout.contains("lost with the store") && told.stdout.contains("--as run-again"), "{told}");
    let decide =
        ["deployment", "resolve", &id, "--step", "First", "--as", "succeeded", "--reason", "its file is there"];
    world.cli().ok(&decide)?;
    let deployment = world.ended(&id)?;
    assert_eq!(deployment["state"], "succeeded", "{deployment:#}");
    assert_eq!(runs(&first)?, 1, "the first step ran once");
    assert_eq!(runs(&second)?, 1, "the second step ran once");
    assert_eq!(attempts(&deployment), [1, 1], "{deployment:#}");
    Ok(())
}

#[test]
fn what_the_store_never_heard_of_is_left_alone_and_holds_nothing_up() -> Result<()> {
    let mut world = World::without_aws()?;
    let mut host = world.host("one")?;
    let backup = world.folder().join("backup");
    coordinator(&world, "backup", &[backup.to_str().context("a name")?])?;
    let (begun, go_on, done) =
        (world.folder().join("begun"), world.folder().join("go-on"), world.folder().join("done"));
    let script = format!(
        "echo early\necho file > left.txt\nnew_octopusartifact left.txt\ntouch '{}'\nuntil [ -e '{}' ]; do sleep 0.02; done\necho done >> '{}'",
        begun.display(),
        go_on.display(),
        done.display()
    );
    world.start_script("lost", &script)?;
    until("the lost step to begin", PATIENCE, || Ok(begun.exists().then_some(())))?;
    restore(&mut world, &backup)?;
    until("the lost step to be told of", PATIENCE, || {
        let hold = world.cli().json(&["hold", "show"])?;
        Ok((hold["orphans"][0]["worker"] == "one" && hold["heard"][0] == "one").then_some(()))
    })?;
    world.cli().ok(&["hold", "lift", "--reason", "one has told all it did"])?;

    let deployment = world.run_script("after", "echo hello")?;
    assert_eq!(deployment["state"], "succeeded", "{deployment:#}");
    fs::write(&go_on, "")?;
    until("the lost step to end", PATIENCE, || Ok(done.exists().then_some(())))?;
    until("its processes to be gone", PATIENCE, || Ok(host.shims().is_empty().then_some(())))?;
    world.coordinator_mut().restart()?;
    host.connected(world.cli())?;
    let deployment = world.run_script("after", "echo hello")?;
    assert_eq!(deployment["steps"][0]["attempts"][0]["log_complete"], true, "{deployment:#}");
    assert_eq!(fs::read_to_string(&done)?.lines().count(), 1, "it ran once");
    Ok(())
}

#[test]
fn a_worker_that_is_away_is_given_up_by_name_or_waited_for() -> Result<()> {
    let mut world = World::without_aws()?;
    let mut host = world.host("one")?;
    let backup = world.folder().join("backup");
    coordinator(&world, "backup", &[backup.to_str().context("a name")?])?;
    host.stop()?;
    restore(&mut world, &backup)?;

    let id = world.start_script("late", "true")?;
    let waiting = until("the step to say why it waits", PATIENCE, || {
        let deployment = world.deployment(&id)?;
        Ok((deployment["steps"][0]["reason"] == "ON_HOLD").then_some(deployment))
    })?;
    assert!(waiting["steps"][0]["queue_reason"].as_str().is_some_and(|why| why.contains("longshore hold show")));
    let refused = world.cli().refused(1, &["hold", "lift", "--reason", "I am in a hurry"])?;
    assert!(refused.stderr.contains("one") && refused.stderr.contains("--without"), "{refused}");
    world.cli().ok(&["hold", "lift", "--reason", "its host is gone", "--without", "one"])?;
    host.start()?;
    let deployment = world.ended(&id)?;
    assert_eq!(deployment["state"], "succeeded", "{deployment:#}");
    Ok(())
}

/// Two steps, each of which leaves a line in a file of its own and waits for a word.
fn two_steps(first: &Path, second: &Path, go_on: &Path) -> String {
    let may_end = first.with_file_name("first-may-end");
    let script = |mark: &Path, word: &Path| {
        format!("echo ran >> '{}'; until [ -e '{}' ]; do sleep 0.02; done", mark.display(), word.display())
    };
    format!(
        "project: shop\nsteps:\n  - name: First\n    script: {{ shell: bash, body: {} }}\n  - name: Second\n    script: {{ shell: bash, body: {} }}\n",
        quoted(&script(first, &may_end)),
        quoted(&script(second, go_on)),
    )
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// The coordinator loses its data folder, and gets the backup with its master key instead.
fn restore(world: &mut World, backup: &Path) -> Result<()> {
    world.coordinator_mut().kill9();
    let data_dir = world.coordinator().data_dir().to_owned();
    let lost = data_dir.with_extension("lost");
    fs::rename(&data_dir, &lost)?;
    coordinator(world, "restore", &[backup.to_str().context("a name")?])?;
    for file in ["master.key", "admin.token"] {
        fs::copy(lost.join(file), data_dir.join(file))?;
    }
    world.coordinator_mut().restart()
}

fn coordinator(world: &World, command: &str, arguments: &[&str]) -> Result<()> {
    let output = Command::new(parts::program("longshore-coordinator")?)
        .arg(command)
        .args(arguments)
        .arg("--data-dir")
        .arg(world.coordinator().data_dir())
        .output()?;
    ensure!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

fn runs(mark: &Path) -> Result<usize> {
    Ok(fs::read_to_string(mark)?.lines().count())
}

fn attempts(deployment: &Value) -> Vec<usize> {
    let steps = deployment["steps"].as_array().map(Vec::as_slice).unwrap_or_default();
    steps.iter().map(|step| step["attempts"].as_array().map_or(0, Vec::len)).collect()
}
