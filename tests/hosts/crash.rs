//! What is killed with -9 in the middle of a step, one after the other.

use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};
use tests::{World, until};

use crate::counting::{Counting, LINES};

#[test]
fn a_step_does_not_notice_that_the_coordinator_was_killed() -> Result<()> {
    let mut world = World::without_aws()?;
    let _host = world.host("one")?;
    let counting = Counting::in_the_middle(&world)?;
    world.coordinator_mut().kill9();
    world.coordinator_mut().restart()?;
    let deployment = world.ended(&counting.id)?;
    counting.is_whole(&world, &deployment)
}

#[test]
fn a_coordinator_that_comes_back_after_the_step_ended_hears_all_of_it() -> Result<()> {
    let mut world = World::without_aws()?;
    let host = world.host("one")?;
    let counting = Counting::in_the_middle(&world)?;
    world.coordinator_mut().kill9();
    until("the step to end without its coordinator", Duration::from_secs(60), || {
        Ok((counting.effects().len() == LINES && host.steps().is_empty()).then_some(()))
    })?;
    world.coordinator_mut().restart()?;
    let deployment = world.ended(&counting.id)?;
    counting.is_whole(&world, &deployment)
}

#[test]
fn a_step_does_not_notice_that_its_agent_was_killed() -> Result<()> {
    let world = World::without_aws()?;
    let mut host = world.host("one")?;
    let counting = Counting::in_the_middle(&world)?;
    host.kill9();
    assert_eq!(host.shims().len(), 1, "the shim lives on");
    host.start()?;
    let deployment = world.ended(&counting.id)?;
    counting.is_whole(&world, &deployment)
}

#[test]
fn an_agent_that_comes_back_after_the_step_ended_reports_all_of_it() -> Result<()> {
    let world = World::without_aws()?;
    let mut host = world.host("one")?;
    let counting = Counting::in_the_middle(&world)?;
    host.kill9();
    until("the shim to end without its agent", Duration::from_secs(60), || Ok(host.shims().is_empty().then_some(())))?;
    host.start()?;
    let deployment = world.ended(&counting.id)?;
    counting.is_whole(&world, &deployment)
}

#[test]
fn everything_above_the_step_may_be_killed_together() -> Result<()> {
    let mut world = World::without_aws()?;
    let mut host = world.host("one")?;
    let counting = Counting::in_the_middle(&world)?;
    world.coordinator_mut().kill9();
    host.kill9();
    host.start()?;
    world.coordinator_mut().restart()?;
    let deployment = world.ended(&counting.id)?;
    counting.is_whole(&world, &deployment)
}

#[test]
fn a_killed_shim_leaves_a_question_and_a_person_answers_it() -> Result<()> {
    let world = World::without_aws()?;
    let host = world.host("one")?;
    let counting = Counting::in_the_middle(&world)?;
    let watch = counting.watch(&world)?;
    kill9(*host.shims().first().context("no shim")?);
    let answer = watch.finish(Duration::from_secs(60))?;
    assert_eq!(answer.code, 5, "unknown needs a decision: {answer}");
    assert!(host.steps().is_empty(), "the step died with its shim");
    let deployment = world.deployment(&counting.id)?;
    assert_eq!(deployment["state"], "unknown", "{deployment:#}");
    assert_eq!(deployment["steps"][0]["attempts"][0]["state"], "interrupted", "{deployment:#}");
    let happened = counting.is_a_true_beginning(&world)?;

    let id = counting.id.as_str();
    world.cli().ok(&[
        "deployment",
        "resolve",
        id,
        "--step",
        "Step",
        "--as",
        "failed",
        "--reason",
        "its shim was killed",
    ])?;
    let deployment = world.ended(id)?;
    assert_eq!(deployment["state"], "failed", "{deployment:#}");
    assert_eq!(counting.effects().len(), happened, "nothing ran again");
    Ok(())
}

#[test]
fn a_host_that_loses_everything_says_that_it_does_not_know() -> Result<()> {
    let world = World::without_aws()?;
    let mut host = world.host("one")?;
    let counting = Counting::in_the_middle(&world)?;
    let (shims, steps) = (host.shims(), host.steps());
    host.kill9();
    shims.into_iter().chain(steps).for_each(kill9);
    let happened = counting.effects().len();
    host.start()?;
    let deployment = world.ended(&counting.id)?;
    assert_eq!(deployment["state"], "unknown", "{deployment:#}");
    counting.is_a_true_beginning(&world)?;
    assert_eq!(counting.effects().len(), happened, "nothing ran again");
    Ok(())
}

#[test]
fn a_killed_child_is_a_failure_with_its_signal() -> Result<()> {
    let world = World::without_aws()?;
    let host = world.host("one")?;
    let script = "echo before\nkill -KILL $$\necho after";
    let deployment = world.run_script("suicide", script)?;
    let attempt = &deployment["steps"][0]["attempts"][0];
    assert_eq!(deployment["state"], "failed", "{deployment:#}");
    assert_eq!(attempt["state"], "failed", "{deployment:#}");
    assert_eq!(attempt["signal"], 9, "{deployment:#}");
    assert_eq!(attempt["log_complete"], true, "{deployment:#}");
    let log = world.log(deployment["id"].as_str().context("no id")?, "Step")?;
    assert!(log.contains("before\n") && !log.contains("after\n"), "{log}");
    assert!(host.steps().is_empty());
    Ok(())
}

#[test]
fn a_worker_takes_steps_again_after_the_coordinator_came_back() -> Result<()> {
    let mut world = World::without_aws()?;
    let mut host = world.host("one")?;
    assert_eq!(world.run_script("hello", "echo hello")?["state"], "succeeded");
    world.coordinator_mut().stop()?;
    world.coordinator_mut().restart()?;
    host.connected(world.cli())?;
    assert_eq!(world.run_script("hello", "echo hello")?["state"], "succeeded");
    Ok(())
}

fn kill9(pid: u32) {
    if let Some(pid) = Pid::from_raw(pid.cast_signed()) {
        // It may have ended by itself; then there is nothing to kill.
        let _ = kill_process(pid, Signal::KILL);
    }
}
