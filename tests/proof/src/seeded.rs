//! The tests of the tests: each guard is taken away, one at a time, and what breaks must be found.

use shared::bug::Bug;

use crate::scenario::{Budget, Scenario, one_locked_step, one_worker};

/// A guard that is taken away.
#[derive(Clone, Debug)]
pub struct Seeded {
    /// In a few words.
    pub name: &'static str,
    /// What is put in.
    pub bugs: &'static [Bug],
    /// Where it shows, if it shows in anything as small.
    pub scenario: Scenario,
}

/// All of them.
#[must_use]
pub fn all() -> Vec<Seeded> {
    let one = |budget| one_worker("one worker", Budget { hellos: 2, ..budget });
    let none = Budget::default();
    let crash = Budget { agent_deaths: 1, ..none };
    let restore = Budget { restores: 1, coordinator_deaths: 1, ..none };
    let silence = Budget { short_silences: 1, long_silences: 1, ..none };
    let case = |name, bugs, scenario| Seeded { name, bugs, scenario };
    vec![
        case(
            "a grant is sent before it is stored",
            &[Bug::GrantBeforeCommit],
            one(Budget { coordinator_deaths: 1, ..none }),
        ),
        case("a grant rests on a stale view", &[Bug::GrantFromStaleView], one(Budget { cancels: 1, ..none })),
        case("a timer takes a grant back", &[Bug::GrantTakenBackByTimer], one(silence)),
        case(
            "an empty journal means that nothing started",
            &[Bug::ForgottenMeansNotStarted],
            one(Budget { amnesias: 1, ..crash }),
        ),
        case("what is lost is run again", &[Bug::LostIsRunAgain], one(silence)),
        case("a cancel is assumed to be done", &[Bug::CancelAssumedDone], one(Budget { cancels: 1, ..none })),
        case(
            "locks are released when an attempt is unknown",
            &[Bug::LockReleasedOnUnknown],
            Scenario {
                name: "two that share a lock",
                slots: 2,
                deployments: vec![one_locked_step(), one_locked_step()],
                ..one(Budget { long_silences: 1, ..none })
            },
        ),
        case("an exit code is invented", &[Bug::ExitCodeInvented], one(Budget { shim_deaths: 1, ..none })),
        case("the offer is the permission", &[Bug::OfferIsPermission], one(none)),
        case("no high-water mark", &[Bug::NoHighWaterMark], one(none)),
        case("recovery without the void mark", &[Bug::NoVoidMark], one(crash)),
        case(
            "fork before the journal, and a start mark that two may make",
            &[Bug::ForkBeforeJournal, Bug::StartMarkShared],
            one(crash),
        ),
        case("a restored store does not put the coordinator on hold", &[Bug::NoHold], one(restore)),
        case(
            "offers are taken back on hold",
            &[Bug::OfferTakenBackOnHold],
            one(Budget { short_silences: 1, ..restore }),
        ),
        case("a worker remembers nothing of what it forgot", &[Bug::NoMemory], one(restore)),
        // The start mark alone holds it for a while: only long ways break it.
        case("fork before the journal", &[Bug::ForkBeforeJournal], one(crash)),
    ]
}
