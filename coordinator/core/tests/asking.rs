//! Steps that ask a person before they begin or after they failed, and what others do meanwhile.

#![allow(clippy::unwrap_used, reason = "a story ends where it goes wrong")]

mod world;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use coordinator_core::{
    fact::{DeploymentEnd, DeploymentFact, Fact, StepEnd},
    input::{Answer, Input, Prepared, Refusal, Said},
    report::Report,
};
use proptest::prelude::*;
use shared::{
    id::{DeploymentId, ExecutionId},
    outcome::OutcomeKind,
    plan::{Asks, OnFailure, Retries, Step},
};
use uuid::Uuid;

use world::{D1, D2, W1, World, needs, step};

const HOUR: Duration = Duration::from_secs(3600);
const D3: DeploymentId = DeploymentId(Uuid::from_u128(0xd3));

fn approved(name: &str) -> Step {
    let asks = Asks { approval: Some("Look at the change set.".into()), ..Asks::default() };
    Step { asks, ..step(name) }
}

fn guided(name: &str) -> Step {
    let asks = Asks { on_failure: OnFailure::Ask, timeout: Some(HOUR), ..Asks::default() };
    Step { asks, ..step(name) }
}

fn answer(world: &mut World, deployment: DeploymentId, answer: Answer) {
    let (by, reason) = ("token ann".into(), "seen".into());
    world.tell(Input::StepAnswered { deployment, step: 0, answer, by, reason });
}

fn is_waiting(world: &World, deployment: DeploymentId, code: &str) -> bool {
    world.core.queue_reason(deployment, 0).is_some_and(|reason| reason.code == code)
}

/// Time passes, and the worker is heard.
fn pass_heard(world: &mut World, time: Duration) {
    for _ in 0..time.as_secs() / 10 {
        world.pass(Duration::from_secs(10));
        world.say(W1, Said::Heartbeat { disk_low: false, report: Report::default() });
    }
}

#[test]
fn a_step_that_needs_approval_begins_when_it_has_it() {
    let mut world = World::with_workers(&[(W1, 1)]);
    world.submit(D1, "shop", vec![approved("one"), step("two")]);
    assert!(world.offers().is_empty());
    let reason = world.core.queue_reason(D1, 0).unwrap();
    assert_eq!(reason.code, "APPROVAL_NEEDED");
    assert!(reason.sentence.contains("Look at the change set.") && reason.sentence.contains("approve|reject"));
    world.restart();
    assert!(is_waiting(&world, D1, "APPROVAL_NEEDED"));
    world.hello(W1, 1, BTreeMap::new());
    answer(&mut world, D1, Answer::Approve);
    let one = world.run();
    world.end(&one, OutcomeKind::Succeeded);
    let two = world.run();
    world.end(&two, OutcomeKind::Succeeded);
    assert_eq!(world.ended(D1), Some(DeploymentEnd::Succeeded));
}

#[test]
fn a_step_that_is_rejected_or_not_answered_has_failed_and_never_ran() {
    let mut world = World::with_workers(&[(W1, 1)]);
    world.submit(D1, "shop", vec![approved("one")]);
    answer(&mut world, D1, Answer::Reject);
    assert_eq!(world.settled(D1), [(0, StepEnd::Failed, "REJECTED".into())]);
    assert_eq!(world.detail(D1, 0), "Rejected by token ann: seen");
    world.submit(D2, "shop", vec![approved("one")]);
    world.pass(24 * HOUR - Duration::from_secs(1));
    assert_eq!(world.settled(D2), []);
    world.pass(Duration::from_secs(1));
    assert_eq!(world.settled(D2), [(0, StepEnd::Failed, "ANSWER_TIMEOUT".into())]);
    assert_eq!(world.detail(D2, 0), "Nobody answered within 24 hours.");
    assert!(world.offers().is_empty());
}

#[test]
fn only_what_answers_the_question_counts() {
    let mut world = World::with_workers(&[(W1, 1)]);
    world.submit(D1, "shop", vec![approved("one")]);
    for wrong in [Answer::Retry, Answer::Ignore, Answer::Abort] {
        answer(&mut world, D1, wrong);
    }
    assert!(is_waiting(&world, D1, "APPROVAL_NEEDED"));
    answer(&mut world, D1, Answer::Approve);
    let one = world.run();
    answer(&mut world, D1, Answer::Reject);
    world.end(&one, OutcomeKind::Succeeded);
    assert_eq!(world.ended(D1), Some(DeploymentEnd::Succeeded), "it asked no more");
}

#[test]
fn an_approval_holds_no_lock_no_slot_and_no_turn() {
    let mut world = World::with_workers(&[(W1, 1)]);
    let locked = Prepared { locks: BTreeSet::from(["database".to_owned()]), ..needs("default") };
    world.prepared = BTreeMap::from([("one".to_owned(), locked.clone()), ("two".to_owned(), locked)]);
    world.submit(D1, "shop", vec![approved("one")]);
    world.submit(D2, "shop", vec![step("two")]);
    let two = world.run();
    assert_eq!(two.deployment, D2, "the later one goes first");
    answer(&mut world, D1, Answer::Approve);
    assert!(world.offers().is_empty());
    assert!(is_waiting(&world, D1, "WAITING_FOR_TURN"), "and is not overtaken in turn");
    world.end(&two, OutcomeKind::Succeeded);
    assert_eq!(world.run().deployment, D1);
}

#[test]
fn a_deployment_that_has_begun_keeps_its_turn_while_it_asks() {
    let mut world = World::with_workers(&[(W1, 1)]);
    world.submit(D1, "shop", vec![step("zero"), approved("one")]);
    world.submit(D2, "shop", vec![step("two")]);
    let zero = world.run();
    world.end(&zero, OutcomeKind::Succeeded);
    assert!(world.offers().is_empty(), "half of the first is not mixed with the second");
    let why = world.core.queue_reason(D2, 0).unwrap().sentence;
    assert!(why.contains("#1") && why.contains("waits for a person's answer"), "{why}");
}

#[test]
fn a_deployment_that_asks_about_a_failure_before_its_first_attempt_keeps_its_turn() {
    let mut world = World::with_workers(&[(W1, 1)]);
    world.submit(D1, "shop", vec![approved("one")]);
    world.refuses = true;
    world.submit(D2, "shop", vec![guided("two")]);
    world.refuses = false;
    assert!(is_waiting(&world, D2, "ANSWER_NEEDED"));
    answer(&mut world, D1, Answer::Approve);
    assert!(world.offers().is_empty() && is_waiting(&world, D1, "WAITING_FOR_TURN"), "who answers may retry it");
    answer(&mut world, D2, Answer::Abort);
    assert_eq!(world.ended(D2), Some(DeploymentEnd::Failed));
    assert_eq!(world.run().deployment, D1);
}

#[test]
fn a_failed_step_that_asks_is_retried_passed_over_or_given_up() {
    for (said, end, reason, deployment) in [
        (Answer::Ignore, StepEnd::Succeeded, "IGNORED", DeploymentEnd::Succeeded),
        (Answer::Abort, StepEnd::Failed, "EXIT_CODE", DeploymentEnd::Failed),
    ] {
        let mut world = World::with_workers(&[(W1, 1)]);
        world.submit(D1, "shop", vec![guided("one")]);
        let first = world.run();
        world.end(&first, OutcomeKind::Failed);
        assert!(is_waiting(&world, D1, "ANSWER_NEEDED"));
        answer(&mut world, D1, Answer::Retry);
        let second = world.run();
        assert_eq!(second.number, 2);
        world.end(&second, OutcomeKind::Failed);
        answer(&mut world, D1, said);
        assert_eq!(world.settled(D1), [(0, end, reason.into())]);
        assert!(world.detail(D1, 0).ends_with("by token ann: seen"), "{}", world.detail(D1, 0));
        assert_eq!(world.ended(D1), Some(deployment));
    }
}

#[test]
fn it_asks_after_the_last_attempt_and_fails_when_nobody_answers() {
    let mut world = World::with_workers(&[(W1, 1)]);
    let retries = Retries { count: 1, backoff: Duration::ZERO, ..Retries::default() };
    world.submit(D1, "shop", vec![Step { retries, ..guided("one") }]);
    let first = world.run();
    world.end(&first, OutcomeKind::Failed);
    let second = world.run();
    world.end(&second, OutcomeKind::Failed);
    assert!(is_waiting(&world, D1, "ANSWER_NEEDED"));
    pass_heard(&mut world, HOUR);
    assert_eq!(world.settled(D1), [(0, StepEnd::Failed, "EXIT_CODE".into())]);
    assert!(world.detail(D1, 0).ends_with("Nobody answered within 60 minutes."), "{}", world.detail(D1, 0));
}

#[test]
fn what_could_not_be_prepared_is_prepared_anew_when_it_is_retried() {
    let mut world = World::new();
    world.submit(D1, "shop", vec![guided("one")]);
    let refusal = || Refusal { reason: "ACCOUNT_UNRESOLVED".into(), detail: "No such account.".into() };
    world.tell(Input::StepPrepared { deployment: D1, step: 0, prepared: Err(refusal()) });
    assert!(is_waiting(&world, D1, "ANSWER_NEEDED"));
    answer(&mut world, D1, Answer::Retry);
    assert!(is_waiting(&world, D1, "NO_WORKER"), "it is prepared, and would run");
}

#[test]
fn a_deployment_that_asks_is_cancelled_at_once() {
    for steps in [vec![approved("one")], vec![guided("one")]] {
        let mut world = World::with_workers(&[(W1, 1)]);
        world.submit(D1, "shop", steps);
        if world.core.asked(D1, 0).is_none() {
            let first = world.run();
            world.end(&first, OutcomeKind::Failed);
        }
        let (by, reason) = (String::new(), String::new());
        world.tell(Input::CancelRequested { deployment: D1, by, reason });
        assert_eq!(world.ended(D1), Some(DeploymentEnd::Cancelled));
    }
}

#[derive(Clone, Copy, Debug)]
enum Move {
    Answer(usize, Answer),
    End(bool),
    Cancel(usize),
    Pass(u16),
    Refuse(bool),
    Restart,
}

fn a_move() -> impl Strategy<Value = Move> {
    use Answer::{Abort, Approve, Ignore, Reject, Retry};
    let answer = prop::sample::select(vec![Approve, Approve, Reject, Retry, Ignore, Abort]);
    prop_oneof![
        8 => (0usize..3, answer).prop_map(|(deployment, answer)| Move::Answer(deployment, answer)),
        6 => any::<bool>().prop_map(Move::End),
        1 => (0usize..3).prop_map(Move::Cancel),
        1 => (1u16..5000).prop_map(Move::Pass),
        2 => any::<bool>().prop_map(Move::Refuse),
        1 => Just(Move::Restart),
    ]
}

/// Which deployments have an attempt that may run, by what is stored.
fn running(world: &World) -> BTreeSet<DeploymentId> {
    let mut open: BTreeMap<ExecutionId, DeploymentId> = BTreeMap::new();
    for fact in &world.facts {
        match fact {
            Fact::Deployment(id, DeploymentFact::AttemptOffered(offered)) => {
                open.insert(offered.execution, *id);
            }
            Fact::Deployment(_, DeploymentFact::AttemptMoved(moved))
                if world.core.open_execution(moved.execution).is_none() =>
            {
                open.remove(&moved.execution);
            }
            _ => {}
        }
    }
    open.into_values().collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// Whoever is asked whatever, and answers when and how they like.
    #[test]
    fn deployments_of_one_project_never_mix(moves in prop::collection::vec(a_move(), 1..60)) {
        let mut world = World::with_workers(&[(W1, 9)]);
        let both = |name: &str| Step { asks: Asks { approval: Some("?".into()), ..guided(name).asks }, ..step(name) };
        for deployment in [D1, D2, D3] {
            world.submit(deployment, "shop", vec![both("one"), step("two")]);
        }
        for play in moves {
            play_one(&mut world, play);
            prop_assert!(running(&world).len() <= 1, "two at once: {:?}", running(&world));
            for deployment in [D1, D2, D3].into_iter().filter(|deployment| world.ended(*deployment).is_none()) {
                prop_assert!(world.settled(deployment).len() < 2, "all its steps have ended, and it has not");
            }
        }
        world.refuses = false;
        // Everybody answers at last: nobody waits for nobody.
        for _ in 0..20 {
            for deployment in [D1, D2, D3] {
                for said in [Answer::Approve, Answer::Abort] {
                    answer(&mut world, deployment, said);
                }
            }
            play_one(&mut world, Move::End(true));
        }
        for deployment in [D1, D2, D3] {
            prop_assert!(world.ended(deployment).is_some(), "stuck: {:?}", world.core.queue_reason(deployment, 0));
        }
    }
}

fn play_one(world: &mut World, play: Move) {
    match play {
        Move::Answer(deployment, said) => answer(world, [D1, D2, D3][deployment], said),
        Move::End(well) => {
            for offer in world.offers() {
                world.say(W1, Said::Accepted { execution: offer.execution });
                world.say(W1, Said::Started { execution: offer.execution });
                world.end(&offer, if well { OutcomeKind::Succeeded } else { OutcomeKind::Failed });
            }
        }
        Move::Cancel(deployment) => {
            let (deployment, by, reason) = ([D1, D2, D3][deployment], String::new(), String::new());
            world.tell(Input::CancelRequested { deployment, by, reason });
        }
        Move::Refuse(refuses) => world.refuses = refuses,
        Move::Pass(seconds) => pass_heard(world, Duration::from_secs(seconds.into())),
        Move::Restart => {
            // What was offered is offered to nobody any more: its worker comes back without it.
            world.restart();
            world.hello(W1, 9, BTreeMap::new());
        }
    }
}
