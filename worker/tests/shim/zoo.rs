//! The zoo: whatever a step's processes are and do, none of them outlives it, and its log says how it ended.

use std::{fs, time::Duration};

use proto::deployment::log_frame::Level;
use shared::outcome::OutcomeKind;

use crate::stage::{Left, Stage, is_alive, wait};

/// What a script lets loose; each prints the ids of processes that would live on.
const ANIMALS: [(&str, &str); 9] = [
    ("a daemon", "(setsid sleep 901 </dev/null >/dev/null 2>&1 & echo $!)"),
    ("a daemon twice removed", "( (setsid bash -c 'setsid sleep 901 & echo $!' & wait) & wait ) 2>/dev/null"),
    ("one without its environment", "env -i setsid sleep 901 >/dev/null 2>&1 & echo $!"),
    ("one that ignores all it can", "bash -c 'trap \"\" TERM HUP INT QUIT; echo $$; while :; do sleep 0.1; done' &"),
    ("one that is stopped", "sleep 901 & kill -STOP $!; echo $!"),
    ("one that left its group and is stopped", "setsid sleep 901 & echo $!; kill -STOP $!"),
    ("one that holds the output", "sleep 901 & echo $!"),
    (
        "a parent of zombies",
        "python3 -c 'import os, time\nfor _ in range(300):\n    if os.fork() == 0: os._exit(0)\nprint(os.getpid(), flush=True)\ntime.sleep(901)' &",
    ),
    (
        "one that runs away",
        "printf 'echo $$ >> run; (( $1 < 5000 )) && { setsid bash runner $(($1 + 1)) & }\\n' > runner; setsid bash runner 1 & sleep 0.2",
    ),
];

/// 500 ms between TERM and kill.
const GRACE: Duration = Duration::from_millis(500);

/// Processes of a stage's step that are still there.
fn survivors(stage: &Stage, left: &Left) -> Vec<i32> {
    let mark = format!("LONGSHORE_EXECUTION_ID={}", stage.id);
    let is_marked = |pid: i32| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|entry| entry == mark.as_bytes())
    };
    let all = fs::read_dir("/proc").unwrap().flatten();
    let pids = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let printed = left.stdout().lines().filter_map(|line| line.parse().ok()).collect::<Vec<i32>>();
    pids.filter(|pid| (printed.contains(pid) && is_alive(*pid)) || is_marked(*pid)).collect()
}

#[test]
fn nothing_lives_on_when_a_step_has_ended() {
    for (animal, body) in ANIMALS {
        let stage = Stage::bash(&format!("{body}\nsleep 0.1\nexit 3"));
        let left = stage.run();
        assert_eq!(
            (left.outcome.kind, left.outcome.exit_code),
            (OutcomeKind::Failed, Some(3)),
            "{animal}: {}",
            left.system()
        );
        assert_eq!(survivors(&stage, &left), Vec::<i32>::new(), "{animal}");
        assert!(
            left.system().contains("Processes that the step left behind are ended."),
            "{animal}: {}",
            left.system()
        );
    }
}

#[test]
fn nothing_lives_on_when_a_step_is_cancelled() {
    for (animal, body) in ANIMALS {
        let stage = Stage::bash(&format!("{body}\necho ready\nsleep 902"));
        let shim = stage.start();
        stage.wait_for("ready");
        stage.exec.request_cancel(GRACE).unwrap();
        assert!(wait(shim).success(), "{animal}");
        let left = stage.left();
        assert_eq!(left.outcome.kind, OutcomeKind::Cancelled, "{animal}: {}", left.system());
        assert_eq!(survivors(&stage, &left), Vec::<i32>::new(), "{animal}");
        assert!(left.at(Level::Warning).contains("The step is cancelled"), "{animal}: {}", left.system());
    }
}

#[test]
fn a_step_that_stops_itself_is_ended_in_time() {
    let stage = Stage::bash("echo ready; kill -STOP $$").timeout(GRACE, GRACE);
    let left = stage.run();
    assert_eq!(left.outcome.kind, OutcomeKind::TimedOut);
    assert!(left.at(Level::Warning).contains("what is left of it is killed"), "{}", left.system());
    assert_eq!(survivors(&stage, &left), Vec::<i32>::new());
}
