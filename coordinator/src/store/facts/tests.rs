//! What becomes of facts: events, rows, and what is read of them.

use std::{collections::BTreeSet, time::Duration};

use coordinator_core::fact::{OutputValue, RunIdentity, StepEnd};
use proptest::prelude::*;
use shared::{
    id::{AssignSeq, SessionEpoch, WorkerId},
    outcome::{Outcome, OutcomeKind},
    plan::{Action, Asks, Aws, Condition, Process, Retries, Start, Step, Waits},
};
use tempfile::TempDir;
use uuid::Uuid;

use super::*;
use crate::store::{
    Store, deployments,
    view::{Cursor, DeploymentFilter, Page},
};

struct Scene {
    _dir: TempDir,
    store: Store,
    id: DeploymentId,
    worker: WorkerId,
}

impl Scene {
    /// A deployment of two steps.
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let store = Store::open(dir.path()).expect("a store");
        let scene = Self { _dir: dir, store, id: DeploymentId(Uuid::now_v7()), worker: WorkerId(Uuid::now_v7()) };
        scene.tell(created("shop", 1)).expect("created");
        scene
    }

    fn tell(&self, fact: DeploymentFact) -> Result<i64, Fault> {
        self.tell_about(self.id, fact)
    }

    fn tell_about(&self, id: DeploymentId, fact: DeploymentFact) -> Result<i64, Fault> {
        self.store.write_blocking(move |tx| apply(tx, 1_000, &Fact::Deployment(id, fact)))
    }

    fn offered(&self, number: u32) -> Offered {
        Offered {
            step: 0,
            execution: ExecutionId(Uuid::now_v7()),
            number,
            worker: self.worker,
            assign_seq: AssignSeq(i64::from(number)),
            locks: BTreeSet::new(),
        }
    }

    /// Queues the first step and offers it.
    fn offer(&self) -> ExecutionId {
        let offered = self.offered(1);
        self.tell(DeploymentFact::StepQueued { step: 0 }).expect("queued");
        self.tell(DeploymentFact::AttemptOffered(offered.clone())).expect("offered");
        offered.execution
    }

    fn view(&self) -> crate::store::view::DeploymentView {
        let id = self.id;
        self.store.read_blocking(move |connection| deployments::deployment_view(connection, id)).expect("a view")
    }

    fn ask<T: Send + 'static>(&self, question: impl FnOnce(&Connection) -> Result<T, Fault> + Send + 'static) -> T {
        self.store.read_blocking(question).expect("an answer")
    }
}

fn step(name: &str) -> Step {
    Step {
        name: name.into(),
        pool: "default".into(),
        requires: [].into(),
        condition: Condition::Success,
        start: Start::AfterPrevious,
        environments: Vec::new(),
        timeout: Duration::from_secs(60),
        waits: Waits::default(),
        asks: Asks::default(),
        retries: Retries::default(),
        retry_safe: false,
        locks: Vec::new(),
        aws: Aws::default(),
        action: Action::CheckIdentity,
    }
}

fn created(project: &str, number: i64) -> DeploymentFact {
    DeploymentFact::Created(Created {
        project: project.into(),
        environment: "staging".into(),
        number,
        revision: 3,
        by: "ada".into(),
        retry_of: None,
        carried: Vec::new(),
        process: Process { steps: vec![step("Build"), step("Tell")], files: Vec::new() },
    })
}

fn moved(execution: ExecutionId, event: AttemptEvent) -> Moved {
    Moved { step: 0, execution, event, evidence: String::new(), result: None }
}

fn exited(execution: ExecutionId, code: i32, outputs: Vec<Output>) -> DeploymentFact {
    let outcome = Outcome::exited(code);
    let event = AttemptEvent::Exited(outcome.kind);
    let identity = RunIdentity {
        account: "123456789012".into(),
        arn: "arn:aws:iam::123456789012:user/ada".into(),
        region: "eu-west-1".into(),
        source: "worker-role".into(),
        expires_at: 0,
    };
    let result = ExitResult { outcome, final_seq: 7, digest: [9; 32], identity: Some(identity), outputs };
    DeploymentFact::AttemptMoved(Moved { result: Some(result), ..moved(execution, event) })
}

fn settled(step: usize, end: StepEnd) -> DeploymentFact {
    DeploymentFact::StepSettled(Settled { step, end, reason: "EXIT_ZERO".into(), detail: "Well.".into() })
}

fn output(name: &str, value: OutputValue) -> Output {
    Output { name: name.into(), value }
}

#[test]
fn a_deployment_is_told_from_beginning_to_end() {
    let scene = Scene::new();
    let execution = scene.offer();
    for event in [AttemptEvent::Granted, AttemptEvent::Alive] {
        scene.tell(DeploymentFact::AttemptMoved(moved(execution, event))).expect("moved");
    }
    let outputs = vec![
        output("Url", OutputValue::Plain("https://example.test".into())),
        output("Password", OutputValue::Sealed(vec![1, 2, 3])),
    ];
    scene.tell(exited(execution, 0, outputs.clone())).expect("exited");
    scene.tell(settled(0, StepEnd::Succeeded)).expect("settled");
    scene.tell(settled(1, StepEnd::Skipped)).expect("settled");
    let last = scene.tell(DeploymentFact::Ended { state: DeploymentEnd::Succeeded }).expect("ended");

    let view = scene.view();
    assert_eq!((last, view.deployment.last_event), (9, 9));
    assert_eq!(view.deployment.state, DeploymentState::Succeeded);
    assert_eq!(view.deployment.ended_at, Some(1_000));
    assert_eq!(
        view.steps.iter().map(|step| step.state).collect::<Vec<_>>(),
        [StepState::Succeeded, StepState::Skipped]
    );
    let attempt = &view.steps[0].attempts[0];
    assert_eq!(
        (attempt.state, attempt.started_at, attempt.ended_at),
        (AttemptState::Succeeded, Some(1_000), Some(1_000))
    );
    assert_eq!(attempt.outcome, Some(Outcome::exited(0)));
    assert_eq!((attempt.log.frames, attempt.log.digest, attempt.log.complete), (Some(7), Some([9; 32]), false));
    let names: Vec<_> = view.steps[0].outputs.iter().map(|output| output.name.as_str()).collect();
    assert_eq!(names, ["Password", "Url"]);
}

#[test]
fn what_ran_where_is_still_told_when_the_worker_is_gone() {
    let scene = Scene::new();
    let worker = scene.worker.to_string();
    let run = |sql: &'static str| {
        let worker = worker.clone();
        scene.store.write_blocking(move |tx| tx.execute(sql, [worker]).stored("a test")).expect("done");
    };
    run("INSERT INTO pool (name, description, created_at) VALUES ('default', ?1, 0)");
    run("INSERT INTO worker (id, name, pool, labels, state, created_at, not_after)
         VALUES (?1, 'build-7', 'default', '{}', 'active', 0, 0)");
    let execution = scene.offer();
    run("DELETE FROM worker WHERE id = ?1");
    assert_eq!(scene.view().steps[0].attempts[0].worker_name, "build-7");
    let told = scene.ask(move |connection| deployments::worker_of_attempt(connection, execution));
    assert_eq!(told.as_deref(), Some("build-7"));
}

#[test]
fn a_step_whose_process_has_ended_is_not_told_to_be_queued() {
    let scene = Scene::new();
    let execution = scene.offer();
    scene.tell(DeploymentFact::AttemptMoved(moved(execution, AttemptEvent::Granted))).expect("granted");
    scene.tell(exited(execution, 0, Vec::new())).expect("exited");
    scene.tell(settled(0, StepEnd::Succeeded)).expect("settled");
    let id = scene.id;
    let events = scene.ask(move |connection| deployments::events_after(connection, id, 4, 9));
    let told: Vec<_> = events.iter().map(|event| event.step_state).collect();
    assert_eq!(told, [Some(StepState::Running), Some(StepState::Succeeded)]);
}

#[test]
fn no_output_is_kept_in_an_event() {
    let scene = Scene::new();
    let execution = scene.offer();
    scene.tell(DeploymentFact::AttemptMoved(moved(execution, AttemptEvent::Granted))).expect("granted");
    let secret = output("Token", OutputValue::Plain("canary-in-clear".into()));
    scene.tell(exited(execution, 0, vec![secret])).expect("exited");
    let payloads: String = scene.ask(|connection| {
        connection.query_row("SELECT group_concat(payload) FROM event", [], |row| row.get(0)).stored("reading")
    });
    assert!(payloads.contains("attempt_moved") && !payloads.contains("canary"), "{payloads}");
}

#[test]
fn the_last_value_of_an_output_counts() {
    let scene = Scene::new();
    let execution = scene.offer();
    scene.tell(DeploymentFact::AttemptMoved(moved(execution, AttemptEvent::Granted))).expect("granted");
    let outputs = vec![output("A", OutputValue::Sealed(vec![1])), output("A", OutputValue::Plain("second".into()))];
    scene.tell(exited(execution, 0, outputs)).expect("exited");
    assert_eq!(scene.view().steps[0].outputs, [output("A", OutputValue::Plain("second".into()))]);
}

#[test]
fn outputs_are_those_of_the_newest_settled_attempt() {
    let scene = Scene::new();
    let first = scene.offer();
    scene.tell(DeploymentFact::AttemptMoved(moved(first, AttemptEvent::Granted))).expect("granted");
    scene.tell(exited(first, 1, vec![output("Try", OutputValue::Plain("1".into()))])).expect("failed");
    scene.tell(DeploymentFact::StepRetried { step: 0, after: Duration::from_secs(1) }).expect("retried");
    let second = scene.offered(2);
    scene.tell(DeploymentFact::AttemptOffered(second.clone())).expect("offered");
    let tries = |scene: &Scene| {
        let id = scene.id;
        let outputs = scene.ask(move |connection| deployments::outputs_of_deployment(connection, id));
        outputs.into_iter().map(|step| (step.name, step.execution, step.outputs)).collect::<Vec<_>>()
    };
    let of = |value: &str| vec![output("Try", OutputValue::Plain(value.into()))];
    assert_eq!(tries(&scene), [("Build".into(), first, of("1"))], "the second has not settled");
    scene.tell(DeploymentFact::AttemptMoved(moved(second.execution, AttemptEvent::Granted))).expect("granted");
    scene.tell(exited(second.execution, 0, of("2"))).expect("succeeded");
    assert_eq!(tries(&scene), [("Build".into(), second.execution, of("2"))]);
}

#[test]
fn a_step_of_unknown_outcome_makes_the_deployment_unknown_until_its_worker_is_back() {
    let scene = Scene::new();
    let execution = scene.offer();
    let states = |scene: &Scene| (scene.view().steps[0].state, scene.view().deployment.state);
    for (event, expected) in [
        (AttemptEvent::Granted, (StepState::Running, DeploymentState::Running)),
        (AttemptEvent::ContactLost, (StepState::Unknown, DeploymentState::Unknown)),
        (AttemptEvent::Alive, (StepState::Running, DeploymentState::Running)),
        (AttemptEvent::ContactLost, (StepState::Unknown, DeploymentState::Unknown)),
        (AttemptEvent::FoundDead, (StepState::Unknown, DeploymentState::Unknown)),
        (AttemptEvent::Decided, (StepState::Queued, DeploymentState::Running)),
    ] {
        scene.tell(DeploymentFact::AttemptMoved(moved(execution, event))).expect("moved");
        assert_eq!(states(&scene), expected, "{event:?}");
    }
    let id = scene.id;
    let events = scene.ask(move |connection| deployments::events_after(connection, id, 4, 100));
    let told: Vec<_> = events.iter().map(|event| event.deployment_state).collect();
    use DeploymentState::{Running, Unknown};
    assert_eq!(told, [Unknown, Running, Unknown, Unknown, Running], "each event says how things stood after it");
}

#[test]
fn a_fact_that_does_not_fit_is_refused_whole() {
    let scene = Scene::new();
    let execution = scene.offer();
    let before = scene.view();
    let never = ExecutionId(Uuid::now_v7());
    for fact in [
        created("shop", 1),
        DeploymentFact::StepQueued { step: 0 },
        DeploymentFact::StepQueued { step: 7 },
        DeploymentFact::StepRetried { step: 0, after: Duration::ZERO },
        DeploymentFact::AttemptOffered(scene.offered(2)),
        DeploymentFact::AttemptMoved(moved(execution, AttemptEvent::Alive)),
        DeploymentFact::AttemptMoved(moved(never, AttemptEvent::Granted)),
        DeploymentFact::AttemptMoved(Moved { step: 1, ..moved(execution, AttemptEvent::Granted) }),
        exited(execution, 0, Vec::new()),
        settled(0, StepEnd::Succeeded),
    ] {
        let fault = scene.tell(fact.clone()).expect_err("it does not fit");
        assert_eq!(fault.reason, Reason::Internal, "{fact:?}");
        assert_eq!(scene.view(), before, "{fact:?}");
    }
}

#[test]
fn a_deployment_ends_once_and_is_cancelled_once() {
    let scene = Scene::new();
    let cancel = || DeploymentFact::CancelRequested { by: "ada".into(), reason: "wrong day".into() };
    scene.tell(cancel()).expect("cancelled");
    assert!(scene.view().deployment.cancel_requested);
    scene.tell(cancel()).expect_err("it was asked for");
    scene.tell(DeploymentFact::Ended { state: DeploymentEnd::Cancelled }).expect("ended");
    scene.tell(DeploymentFact::Ended { state: DeploymentEnd::Succeeded }).expect_err("it has ended");
    assert_eq!(scene.view().deployment.state, DeploymentState::Cancelled);
}

#[test]
fn what_never_started_has_a_whole_and_empty_log() {
    let scene = Scene::new();
    let execution = scene.offer();
    let worker = scene.worker;
    let undrained =
        |scene: &Scene| scene.ask(move |connection| deployments::undrained_attempts(connection, worker)).len();
    assert_eq!(undrained(&scene), 1);
    scene.tell(DeploymentFact::AttemptMoved(moved(execution, AttemptEvent::Withdrawn))).expect("withdrawn");
    assert_eq!(undrained(&scene), 0);
    let log = scene.view().steps[0].attempts[0].log;
    assert_eq!((log.frames, log.complete), (Some(0), true));
}

#[test]
fn a_log_is_complete_only_when_its_length_is_known() {
    let scene = Scene::new();
    let execution = scene.offer();
    let complete = |scene: &Scene| scene.store.write_blocking(move |tx| set_log_complete(tx, execution));
    complete(&scene).expect_err("nobody knows how long it is");
    scene.tell(DeploymentFact::AttemptMoved(moved(execution, AttemptEvent::Granted))).expect("granted");
    scene.tell(exited(execution, 0, Vec::new())).expect("exited");
    complete(&scene).expect("complete");
    complete(&scene).expect("and again");
    let row = scene.ask(move |connection| deployments::attempt_state(connection, execution)).expect("it is there");
    assert!(row.log.complete && row.state == AttemptState::Succeeded && row.deployment == scene.id);
}

#[test]
fn recovery_reads_every_fact_of_the_unfinished_in_order() {
    let scene = Scene::new();
    let execution = scene.offer();
    scene.tell(DeploymentFact::AttemptMoved(moved(execution, AttemptEvent::Granted))).expect("granted");
    let ended = DeploymentId(Uuid::now_v7());
    scene.tell_about(ended, created("other", 1)).expect("created");
    scene.tell_about(ended, DeploymentFact::Ended { state: DeploymentEnd::Failed }).expect("ended");

    let open = scene.ask(open_deployments);
    assert_eq!(open.len(), 1, "what has ended is not recovered");
    let (id, facts) = &open[0];
    assert_eq!((*id, facts.len()), (scene.id, 4));
    assert_eq!(facts[0], created("shop", 1), "with its process");
    assert_eq!(facts[3], DeploymentFact::AttemptMoved(moved(execution, AttemptEvent::Granted)));
}

#[test]
fn the_variables_of_a_deployment_are_kept_once() {
    let scene = Scene::new();
    let id = scene.id;
    let keep = |sealed: &'static [u8]| scene.store.write_blocking(move |tx| keep_variables(tx, id, sealed));
    keep(b"sealed").expect("kept");
    keep(b"others").expect_err("they are as they were when it was made");
    let (process, sealed) = scene.ask(move |connection| deployments::plan_of_deployment(connection, id));
    assert_eq!((process.steps.len(), sealed.as_slice()), (2, b"sealed".as_slice()));
}

#[test]
fn a_session_opens_only_after_the_one_before_it() {
    let scene = Scene::new();
    let worker = scene.worker;
    scene
        .store
        .write_blocking(move |tx| {
            tx.execute("INSERT INTO pool (name, description, created_at) VALUES ('p', '', 0)", []).stored("adding")?;
            let sql = "INSERT INTO worker (id, name, pool, labels, state, created_at, not_after)
                       VALUES (?1, 'w', 'p', '{}', 'active', 0, 0)";
            tx.execute(sql, [worker.to_string()]).map(drop).stored("adding")
        })
        .expect("a worker");
    let open = |epoch| {
        let opened = SessionOpened {
            worker,
            epoch: SessionEpoch(epoch),
            journal_id: "j".into(),
            boot_id: "b".into(),
            assign_hwm: AssignSeq(0),
        };
        scene.store.write_blocking(move |tx| apply(tx, 5, &Fact::SessionOpened(opened)))
    };
    assert_eq!(open(1), Ok(0));
    open(1).expect_err("it is open");
    open(3).expect_err("the second is missing");
    assert_eq!(open(2), Ok(0));
}

#[test]
fn deployments_are_found_by_the_beginning_of_their_id() {
    let scene = Scene::new();
    let mut other = scene.id.0.into_bytes();
    other[15] ^= 1;
    let other = DeploymentId(Uuid::from_bytes(other));
    scene.tell_about(other, created("shop", 2)).expect("created");
    let find = |prefix: &str| {
        let prefix = prefix.to_owned();
        scene.store.read_blocking(move |connection| deployments::find_deployment(connection, &prefix))
    };
    let whole = scene.id.to_string();
    assert_eq!(find(&whole), Ok(scene.id));
    assert_eq!(find(&whole.to_uppercase()), Ok(scene.id));
    for (prefix, reason) in [
        (&whole[..30], Reason::InvalidArgument),
        (&whole[..5], Reason::InvalidArgument),
        ("", Reason::InvalidArgument),
        ("no-such%", Reason::InvalidArgument),
        ("ffffffff-0000", Reason::DeploymentNotFound),
    ] {
        assert_eq!(find(prefix).expect_err(prefix).reason, reason, "{prefix}");
    }
}

#[test]
fn pages_of_a_list_hold_every_deployment_once_newest_first() {
    let scene = Scene::new();
    let ids: Vec<_> = (0..10).map(|_| DeploymentId(Uuid::now_v7())).collect();
    for (number, id) in (2..).zip(&ids) {
        scene.tell_about(*id, created(if number % 2 == 0 { "shop" } else { "blog" }, number)).expect("created");
    }
    let list = |project: &'static str| {
        let mut found = Vec::new();
        let mut after: Option<Cursor> = None;
        loop {
            let filter = DeploymentFilter { project: project.into(), environment: "staging".into() };
            let page = scene
                .ask(move |connection| deployments::list_deployments(connection, &filter, Page { size: 3, after }));
            assert!(page.deployments.len() <= 3);
            found.extend(page.deployments.into_iter().map(|deployment| deployment.number));
            match page.next {
                Some(next) => after = Some(next),
                None => return found,
            }
        }
    };
    assert_eq!(list(""), (1..=11).rev().collect::<Vec<_>>());
    assert_eq!(list("shop"), [10, 8, 6, 4, 2, 1]);
    assert_eq!(list("none"), [0; 0]);
}

fn any_fact() -> impl Strategy<Value = DeploymentFact> {
    let step = 0..4_usize;
    let event = (0..AttemptEvent::ALL.len()).prop_map(|at| AttemptEvent::ALL[at]);
    prop_oneof![
        step.clone().prop_map(|step| DeploymentFact::StepQueued { step }),
        (step.clone(), any::<u64>())
            .prop_map(|(step, ms)| DeploymentFact::StepRetried { step, after: Duration::from_millis(ms) }),
        (step.clone(), event, ".*").prop_map(|(step, event, evidence)| DeploymentFact::AttemptMoved(Moved {
            step,
            execution: ExecutionId(Uuid::nil()),
            event,
            evidence,
            result: None,
        })),
        (step, ".*").prop_map(|(step, detail)| DeploymentFact::StepSettled(Settled {
            step,
            end: StepEnd::Failed,
            reason: "X".into(),
            detail
        })),
        (".*", any::<[u8; 32]>(), any::<u64>()).prop_map(|(detail, digest, final_seq)| {
            let outcome =
                Outcome { kind: OutcomeKind::Failed, exit_code: None, signal: Some(9), reason: "S".into(), detail };
            let result = ExitResult { outcome, final_seq, digest, identity: None, outputs: Vec::new() };
            DeploymentFact::AttemptMoved(Moved {
                result: Some(result),
                ..moved(ExecutionId(Uuid::nil()), AttemptEvent::Exited(OutcomeKind::Failed))
            })
        }),
        Just(DeploymentFact::Ended { state: DeploymentEnd::Cancelled }),
    ]
}

proptest! {
    #[test]
    fn a_fact_comes_back_from_its_event_as_it_was(fact in any_fact()) {
        let payload = serde_json::to_string(&Event { fact: &fact, deployment_state: DeploymentState::Running });
        let event: Event<DeploymentFact> = serde_json::from_str(&payload.expect("it is JSON")).expect("it is a fact");
        prop_assert_eq!(event.fact, fact);
    }
}
