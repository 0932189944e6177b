//! The tests of the tests: each guard is taken away, one at a time, and the model must find what breaks.

use shared::bug::Bug;

use crate::scenario::{Budget, Scenario, one_locked_step, one_step};

/// A guard that is taken away.
#[derive(Clone, Debug)]
pub struct Seeded {
    /// In a few words.
    pub name: &'static str,
    /// What is put in.
    pub bugs: &'static [Bug],
    /// Where it shows.
    pub scenario: Scenario,
    /// The promise that breaks; `None` where another guard holds alone.
    pub breaks: Option<&'static str>,
}

/// All of them.
#[must_use]
pub fn all() -> Vec<Seeded> {
    let one = |budget| Scenario {
        name: "one worker",
        workers: 1,
        slots: 1,
        deployments: vec![one_step()],
        attempts: 2,
        budget: Budget { hellos: 2, ..budget },
    };
    let none = Budget::default();
    let crash = Budget { agent_deaths: 1, ..none };
    let restore = Budget { restores: 1, coordinator_deaths: 1, ..none };
    let silence = Budget { short_silences: 1, long_silences: 1, ..none };
    let case = |name, bugs, breaks, scenario| Seeded { name, bugs, scenario, breaks: Some(breaks) };
    vec![
        case(
            "a grant is sent before it is stored",
            &[Bug::GrantBeforeCommit],
            "I10",
            one(Budget { coordinator_deaths: 1, ..none }),
        ),
        case("a grant rests on a stale view", &[Bug::GrantFromStaleView], "I4", one(Budget { cancels: 1, ..none })),
        case("a timer takes a grant back", &[Bug::GrantTakenBackByTimer], "I4", one(silence)),
        case(
            "an empty journal means that nothing started",
            &[Bug::ForgottenMeansNotStarted],
            "I4",
            one(Budget { amnesias: 1, ..crash }),
        ),
        case("what is lost is run again", &[Bug::LostIsRunAgain], "I2", one(silence)),
        case("a cancel is assumed to be done", &[Bug::CancelAssumedDone], "I5", one(Budget { cancels: 1, ..none })),
        case(
            "locks are released when an attempt is unknown",
            &[Bug::LockReleasedOnUnknown],
            "I9",
            Scenario {
                name: "two that share a lock",
                slots: 2,
                deployments: vec![one_locked_step(), one_locked_step()],
                ..one(Budget { long_silences: 1, ..none })
            },
        ),
        case("an exit code is invented", &[Bug::ExitCodeInvented], "I5", one(Budget { shim_deaths: 1, ..none })),
        case("the offer is the permission", &[Bug::OfferIsPermission], "I10", one(none)),
        case("no high-water mark", &[Bug::NoHighWaterMark], "I4", one(none)),
        case("recovery without the void mark", &[Bug::NoVoidMark], "I4", one(crash)),
        case(
            "fork before the journal, and a start mark that two may make",
            &[Bug::ForkBeforeJournal, Bug::StartMarkShared],
            "I1",
            one(crash),
        ),
        case("a restored store does not put the coordinator on hold", &[Bug::NoHold], "I4", one(restore)),
        case(
            "offers are taken back on hold",
            &[Bug::OfferTakenBackOnHold],
            "I4",
            one(Budget { short_silences: 1, ..restore }),
        ),
        case("a worker remembers nothing of what it forgot", &[Bug::NoMemory], "I4", one(restore)),
        Seeded {
            name: "fork before the journal, while the start mark is one shim's alone",
            bugs: &[Bug::ForkBeforeJournal],
            scenario: one(crash),
            breaks: None,
        },
    ]
}
