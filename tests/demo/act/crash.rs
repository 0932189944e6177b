//! An agent is killed in the middle of a step that counts, and started again: no line is missing and none is there twice.

use std::{fs, time::Duration};

use anyhow::{Context, Result};

use super::identities::newest;
use crate::{cast::Cast, stage::Stage};

const LINES: usize = 400;
/// When the agent is killed: early enough that most of the step runs without it.
const KILL_AT: usize = 100;

const PROJECT: &str = r#"
project: counting
steps:
  - name: Count
    script:
      shell: bash
      body: |
        for i in $(seq 1 400); do echo "line $i"; sleep 0.01; done
"#;

pub(crate) fn play(stage: &mut Stage, cast: &mut Cast) -> Result<()> {
    stage.heading("An agent is killed while a step of it runs");
    let folder = cast.folder.path().join("counting");
    fs::create_dir_all(&folder).context("a folder for a project cannot be made")?;
    fs::write(folder.join("longshore.yaml"), PROJECT).context("a project file cannot be written")?;
    stage.run(&cast.cli, &["project", "apply", "-f", &folder.to_string_lossy()])?;

    stage.show_command_line("longshore deploy counting --environment staging");
    let mut live = cast.cli.start(&["deploy", "counting", "--environment", "staging"], "")?;
    let wanted = format!("line {KILL_AT}");
    live.until_line(&wanted, Duration::from_secs(60), |line| line.ends_with(&wanted))?;
    stage.show(&format!("… {wanted}"));
    let agent = cast.build_host.id().context("the agent of build-1 does not run")?;
    stage.show_command_line(&format!("kill -9 {agent}   # the agent of build-1; the step goes on without it"));
    cast.build_host.kill9();
    let alive = cast.build_host.shims().len();
    stage.check("the step outlives its agent", "1", &alive.to_string());
    stage.show_command_line("longshore-worker run &");
    cast.build_host.start()?;
    let answer = live.finish(Duration::from_secs(120))?;
    stage.check("the deployment succeeded all the same", "0", &answer.code.to_string());

    let deployment = newest(cast, "counting")?;
    let attempts = deployment["steps"][0]["attempts"].as_array().map_or(0, Vec::len);
    stage.check("the step ran once", "1", &attempts.to_string());
    let id = deployment["id"].as_str().context("a deployment without an id")?;
    let stored = cast.cli.ok(&["deployment", "logs", id, "--step", "Count"])?;
    let expected: Vec<usize> = (1..=LINES).collect();
    let complete = |text: &str| numbers(text) == expected;
    stage.check_that("the stored log has every line once, in order", complete(&stored), &gaps(&stored));
    stage.check_that("so had the live one", numbers(&answer.stdout) == expected, &gaps(&answer.stdout));
    Ok(())
}

fn numbers(text: &str) -> Vec<usize> {
    text.lines().filter_map(|line| line.rsplit_once("line ")?.1.trim().parse().ok()).collect()
}

fn gaps(text: &str) -> String {
    let seen = numbers(text);
    let missing: Vec<usize> = (1..=LINES).filter(|number| !seen.contains(number)).take(5).collect();
    format!("{} lines of {LINES}; missing first: {missing:?}", seen.len())
}
