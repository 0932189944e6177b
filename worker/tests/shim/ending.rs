//! Timeouts, cancels, signals, and who is left.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use proto::worker::{CheckIdentityAction, step_spec::Action};
use rustix::process::{Pid, Signal, kill_process};
use shared::outcome::OutcomeKind;
use worker::process::{Cgroup, sweep};

use crate::stage::{Stage, is_alive, until, wait};

/// Long enough for bash to set its trap.
const SHORT: Duration = Duration::from_millis(700);

#[test]
fn the_end_by_a_signal_is_told_as_that() {
    let left = Stage::bash("kill -SEGV $$").run();
    assert_eq!((left.outcome.kind, left.outcome.signal), (OutcomeKind::Failed, Some(11)));
    assert_eq!(left.outcome.reason, "SIGNAL");
}

#[test]
fn a_step_that_takes_too_long_is_ended_with_all_it_started() {
    let stage = Stage::bash("sleep 601 & echo $!; setsid sleep 602 & echo $!; wait").timeout(SHORT, SHORT);
    let left = stage.run();
    assert_eq!((left.outcome.kind, left.outcome.reason.as_str()), (OutcomeKind::TimedOut, "TIMED_OUT"));
    for pid in left.stdout().lines() {
        assert!(!is_alive(pid.parse().unwrap()), "{pid}");
    }
}

/// Said of a step that may say nothing for so long.
fn silent_for(body: &str, silence: Duration) -> Stage {
    let mut stage = Stage::bash(body);
    stage.spec().no_output_timeout = Some(silence.try_into().unwrap());
    stage
}

#[test]
fn a_step_that_says_nothing_for_too_long_is_ended_and_one_that_speaks_is_not() {
    let left = silent_for("echo one; sleep 601", SHORT).run();
    assert_eq!((left.outcome.kind, left.outcome.reason.as_str()), (OutcomeKind::TimedOut, "NO_OUTPUT"));
    assert!(left.system().contains("has said nothing for its no_output_timeout"), "{}", left.system());
    for speaks in ["echo .", "echo . >&2", "update_progress 5 x", "printf ."] {
        let body = format!("for i in 1 2 3 4 5 6; do {speaks}; sleep 0.3; done");
        let left = silent_for(&body, SHORT * 2).run();
        assert_eq!(left.outcome.kind, OutcomeKind::Succeeded, "{speaks}: {:?}", left.outcome);
    }
}

#[test]
fn a_step_may_clean_up_within_its_grace() {
    let stage = Stage::bash("trap 'echo cleaned up; exit 0' TERM; echo ready; while :; do sleep 0.05; done");
    let shim = stage.start();
    stage.wait_for("ready");
    stage.exec.request_cancel(Duration::from_secs(20)).unwrap();
    let begun = Instant::now();
    wait(shim);
    let left = stage.left();
    assert!(begun.elapsed() < Duration::from_secs(15), "the grace is not waited out");
    assert!(left.stdout().contains("cleaned up"));
    assert_eq!((left.outcome.kind, left.outcome.exit_code), (OutcomeKind::Cancelled, Some(0)));
}

#[test]
fn a_step_that_ignores_term_is_killed_after_its_grace() {
    let stage = Stage::bash("trap '' TERM; echo ready; while :; do sleep 0.05; done");
    let shim = stage.start();
    stage.wait_for("ready");
    stage.exec.request_cancel(Duration::from_millis(300)).unwrap();
    wait(shim);
    let left = stage.left();
    assert_eq!((left.outcome.kind, left.outcome.signal), (OutcomeKind::Cancelled, Some(9)));
}

#[test]
fn a_cancel_that_was_there_first_starts_nothing() {
    let stage = Stage::bash("echo never");
    stage.exec.request_cancel(Duration::from_secs(1)).unwrap();
    let left = stage.run();
    assert_eq!((left.outcome.kind, left.stdout().as_str()), (OutcomeKind::Cancelled, ""));
}

#[test]
fn a_voided_attempt_never_starts() {
    let stage = Stage::bash("echo never");
    stage.exec.make_void(&stage.exec.lock().unwrap()).unwrap();
    assert!(wait(stage.start()).success());
    assert!(!stage.exec.is_started());
    assert_eq!(stage.exec.read_exit().unwrap(), None);
}

#[test]
fn a_second_shim_for_one_attempt_ends_at_once() {
    let stage = Stage::bash("echo once");
    let first = stage.run();
    stage.runtime.create().unwrap();
    assert!(wait(stage.start()).success());
    assert_eq!(stage.frames(), first.frames);
}

#[test]
fn the_lock_is_held_as_long_as_the_shim_lives() {
    let stage = Stage::bash("echo ready; sleep 600");
    let shim = stage.start();
    stage.wait_for("ready");
    assert!(stage.exec.try_lock().unwrap().is_none());
    let info = stage.exec.read_shim_info().unwrap().unwrap();
    assert_eq!(info.pid, shim.id() as i32);
    assert_eq!(worker::process::start_ticks(info.pid), Some(info.start_ticks));
    stage.exec.request_cancel(Duration::ZERO).unwrap();
    wait(shim);
    assert!(stage.exec.try_lock().unwrap().is_some());
}

#[test]
fn a_killed_shim_leaves_a_start_and_no_exit_and_whole_frames_and_what_it_left_can_be_swept() {
    let stage = Stage::bash("setsid sleep 603 & echo pid $!; for i in $(seq 200); do echo line $i; done; sleep 604");
    let mut shim = stage.start();
    stage.wait_for("line 200");
    shim.kill().unwrap();
    shim.wait().unwrap();
    assert!(stage.exec.is_started());
    assert_eq!(stage.exec.read_exit().unwrap(), None);
    let log: Vec<u8> = stage.frames().iter().flat_map(frame_bytes).collect();
    let log = String::from_utf8(log).unwrap();
    assert!((1..=200).all(|i| log.contains(&format!("line {i}\n"))));
    let daemon = log.lines().find_map(|line| line.strip_prefix("pid ")).unwrap().parse().unwrap();
    assert!(is_alive(daemon), "it escaped its parent's death");
    let info = stage.exec.read_shim_info().unwrap().unwrap();
    let cgroup = info.cgroup.map(Cgroup::at);
    sweep(&stage.id, cgroup.as_ref(), None, Duration::from_secs(20)).unwrap();
    assert!(!is_alive(daemon));
}

#[test]
fn a_sweep_without_a_cgroup_finds_processes_by_their_environment() {
    let id = uuid::Uuid::new_v4().to_string();
    let mut marked = Command::new("sleep").arg("605").env("LONGSHORE_EXECUTION_ID", &id).spawn().unwrap();
    let mut other = Command::new("sleep").arg("606").env("LONGSHORE_EXECUTION_ID", "other").spawn().unwrap();
    assert_eq!(sweep(&id, None, None, Duration::from_secs(20)).unwrap(), 1);
    until(|| marked.try_wait().unwrap().is_some());
    assert_eq!(other.try_wait().unwrap(), None);
    other.kill().unwrap();
    other.wait().unwrap();
}

#[test]
fn the_child_does_not_outlive_a_killed_shim() {
    let stage = Stage::bash("echo pid $$; while :; do sleep 0.05; done");
    let mut shim = stage.start();
    stage.wait_for("pid ");
    let log: Vec<u8> = stage.frames().iter().flat_map(frame_bytes).collect();
    let pid: i32 = String::from_utf8(log).unwrap().trim().rsplit(' ').next().unwrap().parse().unwrap();
    kill_process(Pid::from_child(&shim), Signal::KILL).unwrap();
    shim.wait().unwrap();
    until(|| !is_alive(pid));
    let info = stage.exec.read_shim_info().unwrap().unwrap();
    sweep(&stage.id, info.cgroup.map(Cgroup::at).as_ref(), None, Duration::from_secs(20)).unwrap();
}

fn frame_bytes(frame: &proto::worker::Frame) -> Vec<u8> {
    match &frame.body {
        Some(proto::worker::frame::Body::Log(log)) => log.data.to_vec(),
        _ => Vec::new(),
    }
}

#[test]
fn a_step_that_nobody_waits_for_is_killed_without_a_word() {
    let stage = Stage::bash("trap 'echo never told; exit 0' TERM; echo ready; while :; do sleep 0.05; done");
    let shim = stage.start();
    stage.wait_for("ready");
    stage.exec.request_cancel(Duration::ZERO).unwrap();
    wait(shim);
    let left = stage.left();
    assert_eq!((left.outcome.kind, left.outcome.signal), (OutcomeKind::Cancelled, Some(9)));
    assert!(!left.stdout().contains("never told"), "{}", left.stdout());
}

#[test]
fn a_step_that_was_told_to_end_is_killed_when_nobody_waits_for_it_any_more() {
    let stage = Stage::bash("trap 'echo told' TERM; echo ready; while :; do sleep 0.05; done");
    let shim = stage.start();
    stage.wait_for("ready");
    stage.exec.request_cancel(Duration::from_secs(600)).unwrap();
    stage.wait_for("told");
    stage.exec.request_cancel(Duration::ZERO).unwrap();
    wait(shim);
    assert_eq!(stage.left().outcome.signal, Some(9));
}

#[test]
fn an_action_gives_the_reason_of_its_failure_and_a_script_gives_only_its_words() {
    let left = Stage::action(Action::CheckIdentity(CheckIdentityAction {})).run();
    assert_eq!(left.outcome.reason, "CREDENTIALS_MISSING", "{:?}", left.outcome);
    assert!(left.outcome.detail.contains("has no AWS identity"), "{:?}", left.outcome);
    let script = "echo \"##octopus[resultMessage message='$(printf bad | base64)' reason='$(printf STACK_FAILED | base64)']\"; exit 3";
    let left = Stage::bash(script).run();
    assert_eq!((left.outcome.reason.as_str(), left.outcome.detail.as_str()), ("EXIT_CODE", "bad"));
}
