//! One act for each wish.

use std::time::SystemTime;

use proto::worker::{self as wire_messages, worker_message::Message as ToCoordinator};
use shared::id::ExecutionId;
use tokio::task::spawn_blocking;
use tracing::{error, warn};
use worker_core::{Effect, Message, Record};

use super::{Driver, tasks};
use crate::{
    credentials::refresh::{Held, keep_fresh},
    preparation::{CredentialSource, Wanted},
    result, wire,
};

impl Driver {
    /// Does what the mind wishes. Nothing here waits: what takes time becomes a task that answers with a fact.
    pub(super) fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Journal(record) => self.append(record),
            Effect::Prepare(execution) => self.prepare(execution),
            Effect::DropPreparation(execution) => self.drop_preparation(execution),
            Effect::Spawn(execution) => self.spawn(execution),
            Effect::Examine(execution) => self.examine(execution),
            Effect::Cancel { execution, grace } => {
                let exec = self.host.home.exec(execution);
                spawn_blocking(move || {
                    if let Err(error) = exec.request_cancel(grace) {
                        error!(%execution, %error, "shim cannot be told to end");
                    }
                });
            }
            Effect::Stream { execution, from } => self.outbox.stream(execution, from),
            Effect::Send(message) => self.say(message),
            Effect::RemoveFiles(execution) => {
                self.outbox.gone(execution);
                self.attempts.remove(&execution);
                tasks::removal(self.host.clone(), execution);
            }
            Effect::Reconnect => {
                if let Some(link) = self.link.take() {
                    link.give_up();
                }
            }
        }
    }

    pub(super) fn examine_all(&mut self, executions: impl IntoIterator<Item = ExecutionId>) {
        for execution in executions {
            self.examine(execution);
        }
    }

    /// Looks at every attempt that may be alive.
    pub(super) fn examine_running(&mut self) {
        let running: Vec<_> = self.agent.running().collect();
        self.examine_all(running);
    }

    pub(super) fn examine(&mut self, execution: ExecutionId) {
        let may_be_alive = self.agent.phase(execution).is_some_and(worker_core::Phase::may_be_alive);
        if may_be_alive && !std::mem::replace(&mut self.attempt(execution).is_being_examined, true) {
            tasks::examination(self.host.clone(), execution, self.tasks.clone());
        }
    }

    /// Takes up a live attempt of an earlier agent: hears of its end, keeps its credentials fresh.
    pub(super) fn follow(&mut self, execution: ExecutionId) {
        self.watch(execution);
        // What happened before the watch was set is found by the next look.
        self.examine(execution);
        let Some(source) = CredentialSource::noted(&self.host, &self.access, execution) else { return };
        match self.host.home.runtime(execution).read_credentials() {
            Ok(Some(credentials)) => {
                let since = self.host.home.runtime(execution).credentials_since();
                let since = since.unwrap_or_else(SystemTime::now);
                self.keep_fresh(execution, source, Held { credentials, since });
            }
            Ok(None) => {}
            Err(error) => warn!(%execution, %error, "credentials of a running step cannot be read"),
        }
    }

    fn append(&mut self, record: Record) {
        let entry = record.entry();
        let number = self.journal.append(record);
        self.unsynced.push_back((number, entry));
    }

    fn prepare(&mut self, execution: ExecutionId) {
        let Some(terms) = self.agent.terms(execution).cloned() else { return };
        let spec = self.attempt(execution).spec.take();
        let wanted = Wanted { execution, terms, spec };
        let preparation = tasks::preparation(self.host.clone(), self.access.clone(), wanted, self.tasks.clone());
        self.attempt(execution).preparing = Some(tasks::abortable("preparation", preparation));
    }

    fn drop_preparation(&mut self, execution: ExecutionId) {
        self.attempts.remove(&execution);
        let runtime = self.host.home.runtime(execution);
        spawn_blocking(move || {
            if let Err(error) = runtime.wipe() {
                warn!(%execution, %error, "runtime folder cannot be removed");
            }
        });
    }

    fn spawn(&mut self, execution: ExecutionId) {
        let Some(mut prepared) = self.attempt(execution).prepared.take() else {
            error!(%execution, "nothing is prepared");
            return self.examine(execution);
        };
        self.watch(execution);
        if let Some((credentials, source)) = prepared.credentials.as_mut() {
            let (credentials, source) = (credentials.clone(), source.clone());
            self.keep_fresh(execution, source, Held { credentials, since: SystemTime::now() });
        }
        tasks::spawning(self.host.clone(), execution, prepared, self.tasks.clone());
    }

    fn watch(&mut self, execution: ExecutionId) {
        let exec = self.host.home.exec(execution);
        if let Err(error) = exec.create().and_then(|()| self.watcher.watch(execution, exec.path())) {
            error!(%execution, %error, "attempt cannot be watched; it is looked at every 30 seconds");
        }
    }

    fn keep_fresh(&mut self, execution: ExecutionId, source: CredentialSource, held: Held) {
        let runtime = self.host.home.runtime(execution);
        let refreshing = tasks::abortable("credentials", keep_fresh(source, runtime, held));
        self.attempt(execution).refreshing = Some(refreshing);
    }

    fn say(&mut self, message: Message) {
        if let Message::Rejected { execution, .. } = &message {
            // Whatever came along with the offer.
            self.attempts.remove(execution);
        }
        let Some(link) = &self.link else { return };
        match message {
            Message::Result { execution } => match self.notice(execution) {
                Some(notice) => self.tell(ToCoordinator::Result(notice)),
                None => error!(%execution, "result is not there"),
            },
            Message::Heartbeat { number, free_slots } => {
                link.say(ToCoordinator::Heartbeat(wire_messages::Heartbeat {
                    number,
                    free_slots: i32::try_from(free_slots).unwrap_or(i32::MAX),
                    disk_free_bytes: i64::try_from(self.host.home.disk_free()).unwrap_or(i64::MAX),
                    own_role: self.own_identity.as_ref().map(|own| own.to_wire(&self.host.aws.configured_region())),
                    isolation: Some(wire_messages::Isolation {
                        holds: self.host.isolation.holds,
                        detail: self.host.isolation.why.clone(),
                    }),
                    equipment: self.equipment.clone(),
                }));
            }
            Message::Interrupted { execution, evidence } => {
                let frames = result::frames(&self.host.home.exec(execution)).unwrap_or_else(|error| {
                    error!(%execution, %error, "event stream cannot be read");
                    0
                });
                link.say(ToCoordinator::Interrupted(wire_messages::Interrupted {
                    execution_id: execution.to_string(),
                    evidence,
                    final_seq: i64::try_from(frames).unwrap_or(i64::MAX),
                }));
            }
            other => {
                if let Some(message) = wire::said(other) {
                    link.say(message);
                }
            }
        }
    }

    fn tell(&self, message: ToCoordinator) {
        if let Some(link) = &self.link {
            link.say(message);
        }
    }

    /// Read when the end was found; from the files again after a restart.
    fn notice(&mut self, execution: ExecutionId) -> Option<wire_messages::ResultNotice> {
        if self.attempt(execution).notice.is_none() {
            let read = result::notice(&self.host.home.exec(execution), execution);
            self.attempt(execution).notice = read.ok().flatten().map(Box::new);
        }
        self.attempt(execution).notice.as_deref().cloned()
    }
}
