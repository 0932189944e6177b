//! Faults that are put in on purpose to see whether the tests find them: what somebody might have built who does not know why
//! it is built otherwise. Only with the feature `bugs`, which nothing that is shipped has; without it every question here is
//! answered no while it is compiled.

/// A fault.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Bug {
    /// The coordinator sends a grant before it is stored.
    GrantBeforeCommit,
    /// The coordinator grants what it took back, to a worker that had accepted before it heard of that.
    GrantFromStaleView,
    /// The coordinator calls a granted attempt not started because its worker is silent.
    GrantTakenBackByTimer,
    /// The coordinator takes a worker's lost memory for word that nothing started.
    ForgottenMeansNotStarted,
    /// The coordinator runs a lost step again without anybody's leave.
    LostIsRunAgain,
    /// The coordinator calls an attempt cancelled once it has said so to the worker.
    CancelAssumedDone,
    /// The coordinator lets go of the locks of an attempt that may be alive.
    LockReleasedOnUnknown,
    /// The coordinator gives an attempt that was found dead an exit code.
    ExitCodeInvented,
    /// A store that is restored does not put the coordinator on hold.
    NoHold,
    /// The coordinator takes back offers while it is on hold.
    OfferTakenBackOnHold,
    /// A worker starts what it was only offered.
    OfferIsPermission,
    /// A worker starts a shim before its intent is in the journal.
    ForkBeforeJournal,
    /// A worker takes offers older than others it has seen.
    NoHighWaterMark,
    /// A worker remembers nothing of an attempt once its files are gone.
    NoMemory,
    /// A shim starts its child although another one has left its start mark.
    StartMarkShared,
    /// An agent that finds nothing started does not leave a void mark.
    NoVoidMark,
}

/// Whether a fault is put in.
#[cfg(not(feature = "bugs"))]
#[must_use]
pub const fn is_seeded(_: Bug) -> bool {
    false
}

#[cfg(feature = "bugs")]
pub use seeded::{is_seeded, seed};

#[cfg(feature = "bugs")]
mod seeded {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::Bug;

    /// A bit for each.
    static SEEDED: AtomicU64 = AtomicU64::new(0);

    /// Whether a fault is put in.
    #[must_use]
    pub fn is_seeded(bug: Bug) -> bool {
        SEEDED.load(Ordering::Relaxed) & bit(bug) != 0
    }

    /// Puts these faults in, and takes all others out, for the whole process.
    pub fn seed(bugs: &[Bug]) {
        SEEDED.store(bugs.iter().copied().map(bit).fold(0, |all, bit| all | bit), Ordering::Relaxed);
    }

    const fn bit(bug: Bug) -> u64 {
        1 << bug as u32
    }
}
