//! Every phase against every fact, as one page to review.

use std::fmt::Write;

use super::*;
use crate::{
    CancelPhase, Phase,
    attempt::{Attempt, Fact},
};

/// Facts that bring a fresh offer into a phase.
fn way_to(phase: Phase) -> Vec<Fact> {
    let accepted = [Fact::Journalled(Entry::Accepted)];
    let intending = [accepted.as_slice(), &[Fact::Prepared, Fact::Granted]].concat();
    let starting = [intending.as_slice(), &[Fact::Journalled(Entry::Intent)]].concat();
    let then = |way: &[Fact], more: &[Fact]| [way, more].concat();
    let dead = Fact::Found(Finding::Dead { evidence: "killed".into() });
    match phase {
        Phase::Accepting => vec![],
        Phase::Accepted => accepted.to_vec(),
        Phase::Intending => intending,
        Phase::Starting | Phase::Recovering => starting,
        Phase::Running => then(&starting, &[Fact::Found(Finding::Alive)]),
        Phase::Voiding => then(&accepted, &[Fact::Revoked]),
        Phase::Void => then(&accepted, &[Fact::Revoked, Fact::Journalled(Entry::Void)]),
        Phase::Ended => then(&starting, &[Fact::Found(Finding::Ended)]),
        Phase::Burying => then(&starting, &[dead]),
        Phase::Interrupted => then(&starting, &[dead, Fact::Journalled(Entry::Interrupted)]),
        Phase::Forgetting => then(&starting, &[Fact::Found(Finding::Ended), Fact::ForgetAllowed]),
    }
}

fn in_phase(phase: Phase) -> Attempt {
    let mut ignored = Vec::new();
    let Input::Offered(offer) = offer(1, 1, 1) else { unreachable!() };
    let mut attempt = Attempt::accept(NOW, offer.execution, offer.terms.clone(), &mut ignored);
    if phase == Phase::Recovering {
        let held = crate::Held { terms: offer.terms, stage: crate::Stage::Intent };
        attempt = Attempt::recover(NOW, offer.execution, held, &mut ignored);
    } else {
        for fact in way_to(phase) {
            attempt.handle(fact, &mut ignored);
        }
    }
    assert_eq!(attempt.phase(), phase);
    attempt
}

fn facts() -> Vec<Fact> {
    let mut facts = vec![
        Fact::Offered,
        Fact::Granted,
        Fact::Revoked,
        Fact::CancelRequested(Duration::from_secs(3)),
        Fact::CancelDirected,
        Fact::KillDirected,
        Fact::VoidDirected,
        Fact::ResultStored,
        Fact::ForgetAllowed,
        Fact::Prepared,
        Fact::Unpreparable("no".into()),
        Fact::PreparationTimedOut,
        Fact::Welcomed,
        Fact::Kept { next_seq: 7 },
        Fact::Found(Finding::Alive),
        Fact::Found(Finding::NeverStarted),
        Fact::Found(Finding::Ended),
        Fact::Found(Finding::Dead { evidence: "killed".into() }),
    ];
    let entries = [Entry::Accepted, Entry::Intent, Entry::Void, Entry::Ended, Entry::Interrupted, Entry::Forgotten];
    facts.extend(entries.map(Fact::Journalled));
    facts
}

/// An effect in a word or three.
fn brief(effect: &Effect) -> String {
    match effect {
        Effect::Journal(record) => match record.entry() {
            Some((_, entry)) => format!("journal {entry:?}"),
            None => "journal".into(),
        },
        Effect::Send(Message::Rejected { kind, .. }) => format!("send Rejected {kind:?}"),
        Effect::Send(Message::CancelAck { phase, .. }) => format!("send CancelAck {}", cancel_phase(*phase)),
        Effect::Send(message) => {
            let text = format!("{message:?}");
            format!("send {}", text.split_whitespace().next().unwrap_or_default())
        }
        Effect::Cancel { grace, .. } => format!("cancel within {grace:?}"),
        Effect::Stream { from, .. } => format!("stream from {from}"),
        Effect::Prepare(_) => "prepare".into(),
        Effect::DropPreparation(_) => "drop preparation".into(),
        Effect::Spawn(_) => "SPAWN".into(),
        Effect::Examine(_) => "examine".into(),
        Effect::RemoveFiles(_) => "remove files".into(),
        Effect::Reconnect => "reconnect".into(),
    }
}

fn cancel_phase(phase: CancelPhase) -> &'static str {
    match phase {
        CancelPhase::NotStarted => "NotStarted",
        CancelPhase::TermSent => "TermSent",
        CancelPhase::AlreadyEnded => "AlreadyEnded",
    }
}

#[test]
fn the_whole_table() {
    let mut page = String::new();
    for phase in Phase::ALL {
        writeln!(page, "{phase:?}").expect("a string");
        for fact in facts() {
            let mut attempt = in_phase(phase);
            let mut effects = Vec::new();
            attempt.handle(fact.clone(), &mut effects);
            let after = if attempt.phase() == phase { "=".into() } else { format!("{:?}", attempt.phase()) };
            let wishes: Vec<_> = effects.iter().map(brief).collect();
            let line = format!("  {:<38} {after:<12} {}", format!("{fact:?}"), wishes.join(", "));
            writeln!(page, "{}", line.trim_end()).expect("a string");
        }
    }
    insta::assert_snapshot!(page);
}
