//! The connected workers, as the services for admins need them.

use shared::id::WorkerId;

use crate::{
    driver::{Driver, worker_record},
    presence::Presence,
    registry,
    rpc::fleet::{Fleet, Pulse},
    store::Store,
};

use coordinator_core::input::Input;

/// The workers with sessions at this coordinator.
#[derive(Clone)]
pub struct LiveFleet {
    /// The way to the core.
    pub driver: Driver,
    /// Rows.
    pub store: Store,
    /// What workers say of themselves.
    pub presence: Presence,
}

#[tonic::async_trait]
impl Fleet for LiveFleet {
    async fn worker_changed(&self, worker: WorkerId) {
        let record = self
            .store
            .read(move |connection| {
                let row = registry::worker::get(connection, &worker.to_string())?;
                worker_record(connection, &row)
            })
            .await;
        let told = match record {
            Ok(record) => self.driver.submit(Input::WorkerChanged(record), None).await,
            Err(error) => Err(error),
        };
        if let Err(error) = told {
            // The row is stored: a restart reads it.
            tracing::error!(worker = %worker, error = %error, "a changed worker could not be told to the core");
        }
    }

    async fn worker_deleted(&self, worker: WorkerId) {
        if let Err(error) = self.driver.submit(Input::WorkerDeleted(worker), None).await {
            tracing::error!(worker = %worker, error = %error, "a deleted worker could not be told to the core");
        }
    }

    async fn pulses(&self, workers: &[WorkerId]) -> Vec<Pulse> {
        let asked = workers.to_vec();
        let pulses = self
            .driver
            .view(move |core, _| asked.into_iter().map(|worker| core.pulse(worker)).collect::<Vec<_>>())
            .await
            .unwrap_or_default();
        workers
            .iter()
            .enumerate()
            .map(|(at, worker)| {
                let pulse = pulses.get(at).copied().flatten();
                let heard = self.presence.of(*worker);
                let disk_free = heard.as_ref().map_or(0, |heard| heard.disk_free);
                Pulse {
                    connected: pulse.is_some_and(|pulse| pulse.connected),
                    running: pulse.map_or(0, |pulse| u32::try_from(pulse.running).unwrap_or(u32::MAX)),
                    disk_free_bytes: u64::try_from(disk_free).unwrap_or(0),
                    last_heard_at: heard.as_ref().map(|heard| heard.at),
                    equipment: heard.and_then(|heard| heard.equipment),
                }
            })
            .collect()
    }
}
