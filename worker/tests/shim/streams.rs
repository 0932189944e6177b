//! What a script may write, and how it arrives.

use std::time::{Duration, Instant};

use proto::deployment::log_frame::{Level, Source};
use shared::{limits, outcome::OutcomeKind};

use crate::stage::Stage;

#[test]
fn a_step_tells_its_output_and_its_end() {
    let left = Stage::bash("echo one; echo two >&2; pwd").run();
    assert_eq!((left.outcome.kind, left.outcome.exit_code), (OutcomeKind::Succeeded, Some(0)));
    assert!(left.stdout().starts_with("one\n"));
    assert!(left.stdout().ends_with("/work\n"));
    assert_eq!(left.text(Source::Stderr), "two\n");
    assert_eq!(left.at(Level::Error), "two\n");
}

#[test]
fn a_hundred_megabytes_without_a_newline_are_all_there_in_frames_of_bounded_size() {
    let left = Stage::bash("head -c 100000000 /dev/zero | tr '\\0' x").run();
    let text = left.bytes(Source::Stdout);
    assert_eq!(text.len(), 100_000_000);
    assert!(text.iter().all(|byte| *byte == b'x'));
    assert!(left.frames.iter().all(|frame| prost::Message::encoded_len(frame) <= limits::FRAME_BYTES));
    assert_eq!(left.outcome.kind, OutcomeKind::Succeeded);
}

#[test]
fn nul_bytes_and_broken_utf_8_are_kept_as_they_are() {
    let left = Stage::bash(r"printf 'a\0b\xff\xfe\n'; printf '\xc3'; sleep 0.4; printf '\xa9\n'").run();
    assert_eq!(left.bytes(Source::Stdout), b"a\0b\xff\xfe\n\xc3\xa9\n");
}

#[test]
fn a_stream_that_is_closed_early_does_not_end_the_step() {
    let left = Stage::bash("echo first; exec 1>&-; echo to nobody; sleep 0.2; echo still here >&2; exit 4").run();
    assert_eq!(left.stdout(), "first\n");
    assert!(left.text(Source::Stderr).ends_with("still here\n"));
    assert_eq!((left.outcome.exit_code, left.outcome.reason.as_str()), (Some(4), "EXIT_CODE"));
}

#[test]
fn a_daemon_that_keeps_the_pipe_open_is_ended_and_what_it_said_is_kept() {
    let begun = Instant::now();
    let left = Stage::bash("(setsid sh -c 'echo from the daemon; exec sleep 600' &) ; sleep 0.2; echo done").run();
    assert!(begun.elapsed() < Duration::from_secs(30));
    assert!(left.stdout().contains("from the daemon\n") && left.stdout().contains("done\n"));
    assert_eq!(left.outcome.kind, OutcomeKind::Succeeded);
    assert!(left.system().contains("left behind"), "{}", left.system());
}

#[test]
fn a_daemon_that_closed_everything_is_ended_too() {
    let stage = Stage::bash("setsid sleep 611 </dev/null >/dev/null 2>&1 199>&- & echo $!");
    let left = stage.run();
    let pid = left.stdout().trim().parse().unwrap();
    assert!(!crate::stage::is_alive(pid));
    assert_eq!(left.outcome.kind, OutcomeKind::Succeeded);
}

#[test]
fn a_line_without_end_shows_up_while_the_step_still_runs() {
    let stage = Stage::bash("printf 'Password? '; read -r -t 30 < <(sleep 30)");
    let shim = stage.start();
    stage.wait_for("Password? ");
    stage.exec.request_cancel(Duration::ZERO).unwrap();
    crate::stage::wait(shim);
    assert_eq!(stage.left().outcome.kind, OutcomeKind::Cancelled);
}

#[test]
fn lines_of_many_writers_are_never_torn() {
    let left = Stage::bash(
        "for job in 1 2 3 4; do (for i in $(seq 500); do echo \"job $job line $i end\"; done) & done; wait",
    )
    .run();
    let text = left.stdout();
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines.dedup();
    assert_eq!(lines.len(), 2000);
    assert!(lines.iter().all(|line| line.starts_with("job ") && line.ends_with(" end")));
}

#[test]
fn the_order_of_lines_is_the_order_of_writing() {
    let left = Stage::bash("for i in $(seq 20000); do echo $i; done").run();
    let expected: String = (1..=20000).map(|i| format!("{i}\n")).collect();
    assert_eq!(left.stdout(), expected);
}
