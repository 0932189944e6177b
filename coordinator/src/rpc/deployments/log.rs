//! Reads an attempt's log from a sequence on, and follows it while it grows: exactly what is stored, and an honest end.

use std::time::Duration;

use prost::{Message, bytes::Bytes};
use prost_types::Timestamp;
use proto::{
    deployment::{LogChunk, LogFrame, ReadLogRequest},
    worker::{Frame, frame::Body},
};
use rusqlite::Connection;
use shared::{
    attempt::AttemptState,
    id::{DeploymentId, ExecutionId},
    reason::{Fault, Reason},
};
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};

use super::{Deployments, follow::stopping};
use crate::{
    log_store::LogStore,
    registry::worker,
    store::{
        Store, deployments,
        view::{AttemptRow, DeploymentView, StepState, StepView},
    },
};

/// 256 KiB of frames in a chunk: a few screens, and well within a message.
const CHUNK_BYTES: usize = 256 << 10;

/// 10 seconds: a worker's revocation is no event of the deployment, so its readers look for it now and then.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

/// 30 seconds: a whole log is compared with its digest and archived in less, unless the two do not agree.
const UNCONFIRMED_AFTER: Duration = Duration::from_secs(30);

/// A reader of one attempt's log.
pub(super) struct LogReader {
    store: Store,
    logs: LogStore,
    execution: ExecutionId,
    next: u64,
    follow: bool,
    /// Events of the deployment; none when it has ended.
    news: Option<watch::Receiver<i64>>,
    /// Grows with every stored frame, and closes once the log is whole and archived.
    growth: watch::Receiver<u64>,
    whole_since: Option<Instant>,
    is_over: bool,
}

impl Deployments {
    /// # Errors
    /// [`Reason::AttemptNotFound`] when the deployment has no such step or attempt, or the step ended without one.
    pub(super) async fn log_reader(&self, request: ReadLogRequest) -> Result<LogReader, Fault> {
        let deployment = self.find(&request.deployment_id).await?;
        let next = u64::try_from(request.from_sequence)
            .map_err(|_| Fault::new(Reason::InvalidArgument, "`from_sequence` is negative; 0 means from the start."))?;
        let mut news = self.news(deployment).await?;
        let execution = match (request.step.as_str(), request.execution_id.as_str()) {
            ("", "") => {
                return Err(Fault::new(Reason::InvalidArgument, "Name a `step` or an `execution_id` to read its log."));
            }
            (step, "") => self.newest_attempt(deployment, step, request.follow, news.as_mut()).await?,
            ("", execution) => self.attempt_of(deployment, execution).await?,
            _ => {
                return Err(Fault::new(
                    Reason::InvalidArgument,
                    "Name either a `step` or an `execution_id`, not both.",
                ));
            }
        };
        LogReader::new(self.store.clone(), self.logs.clone(), execution, next, request.follow, news)
    }

    async fn attempt_of(&self, deployment: DeploymentId, execution: &str) -> Result<ExecutionId, Fault> {
        let unknown = || {
            let sentence = format!("Deployment {deployment} has no attempt \"{execution}\".");
            Fault::new(Reason::AttemptNotFound, sentence)
        };
        let id: ExecutionId = execution.parse().map_err(|_| unknown())?;
        let found = self.store.read(move |connection| deployments::attempt_state(connection, id)).await?;
        found.filter(|attempt| attempt.deployment == deployment).map(|attempt| attempt.execution).ok_or_else(unknown)
    }

    /// The step's newest attempt; when following, waits for one as long as there may be one.
    async fn newest_attempt(
        &self,
        deployment: DeploymentId,
        step: &str,
        follow: bool,
        mut news: Option<&mut watch::Receiver<i64>>,
    ) -> Result<ExecutionId, Fault> {
        let (index, name) = self.step(deployment, step).await?;
        loop {
            if let Some(news) = &mut news {
                news.borrow_and_update();
            }
            let view: DeploymentView =
                self.store.read(move |connection| deployments::deployment_view(connection, deployment)).await?;
            let run = &view.steps[index];
            match (run.attempts.last(), &mut news) {
                (Some(attempt), _) => return Ok(attempt.execution),
                (None, Some(news)) if follow && !has_settled(run) => news.changed().await.map_err(|_| stopping())?,
                (None, _) => return Err(no_attempt(&name, run)),
            }
        }
    }
}

fn has_settled(run: &StepView) -> bool {
    !matches!(run.state, StepState::Pending | StepState::Queued | StepState::Running | StepState::Unknown)
}

fn no_attempt(name: &str, run: &StepView) -> Fault {
    let why = if has_settled(run) { format!("it never ran. {}", run.detail) } else { "it has not begun yet.".into() };
    Fault::new(Reason::AttemptNotFound, format!("Step \"{name}\" has no log: {}", why.trim_end()))
}

impl LogReader {
    pub(super) fn new(
        store: Store,
        logs: LogStore,
        execution: ExecutionId,
        next: u64,
        follow: bool,
        news: Option<watch::Receiver<i64>>,
    ) -> Result<Self, Fault> {
        let growth = logs.subscribe(execution)?;
        Ok(Self { store, logs, execution, next, follow, news, growth, whole_since: None, is_over: false })
    }

    /// The next part, as soon as there is one; the last one says how the log ends, and nothing comes after it.
    ///
    /// # Errors
    /// Those of the stores; [`Reason::ShuttingDown`].
    pub(super) async fn next(&mut self) -> Result<Option<LogChunk>, Fault> {
        while !self.is_over {
            // What stands must be known before the frames are read: what comes between is news, and not a gap.
            let is_archived = self.see_growth();
            let standing = self.standing().await?;
            let frames = self.logs.read(self.execution, self.next, CHUNK_BYTES).await?;
            if let Some((last, _)) = frames.last() {
                self.next = last + 1;
                let frames: Vec<LogFrame> = frames.into_iter().filter_map(log_frame).collect::<Result<_, _>>()?;
                if !frames.is_empty() {
                    return Ok(Some(LogChunk { frames, ..LogChunk::default() }));
                }
            } else if let Some(end) = self.end(is_archived, &standing) {
                self.is_over = true;
                return Ok(Some(end.into()));
            } else {
                self.wait().await?;
            }
        }
        Ok(None)
    }

    /// Marks what grew as seen; true once no more will grow.
    fn see_growth(&mut self) -> bool {
        if let Some(news) = &mut self.news {
            news.borrow_and_update();
        }
        self.growth.borrow_and_update();
        self.growth.has_changed().is_err()
    }

    async fn standing(&self) -> Result<Standing, Fault> {
        let execution = self.execution;
        self.store.read(move |connection| Standing::read(connection, execution)).await
    }

    /// How the log ends, now that all that is stored was read; nothing while more may come.
    fn end(&mut self, is_archived: bool, standing: &Standing) -> Option<End> {
        if is_archived || standing.attempt.log.complete || standing.attempt.state == AttemptState::NotStarted {
            return Some(End::Complete);
        }
        if let Some(why) = standing.never_complete(self.next) {
            return Some(End::Incomplete(why));
        }
        if !self.follow {
            return Some(End::Open);
        }
        let is_whole = standing.attempt.log.frames.is_some_and(|frames| self.next >= frames);
        let since = *self.whole_since.get_or_insert_with(Instant::now);
        if !is_whole {
            self.whole_since = None;
        } else if since.elapsed() >= UNCONFIRMED_AFTER {
            let why = format!(
                "All {} frames are stored, but it was not confirmed that they are what the worker wrote.",
                self.next
            );
            return Some(End::Incomplete(why));
        }
        None
    }

    async fn wait(&mut self) -> Result<(), Fault> {
        let news = async {
            match &mut self.news {
                Some(news) => news.changed().await.map_err(|_| stopping()),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            told = news => told,
            // Closed: it is archived.
            _ = self.growth.changed() => Ok(()),
            () = sleep(LOOK_AGAIN) => Ok(()),
        }
    }
}

/// How a log ends.
enum End {
    /// It is all there is.
    Complete,
    /// More may come, but nobody wants to wait.
    Open,
    /// What is missing, in a sentence.
    Incomplete(String),
}

impl From<End> for LogChunk {
    fn from(end: End) -> Self {
        let (complete, incomplete_reason) = match end {
            End::Complete => (true, String::new()),
            End::Open => (false, String::new()),
            End::Incomplete(why) => (false, why),
        };
        Self { frames: Vec::new(), complete, incomplete_reason }
    }
}

/// What is known about an attempt besides its frames.
struct Standing {
    attempt: AttemptRow,
    /// What became of its worker, when nothing more can come from it.
    worker_is: Option<&'static str>,
}

impl Standing {
    fn read(connection: &Connection, execution: ExecutionId) -> Result<Self, Fault> {
        let attempt = deployments::attempt_state(connection, execution)?
            .ok_or_else(|| Fault::new(Reason::AttemptNotFound, format!("There is no attempt {execution} any more.")))?;
        let worker_is = match worker::find(connection, &attempt.worker.to_string())? {
            None => Some("deleted"),
            Some(worker) if worker.state == worker::State::Revoked => Some("revoked"),
            Some(_) => None,
        };
        Ok(Self { attempt, worker_is })
    }

    /// Why the rest will never come.
    fn never_complete(&self, stored: u64) -> Option<String> {
        let rest = match self.attempt.log.frames {
            Some(frames) => format!("{stored} of its {frames} frames are stored"),
            None => format!("{stored} frames are stored, and how many there were is not known"),
        };
        match self.worker_is {
            Some(fate) if !self.attempt.state.may_be_alive() => {
                Some(format!("The log is not complete: its worker was {fate} before it sent all of it; {rest}."))
            }
            _ if self.attempt.state == AttemptState::Resolved && self.attempt.log.frames.is_none() => {
                Some(format!("The log is not complete: the attempt left no exit record; {rest}."))
            }
            _ => None,
        }
    }
}

/// Frames that are no log lines are for the coordinator only.
fn log_frame((sequence, bytes): (u64, Bytes)) -> Option<Result<LogFrame, Fault>> {
    let frame = match Frame::decode(bytes) {
        Ok(frame) => frame,
        Err(error) => {
            let sentence = format!("Frame {sequence} of the log is not readable: {error}.");
            return Some(Err(Fault::new(Reason::Internal, sentence)));
        }
    };
    let Some(Body::Log(log)) = frame.body else { return None };
    let time = Timestamp {
        seconds: frame.time_ms.div_euclid(1000),
        nanos: i32::try_from(frame.time_ms.rem_euclid(1000) * 1_000_000).unwrap_or(0),
    };
    Some(Ok(LogFrame {
        sequence: i64::try_from(sequence).unwrap_or(i64::MAX),
        source: log.source,
        level: log.level,
        data: log.data,
        time: Some(time),
    }))
}
