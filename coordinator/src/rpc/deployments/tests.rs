//! The service over a real store, a real core and a worker that is played by the test.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc, time::Duration};

use coordinator_core::{
    Patience,
    fact::{ExitResult, Output, OutputValue, RunIdentity},
    input::{Hello, Said},
};
use futures_util::StreamExt;
use prost::{Message as _, bytes::Bytes};
use proto::{
    deployment::{self as wire, LogFrame, step_run},
    worker::{
        CoordinatorMessage, Frame, Grant, Log, Offer, Progress, Welcome, coordinator_message::Message, frame::Body,
    },
};
use service::shutdown::Shutdown;
use shared::{
    id::{AssignSeq, ExecutionId, SessionEpoch, WorkerId},
    outcome::Outcome,
    plan::{Action, Aws, Process, Script, Shell, Source, Step, VariableKey, VariableKind},
    reason::Reason,
};
use tempfile::TempDir;
use tokio::{sync::mpsc, time::timeout};
use uuid::Uuid;

use super::{command::plain_step, *};
use crate::{
    artifacts::Keeping,
    authorization::Principal,
    drain::Drain,
    driver::{
        Parts,
        routes::{Route, Routes, SESSION_MESSAGES},
    },
    files::Files,
    listener::Peer,
    pki::WorkerCertificate,
    registry::{account, environment, pool, project, variable, worker},
    token::Role,
};

mod accounts;
mod creating;
mod deciding;
mod following;
mod logs;

/// Far longer than anything here takes: what hangs fails, and nothing waits for it.
const PATIENCE: Duration = Duration::from_secs(30);

struct Bench {
    _folder: TempDir,
    deployments: Deployments,
    store: Store,
    logs: LogStore,
    driver: Driver,
    worker: WorkerId,
    shutdown: Shutdown,
}

impl Bench {
    /// A coordinator with the project "shop", the environment "staging", and a worker "w1" that is not connected.
    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(folder.path()).expect("a store");
        let seal = Seal::make(&folder.path().join("master.key"), "store").expect("a key");
        let logs = LogStore::open(folder.path()).expect("a log");
        let worker = WorkerId(Uuid::now_v7());
        let sealer = seal.clone();
        store.write(move |tx| furnish(tx, &sealer, worker)).await.expect("furnished");
        let preparer = Preparer::new(store.clone(), seal.clone(), Files::new(folder.path().join("files")));
        let (routes, shutdown) = (Routes::default(), Shutdown::new());
        let parts = Parts {
            store: store.clone(),
            preparer: preparer.clone(),
            drain: Drain::new(store.clone(), logs.clone(), routes.clone()),
            routes,
            patience: Patience::default(),
            shutdown: shutdown.clone(),
        };
        let driver = Driver::start(parts).await.expect("a driver");
        let keeping = Keeping { quota: u64::MAX, retention: Duration::from_secs(60) };
        let artifacts = Artifacts::new(store.clone(), folder.path().join("artifacts"), keeping);
        let deployments =
            Deployments::new(store.clone(), seal, preparer, driver.clone(), logs.clone(), artifacts, shutdown.clone());
        Self { _folder: folder, deployments, store, logs, driver, worker, shutdown }
    }

    async fn create(&self) -> wire::Deployment {
        self.deployments.create(caller(), shop("")).await.expect("created")
    }

    async fn show(&self, id: &str) -> wire::Deployment {
        let id = self.deployments.find(id).await.expect("found");
        self.deployments.show(id).await.expect("shown")
    }

    async fn cancel(&self, id: &str) -> Result<wire::Deployment, Fault> {
        let request = CancelDeploymentRequest { id: id.into(), reason: "enough".into() };
        self.deployments.cancel(caller(), request).await
    }

    /// All events after a cursor, as soon as the deployment has ended.
    async fn events(&self, id: &str, after_sequence: i64) -> Vec<DeploymentEvent> {
        let request = Request::new(WatchDeploymentRequest { id: id.into(), after_sequence });
        let events = self.deployments.watch_deployment(request).await.expect("followed").into_inner();
        let all = timeout(PATIENCE, events.collect::<Vec<_>>()).await.expect("it ends with the deployment");
        all.into_iter().map(|event| event.expect("an event")).collect()
    }

    /// All of a log, as soon as it ends.
    async fn log(&self, request: ReadLogRequest) -> (Vec<LogFrame>, LogChunk) {
        let chunks = self.deployments.read_log(Request::new(request)).await.expect("read").into_inner();
        let chunks = timeout(PATIENCE, chunks.collect::<Vec<_>>()).await.expect("it ends");
        let mut chunks: Vec<LogChunk> = chunks.into_iter().map(|chunk| chunk.expect("a chunk")).collect();
        let last = chunks.pop().expect("a last chunk");
        assert_eq!(last.frames, [], "the last chunk only says how it ends");
        (chunks.into_iter().flat_map(|chunk| chunk.frames).collect(), last)
    }

    async fn connect(&self) -> Worker<'_> {
        self.connect_with("j").await
    }

    /// The worker comes with this journal.
    async fn connect_with(&self, journal: &str) -> Worker<'_> {
        let (out, inbox) = mpsc::channel(SESSION_MESSAGES);
        let hello = Hello {
            worker: self.worker,
            journal_id: journal.into(),
            boot_id: "b".into(),
            slots: 1,
            assign_hwm: AssignSeq(0),
            unheard_of: std::collections::BTreeSet::new(),
            held: BTreeMap::new(),
            disk_low: false,
        };
        let route = Route { out, welcome: Welcome::default(), next_seq: BTreeMap::new() };
        let epoch = self.driver.open_session(hello, route).await.expect("a session");
        let mut worker = Worker { bench: self, epoch, inbox };
        assert!(matches!(worker.hear().await, Message::Welcome(_)));
        worker
    }
}

/// A worker, played by the test.
struct Worker<'a> {
    bench: &'a Bench,
    epoch: SessionEpoch,
    inbox: mpsc::Receiver<CoordinatorMessage>,
}

impl Worker<'_> {
    /// The next message that is about what runs.
    async fn hear(&mut self) -> Message {
        loop {
            let message = timeout(PATIENCE, self.inbox.recv()).await.expect("a message in time");
            match message.expect("an open session").message.expect("a message with content") {
                Message::Forget(_) => {}
                other => return other,
            }
        }
    }

    async fn say(&self, said: Said) {
        self.bench.driver.say(self.bench.worker, self.epoch, said).await.expect("said");
    }

    /// Takes the next offer and starts it.
    async fn start(&mut self) -> (ExecutionId, Offer) {
        let Message::Offer(offer) = self.hear().await else { panic!("no offer") };
        let execution: ExecutionId = offer.execution_id.parse().expect("an id");
        self.say(Said::Accepted { execution }).await;
        let Message::Grant(Grant { .. }) = self.hear().await else { panic!("no grant") };
        self.say(Said::Started { execution }).await;
        (execution, offer)
    }

    async fn end(&mut self, execution: ExecutionId, result: ExitResult) {
        self.say(Said::Ended { execution, result: Box::new(result) }).await;
        assert!(matches!(self.hear().await, Message::ResultAck(_)));
    }
}

/// The end of a process with so many frames of log.
fn result(outcome: Outcome, final_seq: u64, digest: [u8; 32]) -> ExitResult {
    ExitResult { outcome, final_seq, digest, identity: None, outputs: Vec::new() }
}

fn furnish(tx: &rusqlite::Connection, seal: &Seal, worker: WorkerId) -> Result<(), Fault> {
    pool::ensure_default(tx, 0)?;
    environment::insert(tx, &environment::Row { name: "staging".into(), description: String::new(), created_at: 0 })?;
    let account = account::Row::with_key(seal, "shop", "canary-secret-key");
    account::insert(tx, &account)?;
    let process = Process { steps: vec![bash("Build"), bash("Tell")], files: Vec::new() };
    let row = project::Row {
        name: "shop".into(),
        description: String::new(),
        revision: 3,
        process,
        next_number: 1,
        variables_from: Vec::new(),
        updated_at: 0,
    };
    project::put(tx, &row)?;
    for (name, kind, value) in
        [("Region", VariableKind::Text, "eu-west-1"), ("Password", VariableKind::Sensitive, "canary")]
    {
        let mut row = variable::Row::new(VariableKey { name: name.into(), kind, scope: Default::default() }, true);
        row.set(seal, value)?;
        variable::put(tx, "shop", &row)?;
    }
    let certificate = WorkerCertificate {
        der: Vec::new().into(),
        serial: vec![1; 16],
        spki: vec![2; 32],
        not_before: 0,
        not_after: i64::MAX,
    };
    worker::insert(tx, (worker, "w1", "default", "{}"), &certificate, 0)
}

fn bash(name: &str) -> Step {
    let script =
        Script { shell: Shell::Bash, source: Source::Body("echo #{Region}".into()), substitute: true, strict: false };
    plain_step(name, String::new(), Aws::default(), Action::Script(script))
}

fn shop(request_id: &str) -> CreateDeploymentRequest {
    CreateDeploymentRequest {
        request_id: request_id.into(),
        project: "shop".into(),
        environment: "staging".into(),
        variables: Default::default(),
        secret_variables: Default::default(),
    }
}

fn caller() -> Caller {
    Caller {
        principal: Principal::Token { name: "ci".into(), role: Role::Deployer },
        peer: Peer { address: SocketAddr::from(([127, 0, 0, 1], 9)), worker: None },
        action: "deployment.create",
    }
}
