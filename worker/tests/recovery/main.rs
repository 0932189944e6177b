//! What a restarted agent finds in the folders of attempts that real shims ran, were killed in, or never reached.
#![allow(clippy::unwrap_used, missing_docs)]

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use proto::worker::{ScriptAction, StepSpec, step_spec::Action};
use shared::{id::ExecutionId, outcome::OutcomeKind};
use tempfile::TempDir;
use worker::{
    examine::look,
    exec_dir::{ExecDir, ShimOrder},
    home::{Home, HomeLock},
    result,
};
use worker_core::Finding;

/// Long enough for a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// One host with one attempt in it.
struct Host {
    home: Home,
    execution: ExecutionId,
    /// Where scripts leave their marks.
    marks: TempDir,
    _data: TempDir,
    _memory: TempDir,
    _lock: HomeLock,
}

impl Host {
    /// The script is told where to leave its marks.
    fn with(script: impl FnOnce(&Path) -> String) -> Self {
        let marks = TempDir::new().unwrap();
        let (data, memory) = (TempDir::new().unwrap(), TempDir::new_in("/dev/shm").unwrap());
        let (home, lock) = Home::open(data.path(), Some(memory.path())).unwrap();
        let execution = ExecutionId(uuid::Uuid::new_v4());
        home.exec(execution).create().unwrap();
        home.runtime(execution).create().unwrap();
        let action =
            ScriptAction { shell: "bash".into(), body: script(marks.path()), name: "script.sh".into(), strict: false };
        let spec = StepSpec {
            execution_id: execution.to_string(),
            action: Some(Action::Script(action)),
            output_key: vec![7; 32],
            ..StepSpec::default()
        };
        let order = ShimOrder { spec: Some(spec), timeout_ms: 120_000, grace_ms: 1_000, ..ShimOrder::default() };
        home.runtime(execution).write_order(&order).unwrap();
        Self { home, execution, marks, _data: data, _memory: memory, _lock: lock }
    }

    fn exec(&self) -> ExecDir {
        self.home.exec(self.execution)
    }

    /// As the agent starts it.
    fn start_shim(&self) -> Child {
        Command::new(env!("CARGO_BIN_EXE_longshore-worker"))
            .args(["shim".as_ref(), self.exec().path(), self.home.runtime(self.execution).path()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap()
    }

    fn look(&self) -> Option<Finding> {
        look(&self.home, self.execution).unwrap()
    }

    /// A file between script and test.
    fn mark(&self, name: &str) -> PathBuf {
        self.marks.path().join(name)
    }
}

/// A script that says in a file that it runs, and then waits for another one.
fn waiting(marks: &Path) -> String {
    let marks = marks.display();
    format!("echo begun; touch '{marks}/begun'; until [ -e '{marks}/go' ]; do sleep 0.05; done; echo done; exit 4")
}

fn host_with_a_waiting_step() -> (Host, Child) {
    let host = Host::with(waiting);
    let shim = host.start_shim();
    until("the step runs", || host.mark("begun").exists());
    (host, shim)
}

/// Files of another process have no event to wait for here.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Processes that carry the attempt's id.
fn processes_of(execution: ExecutionId) -> usize {
    let mark = format!("LONGSHORE_EXECUTION_ID={execution}");
    let all = std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| std::fs::read(entry.unwrap().path().join("environ")).ok());
    all.filter(|environ| environ.split(|byte| *byte == 0).any(|entry| entry == mark.as_bytes())).count()
}

#[test]
fn a_running_step_is_found_alive_and_later_its_end_is_found() {
    let (host, mut shim) = host_with_a_waiting_step();
    assert_eq!(host.look(), Some(Finding::Alive));
    assert_eq!(host.look(), Some(Finding::Alive), "looking changes nothing");
    std::fs::write(host.mark("go"), "").unwrap();
    shim.wait().unwrap();
    assert_eq!(host.look(), Some(Finding::Ended));
    let notice = result::notice(&host.exec(), host.execution).unwrap().unwrap();
    assert_eq!(notice.outcome.unwrap().exit_code, Some(4));
    assert_eq!(notice.final_seq as u64, result::frames(&host.exec()).unwrap());
}

#[test]
fn a_step_whose_shim_was_killed_is_dead_and_nothing_of_it_goes_on() {
    let (host, mut shim) = host_with_a_waiting_step();
    assert!(processes_of(host.execution) > 0);
    shim.kill().unwrap();
    shim.wait().unwrap();
    let Some(Finding::Dead { evidence }) = host.look() else { panic!("not found dead") };
    assert!(evidence.contains("without an exit record"), "{evidence}");
    assert_eq!(processes_of(host.execution), 0);
    assert!(!host.home.runtime(host.execution).path().exists(), "what was in memory is wiped");
    assert!(result::frames(&host.exec()).unwrap() > 0, "the log is whole as far as it goes");
}

#[test]
fn a_shim_that_comes_too_late_finds_that_it_must_not_start() {
    let host = Host::with(waiting);
    assert_eq!(host.look(), Some(Finding::NeverStarted));
    host.start_shim().wait().unwrap();
    assert!(!host.mark("begun").exists());
    assert!(!host.exec().is_started());
    assert_eq!(host.look(), Some(Finding::NeverStarted));
}

#[test]
fn agent_and_shim_racing_for_the_lock_agree_whoever_wins() {
    for round in 0..40 {
        let host = Host::with(|_| "exit 0".into());
        let mut shim = host.start_shim();
        // Spread over the shim's way to its lock.
        thread::sleep(Duration::from_micros(50 * round));
        let first = host.look();
        shim.wait().unwrap();
        let last = host.look();
        match first {
            Some(Finding::NeverStarted) => {
                assert_eq!(last, Some(Finding::NeverStarted), "round {round}");
                assert!(!host.exec().is_started(), "round {round}: it started after it was called void");
            }
            _ => {
                assert_eq!(last, Some(Finding::Ended), "round {round}");
                let record = host.exec().read_exit().unwrap().unwrap();
                assert_eq!(record.outcome.kind, OutcomeKind::Succeeded, "round {round}");
            }
        }
    }
}

#[test]
fn an_attempt_whose_folder_is_gone_is_dead_and_never_called_void() {
    let host = Host::with(|_| "exit 0".into());
    std::fs::remove_dir_all(host.exec().path()).unwrap();
    assert!(matches!(host.look(), Some(Finding::Dead { .. })));
}

#[test]
fn a_shim_that_is_killed_while_it_copies_artifacts_leaves_no_doubt_about_its_step() {
    let host = Host::with(|_| {
        "echo small > small; new_octopusartifact small; truncate -s 4G large; new_octopusartifact large; exit 4".into()
    });
    let mut shim = host.start_shim();
    let copy = host.exec().artifacts().content(2);
    until("a file is being copied", || std::fs::metadata(&copy).is_ok_and(|found| found.len() > 0));
    assert_eq!(host.look(), Some(Finding::Alive), "it has not ended while it copies");
    shim.kill().unwrap();
    shim.wait().unwrap();
    assert_eq!(host.look(), Some(Finding::Ended));
    let notice = result::notice(&host.exec(), host.execution).unwrap().unwrap();
    assert_eq!(notice.outcome.unwrap().exit_code, Some(4));
    assert_eq!(
        notice.final_seq.cast_unsigned(),
        result::frames(&host.exec()).unwrap(),
        "what it said last is there, too"
    );
    let names: Vec<&str> = notice.artifacts.iter().map(|artifact| artifact.name.as_str()).collect();
    assert_eq!(names, ["small"], "half of a file is none");
    assert_eq!(host.look(), Some(Finding::Ended), "looking again changes nothing");
    assert_eq!(result::notice(&host.exec(), host.execution).unwrap().unwrap().digest, notice.digest);
}
