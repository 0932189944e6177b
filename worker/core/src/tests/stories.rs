//! What the agent does, told one by one.

use std::time::Duration;

use shared::{
    id::AssignSeq,
    limits::{CONTACT_LOST_AFTER, DISK_FLOOR_BYTES},
};

use super::*;
use crate::{CancelPhase, Directive, Fate, Held, Phase, Record, Stage};

fn running(n: u128, seq: i64) -> Vec<Input> {
    vec![
        offer(n, seq, 1),
        journalled(n, Entry::Accepted),
        prepared(n),
        grant(n, seq),
        journalled(n, Entry::Intent),
        found(n, Finding::Alive),
    ]
}

fn spawns(effects: &[Effect]) -> usize {
    effects.iter().filter(|effect| matches!(effect, Effect::Spawn(_))).count()
}

#[test]
fn nothing_starts_before_the_intent_is_durable() {
    let mut agent = fresh(1);
    let before = feed(&mut agent, [offer(1, 1, 1), journalled(1, Entry::Accepted), prepared(1), grant(1, 1)]);
    assert_eq!(spawns(&before), 0);
    assert_eq!(before.last(), Some(&Effect::Journal(Record::Intent { execution: execution(1) })));
    assert_eq!(feed(&mut agent, [journalled(1, Entry::Intent)]), [Effect::Spawn(execution(1))]);
}

#[test]
fn nothing_starts_without_a_grant() {
    let mut agent = fresh(1);
    let effects = feed(&mut agent, [offer(1, 1, 1), prepared(1), journalled(1, Entry::Accepted), offer(1, 1, 1)]);
    assert!(!effects.contains(&Effect::Journal(Record::Intent { execution: execution(1) })));
    assert_eq!(spawns(&effects), 0);
}

#[test]
fn a_grant_waits_for_the_preparation() {
    let mut agent = fresh(1);
    feed(&mut agent, [offer(1, 1, 1), journalled(1, Entry::Accepted), grant(1, 1)]);
    assert_eq!(agent.phase(execution(1)), Some(Phase::Accepted));
    feed(&mut agent, [prepared(1)]);
    assert_eq!(agent.phase(execution(1)), Some(Phase::Intending));
}

#[test]
fn a_late_offer_is_stale_for_ever() {
    let mut agent = fresh(4);
    feed(&mut agent, running(1, 5));
    feed(&mut agent, [found(1, Finding::Ended), Input::ForgetAllowed { execution: execution(1) }]);
    feed(&mut agent, [journalled(1, Entry::Forgotten)]);
    assert_eq!(agent.phase(execution(1)), None);
    assert_eq!(rejections(&feed(&mut agent, [offer(1, 5, 1)])), [RejectKind::Stale]);
    assert_eq!(rejections(&feed(&mut agent, [offer(2, 4, 9)])), [RejectKind::Stale]);
}

#[test]
fn a_grant_for_something_unknown_is_stale_and_never_void() {
    // A lost journal knows nothing of what ran before: saying "never started" would be a lie.
    let mut agent = fresh(4);
    assert_eq!(rejections(&feed(&mut agent, [grant(7, 3)])), [RejectKind::Stale]);
    assert_eq!(rejections(&feed(&mut agent, [offer(7, 3, 1)])), [RejectKind::Stale]);
}

#[test]
fn a_lower_attempt_of_a_step_is_recorded_as_void_before_it_is_refused() {
    let mut agent = fresh(4);
    feed(&mut agent, [offer(2, 1, 2)]);
    let asked = feed(&mut agent, [offer(1, 2, 1)]);
    assert_eq!(rejections(&asked), []);
    assert!(matches!(asked.last(), Some(Effect::Journal(Record::Void { .. }))));
    assert_eq!(rejections(&feed(&mut agent, [journalled(1, Entry::Void)])), [RejectKind::Void]);
}

#[test]
fn a_full_worker_a_draining_worker_and_a_full_disk_refuse() {
    let mut agent = fresh(1);
    feed(&mut agent, running(1, 1));
    assert_eq!(rejections(&feed(&mut agent, [offer(2, 2, 1)])), [RejectKind::Busy]);

    let mut agent = fresh(1);
    feed(&mut agent, [Input::DrainRequested]);
    assert_eq!(rejections(&feed(&mut agent, [offer(2, 2, 1)])), [RejectKind::Busy]);

    let mut agent = fresh(1);
    feed(&mut agent, [Input::DiskMeasured { free: DISK_FLOOR_BYTES - 1 }]);
    assert_eq!(rejections(&feed(&mut agent, [offer(2, 2, 1)])), [RejectKind::DiskLow]);
    feed(&mut agent, [Input::DiskMeasured { free: DISK_FLOOR_BYTES }]);
    assert_eq!(rejections(&feed(&mut agent, [offer(3, 3, 1)])), []);
}

#[test]
fn an_unknown_action_is_refused() {
    let mut agent = fresh(1);
    let Input::Offered(mut unknown) = offer(1, 1, 1) else { unreachable!() };
    unknown.supported = false;
    assert_eq!(rejections(&feed(&mut agent, [Input::Offered(unknown)])), [RejectKind::Unsupported]);
}

#[test]
fn an_offer_taken_back_while_the_intent_is_written_never_starts() {
    let mut agent = fresh(1);
    feed(&mut agent, [offer(1, 1, 1), journalled(1, Entry::Accepted), prepared(1), grant(1, 1)]);
    feed(&mut agent, [Input::CancelRequested { execution: execution(1), grace: Duration::ZERO }]);
    let effects = feed(&mut agent, [journalled(1, Entry::Intent), journalled(1, Entry::Void)]);
    assert_eq!(spawns(&effects), 0);
    assert_eq!(rejections(&effects), [RejectKind::Void]);
    assert!(
        effects.contains(&Effect::Send(Message::CancelAck { execution: execution(1), phase: CancelPhase::NotStarted }))
    );
}

#[test]
fn after_a_restart_what_may_have_started_is_looked_at_and_never_started() {
    let mut memory = Memory::default();
    memory.apply(Record::Accepted { execution: execution(1), terms: Terms { seq: AssignSeq(4), ..Terms::default() } });
    memory.apply(Record::Intent { execution: execution(1) });
    let (mut agent, first) = Agent::recover(NOW, 1, memory);
    assert_eq!(first, [Effect::Examine(execution(1))]);
    assert_eq!(spawns(&feed(&mut agent, [grant(1, 4), prepared(1), journalled(1, Entry::Intent)])), 0);
    let effects = feed(&mut agent, [found(1, Finding::NeverStarted), journalled(1, Entry::Void)]);
    assert_eq!(rejections(&effects), [RejectKind::Void]);
}

#[test]
fn after_a_restart_an_accepted_offer_is_prepared_again_and_starts_when_granted() {
    let mut memory = Memory::default();
    memory.apply(Record::Accepted { execution: execution(1), terms: Terms { seq: AssignSeq(4), ..Terms::default() } });
    let (mut agent, first) = Agent::recover(NOW, 1, memory);
    assert_eq!(first, [Effect::Prepare(execution(1))]);
    assert_eq!(spawns(&feed(&mut agent, [prepared(1), grant(1, 4), journalled(1, Entry::Intent)])), 1);
}

#[test]
fn a_result_is_said_again_in_each_session_until_it_is_stored() {
    let mut agent = fresh(1);
    feed(&mut agent, running(1, 1));
    let result = Effect::Send(Message::Result { execution: execution(1) });
    assert!(feed(&mut agent, [found(1, Finding::Ended)]).contains(&result));
    let welcome = || Input::Welcomed { heartbeat_interval: Duration::from_secs(5), directives: vec![] };
    assert!(feed(&mut agent, [Input::SessionEnded, welcome()]).contains(&result));
    feed(&mut agent, [Input::ResultStored { execution: execution(1) }]);
    assert!(!feed(&mut agent, [Input::SessionEnded, welcome()]).contains(&result));
}

#[test]
fn a_running_attempt_is_not_forgotten() {
    let mut agent = fresh(1);
    feed(&mut agent, running(1, 1));
    assert_eq!(feed(&mut agent, [Input::ForgetAllowed { execution: execution(1) }]), []);
    assert_eq!(agent.phase(execution(1)), Some(Phase::Running));
}

#[test]
fn the_files_go_only_after_the_journal_has_forgotten() {
    let mut agent = fresh(1);
    feed(&mut agent, running(1, 1));
    feed(&mut agent, [found(1, Finding::Ended)]);
    let asked = feed(&mut agent, [Input::ForgetAllowed { execution: execution(1) }]);
    assert_eq!(asked, [Effect::Journal(Record::Forgotten { execution: execution(1) })]);
    assert_eq!(feed(&mut agent, [journalled(1, Entry::Forgotten)]), [Effect::RemoveFiles(execution(1))]);
}

#[test]
fn a_preparation_that_takes_too_long_gives_the_offer_back() {
    let mut agent = fresh(1);
    feed(&mut agent, [offer(1, 1, 1), journalled(1, Entry::Accepted), grant(1, 1)]);
    let due = agent.next_wakeup().expect("a deadline");
    let effects = agent.handle(due, Input::TimePassed);
    assert!(matches!(effects.last(), Some(Effect::Journal(Record::Void { .. }))));
    assert_eq!(spawns(&agent.handle(due, prepared(1))), 0);
}

#[test]
fn heartbeats_are_counted_and_silence_ends_the_session() {
    let mut agent = fresh(3);
    let interval = Duration::from_secs(5);
    let first = agent.handle(NOW, Input::Welcomed { heartbeat_interval: interval, directives: vec![] });
    assert_eq!(first, [Effect::Send(Message::Heartbeat { number: 1, free_slots: 3 })]);
    let second = agent.next_wakeup().expect("a heartbeat");
    assert_eq!(second, NOW.after(interval));
    assert_eq!(
        agent.handle(second, Input::TimePassed),
        [Effect::Send(Message::Heartbeat { number: 2, free_slots: 3 })]
    );
    let silent = agent.handle(NOW.after(CONTACT_LOST_AFTER), Input::TimePassed);
    assert_eq!(silent, [Effect::Reconnect]);
    assert_eq!(agent.next_wakeup(), None);
}

#[test]
fn an_echo_keeps_the_session() {
    let mut agent = fresh(3);
    agent.handle(NOW, Input::Welcomed { heartbeat_interval: Duration::from_secs(5), directives: vec![] });
    agent.handle(NOW.after(Duration::from_secs(14)), Input::HeartbeatEchoed);
    let later = agent.handle(NOW.after(Duration::from_secs(16)), Input::TimePassed);
    assert!(!later.contains(&Effect::Reconnect));
}

#[test]
fn directives_are_followed_and_the_log_goes_on_where_the_coordinator_says() {
    let mut agent = fresh(4);
    feed(&mut agent, running(1, 1));
    feed(&mut agent, [offer(2, 2, 1), journalled(2, Entry::Accepted)]);
    feed(&mut agent, running(3, 3));
    let effects = feed(
        &mut agent,
        [Input::Welcomed {
            heartbeat_interval: Duration::from_secs(5),
            directives: vec![
                (execution(1), Directive::Keep { next_seq: 17 }),
                (execution(2), Directive::Void),
                (execution(3), Directive::Cancel),
            ],
        }],
    );
    assert!(effects.contains(&Effect::Stream { execution: execution(1), from: 17 }));
    assert_eq!(agent.phase(execution(2)), Some(Phase::Voiding));
    assert!(effects.contains(&Effect::Cancel { execution: execution(3), grace: Duration::from_secs(10) }));
}

#[test]
fn a_hello_lists_what_is_held() {
    let mut agent = fresh(4);
    feed(&mut agent, running(1, 8));
    let greeting = agent.greeting();
    assert_eq!(greeting.hwm, AssignSeq(8));
    assert_eq!(greeting.held.len(), 1);
    assert_eq!(greeting.held[0].phase, Phase::Running);
}

#[test]
fn an_adopted_attempt_is_looked_at() {
    let mut memory = Memory::default();
    memory.adopt(execution(9));
    assert_eq!(memory.held[&execution(9)], Held { terms: Terms::default(), stage: Stage::Intent });
    assert_eq!(Agent::recover(NOW, 1, memory).1, [Effect::Examine(execution(9))]);
}

#[test]
fn a_step_with_large_files_has_longer_to_fetch_them() {
    let mut agent = fresh(1);
    let Input::Offered(mut large) = offer(1, 1, 1) else { panic!("no offer") };
    large.terms.fetching = Duration::from_secs(3600);
    feed(&mut agent, [Input::Offered(large), journalled(1, Entry::Accepted)]);
    let hour = NOW.after(Duration::from_secs(3600));
    assert_eq!(agent.handle(hour, Input::TimePassed), [], "it may still be fetching");
    let late = agent.handle(hour.after(Duration::from_secs(301)), Input::TimePassed);
    assert_ne!(late, [], "the offer is given back");
}

fn fates(agent: &Agent) -> Vec<Fate> {
    agent.recall().attempts.iter().map(|fence| fence.fate).collect()
}

#[test]
fn what_was_granted_is_remembered_as_something_that_may_start_at_any_moment() {
    let mut agent = fresh(1);
    feed(&mut agent, [offer(1, 1, 1), journalled(1, Entry::Accepted)]);
    assert_eq!(fates(&agent), [Fate::Accepted]);
    feed(&mut agent, [grant(1, 1)]);
    assert_eq!(fates(&agent), [Fate::Started], "its preparation is all it waits for");
    feed(&mut agent, [prepared(1), journalled(1, Entry::Intent), found(1, Finding::NeverStarted)]);
    feed(&mut agent, [journalled(1, Entry::Void)]);
    assert_eq!(fates(&agent), [Fate::Void]);
}

#[test]
fn what_was_forgotten_is_remembered_by_the_living_agent_and_by_its_journal() {
    let mut agent = fresh(1);
    feed(&mut agent, running(1, 5));
    feed(&mut agent, [found(1, Finding::Ended), Input::ForgetAllowed { execution: execution(1) }]);
    feed(&mut agent, [journalled(1, Entry::Forgotten)]);
    let recalled = agent.recall();
    assert_eq!((recalled.attempts[0].fate, recalled.attempts[0].seq), (Fate::Ended, AssignSeq(5)));

    let mut memory = Memory::default();
    let terms = Terms { seq: AssignSeq(5), step_key: "step".into(), number: 1, ..Terms::default() };
    memory.apply(Record::Accepted { execution: execution(1), terms });
    memory.apply(Record::Intent { execution: execution(1) });
    memory.apply(Record::Ended { execution: execution(1) });
    memory.apply(Record::Forgotten { execution: execution(1) });
    assert_eq!(Agent::recover(NOW, 1, memory).0.recall(), recalled);
}

#[test]
fn a_memory_that_had_to_let_go_of_something_says_from_where_on_it_is_whole() {
    let mut memory = Memory::default();
    for n in 1..=10_001 {
        let terms = Terms { seq: AssignSeq(n), ..Terms::default() };
        memory.apply(Record::Void { execution: execution(n.unsigned_abs().into()), terms });
        memory.apply(Record::Forgotten { execution: execution(n.unsigned_abs().into()) });
    }
    let recalled = Agent::recover(NOW, 1, memory.clone()).0.recall();
    assert_eq!((recalled.attempts.len(), recalled.since), (10_000, AssignSeq(2)));
}
