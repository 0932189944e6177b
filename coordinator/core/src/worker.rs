//! A registered worker as the coordinator sees it now.

use std::collections::{BTreeMap, BTreeSet};

use shared::id::{AssignSeq, ExecutionId, SessionEpoch, WorkerId};

use crate::{
    Coordinator, Mono,
    action::Action,
    input::{Wish, WorkerRecord},
    report::{Report, TOOL, is_reported},
    timer::Timer,
};

#[derive(Clone, Debug)]
pub(crate) struct Worker {
    pub(crate) name: String,
    pub(crate) pool: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) wish: Wish,
    /// Of its newest session, open or not.
    pub(crate) epoch: SessionEpoch,
    /// Its open session.
    pub(crate) session: Option<SessionEpoch>,
    pub(crate) assign_seq: AssignSeq,
    /// Highest that it has said in its newest session to have seen.
    pub(crate) hwm: AssignSeq,
    /// Whether its journal is the one that the store knows.
    pub(crate) accounts_for_all: bool,
    pub(crate) journal_id: String,
    pub(crate) boot_id: String,
    pub(crate) slots: u32,
    pub(crate) disk_low: bool,
    /// What it said of itself in its newest session.
    pub(crate) report: Report,
    /// When it was heard last; when this coordinator began, if not since.
    pub(crate) heard_at: Mono,
    /// It rejected an offer: nothing more for it until then.
    pub(crate) closed_until: Option<Mono>,
    /// Open attempts that it has.
    pub(crate) open: BTreeSet<ExecutionId>,
}

impl Worker {
    /// Slots that an offer may fill.
    pub(crate) fn free_slots(&self) -> u32 {
        let open = u32::try_from(self.open.len()).unwrap_or(u32::MAX);
        self.slots.saturating_sub(open)
    }

    /// Whether it may be offered anything now.
    pub(crate) fn is_available(&self) -> bool {
        self.wish == Wish::Active
            && self.session.is_some()
            && !self.disk_low
            && self.closed_until.is_none()
            && self.free_slots() > 0
    }

    pub(crate) fn carries(&self, requires: &BTreeMap<String, String>) -> bool {
        requires.iter().all(|(label, value)| self.meets(label, value))
    }

    /// Whether it carries a label with this value, or has the tools that the value demands.
    pub(crate) fn meets(&self, label: &str, value: &str) -> bool {
        match label {
            TOOL => matches!(self.report.unmet_tool(value), Ok(None)),
            label => self.label(label) == Some(value),
        }
    }

    /// A label that it was given, or what it reports under that name.
    pub(crate) fn label(&self, label: &str) -> Option<&str> {
        if is_reported(label) { self.report.label(label) } else { self.labels.get(label).map(String::as_str) }
    }
}

impl Coordinator {
    /// A worker was registered or changed by an admin.
    pub(crate) fn worker_changed(&mut self, now: Mono, record: WorkerRecord) {
        let id = record.id;
        if let Some(worker) = self.workers.get_mut(&id) {
            worker.name = record.name;
            worker.pool = record.pool;
            worker.labels = record.labels;
            worker.wish = record.wish;
        } else {
            self.workers.insert(id, Worker::from_record(record, now));
            self.timers.arm(now.after(self.patience.contact_lost_after), Timer::Contact(id));
        }
        self.refresh(id);
        self.give_up_if_revoked(id);
    }

    /// A revoked worker is never heard again: nobody waits for its silence to last.
    pub(crate) fn give_up_if_revoked(&mut self, id: WorkerId) {
        let Some(worker) = self.workers.get(&id).filter(|w| w.wish == Wish::Revoked) else { return };
        let why = format!("Worker {} was revoked.", worker.name);
        let open: Vec<ExecutionId> = worker.open.iter().copied().collect();
        self.end_session(id);
        for execution in open {
            self.withdraw_offer(execution, &why);
            self.contact_lost(execution, &why);
        }
    }

    pub(crate) fn worker_deleted(&mut self, id: WorkerId) {
        self.end_session(id);
        self.queue.set_available(id, "", false);
        self.workers.remove(&id);
    }

    pub(crate) fn session_closed(&mut self, id: WorkerId, epoch: SessionEpoch) {
        if let Some(worker) = self.workers.get_mut(&id)
            && worker.session == Some(epoch)
        {
            worker.session = None;
            self.refresh(id);
        }
    }

    /// Closes the worker's open session, if there is one.
    pub(crate) fn end_session(&mut self, id: WorkerId) {
        if let Some(epoch) = self.workers.get_mut(&id).and_then(|w| w.session.take()) {
            self.act(Action::CloseSession { worker: id, epoch });
        }
    }

    /// Tells the queue whether the worker may be offered something.
    pub(crate) fn refresh(&mut self, id: WorkerId) {
        if let Some(worker) = self.workers.get(&id) {
            self.queue.set_available(id, &worker.pool, worker.is_available());
        }
    }

    /// The worker rejected an offer: it is left alone for a moment, so that offer and rejection do not chase each other.
    pub(crate) fn close_for(&mut self, now: Mono, id: WorkerId, wait: std::time::Duration) {
        let until = now.after(wait);
        if let Some(worker) = self.workers.get_mut(&id) {
            worker.closed_until = Some(until);
            self.timers.arm(until, Timer::Reopen(id));
            self.refresh(id);
        }
    }

    pub(crate) fn reopen_due(&mut self, now: Mono, id: WorkerId) {
        if let Some(worker) = self.workers.get_mut(&id)
            && worker.closed_until.is_some_and(|until| until <= now)
        {
            worker.closed_until = None;
            self.refresh(id);
        }
    }

    /// Looks whether the worker was heard lately: offers without contact are taken back, granted attempts become unknown.
    pub(crate) fn contact_due(&mut self, now: Mono, id: WorkerId) {
        let Some(worker) = self.workers.get(&id) else { return };
        let silent = now.0.saturating_sub(worker.heard_at.0);
        let open: Vec<ExecutionId> = worker.open.iter().copied().collect();
        if silent >= self.patience.contact_lost_after {
            // A half-open session takes offers to nowhere; a living worker opens another.
            self.end_session(id);
            self.refresh(id);
            for execution in &open {
                self.withdraw_offer(*execution, "No word from its worker.");
            }
        }
        if silent >= self.patience.unknown_after {
            for execution in &open {
                self.contact_lost(*execution, "No word from its worker for too long.");
            }
        }
        let next = if silent < self.patience.contact_lost_after {
            self.patience.contact_lost_after - silent
        } else if silent < self.patience.unknown_after {
            self.patience.unknown_after - silent
        } else {
            self.patience.contact_lost_after
        };
        self.timers.arm(now.after(next), Timer::Contact(id));
    }
}

impl Worker {
    fn from_record(record: WorkerRecord, now: Mono) -> Self {
        Self {
            name: record.name,
            pool: record.pool,
            labels: record.labels,
            wish: record.wish,
            epoch: record.epoch,
            session: None,
            assign_seq: record.assign_seq,
            hwm: AssignSeq::default(),
            accounts_for_all: false,
            journal_id: record.journal_id,
            boot_id: record.boot_id,
            slots: 0,
            disk_low: false,
            report: Report::default(),
            heard_at: now,
            closed_until: None,
            open: BTreeSet::new(),
        }
    }
}
