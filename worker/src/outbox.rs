//! Sends the event streams: what shims append to their files goes to the coordinator in order, each attempt from where the
//! coordinator has it. The file is the spool: when the coordinator lags, nothing is read, and nothing is held in memory.

mod tail;

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures_util::{StreamExt, TryFutureExt};
use proto::worker::EventAck;
use shared::id::ExecutionId;
use tokio::sync::{Notify, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;
use tracing::{debug, warn};

use crate::{home::Home, preparation::Client};

use tail::Tail;

/// 4 batches between file and connection: enough to keep the connection busy, 2 MiB at most.
const BATCHES: usize = 4;

/// What the driver wants sent. Clones are the same outbox.
#[derive(Clone, Debug, Default)]
pub struct Outbox(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    wishes: Mutex<Wishes>,
    wake: Notify,
}

/// Sets, not queues: however often a file grows while the connection is slow, it is one wish.
#[derive(Debug, Default)]
struct Wishes {
    from: BTreeMap<ExecutionId, u64>,
    grown: BTreeSet<ExecutionId>,
    gone: BTreeSet<ExecutionId>,
}

impl Outbox {
    /// Sends an attempt's stream from a frame on.
    pub fn stream(&self, execution: ExecutionId, from: u64) {
        self.wish(|wishes| {
            wishes.gone.remove(&execution);
            wishes.from.insert(execution, from);
        });
    }

    /// An attempt's file has grown.
    pub fn grown(&self, execution: ExecutionId) {
        self.wish(|wishes| {
            wishes.grown.insert(execution);
        });
    }

    /// An attempt's file is about to go.
    pub fn gone(&self, execution: ExecutionId) {
        self.wish(|wishes| {
            wishes.from.remove(&execution);
            wishes.gone.insert(execution);
        });
    }

    /// Forgets every wish: a new session begins with what the coordinator says.
    pub fn clear(&self) {
        *self.wishes() = Wishes::default();
    }

    /// Sends over one session until its stream breaks.
    ///
    /// # Errors
    /// The status with which it broke.
    pub async fn send(&self, home: &Home, mut client: Client) -> Result<(), Status> {
        // The bound is what may be in flight towards the connection.
        let (batches, queue) = mpsc::channel(BATCHES);
        // Not awaited before sending: the coordinator may answer only once it has heard something.
        let mut acks =
            pin!(client.events(ReceiverStream::new(queue)).map_ok(tonic::Response::into_inner).try_flatten_stream());
        let mut tails = BTreeMap::new();
        loop {
            self.follow_wishes(home, &mut tails);
            let ready = tails.values_mut().find(|tail: &&mut Tail| tail.may_send());
            tokio::select! {
                biased;
                ack = acks.next() => match ack {
                    Some(ack) => acknowledge(&mut tails, &ack?),
                    None => return Ok(()),
                },
                () = self.0.wake.notified() => {}
                permit = batches.reserve(), if ready.is_some() => {
                    let permit = permit.map_err(|_| Status::unavailable("the event stream is closed"))?;
                    // In turn, so that one long log does not hold up the others.
                    if let Some(execution) = next_in_turn(&tails)
                        && let Some(tail) = tails.get_mut(&execution)
                        && let Some(batch) = read(tail)
                    {
                        permit.send(batch);
                    }
                }
            }
        }
    }

    fn follow_wishes(&self, home: &Home, tails: &mut BTreeMap<ExecutionId, Tail>) {
        let wishes = std::mem::take(&mut *self.wishes());
        for execution in wishes.gone {
            tails.remove(&execution);
        }
        for (execution, from) in wishes.from {
            tails.insert(execution, Tail::new(execution, home.exec(execution).events_path(), from));
        }
        for execution in wishes.grown {
            if let Some(tail) = tails.get_mut(&execution) {
                tail.grown();
            }
        }
    }

    fn wish(&self, wish: impl FnOnce(&mut Wishes)) {
        wish(&mut self.wishes());
        self.0.wake.notify_one();
    }

    fn wishes(&self) -> MutexGuard<'_, Wishes> {
        self.0.wishes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The one that sent longest ago.
fn next_in_turn(tails: &BTreeMap<ExecutionId, Tail>) -> Option<ExecutionId> {
    let ready = tails.iter().filter(|(_, tail)| tail.may_send());
    ready.min_by_key(|(_, tail)| tail.turns()).map(|(execution, _)| *execution)
}

fn read(tail: &mut Tail) -> Option<proto::worker::EventBatch> {
    match tail.next_batch() {
        Ok(batch) => batch,
        // No shim made the file yet; it will be heard of when one does.
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => {
            warn!(execution = %tail.execution(), %error, "event stream cannot be read");
            None
        }
    }
}

fn acknowledge(tails: &mut BTreeMap<ExecutionId, Tail>, ack: &EventAck) {
    let tail = ack.execution_id.parse().ok().and_then(|execution: ExecutionId| tails.get_mut(&execution));
    match tail {
        Some(tail) => tail.acknowledge(u64::try_from(ack.next_seq).unwrap_or(0)),
        None => debug!(execution = ack.execution_id, "acknowledgement for an attempt that is gone"),
    }
}
