//! Follows a deployment's events from a cursor on: all of them, in order, each once.

use std::collections::HashMap;

use proto::deployment::DeploymentEvent;
use rusqlite::Connection;
use shared::{
    id::{DeploymentId, ExecutionId},
    reason::{Fault, Reason},
};
use tokio::sync::watch;

use super::event;
use crate::store::{Store, deployments, view::EventRow};

/// 256 events: a page of them is some 64 KiB.
const PAGE: usize = 256;

/// A follower of one deployment.
pub(super) struct Watcher {
    store: Store,
    /// Grows with every stored event; subscribed before the first read, so that nothing falls between the two. None when the
    /// deployment has ended.
    news: Option<watch::Receiver<i64>>,
    id: DeploymentId,
    after: i64,
    is_over: bool,
}

impl Watcher {
    pub(super) fn new(store: Store, news: Option<watch::Receiver<i64>>, id: DeploymentId, after: i64) -> Self {
        Self { store, news, id, after, is_over: false }
    }

    /// The next events, as soon as there are any; nothing once the deployment has ended and all are told.
    ///
    /// # Errors
    /// Those of the store; [`Reason::ShuttingDown`].
    pub(super) async fn next(&mut self) -> Result<Option<Vec<DeploymentEvent>>, Fault> {
        while !self.is_over {
            if let Some(news) = &mut self.news {
                news.borrow_and_update();
            }
            let (id, after) = (self.id, self.after);
            let page = self.store.read(move |connection| Page::read(connection, id, after)).await?;
            self.after = page.events.last().map_or(self.after, |event| event.sequence);
            self.is_over = page.last_of_all.is_some_and(|last| self.after >= last);
            if !page.events.is_empty() {
                return Ok(Some(page.events));
            }
            if !self.is_over {
                let news = self.news.as_mut().ok_or_else(stopping)?;
                news.changed().await.map_err(|_| stopping())?;
            }
        }
        Ok(None)
    }
}

/// What is there to tell at one moment.
struct Page {
    events: Vec<DeploymentEvent>,
    /// Sequence of the last event there will be, once the deployment has ended.
    last_of_all: Option<i64>,
}

impl Page {
    fn read(connection: &Connection, id: DeploymentId, after: i64) -> Result<Self, Fault> {
        let row = deployments::deployment_row(connection, id)?;
        let last_of_all = row.ended_at.map(|_| row.last_event);
        let rows = deployments::events_after(connection, id, after, PAGE)?;
        if rows.is_empty() {
            return Ok(Self { events: Vec::new(), last_of_all });
        }
        let mut names = Names::read(connection, id)?;
        let events = rows.into_iter().map(|row| names.tell(connection, row)).collect::<Result<_, _>>()?;
        Ok(Self { events, last_of_all })
    }
}

/// Names for what events call by position and id.
struct Names {
    steps: Vec<String>,
    workers: HashMap<ExecutionId, String>,
}

impl Names {
    fn read(connection: &Connection, id: DeploymentId) -> Result<Self, Fault> {
        let (process, _) = deployments::plan_of_deployment(connection, id)?;
        Ok(Self { steps: process.steps.into_iter().map(|step| step.name).collect(), workers: HashMap::new() })
    }

    fn tell(&mut self, connection: &Connection, row: EventRow) -> Result<DeploymentEvent, Fault> {
        let worker = match event::attempt_of(&row.fact) {
            Some(execution) => self.worker(connection, execution)?,
            None => String::new(),
        };
        let step = event::step_of(&row.fact).and_then(|step| self.steps.get(step)).map_or("", String::as_str);
        Ok(event::event(row, step, &worker))
    }

    fn worker(&mut self, connection: &Connection, execution: ExecutionId) -> Result<String, Fault> {
        if let Some(name) = self.workers.get(&execution) {
            return Ok(name.clone());
        }
        let name = deployments::worker_of_attempt(connection, execution)?.unwrap_or_default();
        self.workers.insert(execution, name.clone());
        Ok(name)
    }
}

pub(super) fn stopping() -> Fault {
    Fault::new(Reason::ShuttingDown, "The coordinator is stopping. Follow it again in a moment; nothing is lost.")
}
