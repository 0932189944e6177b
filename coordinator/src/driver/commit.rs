//! Stores decisions in the order in which they were made, many in one transaction, and has them performed afterwards.

use std::sync::Arc;

use coordinator_core::{Decision, action::Action, fact::Fact};
use service::task;
use shared::{
    id::DeploymentId,
    reason::{Fault, Reason},
};
use tokio::sync::{mpsc, oneshot};

use super::{Also, Command, perform::Performer, watchers::Watchers};
use crate::{
    clock,
    store::{Store, facts},
};

/// 1,024 waiting decisions: as many as four full batches.
const WAITING: usize = 1024;

/// 256 decisions in one transaction: what one sync carries without holding up the first of them.
const BATCH: usize = 256;

/// A decision on its way to the store.
pub(super) struct Commit {
    /// Which belief it rests on: grows each time the core begins again from what is stored.
    pub(super) belief: u64,
    pub(super) decision: Decision,
    pub(super) also: Option<Also>,
    pub(super) reply: Option<oneshot::Sender<Result<(), Fault>>>,
}

pub(super) struct Committer {
    store: Store,
    watchers: Watchers,
    performer: Arc<Performer>,
    driver: mpsc::WeakSender<Command>,
}

/// What one decision leaves to do once it is stored.
struct Done {
    facts: Arc<Vec<Fact>>,
    actions: Vec<Action>,
    reply: Option<oneshot::Sender<Result<(), Fault>>>,
}

impl Committer {
    pub(super) fn new(
        store: Store,
        watchers: Watchers,
        performer: Arc<Performer>,
        driver: mpsc::WeakSender<Command>,
    ) -> Self {
        Self { store, watchers, performer, driver }
    }

    pub(super) fn start(self) -> mpsc::Sender<Commit> {
        let (commits, inbox) = mpsc::channel(WAITING);
        task::spawn("committer", self.run(inbox));
        commits
    }

    async fn run(self, mut inbox: mpsc::Receiver<Commit>) {
        let mut batch = Vec::with_capacity(BATCH);
        // Decisions up to this belief rest on something that was not stored.
        let mut refused: Option<u64> = None;
        while inbox.recv_many(&mut batch, BATCH).await > 0 {
            let (current, stale): (Vec<_>, Vec<_>) =
                batch.drain(..).partition(|commit| refused.is_none_or(|belief| commit.belief > belief));
            stale.into_iter().for_each(refuse);
            let Some(belief) = current.iter().map(|commit| commit.belief).max() else { continue };
            if let Err(fault) = self.commit(current).await {
                refused = Some(belief);
                self.tell_driver(fault);
            }
        }
    }

    /// All of the batch or nothing of it: a later decision may rest on an earlier one.
    async fn commit(&self, batch: Vec<Commit>) -> Result<(), Fault> {
        let mut writes = Vec::new();
        let mut done = Vec::with_capacity(batch.len());
        for Commit { decision, also, reply, .. } in batch {
            let facts = Arc::new(decision.facts);
            if !facts.is_empty() || also.is_some() {
                writes.push((Arc::clone(&facts), also));
            }
            done.push(Done { facts, actions: decision.actions, reply });
        }
        match self.write(writes).await {
            Ok(newest) => {
                for (deployment, seq) in newest {
                    self.watchers.tell(deployment, seq);
                }
                for done in done {
                    self.perform(done).await;
                }
                Ok(())
            }
            Err(fault) => {
                for reply in done.into_iter().filter_map(|done| done.reply) {
                    // Whoever asked may have gone.
                    let _ = reply.send(Err(fault.clone()));
                }
                Err(fault)
            }
        }
    }

    async fn write(&self, writes: Vec<(Arc<Vec<Fact>>, Option<Also>)>) -> Result<Vec<(DeploymentId, i64)>, Fault> {
        if writes.is_empty() {
            return Ok(Vec::new());
        }
        self.store
            .write(move |tx| {
                let at = clock::now();
                let mut newest = Vec::new();
                for (facts, also) in writes {
                    for fact in facts.iter() {
                        let seq = facts::apply(tx, at, fact)?;
                        if let Fact::Deployment(id, _) = fact {
                            newest.push((*id, seq));
                        }
                    }
                    also.map_or(Ok(()), |also| also(tx))?;
                }
                Ok(newest)
            })
            .await
    }

    async fn perform(&self, done: Done) {
        self.performer.stored(&done.facts);
        for action in done.actions {
            self.performer.perform(action).await;
        }
        if let Some(reply) = done.reply {
            // Whoever asked may have gone.
            let _ = reply.send(Ok(()));
        }
    }

    /// In a task of its own: the driver may be waiting for room in this committer's queue.
    fn tell_driver(&self, fault: Fault) {
        if let Some(driver) = self.driver.upgrade() {
            task::spawn("diverged", async move { driver.send(Command::Diverged(fault)).await });
        }
    }
}

fn refuse(commit: Commit) {
    if let Some(reply) = commit.reply {
        let sentence =
            "The coordinator could not write to its store and begins again from what is stored. Ask again in a moment.";
        // Whoever asked may have gone.
        let _ = reply.send(Err(Fault::new(Reason::StoreUnavailable, sentence)));
    }
}
