//! What happens to steps when workers, contact and the coordinator itself come and go.

#![allow(clippy::unwrap_used, reason = "a story ends where it goes wrong")]

mod world;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use coordinator_core::{
    action::{Action, Directive},
    fact::{DeploymentEnd, StepEnd},
    input::{Decision, Held, Input, Prepared, Refusal, Rejection, Said, Wish},
    report::{AwsReport, Expectation, Report},
};
use shared::{
    id::AssignSeq,
    limits,
    outcome::OutcomeKind,
    plan::{Condition, Retries, Start, Step, Waits},
};

use world::{D1, D2, W1, W2, World, exit, needs, record, step};

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn steps_run_one_after_the_other_and_the_deployment_succeeds() {
    let mut world = World::with_workers(&[(W1, 4)]);
    world.submit(D1, "shop", vec![step("one"), step("two")]);
    let one = world.run();
    assert!(world.offers().is_empty(), "the second waits for the first");
    world.end(&one, OutcomeKind::Succeeded);
    let two = world.run();
    world.end(&two, OutcomeKind::Succeeded);
    assert_eq!(world.ended(D1), Some(DeploymentEnd::Succeeded));
}

#[test]
fn steps_that_start_with_the_one_before_run_beside_it() {
    let mut world = World::with_workers(&[(W1, 4)]);
    let beside = Step { start: Start::WithPrevious, ..step("beside") };
    world.submit(D1, "shop", vec![step("one"), beside, step("after")]);
    let offers = world.offers();
    assert_eq!(offers.iter().map(|o| o.step).collect::<Vec<_>>(), [0, 1]);
}

#[test]
fn a_failure_skips_what_wants_success_and_runs_what_wants_failure() {
    let mut world = World::with_workers(&[(W1, 4)]);
    let rescue = Step { condition: Condition::Failure, ..step("rescue") };
    let always = Step { condition: Condition::Always, ..step("always") };
    let asks = Step { condition: Condition::Expression("#{Octopus.Deployment.Error}".into()), ..step("asks") };
    world.submit(D1, "shop", vec![step("breaks"), step("next"), rescue, always, asks]);
    let breaks = world.run();
    world.end(&breaks, OutcomeKind::Failed);
    for _ in 0..3 {
        let offer = world.run();
        world.end(&offer, OutcomeKind::Succeeded);
    }
    let ends: Vec<StepEnd> = world.settled(D1).into_iter().map(|(_, end, _)| end).collect();
    assert_eq!(ends[..2], [StepEnd::Failed, StepEnd::Skipped]);
    assert_eq!(ends[2..], [StepEnd::Succeeded; 3]);
    assert_eq!(world.ended(D1), Some(DeploymentEnd::Failed));
}

#[test]
fn a_step_for_another_environment_is_left_out() {
    let mut world = World::with_workers(&[(W1, 4)]);
    world.submit(D1, "shop", vec![Step { environments: vec!["production".into()], ..step("prod") }]);
    assert_eq!(world.settled(D1), [(0, StepEnd::Skipped, "ENVIRONMENT".into())]);
    assert_eq!(world.ended(D1), Some(DeploymentEnd::Succeeded));
}

#[test]
fn a_failed_step_is_tried_again_after_a_growing_wait_and_no_more_often_than_it_says() {
    let mut world = World::with_workers(&[(W1, 4)]);
    let retries = Retries { count: 2, backoff: Duration::from_secs(10), ..Retries::default() };
    world.submit(D1, "shop", vec![Step { retries, ..step("flaky") }]);
    for (number, wait) in [(1, 10), (2, 20)] {
        let offer = world.run();
        assert_eq!(offer.number, number);
        world.end(&offer, OutcomeKind::Failed);
        for _ in 1..wait {
            world.pass(Duration::from_secs(1));
            world.say(W1, Said::Heartbeat { disk_low: false, report: Report::default() });
        }
        assert!(world.offers().is_empty(), "too early for attempt {}", number + 1);
        world.pass(Duration::from_secs(1));
    }
    let last = world.run();
    world.end(&last, OutcomeKind::Failed);
    assert_eq!(world.ended(D1), Some(DeploymentEnd::Failed));
}

#[test]
fn a_step_is_tried_again_only_after_the_exit_codes_that_it_names() {
    let mut world = World::with_workers(&[(W1, 4)]);
    let retries = Retries { count: 5, backoff: Duration::ZERO, exit_codes: [75].into() };
    world.submit(D1, "shop", vec![Step { retries, ..step("flaky") }]);
    let first = world.run();
    world.end_with(&first, 75);
    let second = world.run();
    assert_eq!(second.number, 2);
    world.end_with(&second, 1);
    assert_eq!(world.ended(D1), Some(DeploymentEnd::Failed));
}

fn impatient(name: &str) -> Step {
    let waits = Waits { queue_timeout: Some(Duration::from_secs(30)), ..Waits::default() };
    Step { waits, ..step(name) }
}

#[test]
fn a_step_that_nobody_takes_in_time_fails_and_says_what_it_waited_for() {
    let mut world = World::new();
    world.submit(D1, "shop", vec![impatient("one")]);
    world.pass(Duration::from_secs(29));
    assert_eq!(world.settled(D1), []);
    world.pass(Duration::from_secs(1));
    assert_eq!(world.settled(D1), [(0, StepEnd::Failed, "QUEUE_TIMEOUT".into())]);
    assert!(
        world.detail(D1, 0).starts_with("No worker took it within 30 s. Pool \"default\" has no worker"),
        "{}",
        world.detail(D1, 0)
    );
    world.tell(Input::WorkerChanged(record(W1, Wish::Active)));
    world.hello(W1, 1, BTreeMap::new());
    assert!(world.offers().is_empty(), "it was given up");
}

#[test]
fn a_step_that_is_offered_is_not_given_up_and_one_that_is_offered_in_vain_is() {
    let mut world = World::with_workers(&[(W1, 1)]);
    world.submit(D1, "shop", vec![impatient("one")]);
    let first = world.one_offer();
    world.pass(Duration::from_secs(10));
    world.say(W1, Said::Heartbeat { disk_low: false, report: Report::default() });
    world.pass(Duration::from_secs(10));
    world.say(W1, Said::Heartbeat { disk_low: false, report: Report::default() });
    world.pass(Duration::from_secs(10));
    assert_eq!(world.settled(D1), [], "the worker may take it yet");
    world.say(W1, Said::Rejected { execution: first.execution, kind: Rejection::Busy, detail: "no slot".into() });
    world.pass(Duration::ZERO);
    assert_eq!(world.settled(D1), [(0, StepEnd::Failed, "QUEUE_TIMEOUT".into())]);
}

#[test]
fn the_wait_for_a_worker_ends_with_the_grant_and_begins_anew_with_the_next_attempt() {
    let mut world = World::with_workers(&[(W1, 1)]);
    let retries = Retries { count: 1, backoff: Duration::ZERO, ..Retries::default() };
    world.submit(D1, "shop", vec![Step { retries, ..impatient("one") }]);
    let first = world.run();
    for _ in 0..10 {
        world.pass(Duration::from_secs(10));
        world.say(W1, Said::Heartbeat { disk_low: false, report: Report::default() });
    }
    assert_eq!(world.settled(D1), [], "it runs");
    world.end(&first, OutcomeKind::Failed);
    world.pass(Duration::ZERO);
    assert_eq!(world.run().number, 2);
}

#[test]
fn after_a_restart_the_wait_for_a_worker_begins_afresh() {
    let mut world = World::new();
    world.submit(D1, "shop", vec![impatient("one")]);
    world.pass(Duration::from_secs(20));
    world.restart();
    world.pass(Duration::from_secs(20));
    assert_eq!(world.settled(D1), []);
    world.pass(Duration::from_secs(10));
    assert_eq!(world.settled(D1), [(0, StepEnd::Failed, "QUEUE_TIMEOUT".into())]);
}

#[test]
fn a_script_has_the_grace_that_its_step_gives_it() {
    let mut world = World::with_workers(&[(W1, 1)]);
    let waits = Waits { cancel_grace: Some(Duration::from_secs(120)), ..Waits::default() };
    world.submit(D1, "shop", vec![Step { waits, ..step("terraform") }]);
    assert_eq!(world.run().grace, Duration::from_secs(120));
    world.tell(Input::CancelRequested { deployment: D1, by: "token a".into(), reason: String::new() });
    let actions = world.take_actions();
    assert!(actions.iter().any(|a| matches!(a, Action::Cancel { grace, .. } if *grace == Duration::from_secs(120))));
}

#[test]
fn an_offer_without_contact_goes_to_another_worker_and_the_first_may_not_start_it() {
    let mut world = World::with_workers(&[(W1, 1)]);
    world.submit(D1, "shop", vec![step("one")]);
    let first = world.one_offer();
    world.tell(Input::WorkerChanged(record(W2, Wish::Active)));
    world.pass(Duration::from_secs(16));
    world.hello(W2, 1, BTreeMap::new());
    let second = world.one_offer();
    assert_eq!((second.worker, second.number), (W2, 2));
    world.hello(W1, 1, BTreeMap::from([(first.execution, Held::Accepted)]));
    assert!(world.take_actions().iter().any(
        |a| matches!(a, Action::Welcome { directives, .. } if directives.contains(&(first.execution, Directive::Void)))
    ));
}

#[test]
fn a_granted_attempt_without_contact_becomes_unknown_and_is_never_run_again_by_itself() {
    let mut world = World::with_workers(&[(W1, 1), (W2, 1)]);
    world.submit(D1, "shop", vec![step("one")]);
    let offer = world.run();
    let other = if offer.worker == W1 { W2 } else { W1 };
    for _ in 0..20 {
        world.pass(Duration::from_secs(60));
        world.say(other, Said::Heartbeat { disk_low: false, report: Report::default() });
    }
    assert!(world.offers().is_empty(), "no second attempt");
    assert!(world.core.needs_decision(D1, 0));
    assert_eq!(world.ended(D1), None);
}

#[test]
fn an_unknown_attempt_whose_worker_returns_goes_on_and_ends_as_if_nothing_had_been() {
    let mut world = World::with_workers(&[(W1, 1)]);
    world.submit(D1, "shop", vec![step("one")]);
    let offer = world.run();
    world.pass(10 * MINUTE);
    assert!(world.core.needs_decision(D1, 0));
    world.hello(W1, 1, BTreeMap::from([(offer.execution, Held::Running)]));
    assert!(!world.core.needs_decision(D1, 0));
    world.end(&offer, OutcomeKind::Succeeded);
    assert_eq!(world.ended(D1), Some(DeploymentEnd::Succeeded));
}

#[test]
fn a_step_that_declares_itself_safe_is_run_again_and_the_old_attempt_is_stopped_when_it_returns() {
    let mut world = World::with_workers(&[(W1, 1)]);
    world.submit(D1, "shop", vec![Step { retry_safe: true, ..step("one") }]);
    let old = world.run();
    world.pass(10 * MINUTE);
    world.tell(Input::WorkerChanged(record(W2, Wish::Active)));
    world.hello(W2, 1, BTreeMap::new());
    let new = world.one_offer();
    assert_eq!(new.number, 2);
    world.hello(W1, 1, BTreeMap::from([(old.execution, Held::Running)]));
    assert!(world.take_actions().iter().any(
        |a| matches!(a, Action::Welcome { directives, .. } if directives.contains(&(old.execution, Directive::Kill)))
    ));
}

#[test]
fn a_stack_whose_worker_is_lost_is_gone_on_with_by_another() {
    let mut world = World::with_workers(&[(W1, 1)]);
    world.submit(D1, "shop", vec![Step { action: stack_action(), ..step("network") }]);
    let old = world.run();
    assert_eq!(old.grace, limits::STACK_GRACE, "what AWS does is followed to its end");
    world.pass(10 * MINUTE);
    world.tell(Input::WorkerChanged(record(W2, Wish::Active)));
    world.hello(W2, 1, BTreeMap::new());
    assert_eq!(world.one_offer().number, 2);
    world.hello(W1, 1, BTreeMap::from([(old.execution, Held::Running)]));
    // Not cancelled: that would call off in AWS what the other attempt follows.
    assert!(world.take_actions().iter().any(
        |a| matches!(a, Action::Welcome { directives, .. } if directives.contains(&(old.execution, Directive::Kill)))
    ));
}

#[test]
fn a_stack_that_is_cancelled_has_time_to_see_what_becomes_of_it() {
    let mut world = World::with_workers(&[(W1, 1)]);
    world.submit(D1, "shop", vec![Step { action: stack_action(), ..step("network") }]);
    world.run();
    world.tell(Input::CancelRequested { deployment: D1, by: "token a".into(), reason: String::new() });
    let graces: Vec<_> = world
        .take_actions()
        .into_iter()
        .filter_map(|action| match action {
            Action::Cancel { grace, .. } => Some(grace),
            _ => None,
        })
        .collect();
    assert_eq!(graces, [limits::STACK_GRACE]);
}

fn stack_action() -> shared::plan::Action {
    shared::plan::Action::DeployStack(Box::default())
}

#[test]
fn a_safe_step_that_is_lost_again_and_again_waits_longer_each_time_and_then_for_a_person() {
    let mut world = World::with_workers(&[(W1, 1)]);
    world.submit(D1, "shop", vec![Step { retry_safe: true, ..step("kills its shim") }]);
    for wait in [10, 20, 40] {
        let offer = world.run();
        world.say(W1, Said::Interrupted { execution: offer.execution, evidence: "killed".into() });
        assert!(world.offers().is_empty(), "not at once");
        for _ in 0..wait {
            world.pass(Duration::from_secs(1));
            world.say(W1, Said::Heartbeat { disk_low: false, report: Report::default() });
        }
    }
    let last = world.run();
    world.say(W1, Said::Interrupted { execution: last.execution, evidence: "killed".into() });
    assert!(world.core.needs_decision(D1, 0));
}

#[test]
fn a_worker_that_forgot_a_granted_attempt_leaves_it_unknown() {
    let mut world = World::with_workers(&[(W1, 1)]);
    world.submit(D1, "shop", vec![step("one")]);
    world.run();
    world.hello_as(W1, 1, BTreeMap::new(), AssignSeq(5), "another journal", "boot");
    assert!(world.core.needs_decision(D1, 0));
    assert!(world.offers().is_empty());
}

#[test]
fn a_worker_that_no_longer_knows_a_granted_attempt_leaves_it_unknown() {
    let mut world = World::with_workers(&[(W1, 1)]);
    world.submit(D1, "shop", vec![step("one")]);
    let offer = world.one_offer();
    world.say(W1, Said::Accepted { execution: offer.execution });
    let said = Said::Rejected { execution: offer.execution, kind: Rejection::Stale, detail: "unknown here".into() };
    world.say(W1, said);
    assert!(world.core.needs_decision(D1, 0), "only a recorded void says that it did not start");
}

#[test]
fn a_person_decides_about_an_unknown_step_and_the_deployment_goes_on() {
    let mut world = World::with_workers(&[(W1, 1)]);
    world.submit(D1, "shop", vec![step("one"), step("two")]);
    world.run();
    world.hello_as(W1, 1, BTreeMap::new(), AssignSeq(5), "another journal", "another boot");
    assert!(world.core.needs_decision(D1, 0));
    world.tell(Input::StepDecided {
        deployment: D1,
        step: 0,
        decision: Decision::Succeeded,
        by: "token a".into(),
        reason: "seen".into(),
    });
    assert_eq!(world.one_offer().step, 1);
}

#[test]
fn an_interrupted_attempt_waits_for_a_decision_and_leaves_its_slot_to_others() {
    let mut world = World::with_workers(&[(W1, 1)]);
    world.submit(D1, "shop", vec![step("one")]);
    world.submit(D2, "blog", vec![step("two")]);
    let one = world.run();
    world.say(W1, Said::Interrupted { execution: one.execution, evidence: "its shim was killed".into() });
    assert!(world.core.needs_decision(D1, 0));
    assert_eq!(world.one_offer().deployment, D2);
}

#[test]
fn a_result_that_comes_twice_counts_once() {
    let mut world = World::with_workers(&[(W1, 1)]);
    world.submit(D1, "shop", vec![step("one")]);
    let offer = world.run();
    world.end(&offer, OutcomeKind::Succeeded);
    let facts = world.facts.len();
    world.end(&offer, OutcomeKind::Failed);
    assert_eq!(world.facts.len(), facts, "late evidence changes nothing");
    let acknowledged = world.take_actions().iter().filter(|a| matches!(a, Action::AcknowledgeResult { .. })).count();
    assert_eq!(acknowledged, 2, "and is acknowledged all the same");
}

#[test]
fn a_lost_grant_is_sent_again_after_the_worker_says_hello() {
    let mut world = World::with_workers(&[(W1, 1)]);
    world.submit(D1, "shop", vec![step("one")]);
    let offer = world.one_offer();
    world.say(W1, Said::Accepted { execution: offer.execution });
    world.restart();
    world.hello(W1, 1, BTreeMap::from([(offer.execution, Held::Accepted)]));
    let actions = world.take_actions();
    assert!(actions.iter().any(|a| matches!(a, Action::Grant { execution, .. } if *execution == offer.execution)));
    assert!(!actions.iter().any(|a| matches!(a, Action::Offer(_))));
}

#[test]
fn an_offer_that_never_arrived_is_made_again_under_the_same_number() {
    let mut world = World::with_workers(&[(W1, 1)]);
    world.submit(D1, "shop", vec![step("one")]);
    let offer = world.one_offer();
    world.hello_as(W1, 1, BTreeMap::new(), AssignSeq(0), "journal", "boot");
    let again = world.one_offer();
    assert_eq!((again.execution, again.assign_seq), (offer.execution, offer.assign_seq));
}

#[test]
fn a_worker_whose_disk_went_back_in_time_is_not_granted_the_same_attempt_again() {
    let mut world = World::with_workers(&[(W1, 1)]);
    world.submit(D1, "shop", vec![step("one")]);
    let offer = world.one_offer();
    world.say(W1, Said::Accepted { execution: offer.execution });
    world.take_actions();
    world.hello_as(W1, 1, BTreeMap::new(), AssignSeq(0), "journal", "boot");
    assert!(world.core.needs_decision(D1, 0), "it may have run");
    assert!(world.offers().is_empty());
}

#[test]
fn offers_that_never_arrived_are_made_again_in_order_of_their_numbers() {
    let mut world = World::with_workers(&[(W1, 8)]);
    let beside = |name: &str| Step { start: Start::WithPrevious, ..step(name) };
    world.submit(D1, "shop", ["a", "b", "c", "d", "e", "f"].map(beside).into());
    let made: Vec<AssignSeq> = world.offers().into_iter().map(|offer| offer.assign_seq).collect();
    world.hello_as(W1, 8, BTreeMap::new(), AssignSeq(0), "journal", "boot");
    let again: Vec<AssignSeq> = world.offers().into_iter().map(|offer| offer.assign_seq).collect();
    assert_eq!(again, made);
}

#[test]
fn words_of_an_older_session_count_for_nothing() {
    let mut world = World::with_workers(&[(W1, 1)]);
    world.submit(D1, "shop", vec![step("one")]);
    let offer = world.one_offer();
    let old = world.epoch(W1);
    world.hello_as(W1, 1, BTreeMap::new(), AssignSeq(0), "journal", "boot");
    world.take_actions();
    world.tell(Input::WorkerSaid { worker: W1, epoch: old, said: Said::Accepted { execution: offer.execution } });
    assert!(world.take_actions().is_empty());
}

#[test]
fn a_worker_cannot_speak_about_another_workers_attempt() {
    let mut world = World::with_workers(&[(W1, 1), (W2, 1)]);
    world.submit(D1, "shop", vec![step("one")]);
    let offer = world.run();
    let stranger = if offer.worker == W1 { W2 } else { W1 };
    let facts = world.facts.len();
    world.say(stranger, Said::Ended { execution: offer.execution, result: Box::new(exit(OutcomeKind::Succeeded)) });
    world.say(stranger, Said::Interrupted { execution: offer.execution, evidence: "lies".into() });
    assert_eq!(world.facts.len(), facts);
}

#[test]
fn cancel_settles_what_waits_takes_offers_back_and_stops_what_runs() {
    let mut world = World::with_workers(&[(W1, 2)]);
    let beside = Step { start: Start::WithPrevious, ..step("beside") };
    world.submit(D1, "shop", vec![step("one"), beside, step("after")]);
    let offers = world.offers();
    world.say(W1, Said::Accepted { execution: offers[0].execution });
    world.take_actions();
    world.tell(Input::CancelRequested { deployment: D1, by: "token a".into(), reason: String::new() });
    let actions = world.take_actions();
    assert!(actions.iter().any(|a| matches!(a, Action::Cancel { execution, .. } if *execution == offers[0].execution)));
    assert!(actions.iter().any(|a| matches!(a, Action::Revoke { execution, .. } if *execution == offers[1].execution)));
    assert_eq!(world.ended(D1), None, "the granted one is cancelled only on its worker's word");
    world.end(&offers[0], OutcomeKind::Cancelled);
    assert_eq!(world.ended(D1), Some(DeploymentEnd::Cancelled));
}

#[test]
fn a_step_that_ended_well_while_it_was_being_cancelled_has_ended_well() {
    let mut world = World::with_workers(&[(W1, 1)]);
    world.submit(D1, "shop", vec![step("one")]);
    let offer = world.run();
    world.tell(Input::CancelRequested { deployment: D1, by: "token a".into(), reason: String::new() });
    world.end(&offer, OutcomeKind::Succeeded);
    assert_eq!(world.settled(D1), [(0, StepEnd::Succeeded, "EXIT_ZERO".into())]);
}

#[test]
fn an_acceptance_that_crosses_a_withdrawal_is_answered_with_a_revoke() {
    let mut world = World::with_workers(&[(W1, 1)]);
    world.submit(D1, "shop", vec![step("one")]);
    let offer = world.one_offer();
    world.tell(Input::CancelRequested { deployment: D1, by: "token a".into(), reason: String::new() });
    world.take_actions();
    world.say(W1, Said::Accepted { execution: offer.execution });
    let actions = world.take_actions();
    assert!(matches!(actions.as_slice(), [Action::Revoke { .. }]), "no grant: {actions:?}");
}

#[test]
fn a_lock_has_one_holder_and_an_unknown_attempt_keeps_it() {
    let mut world = World::with_workers(&[(W1, 4)]);
    let locked = Prepared { locks: BTreeSet::from(["db".to_owned()]), ..needs("default") };
    world.prepared.insert("one".into(), locked.clone());
    world.prepared.insert("two".into(), locked);
    world.submit(D1, "shop", vec![step("one")]);
    world.submit(D2, "blog", vec![step("two")]);
    let one = world.run();
    assert_eq!(world.core.queue_reason(D2, 0).unwrap().code, "LOCK_HELD");
    world.pass(10 * MINUTE);
    world.hello(W1, 4, BTreeMap::from([(one.execution, Held::Running)]));
    assert_eq!(world.core.queue_reason(D2, 0).unwrap().code, "LOCK_HELD");
    world.take_actions();
    world.end(&one, OutcomeKind::Succeeded);
    assert_eq!(world.one_offer().deployment, D2);
}

#[test]
fn deployments_of_one_project_to_one_environment_take_turns() {
    let mut world = World::with_workers(&[(W1, 4)]);
    world.submit(D1, "shop", vec![step("one")]);
    world.submit(D2, "shop", vec![step("one")]);
    let first = world.run();
    assert_eq!(first.deployment, D1);
    let reason = world.core.queue_reason(D2, 0).unwrap();
    assert_eq!(reason.code, "WAITING_FOR_TURN");
    assert!(reason.sentence.contains("#1"), "{}", reason.sentence);
    world.end(&first, OutcomeKind::Failed);
    assert_eq!(world.one_offer().deployment, D2);
}

#[test]
fn ad_hoc_commands_do_not_wait_for_each_other() {
    let mut world = World::with_workers(&[(W1, 4)]);
    world.submit(D1, "", vec![step("run")]);
    world.submit(D2, "", vec![step("run")]);
    assert_eq!(world.offers().len(), 2);
}

#[test]
fn a_queued_step_says_why_it_waits() {
    let mut world = World::new();
    let mut reasons = Vec::new();
    let mut note = |world: &World| reasons.push(world.core.queue_reason(D1, 0).unwrap().sentence);
    let wants = Prepared { requires: BTreeMap::from([("disk".into(), "fast".into())]), ..needs("default") };
    world.prepared.insert("one".into(), wants);
    world.submit(D1, "shop", vec![step("one")]);
    note(&world);
    world.tell(Input::WorkerChanged(record(W1, Wish::Active)));
    note(&world);
    world.tell(Input::WorkerChanged(record(W2, Wish::Disabled)));
    note(&world);
    world.tell(Input::WorkerChanged(record(W2, Wish::Active)));
    note(&world);
    world.hello(W2, 0, BTreeMap::new());
    note(&world);
    world.say(W2, Said::Heartbeat { disk_low: true, report: Report::default() });
    note(&world);
    insta::assert_snapshot!(reasons.join("\n"));
}

#[test]
fn a_step_goes_to_the_worker_whose_own_role_it_requires() {
    let mut world = World::with_workers(&[(W1, 1), (W2, 1)]);
    let requires = BTreeMap::from([("aws.role".into(), "deployer".into())]);
    world.prepared.insert("one".into(), Prepared { requires, ..needs("default") });
    world.submit(D1, "shop", vec![step("one")]);
    assert!(world.offers().is_empty(), "no worker has said who it is");
    world.say(W1, of_role("builder"));
    let why = world.core.queue_reason(D1, 0).unwrap();
    assert_eq!(why.code, "IDENTITY_MISSING");
    assert!(
        why.sentence.contains("worker-1 says builder") && why.sentence.contains("worker-2 has not said"),
        "{why:?}"
    );
    world.say(W2, of_role("deployer"));
    assert_eq!(world.one_offer().worker, W2);
}

#[test]
fn a_step_that_demands_isolation_says_where_to_read_why_no_worker_has_it() {
    let mut world = World::with_workers(&[(W1, 1)]);
    let requires = BTreeMap::from([("aws.imds_isolated".into(), "true".into())]);
    world.prepared.insert("one".into(), Prepared { requires, ..needs("default") });
    world.submit(D1, "shop", vec![step("one")]);
    let heartbeat = |isolated| Said::Heartbeat {
        disk_low: false,
        report: Report { isolated: Some(isolated), ..Report::default() },
    };
    world.say(W1, heartbeat(false));
    let why = world.core.queue_reason(D1, 0).unwrap();
    assert_eq!(why.code, "ISOLATION_REQUIRED");
    assert!(
        why.sentence.contains("pool \"default\"") && why.sentence.contains("`longshore worker show worker-1`"),
        "{why:?}"
    );
    world.say(W1, heartbeat(true));
    assert_eq!(world.one_offer().worker, W1);
}

#[test]
fn a_step_goes_to_a_worker_that_has_its_tools_and_says_what_each_lacks() {
    let mut world = World::with_workers(&[(W1, 1), (W2, 1)]);
    let requires = BTreeMap::from([("tool".into(), "aws>=2, jq".into())]);
    world.prepared.insert("one".into(), Prepared { requires, ..needs("default") });
    world.submit(D1, "shop", vec![step("one")]);
    let has = |tools: &[(&str, &str)]| {
        let tools = tools.iter().map(|(name, version)| ((*name).to_owned(), (*version).to_owned())).collect();
        Said::Heartbeat { disk_low: false, report: Report { tools: Some(tools), ..Report::default() } }
    };
    let said = |world: &World| {
        let why = world.core.queue_reason(D1, 0).unwrap();
        assert_eq!(why.code, "TOOL_MISSING");
        why.sentence
    };
    let nobody = said(&world);
    assert!(nobody.contains("has aws>=2, jq: worker worker-1 has not said yet"), "{nobody}");
    world.say(W1, has(&[("aws", "1.32.1"), ("jq", "1.6")]));
    world.say(W2, has(&[("aws", "2.0"), ("bash", "5.2")]));
    let each = said(&world);
    assert!(each.contains("worker worker-1 has aws 1.32.1, worker worker-2 has no jq."), "{each}");
    world.say(W2, has(&[("aws", "2.0"), ("jq", "")]));
    assert_eq!(world.one_offer().worker, W2);
}

#[test]
fn nobody_can_be_given_the_label_that_workers_report() {
    let mut world = World::with_workers(&[(W1, 1)]);
    let requires = BTreeMap::from([("aws.role".into(), "deployer".into())]);
    world.prepared.insert("one".into(), Prepared { requires, ..needs("default") });
    let mut posing = record(W1, Wish::Active);
    posing.labels.insert("aws.role".into(), "deployer".into());
    world.tell(Input::WorkerChanged(posing));
    world.submit(D1, "shop", vec![step("one")]);
    assert!(world.offers().is_empty());
}

#[test]
fn a_step_that_expects_a_role_which_no_worker_has_fails_before_anybody_is_asked() {
    let mut world = World::with_workers(&[(W1, 1), (W2, 1)]);
    expect_role(&mut world, "deployer");
    world.say(W1, of_role("builder"));
    world.say(W2, of_role("tester"));
    world.submit(D1, "shop", vec![step("one")]);
    assert!(world.offers().is_empty());
    assert_eq!(world.settled(D1), [(0, StepEnd::Failed, "EXPECTATION_NOT_MET".into())]);
    assert_eq!(world.ended(D1), Some(DeploymentEnd::Failed));
}

#[test]
fn a_step_that_expects_a_role_waits_while_a_worker_that_may_have_it_is_away() {
    let mut world = World::with_workers(&[(W1, 1), (W2, 1)]);
    expect_role(&mut world, "deployer");
    world.say(W1, of_role("builder"));
    let epoch = world.epoch(W2);
    world.tell(Input::SessionClosed { worker: W2, epoch });
    world.submit(D1, "shop", vec![step("one")]);
    assert!(world.offers().is_empty() && world.settled(D1).is_empty());
    world.hello(W2, 1, BTreeMap::new());
    world.say(W2, of_role("deployer"));
    assert_eq!(world.one_offer().worker, W2);
}

#[test]
fn a_step_that_expects_a_role_is_not_offered_to_a_worker_that_came_back_and_has_not_said_who_it_is() {
    let mut world = World::with_workers(&[(W1, 1), (W2, 1)]);
    expect_role(&mut world, "deployer");
    world.say(W1, of_role("builder"));
    world.say(W2, of_role("deployer"));
    let epoch = world.epoch(W2);
    world.tell(Input::SessionClosed { worker: W2, epoch });
    world.submit(D1, "shop", vec![step("one")]);
    assert!(world.settled(D1).is_empty(), "the right one is only away, whatever it said last");
    world.hello(W1, 1, BTreeMap::new());
    assert!(world.offers().is_empty(), "it would refuse, and the step would fail");
    let why = world.core.queue_reason(D1, 0).expect("it waits");
    assert_eq!(why.code, "IDENTITY_MISSING");
    assert!(why.sentence.contains("the role deployer") && why.sentence.contains("worker-1 has not said"), "{why:?}");
    world.hello(W2, 1, BTreeMap::new());
    world.say(W2, of_role("deployer"));
    assert_eq!(world.one_offer().worker, W2);
}

#[test]
fn a_worker_that_said_another_role_before_it_went_away_fails_no_step() {
    let mut world = World::with_workers(&[(W1, 1), (W2, 1)]);
    expect_role(&mut world, "deployer");
    world.say(W1, of_role("builder"));
    world.say(W2, of_role("tester"));
    let epoch = world.epoch(W2);
    world.tell(Input::SessionClosed { worker: W2, epoch });
    world.submit(D1, "shop", vec![step("one")]);
    assert!(world.offers().is_empty() && world.settled(D1).is_empty(), "it may come back with another role");
}

#[test]
fn a_worker_that_cannot_ask_aws_just_now_fails_no_step_that_expects_a_role() {
    let mut world = World::with_workers(&[(W1, 1)]);
    expect_role(&mut world, "deployer");
    let unknown =
        Report { aws: Some(AwsReport { region: "eu-west-1".into(), ..AwsReport::default() }), ..Report::default() };
    world.say(W1, Said::Heartbeat { disk_low: false, report: unknown });
    world.submit(D1, "shop", vec![step("one")]);
    assert!(world.offers().is_empty() && world.settled(D1).is_empty());
    let why = world.core.queue_reason(D1, 0).expect("it waits");
    assert!(why.sentence.contains("worker-1 has no role"), "{why:?}");
    world.say(W1, of_role("deployer"));
    assert_eq!(world.one_offer().worker, W1);
}

fn expect_role(world: &mut World, role: &str) {
    let expect = Expectation { role: role.into(), ..Expectation::default() };
    world.prepared.insert("one".into(), Prepared { expect, ..needs("default") });
}

fn of_role(role: &str) -> Said {
    let aws = AwsReport { account: "123456789012".into(), role: role.into(), region: "eu-west-1".into() };
    Said::Heartbeat { disk_low: false, report: Report { aws: Some(aws), ..Report::default() } }
}

#[test]
fn a_worker_that_is_busy_is_asked_again_a_moment_later() {
    let mut world = World::with_workers(&[(W1, 1)]);
    world.submit(D1, "shop", vec![step("one")]);
    let offer = world.one_offer();
    let said = Said::Rejected { execution: offer.execution, kind: Rejection::Busy, detail: "no slot".into() };
    world.say(W1, said);
    assert!(world.offers().is_empty(), "not at once");
    world.pass(Duration::from_secs(1));
    assert_eq!(world.one_offer().number, 2);
}

#[test]
fn a_step_that_cannot_be_prepared_fails_without_an_attempt() {
    let mut world = World::with_workers(&[(W1, 1)]);
    world.submit(D1, "shop", vec![step("one")]);
    let offer = world.one_offer();
    let refusal = Refusal { reason: "ACCOUNT_UNRESOLVED".into(), detail: "gone".into() };
    world.tell(Input::OfferFailed { execution: offer.execution, refusal });
    assert_eq!(world.settled(D1), [(0, StepEnd::Failed, "ACCOUNT_UNRESOLVED".into())]);
    assert_eq!(world.ended(D1), Some(DeploymentEnd::Failed));
}

#[test]
fn a_revoked_worker_loses_its_session_and_is_offered_nothing() {
    let mut world = World::with_workers(&[(W1, 1)]);
    world.tell(Input::WorkerChanged(record(W1, Wish::Revoked)));
    assert!(matches!(world.take_actions().as_slice(), [.., Action::CloseSession { worker: W1, .. }]));
    world.submit(D1, "shop", vec![step("one")]);
    assert!(world.offers().is_empty());
}

#[test]
fn what_a_revoked_worker_had_is_unknown_at_once_and_what_it_was_only_offered_goes_to_another() {
    let mut world = World::with_workers(&[(W1, 2)]);
    let beside = Step { start: Start::WithPrevious, ..step("beside") };
    world.submit(D1, "shop", vec![step("one"), beside]);
    let offers = world.offers();
    world.say(W1, Said::Accepted { execution: offers[0].execution });
    world.say(W1, Said::Started { execution: offers[0].execution });
    world.tell(Input::WorkerChanged(record(W2, Wish::Active)));
    world.hello(W2, 2, BTreeMap::new());
    world.take_actions();
    world.tell(Input::WorkerChanged(record(W1, Wish::Revoked)));
    assert!(world.core.needs_decision(D1, 0));
    assert_eq!(world.evidence(offers[0].execution), "Worker worker-1 was revoked.");
    let again = world.one_offer();
    assert_eq!((again.step, again.worker), (1, W2));
}

#[test]
fn a_worker_that_is_revoked_while_it_is_away_leaves_nothing_to_wait_for() {
    let mut world = World::with_workers(&[(W1, 1)]);
    world.submit(D1, "shop", vec![step("one")]);
    let offer = world.run();
    let epoch = world.epoch(W1);
    world.tell(Input::SessionClosed { worker: W1, epoch });
    world.tell(Input::WorkerChanged(record(W1, Wish::Revoked)));
    assert!(world.core.needs_decision(D1, 0));
    let facts = world.facts.len();
    world.tell(Input::WorkerChanged(record(W1, Wish::Revoked)));
    world.pass(20 * MINUTE);
    assert_eq!(world.facts.len(), facts, "it is said once");
    assert_eq!(world.evidence(offer.execution), "Worker worker-1 was revoked.");
}

#[test]
fn a_restarted_coordinator_goes_on_where_it_was() {
    let mut world = World::with_workers(&[(W1, 1)]);
    world.submit(D1, "shop", vec![step("one"), step("two")]);
    let one = world.run();
    world.restart();
    world.hello(W1, 1, BTreeMap::from([(one.execution, Held::Ended(Box::new(exit(OutcomeKind::Succeeded))))]));
    let two = world.run();
    assert_eq!(two.step, 1);
    world.end(&two, OutcomeKind::Succeeded);
    assert_eq!(world.ended(D1), Some(DeploymentEnd::Succeeded));
}
