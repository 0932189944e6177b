//! Workers that hold real sessions over real TLS and run nothing: what the coordinator costs by itself.

use std::sync::Arc;

use anyhow::{Context, Result};
use coordinator::{
    clock,
    config::{Config, Settings},
    data_dir::DataDir,
    pki::CertificateRequest,
    registry::worker,
    vault::Vault,
};
use proto::worker::{
    self as wire, CoordinatorMessage, WorkerMessage, coordinator_message::Message as FromCoordinator,
    session_service_client::SessionServiceClient, worker_message::Message,
};
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use service::tls::Identity;
use shared::id::WorkerId;
use tests::{Coordinator, World};
use tokio::sync::mpsc;
use tokio_stream::{StreamExt, wrappers::ReceiverStream};
use uuid::Uuid;

/// 4,096 words: what one session may have under way.
const WORDS: usize = 4096;

/// A registered worker that has not connected.
pub(crate) struct Simulated {
    identity: Arc<Identity>,
    number: usize,
}

/// Registers workers while their coordinator is stopped: joining is held to ten a minute, on purpose.
pub(crate) fn register(coordinator: &mut Coordinator, count: usize) -> Result<Vec<Simulated>> {
    coordinator.stop()?;
    // The store's start-up calls block, which a task must announce.
    let made = tokio::task::block_in_place(|| {
        let settings = Settings { data_dir: Some(coordinator.data_dir().into()), ..Settings::default() };
        let config = Config::resolve(settings).map_err(|exit| anyhow::anyhow!(exit.sentence))?;
        let data_dir = DataDir::hold(coordinator.data_dir()).map_err(|exit| anyhow::anyhow!(exit.sentence))?;
        let vault = Vault::open(&data_dir, &config).map_err(|exit| anyhow::anyhow!(exit.sentence))?;
        (0..count).map(|number| make(&vault, number)).collect::<Result<Vec<_>>>()
    })?;
    coordinator.restart()?;
    Ok(made)
}

fn make(vault: &Vault, number: usize) -> Result<Simulated> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let csr = CertificateParams::default().serialize_request(&key)?;
    let csr = CertificateRequest::from_der(csr.der()).map_err(|why| anyhow::anyhow!(why))?;
    let id = WorkerId(Uuid::now_v7());
    let at = clock::now();
    let certificate = vault.pki.issue_worker(&csr, id, at)?;
    let chain = vec![CertificateDer::from(certificate.der.to_vec())];
    let key = PrivateKeyDer::try_from(key.serialize_der()).map_err(|why| anyhow::anyhow!(why))?;
    vault.store.write_blocking(move |connection| {
        worker::insert(connection, (id, &format!("simulated-{number}"), "default", "{}"), &certificate, at)
    })?;
    Ok(Simulated { identity: Identity::new(chain, key)?, number })
}

impl Simulated {
    /// Opens a session and answers whatever is asked: every step is over as soon as it is granted.
    pub(crate) async fn connect(&self, world: &World, slots: usize) -> Result<Session> {
        let coordinator = world.coordinator();
        let roots = service::tls::roots_from_pem(&std::fs::read(coordinator.ca_file())?)?;
        let config = service::tls::client_config(roots, Some(Arc::clone(&self.identity)))?;
        let url = format!("https://127.0.0.1:{}", coordinator.settings().worker);
        let mut client = SessionServiceClient::new(service::channel::channel(&url, config)?);
        let (words, out) = mpsc::channel(WORDS);
        words.send(hello(self.number, slots)).await?;
        let answers = client.control(ReceiverStream::new(out)).await?.into_inner();
        Ok(Session { words, answers, epoch: 0 })
    }
}

/// A simulated worker's open session.
pub(crate) struct Session {
    words: mpsc::Sender<WorkerMessage>,
    answers: tonic::Streaming<CoordinatorMessage>,
    epoch: i64,
}

impl Session {
    /// Plays along until the coordinator ends the session.
    pub(crate) async fn play(mut self) -> Result<()> {
        let mut beat = tokio::time::interval(std::time::Duration::from_secs(5));
        let mut number = 0;
        loop {
            tokio::select! {
                answer = self.answers.next() => match answer {
                    Some(answer) => self.hear(answer?).await?,
                    None => return Ok(()),
                },
                _ = beat.tick() => {
                    number += 1;
                    let heartbeat = wire::Heartbeat { number, disk_free_bytes: 1 << 40, ..Default::default() };
                    self.say(Message::Heartbeat(heartbeat)).await?;
                }
            }
        }
    }

    async fn hear(&mut self, answer: CoordinatorMessage) -> Result<()> {
        match answer.message.context("an empty message")? {
            FromCoordinator::Welcome(welcome) => self.epoch = welcome.session_epoch,
            FromCoordinator::Offer(offer) => {
                let accepted = wire::Accepted { execution_id: offer.execution_id, assign_seq: offer.assign_seq };
                self.say(Message::Accepted(accepted)).await?;
            }
            FromCoordinator::Grant(grant) => {
                self.say(Message::Started(wire::Started { execution_id: grant.execution_id.clone() })).await?;
                self.say(Message::Result(result(grant.execution_id))).await?;
            }
            _ => {}
        }
        Ok(())
    }

    async fn say(&self, message: Message) -> Result<()> {
        // Before the Welcome a beat has nowhere to count.
        if self.epoch > 0 {
            self.words.send(WorkerMessage { session_epoch: self.epoch, message: Some(message) }).await?;
        }
        Ok(())
    }
}

fn hello(number: usize, slots: usize) -> WorkerMessage {
    let hello = wire::Hello {
        protocol_min: 1,
        protocol_max: 1,
        version: env!("CARGO_PKG_VERSION").into(),
        journal_id: format!("{number:032x}"),
        boot_id: "simulated".into(),
        slots: i32::try_from(slots).unwrap_or(i32::MAX),
        disk_free_bytes: 1 << 40,
        ..Default::default()
    };
    WorkerMessage { session_epoch: 0, message: Some(Message::Hello(hello)) }
}

fn result(execution_id: String) -> wire::ResultNotice {
    let outcome = wire::Outcome {
        kind: wire::outcome::Kind::Succeeded.into(),
        exit_code: Some(0),
        signal: None,
        reason: "EXIT_ZERO".into(),
        detail: String::new(),
    };
    wire::ResultNotice {
        execution_id,
        outcome: Some(outcome),
        final_seq: 0,
        digest: vec![0; 32],
        outputs: Vec::new(),
        identity: None,
        artifacts: Vec::new(),
    }
}
