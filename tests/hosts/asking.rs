//! Steps that ask a person, and deployments that go on from one that failed.

use std::{fs, time::Duration};

use anyhow::{Result, ensure};
use serde_json::Value;
use tests::{World, until};

/// Asks for approval and after failures; each run of a step leaves a line in the file that is its argument.
const GUIDED: &str = r##"project: guided
scripts: { strict: false }
steps:
  - name: Prepare
    script:
      shell: bash
      body: |
        echo Prepare >> LEDGER
        set_octopusvariable Where "here and there"
        set_octopusvariable Key "canary-prepared" -sensitive
  - name: Build
    on_failure: ask
    answer_timeout: 1h
    script: { shell: bash, body: "echo Build >> LEDGER; test -e GO_ON" }
  - name: Release
    approval: Look at what Build made.
    script:
      shell: bash
      body: |
        echo Release >> LEDGER
        [ "#{Octopus.Action[Prepare].Output.Key}" = canary-prepared ] && echo "where: #{Octopus.Action[Prepare].Output.Where}, #{Note}"
variables:
  - { name: Note, value: first }
"##;

struct Stage {
    world: World,
    id: String,
}

impl Stage {
    fn begin(world: World) -> Result<Self> {
        world.apply("guided", &Self::yaml(&world))?;
        let id = world.start_deployment("guided")?;
        Ok(Self { world, id })
    }

    fn yaml(world: &World) -> String {
        let path = |name: &str| world.folder().join(name).display().to_string();
        GUIDED.replace("LEDGER", &path("ledger")).replace("GO_ON", &path("go-on"))
    }

    fn go_on(&self) -> Result<()> {
        Ok(fs::write(self.world.folder().join("go-on"), "")?)
    }

    fn asks(&self, step: usize, code: &str) -> Result<Value> {
        until(&format!("a step that asks: {code}"), Duration::from_secs(60), || {
            let deployment = self.world.deployment(&self.id)?;
            let run = &deployment["steps"][step];
            Ok((run["state"] == "asking" && run["reason"] == code).then(|| deployment.clone()))
        })
    }

    fn answer(&self, answer: &str) -> Result<String> {
        self.world.cli().ok(&["deployment", "answer", &self.id, answer, "--reason", "I looked"])
    }

    fn ledger(&self) -> Result<String> {
        Ok(fs::read_to_string(self.world.folder().join("ledger"))?.replace('\n', " "))
    }
}

#[test]
fn a_step_that_asks_goes_on_as_it_is_answered_also_over_a_restart() -> Result<()> {
    let world = World::without_aws()?;
    let _host = world.host("one")?;
    let mut stage = Stage::begin(world)?;
    stage.asks(1, "ANSWER_NEEDED")?;
    stage.world.coordinator_mut().restart()?;
    let deployment = stage.asks(1, "ANSWER_NEEDED")?;
    let asks = deployment["steps"][1]["queue_reason"].as_str().unwrap_or_default().to_owned();
    ensure!(asks.contains("exit") && asks.contains("retry|ignore|abort"), "{asks}");
    let wrong = stage.world.cli().refused(1, &["deployment", "answer", &stage.id, "approve"])?;
    ensure!(wrong.stderr.contains("retry, ignore or abort"), "{}", wrong.stderr);

    stage.go_on()?;
    stage.answer("retry")?;
    stage.asks(2, "APPROVAL_NEEDED")?;
    let page = stage.world.cli().ok(&["deployment", "show", &stage.id])?;
    ensure!(page.contains("├─ ✓  Build  succeeded") && page.contains("attempt 2  succeeded"), "{page}");
    ensure!(page.contains("?  Release  asking") && page.contains("Look at what Build made."), "{page}");
    ensure!(page.contains("output Key = ********"), "{page}");

    let shown = stage.answer("approve")?;
    ensure!(shown.contains("Release"), "{shown}");
    let ended = stage.world.ended(&stage.id)?;
    ensure!(ended["state"] == "succeeded", "{ended:#}");
    ensure!(stage.ledger()? == "Prepare Build Build Release ", "{}", stage.ledger()?);
    let late = stage.world.cli().refused(1, &["deployment", "answer", &stage.id, "approve", "--step", "Release"])?;
    ensure!(late.stderr.contains("asks nothing"), "{}", late.stderr);
    let audit = stage.world.cli().json(&["audit", "list"])?.to_string();
    ensure!(audit.contains("deployment.answer") && audit.contains("approve: I looked"), "{audit}");
    Ok(())
}

#[test]
fn a_deployment_that_failed_goes_on_where_it_broke_with_the_outputs_of_what_was_done() -> Result<()> {
    let world = World::without_aws()?;
    let _host = world.host("one")?;
    let mut stage = Stage::begin(world)?;
    stage.asks(1, "ANSWER_NEEDED")?;
    let early = stage.world.cli().refused(1, &["deployment", "retry", &stage.id])?;
    ensure!(early.stderr.contains("has not ended"), "{}", early.stderr);
    stage.answer("abort")?;
    let failed = stage.world.ended(&stage.id)?;
    ensure!(failed["state"] == "failed", "{failed:#}");
    ensure!(failed["steps"][1]["detail"].as_str().is_some_and(|it| it.contains("I looked")), "{failed:#}");

    let yaml = Stage::yaml(&stage.world).replace("value: first", "value: second").replace("name: Build", "name: Other");
    stage.world.apply("guided", &yaml)?;
    stage.go_on()?;
    let before = std::mem::take(&mut stage.id);
    for (flags, note) in [(&[][..], "first"), (&["--update-variables"][..], "second")] {
        let retry = [&["deployment", "retry", before.as_str(), "--detach"][..], flags].concat();
        stage.id = stage.world.cli().ok(&retry)?.trim().to_owned();
        stage.asks(2, "APPROVAL_NEEDED")?;
        stage.world.coordinator_mut().restart()?;
        stage.asks(2, "APPROVAL_NEEDED")?;
        stage.answer("approve")?;
        let told = stage.world.cli().ok(&["deployment", "watch", &stage.id, "--plain"])?;
        ensure!(told.contains("Release"), "{told}");
        let ended = stage.world.deployment(&stage.id)?;
        ensure!(ended["state"] == "succeeded" && ended["retry_of"] == before.as_str(), "{ended:#}");
        let [prepare, build] = [&ended["steps"][0], &ended["steps"][1]];
        ensure!(
            prepare["reason"] == "CARRIED" && prepare["attempts"].as_array().is_some_and(Vec::is_empty),
            "{prepare:#}"
        );
        ensure!(build["name"] == "Build", "the process is the earlier one: {build:#}");
        let log = stage.world.log(&stage.id, "Release")?;
        ensure!(log.contains(&format!("where: here and there, {note}")), "{log}");
    }
    ensure!(stage.ledger()? == "Prepare Build Build Release Build Release ", "{}", stage.ledger()?);
    let succeeded = stage.world.cli().refused(1, &["deployment", "retry", &stage.id])?;
    ensure!(succeeded.stderr.contains("there is nothing to retry"), "{}", succeeded.stderr);
    Ok(())
}
