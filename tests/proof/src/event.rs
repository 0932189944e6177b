//! Everything that can happen to a fleet, one thing at a time.

use std::fmt;

use coordinator_core::input::Decision;
use shared::id::{ExecutionId, WorkerId};

use crate::fleet::network::Packet;

/// Something that can happen.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Event {
    /// A packet arrives. It may arrive again: it stays under way.
    Arrives(Packet),
    /// A packet will not arrive, or not once more.
    Lost(Packet),
    /// A packet arrives, and the coordinator is killed when what follows was done but not stored. Only a coordinator that acts
    /// before it stores notices the difference.
    ArrivesBeforeTheCrash(Packet),
    /// A worker without a session says Hello.
    Greets(WorkerId),
    /// What a worker's journal was given becomes durable.
    Syncs(WorkerId),
    /// A worker looks into an attempt's folder.
    Looks(WorkerId, ExecutionId),
    /// A shim takes its lock and starts its child, or finds that it must not.
    ShimStarts(WorkerId, ExecutionId),
    /// A child ends by itself, well or not, or because it was told to; its shim writes the exit record.
    ChildEnds(WorkerId, ExecutionId, bool),
    /// Everything of an ended attempt is stored: its worker is told to forget it.
    Drained(WorkerId, ExecutionId),
    /// The agent is killed; so many of the records that wait have become durable.
    AgentDies(WorkerId, usize),
    /// The agent is started.
    AgentStarts(WorkerId),
    /// A shim is killed; what it started lives on.
    ShimDies(WorkerId, ExecutionId),
    /// The host is started anew: nothing that ran there runs.
    Reboots(WorkerId),
    /// The worker's data folder is lost.
    ForgetsAll(WorkerId),
    /// The coordinator is killed.
    CoordinatorDies,
    /// The coordinator is started.
    CoordinatorStarts,
    /// A backup of the store is made.
    BacksUp,
    /// The coordinator, which is dead, gets the store that was backed up: what was decided since then is lost.
    Restores,
    /// A person lifts the hold, when every worker was heard.
    HoldLifted,
    /// A person lifts the hold although not every worker can account for what it did: on record, two runs may be the price.
    SignedOff,
    /// So much time passes without a word from anybody that offers are taken back.
    ShortSilence,
    /// So much time passes that what was granted is unknown.
    LongSilence,
    /// Somebody cancels the first deployment.
    Cancelled,
    /// A person decides about the step of a deployment whose outcome is unknown.
    Decided(usize, Decision),
}

impl Event {
    /// What kind of thing it is, in a few words.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Arrives(_) => "a word arrives",
            Self::Lost(_) => "a word is lost",
            Self::ArrivesBeforeTheCrash(_) => "killed before what was said is stored",
            Self::Greets(_) => "a session broken and begun anew",
            Self::Syncs(_) => "a journal synced",
            Self::Looks(..) => "a folder looked into",
            Self::ShimStarts(..) => "a shim starts",
            Self::ChildEnds(_, _, true) => "a child ends well",
            Self::ChildEnds(_, _, false) => "a child fails",
            Self::Drained(..) => "a log stored whole",
            Self::AgentDies(..) => "an agent killed",
            Self::AgentStarts(_) => "an agent started",
            Self::ShimDies(..) => "a shim killed",
            Self::Reboots(_) => "a host started anew",
            Self::ForgetsAll(_) => "a worker's data folder lost",
            Self::CoordinatorDies => "the coordinator killed",
            Self::CoordinatorStarts => "the coordinator started",
            Self::BacksUp => "a backup made",
            Self::Restores => "a store restored from a backup",
            Self::HoldLifted => "a hold lifted",
            Self::SignedOff => "a hold lifted without word of a worker",
            Self::ShortSilence => "silence long enough to take offers back",
            Self::LongSilence => "silence long enough for attempts to be unknown",
            Self::Cancelled => "a deployment cancelled",
            Self::Decided(..) => "a decision of a person",
        }
    }

    /// Whether it is something that goes wrong, and not what is hoped for.
    #[must_use]
    pub const fn is_fault(&self) -> bool {
        !matches!(
            self,
            Self::Arrives(_)
                | Self::Lost(_)
                | Self::Syncs(_)
                | Self::Looks(..)
                | Self::ShimStarts(..)
                | Self::ChildEnds(_, _, true)
                | Self::Drained(..)
                | Self::AgentStarts(_)
                | Self::CoordinatorStarts
                | Self::HoldLifted
        )
    }
}

/// Short enough to read forty of them: ids by their last digits.
impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&shorten(&format!("{self:?}")))
    }
}

/// Leaves of every id what tells it from the others here, and nothing of the names of the types around it.
fn shorten(text: &str) -> String {
    let mut short = text.to_owned();
    for wrapper in ["WorkerId(", "ExecutionId(", "SessionEpoch(", "AssignSeq("] {
        while let Some(at) = short.find(wrapper) {
            let end = short[at..].find(')').map_or(short.len(), |length| at + length);
            let inner = &short[at + wrapper.len()..end];
            let kept = inner[inner.len().saturating_sub(4)..].to_owned();
            short.replace_range(at..=end.min(short.len() - 1), &kept);
        }
    }
    short
}
