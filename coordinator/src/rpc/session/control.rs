//! One worker's control stream: Hello once, then its words to the driver. Answers go out through the session's route.

use std::collections::{BTreeMap, BTreeSet};

use coordinator_core::input::{Held, Hello, Input, Memories, Said};
use proto::{
    status::to_status,
    worker::{
        CoordinatorMessage, Directive, Heartbeat, HeartbeatAck, Hello as WireHello, Interrupted, ResultNotice, Welcome,
        WorkerMessage, coordinator_message::Message as Out, directive, worker_message::Message,
    },
};
use shared::{
    attempt::AttemptState,
    id::{ExecutionId, SessionEpoch, WorkerId},
    limits,
    reason::{Fault, Reason},
};
use tokio::sync::mpsc;
use tonic::{Status, Streaming};

use super::{Session, execution, words};
use crate::{
    clock,
    drain::Expected,
    driver::routes::{Route, SESSION_MESSAGES},
    presence::Heard,
    registry::{self, worker::Identity},
    store::{deployments, view::AttemptRow},
};

/// An open session.
pub(super) struct Control {
    session: Session,
    worker: WorkerId,
    epoch: SessionEpoch,
    words: Streaming<WorkerMessage>,
    out: mpsc::WeakSender<CoordinatorMessage>,
}

impl Control {
    /// Takes the Hello and opens a session for it.
    pub(super) async fn open(
        session: Session,
        worker: WorkerId,
        mut words: Streaming<WorkerMessage>,
    ) -> Result<(Self, mpsc::Receiver<CoordinatorMessage>), Status> {
        let hello = match words.message().await?.and_then(|first| first.message) {
            Some(Message::Hello(hello)) => hello,
            _ => return Err(Status::invalid_argument("A session begins with Hello.")),
        };
        check_protocol(&hello).map_err(|fault| to_status(&fault))?;
        let (sender, receiver) = mpsc::channel(SESSION_MESSAGES);
        let out = sender.downgrade();
        let mut domain = words::hello(worker, &hello)?;
        let route = route(&session, worker, &domain, &hello, sender).await.map_err(|fault| to_status(&fault))?;
        let held: Vec<ExecutionId> = domain.held.keys().copied().collect();
        domain.unheard_of = unheard_of(&session, held).await.map_err(|fault| to_status(&fault))?;
        for result in hello.held.iter().filter_map(|held| held.result.as_ref()) {
            expect_artifacts(&session, worker, result).await?;
        }
        note_hello(&session, worker, &hello).await.map_err(|fault| to_status(&fault))?;
        let epoch = session.driver.open_session(domain, route).await.map_err(|fault| to_status(&fault))?;
        tracing::info!(worker = %worker, epoch = epoch.0, "a session began");
        Ok((Self { session, worker, epoch, words, out }, receiver))
    }

    /// Hands on what the worker says until it stops.
    pub(super) async fn run(mut self) {
        loop {
            let word = tokio::select! {
                word = self.words.message() => word,
                () = self.session.shutdown.requested() => break,
            };
            match word {
                Ok(Some(word)) => {
                    if let Err(status) = self.hear(word).await {
                        tracing::warn!(worker = %self.worker, error = %status, "a worker said something unfit");
                        break;
                    }
                }
                Ok(None) => break,
                Err(error) => {
                    tracing::info!(worker = %self.worker, error = %error.message(), "a session broke");
                    break;
                }
            }
            if self.out.strong_count() == 0 {
                // The driver closed the route: a newer session, a revocation, or the end.
                break;
            }
        }
        let closed = Input::SessionClosed { worker: self.worker, epoch: self.epoch };
        // When the driver has ended there is nothing to close.
        let _ = self.session.driver.submit(closed, None).await;
        tracing::info!(worker = %self.worker, epoch = self.epoch.0, "a session ended");
    }

    async fn hear(&self, word: WorkerMessage) -> Result<(), Status> {
        if word.session_epoch != self.epoch.0 {
            return Ok(());
        }
        let Some(message) = word.message else { return Ok(()) };
        match &message {
            Message::Heartbeat(heartbeat) => self.heartbeat(heartbeat).await,
            Message::Interrupted(interrupted) => self.expect_rest(interrupted).await?,
            // Before its end is known: whoever sees that it has ended sees what it left, too.
            Message::Result(notice) => expect_artifacts(&self.session, self.worker, notice).await?,
            _ => {}
        }
        let Some(mut said) = words::said(message)? else { return Ok(()) };
        if let Said::Remembered(memories) = &mut said {
            self.tell_strangers(memories).await.map_err(|fault| to_status(&fault))?;
        }
        self.session.driver.say(self.worker, self.epoch, said).await.map_err(|fault| to_status(&fault))
    }

    /// Marks the attempts of which the store has never heard.
    async fn tell_strangers(&self, memories: &mut Memories) -> Result<(), Fault> {
        let told = memories.attempts.iter().map(|memory| memory.execution).collect();
        let strangers = unheard_of(&self.session, told).await?;
        for memory in &mut memories.attempts {
            memory.is_stored = !strangers.contains(&memory.execution);
        }
        Ok(())
    }

    async fn heartbeat(&self, heartbeat: &Heartbeat) {
        if let Some(out) = self.out.upgrade() {
            let ack = Out::HeartbeatAck(HeartbeatAck { number: heartbeat.number });
            // A full queue is closed by the next message that matters.
            let _ = out.try_send(CoordinatorMessage { session_epoch: self.epoch.0, message: Some(ack) });
        }
        let identity = own_identity(heartbeat);
        let heard = Heard {
            at: clock::now(),
            disk_free: heartbeat.disk_free_bytes,
            identity: identity.clone(),
            equipment: words::equipment(heartbeat),
        };
        if self.session.presence.hear(self.worker, heard) {
            let worker = self.worker;
            let noted = self
                .session
                .store
                .write(move |tx| registry::worker::note_identity(tx, worker, identity.as_ref()))
                .await;
            if let Err(error) = noted {
                tracing::warn!(worker = %worker, error = %error, "a worker's identity could not be noted");
            }
        }
    }

    /// Of a process that died with its shim, the frames that were saved are fetched; no digest vouches for them.
    async fn expect_rest(&self, interrupted: &Interrupted) -> Result<(), Status> {
        let execution = execution(&interrupted.execution_id)?;
        let read = self.session.store.read(move |connection| deployments::attempt_state(connection, execution)).await;
        let attempt = read.map_err(|fault| to_status(&fault))?;
        // A worker's word about another's attempt, or about one whose length is known, ends no log.
        if attempt.is_some_and(|attempt| attempt.worker == self.worker && attempt.log.frames.is_none()) {
            let frames = u64::try_from(interrupted.final_seq).unwrap_or(0);
            self.session.drain.expect(execution, Expected { frames, digest: None });
        }
        Ok(())
    }
}

/// Those that the store has never heard of.
async fn unheard_of(session: &Session, executions: Vec<ExecutionId>) -> Result<BTreeSet<ExecutionId>, Fault> {
    let read = session.store.read(move |connection| {
        let mut strangers = BTreeSet::new();
        for execution in executions {
            if deployments::attempt_state(connection, execution)?.is_none() {
                strangers.insert(execution);
            }
        }
        Ok(strangers)
    });
    read.await
}

/// What nobody can make sense of is left out: an attempt's end counts whatever else is said with it.
async fn expect_artifacts(session: &Session, worker: WorkerId, notice: &ResultNotice) -> Result<(), Status> {
    if notice.artifacts.is_empty() {
        return Ok(());
    }
    let execution = execution(&notice.execution_id)?;
    if !session.is_stored(worker, execution).await? {
        // Of an attempt that a restored store has never heard of: they stay on its worker.
        return Ok(());
    }
    match session.artifacts.announce(execution, &notice.artifacts).await {
        Err(fault) if fault.reason == Reason::InvalidArgument => {
            tracing::error!(%worker, %execution, error = %fault, "artifacts that a worker tells of are not expected");
            Ok(())
        }
        other => other.map_err(|fault| to_status(&fault)),
    }
}

/// What the store keeps of what a worker says of itself; nothing until it has asked AWS, or tried to keep its steps apart.
fn own_identity(heartbeat: &Heartbeat) -> Option<Identity> {
    if heartbeat.own_role.is_none() && heartbeat.isolation.is_none() {
        return None;
    }
    let own = heartbeat.own_role.clone().unwrap_or_default();
    let isolation = heartbeat.isolation.clone();
    let identity = own.identity.unwrap_or_default();
    Some(Identity {
        account: identity.account,
        arn: identity.arn,
        region: own.region,
        source: identity.source,
        partition: own.partition,
        obtained_at: own.obtained_at,
        expires_at: identity.expires_at,
        reason: own.reason,
        problem: own.problem,
        isolated: isolation.as_ref().is_some_and(|isolation| isolation.holds),
        isolation_detail: isolation.map(|isolation| isolation.detail).unwrap_or_default(),
    })
}

/// The session's way out, with what the store says about everything the worker holds.
async fn route(
    session: &Session,
    worker: WorkerId,
    hello: &Hello,
    wire: &WireHello,
    out: mpsc::Sender<CoordinatorMessage>,
) -> Result<Route, Fault> {
    let held: Vec<ExecutionId> = hello.held.keys().copied().collect();
    let (row, attempts) = session
        .store
        .read(move |connection| {
            let row = registry::worker::get(connection, &worker.to_string())?;
            let attempts = held
                .into_iter()
                .map(|execution| {
                    let its_own = deployments::attempt_state(connection, execution)?.filter(|it| it.worker == worker);
                    Ok((execution, its_own))
                })
                .collect::<Result<BTreeMap<_, _>, Fault>>()?;
            Ok((row, attempts))
        })
        .await?;
    let mut next_seq = BTreeMap::new();
    let mut directives = Vec::new();
    for (execution, attempt) in &attempts {
        let next = session.logs.next_seq(*execution)?.cast_signed();
        next_seq.insert(*execution, next);
        let Some(held) = hello.held.get(execution) else { continue };
        if let Some(kind) = directive_for_settled(session, *execution, attempt.as_ref(), held, wire) {
            directives.push(Directive { execution_id: execution.to_string(), kind: kind.into(), next_seq: next });
        }
    }
    let welcome = Welcome {
        store_id: session.store_id.to_string(),
        directives,
        worker_name: row.name,
        pool: row.pool,
        ..Welcome::default()
    };
    Ok(Route { out, welcome, next_seq })
}

/// What a worker does with an attempt that is not open here any more; `None` when the core decides.
fn directive_for_settled(
    session: &Session,
    execution: ExecutionId,
    attempt: Option<&AttemptRow>,
    held: &Held,
    wire: &WireHello,
) -> Option<directive::Kind> {
    let Some(attempt) = attempt else {
        if matches!(held, Held::Running | Held::Ended(_)) {
            tracing::error!(execution = %execution, "a worker holds an attempt that the store does not know");
            // It may be all that is left of what a lost store had granted: it is left alone.
            return Some(directive::Kind::Keep);
        }
        return None;
    };
    if attempt.state == AttemptState::Interrupted {
        expect_saved_frames(session, execution, wire);
        return None;
    }
    if !attempt.state.is_settled() {
        return None;
    }
    match (held, attempt.log.frames, attempt.log.digest) {
        _ if attempt.log.complete => Some(directive::Kind::Forget),
        // Running: its result is stored already, and did not fit the Hello.
        (Held::Ended(_) | Held::Running, Some(frames), Some(digest)) => {
            session.drain.expect(execution, Expected { frames, digest: Some(digest) });
            Some(directive::Kind::Keep)
        }
        (Held::Interrupted(_), ..) => {
            expect_saved_frames(session, execution, wire);
            Some(directive::Kind::Keep)
        }
        // It ended after somebody had decided about it: its log counts for nothing any more.
        (Held::Ended(_), ..) => Some(directive::Kind::Forget),
        (Held::Running | Held::Accepted | Held::Void, ..) => None,
    }
}

fn expect_saved_frames(session: &Session, execution: ExecutionId, wire: &WireHello) {
    let id = execution.to_string();
    if let Some(held) = wire.held.iter().find(|held| held.execution_id == id) {
        let frames = u64::try_from(held.produced_seq).unwrap_or(0);
        session.drain.expect(execution, Expected { frames, digest: None });
    }
}

/// A worker that saw an order number which was never given: the store is older than the worker's journal, or the worker lies.
async fn note_hello(session: &Session, worker: WorkerId, hello: &WireHello) -> Result<(), Fault> {
    let now = clock::now();
    let theirs = hello.clock.map_or(now, |at| at.seconds * 1000 + i64::from(at.nanos) / 1_000_000);
    let (version, slots) = (hello.version.clone(), i64::from(hello.slots));
    session.store.write(move |tx| registry::worker::note_hello(tx, worker, (&version, slots), theirs - now, now)).await
}

fn check_protocol(hello: &WireHello) -> Result<(), Fault> {
    if (hello.protocol_min..=hello.protocol_max).contains(&proto::PROTOCOL_VERSION) {
        return Ok(());
    }
    Err(Fault::new(
        Reason::ProtocolMismatch,
        format!(
            "The worker speaks protocol {} to {}, the coordinator {}: upgrade the older of the two.",
            hello.protocol_min,
            hello.protocol_max,
            proto::PROTOCOL_VERSION
        ),
    ))
}

/// Whether so little disk is free that a new step's log would not be safe.
pub(super) fn is_low(disk_free: i64) -> bool {
    u64::try_from(disk_free).is_ok_and(|free| free < limits::DISK_FLOOR_BYTES)
}
