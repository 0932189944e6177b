//! Steps that do not come to run.

use proto::{
    deployment::log_frame::Level,
    worker::{ScriptAction, step_spec::Action},
};
use shared::outcome::OutcomeKind;
use worker::exec_dir::Refusal;

use crate::stage::{Stage, wait};

#[test]
fn a_shell_that_is_not_there_is_named() {
    let stage = Stage::python("print(1)").agent_has("PATH", "/nowhere");
    let left = stage.run();
    assert_eq!((left.outcome.kind, left.outcome.reason.as_str()), (OutcomeKind::Failed, "NOT_EXECUTABLE"));
    assert!(
        left.outcome.detail.contains("\"python3\" cannot be executed on worker \"worker-1\""),
        "{}",
        left.outcome.detail
    );
    assert!(left.at(Level::Error).contains("python3"));
}

#[test]
fn a_file_that_may_not_be_executed_fails_as_the_shell_says() {
    let stage = Stage::bash("./tool");
    std::fs::write(stage.exec.work().join("tool"), "#!/bin/sh\n").unwrap();
    let left = stage.run();
    assert_eq!(left.outcome.exit_code, Some(126));
    assert!(left.at(Level::Error).contains("deploy/step.sh: line 1: ./tool: Permission denied"));
}

#[test]
fn a_refusal_is_the_log_and_the_outcome_and_nothing_is_started() {
    let mut stage = Stage::bash("echo never").secret("Key", "very-secret-value");
    stage.order.refusal =
        Some(Refusal { reason: "CREDENTIALS_REFUSED".into(), detail: "AWS said no to very-secret-value.".into() });
    let left = stage.run();
    assert_eq!(left.outcome.reason, "CREDENTIALS_REFUSED");
    assert_eq!(left.outcome.detail, "AWS said no to ********.");
    assert_eq!(left.at(Level::Error), "AWS said no to ********.\n");
    assert_eq!(left.stdout(), "");
}

#[test]
fn an_unknown_shell_and_an_unknown_action_are_refused() {
    let left = Stage::script("fish", "").run();
    assert_eq!(left.outcome.reason, "UNSUPPORTED");
    assert!(left.outcome.detail.contains("\"fish\""));
    let mut stage = Stage::action(Action::Script(ScriptAction::default()));
    stage.spec().action = None;
    assert_eq!(stage.run().outcome.reason, "UNSUPPORTED");
}

#[test]
fn credentials_that_are_not_there_fail_the_step_before_it_starts() {
    let mut stage = Stage::bash("echo never");
    stage.spec().aws = Some(proto::worker::AwsSpec::default());
    let left = stage.run();
    assert_eq!(left.outcome.reason, "CREDENTIALS_MISSING");
    assert_eq!(left.stdout(), "");
}

#[test]
fn without_an_order_nothing_begins() {
    let stage = Stage::bash("echo never");
    assert!(!wait(stage.shim().spawn().unwrap()).success());
    assert!(!stage.exec.is_started());
}

#[test]
fn a_short_secret_is_told_to_be_visible() {
    let left = Stage::bash("echo abc").secret("Pin", "abc").run();
    assert_eq!(left.stdout(), "abc\n");
    assert!(left.at(Level::Warning).contains("\"Pin\""));
}
