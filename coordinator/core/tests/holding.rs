//! A store that went back in time: what the coordinator does until somebody lifts the hold, and afterwards.

#![allow(clippy::unwrap_used, reason = "a story ends where it goes wrong")]

mod world;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use coordinator_core::{
    action::{Action, Directive, Offer},
    fact::{DeploymentEnd, Fact, StepEnd},
    input::{Decision, Fate, Held, Hello, Input, Memories, Prepared, Remembered, Said},
    view::Doubt,
};
use shared::{
    id::{AssignSeq, ExecutionId},
    outcome::OutcomeKind,
    plan::{Condition, Step},
};

use world::{D1, D2, W1, W2, World, exit, needs, step};

/// All that a worker remembers.
fn recalls(world: &mut World, attempts: &[(&Offer, Fate, bool)]) {
    let attempts = attempts.iter().map(|(offer, fate, is_stored)| Remembered {
        execution: offer.execution,
        seq: offer.assign_seq,
        number: offer.number,
        fate: *fate,
        is_stored: *is_stored,
    });
    let memories = Memories { attempts: attempts.collect(), since: AssignSeq(1) };
    world.say(W1, Said::Remembered(memories));
}

fn holds(offer: &Offer, held: Held) -> BTreeMap<ExecutionId, Held> {
    BTreeMap::from([(offer.execution, held)])
}

/// The worker comes with what it holds, and has seen this offer and all before it.
fn returns(world: &mut World, last: &Offer, held: BTreeMap<ExecutionId, Held>) {
    world.hello_as(W1, 1, held, last.assign_seq, "journal", "boot");
}

fn lift(world: &mut World) {
    world.tell(Input::HoldLifted { by: "token a".into(), reason: "all were heard".into() });
    assert!(world.core.hold().is_none());
}

fn decide(world: &mut World, decision: Decision) {
    let (by, reason) = ("token a".into(), "I looked".into());
    world.tell(Input::StepDecided { deployment: D1, step: 0, decision, by, reason });
}

/// What the Welcome says of an attempt, if anything.
fn directive(world: &mut World, offer: &Offer) -> Option<Directive> {
    let directives = world.take_actions().into_iter().find_map(|action| match action {
        Action::Welcome { directives, .. } => Some(directives),
        _ => None,
    });
    directives.unwrap().into_iter().find_map(|(id, directive)| (id == offer.execution).then_some(directive))
}

#[test]
fn a_worker_that_knows_more_than_the_store_puts_the_coordinator_on_hold_by_itself() {
    let mut world = World::with_workers(&[(W1, 1)]);
    world.hello_as(W1, 1, BTreeMap::new(), AssignSeq(5), "journal", "boot");
    assert!(world.facts.iter().any(|fact| matches!(fact, Fact::HoldBegan { why } if why.contains("offer 5"))));
    world.submit(D1, "shop", vec![step("one")]);
    assert!(world.offers().is_empty(), "nothing is offered on hold");
    assert_eq!(world.core.queue_reason(D1, 0).unwrap().code, "ON_HOLD");
    world.restart();
    assert!(world.core.hold().is_some(), "a restart does not lift it");

    lift(&mut world);
    world.hello_as(W1, 1, BTreeMap::new(), AssignSeq(5), "journal", "boot");
    assert!(world.core.hold().is_none(), "what it has seen is known now");
    let offer = world.one_offer();
    assert!(offer.assign_seq > AssignSeq(5), "the worker would refuse a number that it has seen");
}

#[test]
fn an_attempt_that_the_store_never_heard_of_is_taken_up_with_its_locks_and_ends_as_it_would_have() {
    let mut world = World::with_workers(&[(W1, 1)]);
    let locked = Prepared { locks: BTreeSet::from(["database".to_owned()]), ..needs("default") };
    world.prepared = BTreeMap::from([("one".to_owned(), locked.clone()), ("two".to_owned(), locked)]);
    world.session_ends(W1);
    world.submit(D1, "shop", vec![step("one")]);
    let backup = world.facts.len();
    world.hello(W1, 1, BTreeMap::new());
    let lost = world.run();

    world.restore(backup);
    returns(&mut world, &lost, holds(&lost, Held::Running));
    assert_eq!(directive(&mut world, &lost), Some(Directive::Keep), "what runs is left alone");
    recalls(&mut world, &[(&lost, Fate::Started, false)]);
    assert_eq!(world.core.hold().unwrap().adopted, [lost.execution]);
    returns(&mut world, &lost, holds(&lost, Held::Running));
    recalls(&mut world, &[(&lost, Fate::Started, true)]);
    assert_eq!(world.core.hold().unwrap().heard, [W1]);
    lift(&mut world);
    world.submit(D2, "blog", vec![step("two")]);
    world.hello(W2, 1, BTreeMap::new());
    returns(&mut world, &lost, holds(&lost, Held::Running));
    assert!(world.offers().is_empty(), "nothing runs again, and its lock is taken");
    world.end(&lost, OutcomeKind::Succeeded);
    assert_eq!(world.ended(D1), Some(DeploymentEnd::Succeeded));
    assert_eq!(world.one_offer().deployment, D2, "its lock is free");
}

#[test]
fn what_has_ended_and_was_forgotten_waits_for_a_person_who_may_run_it_again() {
    let mut world = World::with_workers(&[(W1, 1)]);
    world.submit(D1, "shop", vec![step("one")]);
    let backup = world.facts.len();
    let lost = world.run();
    world.end(&lost, OutcomeKind::Failed);

    world.restore(backup);
    returns(&mut world, &lost, BTreeMap::new());
    recalls(&mut world, &[(&lost, Fate::Ended, true)]);
    assert_eq!(world.core.doubt(D1, 0), Some(Doubt::Dead), "no process of it is alive");
    assert!(world.evidence(lost.execution).contains("lost with the store"), "{}", world.evidence(lost.execution));
    lift(&mut world);
    returns(&mut world, &lost, BTreeMap::new());
    assert!(world.offers().is_empty(), "nobody has decided");
    decide(&mut world, Decision::RunAgain);
    let again = world.one_offer();
    assert_eq!(again.number, 2);
    assert_ne!(again.execution, lost.execution);
}

#[test]
fn an_offer_is_not_taken_back_on_hold_and_is_in_doubt_when_its_worker_was_not_heard() {
    let mut world = World::with_workers(&[(W1, 1)]);
    world.submit(D1, "shop", vec![step("one")]);
    let offer = world.one_offer();
    world.restore(world.facts.len());
    world.tell(Input::CancelRequested { deployment: D1, by: "token a".into(), reason: String::new() });
    world.pass(Duration::from_secs(400));
    let state = world.core.open_execution(offer.execution).unwrap().state;
    assert_eq!(state, shared::attempt::AttemptState::Offered, "it may have been granted in what was lost");
    lift(&mut world);
    assert_eq!(world.core.doubt(D1, 0), Some(Doubt::MayBeAlive));
    world.hello(W1, 1, holds(&offer, Held::Ended(Box::new(exit(OutcomeKind::Cancelled)))));
    assert_eq!(world.ended(D1), Some(DeploymentEnd::Cancelled), "its worker tells in the end");
}

#[test]
fn attempts_after_a_restore_have_ids_that_were_never_used() {
    let mut world = World::with_workers(&[(W1, 1)]);
    world.session_ends(W1);
    world.submit(D1, "shop", vec![step("one")]);
    let backup = world.facts.len();
    world.hello(W1, 1, BTreeMap::new());
    let lost = world.one_offer();
    world.restore(backup);
    returns(&mut world, &lost, BTreeMap::new());
    recalls(&mut world, &[]);
    lift(&mut world);
    returns(&mut world, &lost, BTreeMap::new());
    let offer = world.one_offer();
    assert_eq!(offer.number, lost.number);
    assert_ne!(offer.execution, lost.execution);
}

#[test]
fn what_belongs_to_no_deployment_here_is_told_and_left_alone() {
    let mut world = World::with_workers(&[(W1, 1)]);
    let backup = world.facts.len();
    world.submit(D1, "shop", vec![step("one")]);
    let lost = world.run();
    world.restore(backup);
    let hello = |held| Hello {
        worker: W1,
        journal_id: "journal".into(),
        boot_id: "boot".into(),
        slots: 1,
        assign_hwm: lost.assign_seq,
        held: holds(&lost, held),
        unheard_of: BTreeSet::from([lost.execution]),
        disk_low: false,
    };
    world.tell(Input::SessionOpened(hello(Held::Running)));
    assert_eq!(directive(&mut world, &lost), None);
    world.session_begins(W1);
    recalls(&mut world, &[(&lost, Fate::Started, false)]);
    assert_eq!(world.core.hold().unwrap().orphans, [(lost.execution, W1)]);
    assert!(world.take_actions().iter().any(|action| matches!(action, Action::Alarm { .. })), "people are told");
    lift(&mut world);
    world.tell(Input::SessionOpened(hello(Held::Running)));
    assert_eq!(directive(&mut world, &lost), None, "not even after the hold is it killed");
}

#[test]
fn a_worker_whose_journal_is_another_one_cannot_account_for_what_it_did() {
    let mut world = World::with_workers(&[(W1, 1)]);
    world.restore(world.facts.len());
    for _ in 0..2 {
        world.hello_as(W1, 1, BTreeMap::new(), AssignSeq(0), "another journal", "boot");
        recalls(&mut world, &[]);
        assert_eq!(world.core.hold().unwrap().heard, [], "neither at once nor when it comes again");
    }
}

#[test]
fn a_person_may_say_that_a_host_is_dead_and_later_what_its_step_did() {
    let mut world = World::with_workers(&[(W1, 1)]);
    world.submit(D1, "shop", vec![step("one")]);
    world.run();
    world.pass(Duration::from_secs(400));
    assert_eq!(world.core.doubt(D1, 0), Some(Doubt::MayBeAlive));
    decide(&mut world, Decision::Dead);
    assert_eq!(world.core.doubt(D1, 0), Some(Doubt::Dead));
    decide(&mut world, Decision::Succeeded);
    assert_eq!(world.ended(D1), Some(DeploymentEnd::Succeeded));
}

#[test]
fn an_aborted_step_takes_the_rest_of_its_deployment_along() {
    let mut world = World::with_workers(&[(W1, 1)]);
    let cleans_up = Step { condition: Condition::Always, ..step("two") };
    world.submit(D1, "shop", vec![step("one"), cleans_up]);
    world.run();
    world.pass(Duration::from_secs(400));
    decide(&mut world, Decision::Abort);
    let ends: BTreeMap<usize, StepEnd> = world.settled(D1).into_iter().map(|(step, end, _)| (step, end)).collect();
    assert_eq!(ends, BTreeMap::from([(0, StepEnd::Failed), (1, StepEnd::Cancelled)]));
    assert_eq!(world.ended(D1), Some(DeploymentEnd::Cancelled));
    assert!(world.offers().is_empty(), "the second step never began");
}

#[test]
fn a_step_that_is_looked_at_again_has_its_worker_open_another_session() {
    let mut world = World::with_workers(&[(W1, 1), (W2, 1)]);
    world.submit(D1, "shop", vec![step("one")]);
    let offer = world.run();
    world.say(offer.worker, Said::Interrupted { execution: offer.execution, evidence: "its shim was killed".into() });
    world.take_actions();
    world.tell(Input::ProbeRequested { deployment: D1, step: 0 });
    let closed: Vec<_> =
        world.take_actions().into_iter().filter(|action| matches!(action, Action::CloseSession { .. })).collect();
    assert_eq!(closed.len(), 1, "one worker, not all");
}

#[test]
fn a_late_word_that_a_dead_attempt_started_changes_nothing() {
    let mut world = World::with_workers(&[(W1, 1)]);
    world.submit(D1, "shop", vec![step("one")]);
    let offer = world.run();
    world.say(W1, Said::Interrupted { execution: offer.execution, evidence: "its shim was killed".into() });
    let before = world.facts.len();
    world.say(W1, Said::Started { execution: offer.execution });
    assert_eq!(world.facts.len(), before);
}

#[test]
fn a_worker_that_was_given_up_and_returns_with_more_than_is_stored_is_a_new_hold() {
    let mut world = World::with_workers(&[(W1, 1)]);
    world.session_ends(W1);
    world.submit(D1, "shop", vec![step("one")]);
    let backup = world.facts.len();
    world.hello(W1, 1, BTreeMap::new());
    let lost = world.run();
    world.restore(backup);
    lift(&mut world);
    returns(&mut world, &lost, holds(&lost, Held::Running));
    recalls(&mut world, &[(&lost, Fate::Started, false)]);
    assert_eq!(world.core.hold().unwrap().adopted, [lost.execution]);
}

#[test]
fn a_lock_that_two_attempts_of_a_restored_store_have_is_free_when_both_are_done() {
    let mut world = World::with_workers(&[(W1, 2)]);
    let locked = Prepared { locks: BTreeSet::from(["database".to_owned()]), ..needs("default") };
    world.prepared = BTreeMap::from([("one".to_owned(), locked.clone()), ("two".to_owned(), locked)]);
    world.submit(D1, "shop", vec![step("one")]);
    world.submit(D2, "blog", vec![step("two")]);
    let backup = world.facts.len();
    let first = world.run();
    world.end(&first, OutcomeKind::Succeeded);
    let second = world.run();

    // In the store the first one has the lock; in what was lost it had let go of it, and the second one took it.
    world.restore(backup);
    returns(&mut world, &second, holds(&second, Held::Running));
    recalls(&mut world, &[(&first, Fate::Accepted, true), (&second, Fate::Started, false)]);
    returns(&mut world, &second, holds(&second, Held::Running));
    recalls(&mut world, &[(&first, Fate::Void, true), (&second, Fate::Started, true)]);
    lift(&mut world);
    // With a slot to spare: the lock alone holds the first one back.
    world.hello_as(W1, 2, holds(&second, Held::Running), second.assign_seq, "journal", "boot");
    assert!(world.offers().is_empty(), "the second one still has it");
    world.end(&second, OutcomeKind::Succeeded);
    assert_eq!(world.one_offer().deployment, D1);
}

#[test]
fn a_worker_tells_of_no_step_that_it_would_never_have_been_offered() {
    let mut world = World::with_workers(&[(W1, 1)]);
    world.prepared = BTreeMap::from([("one".to_owned(), needs("production"))]);
    world.submit(D1, "shop", vec![step("one")]);
    world.restore(world.facts.len());
    world.hello(W1, 1, BTreeMap::new());
    // The first attempt after one restore would have this id.
    let execution = ExecutionId(uuid::Uuid::new_v5(&D1.0, b"0/1/1"));
    let made_up = Remembered { execution, seq: AssignSeq(1), number: 1, fate: Fate::Started, is_stored: false };
    world.say(W1, Said::Remembered(Memories { attempts: vec![made_up], since: AssignSeq(1) }));
    let hold = world.core.hold().unwrap();
    assert_eq!((hold.adopted, hold.orphans, hold.heard), (vec![], vec![(execution, W1)], vec![W1]));
    assert_eq!(world.core.open_execution(execution), None);
}

#[test]
fn an_end_is_acknowledged_on_hold_only_when_it_is_known_what_ended() {
    let mut world = World::with_workers(&[(W1, 1)]);
    world.session_ends(W1);
    world.submit(D1, "shop", vec![step("one")]);
    let backup = world.facts.len();
    world.hello(W1, 1, BTreeMap::new());
    let lost = world.run();
    world.restore(backup);
    returns(&mut world, &lost, holds(&lost, Held::Running));
    world.end(&lost, OutcomeKind::Succeeded);
    let is_acknowledged = |action: &Action| matches!(action, Action::AcknowledgeResult { .. });
    assert!(!world.take_actions().iter().any(is_acknowledged), "the worker says it again");
    recalls(&mut world, &[(&lost, Fate::Started, false)]);
    returns(&mut world, &lost, holds(&lost, Held::Ended(Box::new(exit(OutcomeKind::Succeeded)))));
    assert!(world.take_actions().iter().any(is_acknowledged));
    lift(&mut world);
    assert_eq!(world.ended(D1), Some(DeploymentEnd::Succeeded));
}
