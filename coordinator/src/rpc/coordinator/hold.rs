//! The hold: what is known while it lasts, and its end.

use std::collections::BTreeMap;

use coordinator_core::{hold::HoldView, input::Input};
use proto::deployment::{Hold, LiftHoldRequest, hold};
use shared::{
    id::{ExecutionId, WorkerId},
    reason::{Fault, Reason},
};

use super::Coordinator;
use crate::{
    audit,
    authorization::Caller,
    clock, registry,
    store::{self, hold::HoldRow},
};

impl Coordinator {
    /// # Errors
    /// Those of the store.
    pub(super) async fn hold(&self) -> Result<Hold, Fault> {
        let Some((row, view)) = self.standing_hold().await? else { return Ok(Hold::default()) };
        let names = self.names().await?;
        let name = |worker: &WorkerId| names.get(worker).cloned().unwrap_or_else(|| worker.to_string());
        Ok(Hold {
            is_on_hold: true,
            since: Some(clock::timestamp(row.since)),
            why: row.why,
            heard: view.heard.iter().map(name).collect(),
            awaited: view.awaited.iter().map(name).collect(),
            adopted: view.adopted.iter().map(ExecutionId::to_string).collect(),
            orphans: view
                .orphans
                .iter()
                .map(|(execution, worker)| hold::Orphan { execution_id: execution.to_string(), worker: name(worker) })
                .collect(),
            doubtful: view
                .doubtful
                .iter()
                .map(|(deployment, step)| hold::DoubtfulStep {
                    deployment_id: deployment.to_string(),
                    step: i32::try_from(*step).unwrap_or(i32::MAX),
                })
                .collect(),
        })
    }

    /// # Errors
    /// [`Reason::NotOnHold`]; [`Reason::WorkersAwaited`] when one is awaited that was not named.
    pub(super) async fn lift_hold(&self, caller: Caller, request: LiftHoldRequest) -> Result<Hold, Fault> {
        if request.reason.trim().is_empty() {
            let sentence =
                "`reason` is missing: say what it rests on that nothing runs twice; it goes to the audit log.";
            return Err(Fault::new(Reason::InvalidArgument, sentence));
        }
        let Some((_, view)) = self.standing_hold().await? else {
            return Err(Fault::new(Reason::NotOnHold, "The coordinator is not on hold: there is nothing to lift."));
        };
        let names = self.names().await?;
        check_awaited(
            &view.awaited.iter().filter_map(|id| names.get(id).cloned()).collect::<Vec<_>>(),
            &request.without,
        )?;
        let given_up = if request.without.is_empty() {
            String::new()
        } else {
            format!(" Without word of: {}.", request.without.join(", "))
        };
        let line = caller.did("hold", format!("{}{given_up}", request.reason));
        let input = Input::HoldLifted { by: caller.actor(), reason: request.reason };
        let also = Box::new(move |tx: &rusqlite::Connection| audit::record(tx, clock::now(), &line));
        self.driver.submit(input, Some(also)).await?;
        self.hold().await
    }

    async fn standing_hold(&self) -> Result<Option<(HoldRow, HoldView)>, Fault> {
        let view = self.driver.view(|core, _| core.hold()).await?;
        let row = self.trust.store.read(store::hold::hold).await?;
        Ok(row.zip(view))
    }

    async fn names(&self) -> Result<BTreeMap<WorkerId, String>, Fault> {
        let rows = self.trust.store.read(|connection| registry::worker::list(connection, None)).await?;
        Ok(rows.into_iter().map(|row| (row.id, row.name)).collect())
    }
}

/// Whoever lifts the hold names each worker of which nobody knows what it ran: none is given up by oversight.
fn check_awaited(awaited: &[String], given_up: &[String]) -> Result<(), Fault> {
    let unknown: Vec<&String> = given_up.iter().filter(|name| !awaited.contains(name)).collect();
    if let Some(name) = unknown.first() {
        let sentence = format!("Worker \"{name}\" is not awaited: leave it out of `without`.");
        return Err(Fault::new(Reason::InvalidArgument, sentence));
    }
    let missing: Vec<&str> = awaited.iter().filter(|name| !given_up.contains(name)).map(|name| name.as_str()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(Fault::new(
        Reason::WorkersAwaited,
        format!(
            "Nobody knows what these workers have run since the store's state: {}. Start them and wait until they are heard, or give \
             them up by name (--without NAME): whatever they ran may then run a second time.",
            missing.join(", ")
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_awaited_worker_is_given_up_by_name_or_waited_for() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert!(check_awaited(&[], &[]).is_ok());
        assert!(check_awaited(&names(&["a", "b"]), &names(&["b", "a"])).is_ok());
        let fault = check_awaited(&names(&["a", "b"]), &names(&["b"])).expect_err("a is awaited");
        assert_eq!(fault.reason, Reason::WorkersAwaited);
        assert!(fault.sentence.contains("state: a."), "{}", fault.sentence);
        let fault = check_awaited(&names(&["a"]), &names(&["a", "c"])).expect_err("nobody waits for c");
        assert_eq!(fault.reason, Reason::InvalidArgument);
    }
}
