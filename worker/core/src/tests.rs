//! The whole table, the stories behind it, and what no order of messages, duplicates and restarts may break.

mod properties;
mod stories;
mod table;

use std::time::Duration;

use shared::id::{AssignSeq, ExecutionId};
use uuid::Uuid;

use crate::{Agent, Effect, Entry, Finding, Input, Memory, Message, Mono, Offer, RejectKind, Terms};

pub(crate) const NOW: Mono = Mono(Duration::from_secs(1000));

pub(crate) fn execution(n: u128) -> ExecutionId {
    ExecutionId(Uuid::from_u128(n))
}

pub(crate) fn offer(n: u128, seq: i64, number: i32) -> Input {
    Input::Offered(Offer {
        execution: execution(n),
        terms: Terms {
            seq: AssignSeq(seq),
            step_key: "step".into(),
            number,
            timeout: Duration::from_secs(60),
            grace: Duration::from_secs(10),
            fetching: Duration::ZERO,
        },
        supported: true,
    })
}

pub(crate) fn grant(n: u128, seq: i64) -> Input {
    Input::Granted { execution: execution(n), seq: AssignSeq(seq) }
}

pub(crate) fn journalled(n: u128, entry: Entry) -> Input {
    Input::Journalled { execution: execution(n), entry }
}

pub(crate) fn prepared(n: u128) -> Input {
    Input::Prepared { execution: execution(n) }
}

pub(crate) fn found(n: u128, finding: Finding) -> Input {
    Input::Examined { execution: execution(n), finding }
}

pub(crate) fn fresh(slots: u32) -> Agent {
    Agent::recover(NOW, slots, Memory::default()).0
}

pub(crate) fn feed(agent: &mut Agent, inputs: impl IntoIterator<Item = Input>) -> Vec<Effect> {
    inputs.into_iter().flat_map(|input| agent.handle(NOW, input)).collect()
}

pub(crate) fn rejections(effects: &[Effect]) -> Vec<RejectKind> {
    effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Send(Message::Rejected { kind, .. }) => Some(*kind),
            _ => None,
        })
        .collect()
}
