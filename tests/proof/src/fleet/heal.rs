//! The faults stop: whatever was lost is said again, and everything comes to its end.

use std::time::Duration;

use super::{Fleet, Shim};
use crate::{event::Event, scenario::Budget};

/// Sessions, one after the other: the first settles what was in doubt, and every further one what followed from it.
const SESSIONS: usize = 12;
/// Rounds within a session: an attempt takes four, from its offer to its end.
const ROUNDS: usize = 8;

impl Fleet {
    /// L1: whether every deployment comes to its end, or stands in doubt and says so, once nothing goes wrong any more.
    #[must_use]
    pub fn comes_to_an_end(&self) -> bool {
        let mut fleet = self.clone();
        fleet.store.go_unheard();
        fleet.left = Budget { hellos: u8::MAX, ..Budget::default() };
        (0..SESSIONS).any(|_| {
            fleet.session();
            if fleet.coordinator.as_ref().is_some_and(|core| core.hold().is_some()) {
                fleet.left.decisions = 1;
                fleet.happen(&Event::SignedOff);
            }
            fleet.is_at_an_end()
        })
    }

    fn is_at_an_end(&self) -> bool {
        let Some(core) = &self.coordinator else { return false };
        let open: Vec<_> = self.deployments().into_iter().filter(|id| core.is_open(*id)).collect();
        // Others may wait for a lock of one that is in doubt.
        core.hold().is_none() && (open.is_empty() || open.iter().any(|id| core.needs_decision(*id, 0)))
    }

    fn session(&mut self) {
        let workers: Vec<_> = self.hosts.keys().copied().collect();
        if self.coordinator.is_none() {
            self.happen(&Event::CoordinatorStarts);
        }
        for worker in workers {
            if self.hosts[&worker].agent.is_none() {
                self.happen(&Event::AgentStarts(worker));
            }
            self.happen(&Event::Greets(worker));
        }
        for _ in 0..ROUNDS {
            self.everything_arrives();
            self.everything_moves();
        }
        self.pass(Duration::from_secs(20));
    }

    fn everything_arrives(&mut self) {
        for packet in std::mem::take(&mut self.network) {
            if self.can_arrive(&packet) {
                self.happen(&Event::Arrives(packet));
            }
        }
    }

    fn everything_moves(&mut self) {
        for event in self.events() {
            let is_progress = match &event {
                Event::Syncs(_) | Event::ShimStarts(..) | Event::Drained(..) | Event::HoldLifted => true,
                Event::ChildEnds(_, _, well) => *well,
                Event::Looks(worker, execution) => {
                    self.hosts[worker].execs.get(execution).is_none_or(|exec| exec.shim != Shim::Forked)
                }
                _ => false,
            };
            if is_progress {
                self.happen(&event);
            }
        }
    }
}
