//! The session with the coordinator: made again whenever it breaks, for as long as the agent lives. Running steps do not
//! notice any of it.

mod hello;
mod renewal;

use std::{sync::Arc, time::Duration};

use proto::{
    PROTOCOL_VERSION,
    worker::{
        CoordinatorMessage, Welcome, WorkerMessage, coordinator_message::Message as FromCoordinator,
        session_service_client::SessionServiceClient, worker_message::Message as ToCoordinator,
    },
};
use service::{backoff::Backoff, channel, shutdown::Shutdown, task};
use shared::{limits, reason::Reason};
use tokio::{
    sync::{Notify, mpsc, oneshot, watch},
    time::timeout,
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, Streaming};
use tracing::{debug, error, info, warn};
use worker_core::Greeting;

use crate::{failure::Failure, host::Host, outbox::Outbox, preparation::Client, random, uploads::Uploads, wire};

pub use renewal::renew_for_ever;

/// 1,024 messages towards the coordinator: more than 64 slots say at once; a session that is further behind is given up.
const CONTROL: usize = 1024;
/// 15 seconds for connection and Welcome.
const WELCOME_LIMIT: Duration = Duration::from_secs(15);
/// The first wait after a break is up to 2 seconds, so that a thousand workers do not come back at once.
const FIRST_WAIT: Duration = Duration::from_secs(2);
/// 30 seconds: how long it takes at most until a coordinator that is back is found.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// 5 minutes between tries of a worker that is not wanted any more; a person must act first.
const REFUSED_WAIT: Duration = Duration::from_secs(300);

/// What the session tells the driver.
#[derive(Debug)]
pub enum SessionEvent {
    /// A Hello is to be said: what is held?
    Greeting(oneshot::Sender<Greeting>),
    /// The session stands.
    Opened(Link, Box<Welcome>),
    /// The coordinator said something.
    Heard(Box<CoordinatorMessage>),
    /// The session broke.
    Closed,
}

/// The driver's end of a standing session.
#[derive(Debug)]
pub struct Link {
    epoch: i64,
    control: mpsc::Sender<WorkerMessage>,
    give_up: Arc<Notify>,
}

impl Link {
    /// Says something. A session that does not keep up is given up: everything that matters is said again in the next.
    pub fn say(&self, message: ToCoordinator) {
        if self.control.try_send(wire::of_session(self.epoch, message)).is_err() {
            self.give_up();
        }
    }

    /// Ends the session; the next one is made at once.
    pub fn give_up(&self) {
        self.give_up.notify_one();
    }
}

/// What sessions are made with.
#[derive(Debug)]
pub struct Session {
    /// The host.
    pub host: Arc<Host>,
    /// Id of its journal.
    pub journal_id: String,
    /// Towards the driver.
    pub driver: mpsc::Sender<SessionEvent>,
    /// Event streams.
    pub outbox: Outbox,
    /// Artifacts.
    pub uploads: Uploads,
    /// Gets the client of the session that stands.
    pub access: watch::Sender<Option<Client>>,
    /// Told to make a new session at once.
    pub reconnect: Arc<Notify>,
}

/// Why a session did not come about or broke.
enum Broken {
    /// The coordinator, or the way to it, said so.
    Status(Status),
    /// The coordinator does not speak our protocol, or speaks nonsense.
    Protocol(String),
    /// The host cannot do it.
    Host(Failure),
    /// The agent stops, or wants another session.
    GivenUp,
}

impl Session {
    /// Makes sessions until the agent stops.
    pub async fn run(self, shutdown: Shutdown) {
        let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
        while !shutdown.is_requested() {
            let mut stood = false;
            let broken = self.one(&shutdown, &mut stood).await;
            self.access.send_replace(None);
            if stood {
                backoff.reset();
                if self.driver.send(SessionEvent::Closed).await.is_err() {
                    return;
                }
            }
            let wait = self.tell(&broken, backoff.next(random::fraction()));
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = shutdown.requested() => {}
            }
        }
    }

    /// Says why there is no session; answers how long to wait.
    fn tell(&self, broken: &Broken, wait: Duration) -> Duration {
        match broken {
            Broken::Status(status) if is_revoked(status) => {
                error!(
                    error = status.message(),
                    "this worker was revoked; running steps go on, and only a new invitation brings it back"
                );
                REFUSED_WAIT
            }
            Broken::Status(status) => {
                warn!(error = channel::explain(status), retry_in = ?wait, "no session with the coordinator");
                wait
            }
            Broken::Protocol(what) => {
                error!(error = what, "coordinator and worker do not understand each other; upgrade the older one");
                LONGEST_WAIT
            }
            Broken::Host(failure) => {
                error!(error = failure.sentence, "no session can be made");
                LONGEST_WAIT
            }
            Broken::GivenUp => {
                debug!("session given up");
                Duration::ZERO
            }
        }
    }

    /// One session, from Hello to its end. `stood` tells whether the driver knows of it.
    async fn one(&self, shutdown: &Shutdown, stood: &mut bool) -> Broken {
        let (control, mut incoming, client, welcome) = tokio::select! {
            opened = self.open() => match opened {
                Ok(opened) => opened,
                Err(broken) => return broken,
            },
            () = shutdown.requested() => return Broken::GivenUp,
        };
        info!(
            coordinator = welcome.store_id,
            epoch = welcome.session_epoch,
            worker = welcome.worker_name,
            "session opened"
        );
        // Of this session only: a late wish must not end the next one.
        let give_up = Arc::new(Notify::new());
        let link = Link { epoch: welcome.session_epoch, control, give_up: give_up.clone() };
        self.outbox.clear();
        self.access.send_replace(Some(client.clone()));
        *stood = true;
        if self.driver.send(SessionEvent::Opened(link, Box::new(welcome))).await.is_err() {
            return Broken::GivenUp;
        }
        let uploads = self.uploads.send(&self.host.home, client.clone());
        let streams = self.send_streams(client);
        let messages = self.hear(&mut incoming);
        tokio::select! {
            broken = messages => broken,
            broken = streams => broken,
            never = uploads => match never {},
            () = give_up.notified() => Broken::GivenUp,
            () = self.reconnect.notified() => Broken::GivenUp,
        }
    }

    async fn open(
        &self,
    ) -> Result<(mpsc::Sender<WorkerMessage>, Streaming<CoordinatorMessage>, Client, Welcome), Broken> {
        let mut broken = Broken::Protocol("The coordinator told no address of its worker listener.".into());
        for url in &self.host.identity.membership().worker_urls {
            let opened = timeout(WELCOME_LIMIT, self.open_at(url)).await;
            match opened
                .unwrap_or_else(|_| Err(Broken::Status(Status::deadline_exceeded("The coordinator sent no Welcome."))))
            {
                Ok(opened) => return Ok(opened),
                Err(other) => broken = other,
            }
        }
        Err(broken)
    }

    async fn open_at(
        &self,
        url: &str,
    ) -> Result<(mpsc::Sender<WorkerMessage>, Streaming<CoordinatorMessage>, Client, Welcome), Broken> {
        let config = self.host.identity.client_config().map_err(Broken::Host)?;
        let channel = channel::channel(url, config).map_err(|error| Broken::Protocol(error.to_string()))?;
        // Twice what one message may be: the coordinator keeps the limit, framing needs a little more.
        let mut client = SessionServiceClient::new(channel).max_decoding_message_size(2 * limits::MESSAGE_BYTES);
        let (control, queue) = mpsc::channel(CONTROL);
        let hello = hello::hello(&self.host, &self.journal_id, self.greeting().await?).await.map_err(Broken::Host)?;
        let hello = wire::of_session(0, ToCoordinator::Hello(hello));
        control.try_send(hello).map_err(|_| Broken::GivenUp)?;
        let mut incoming = client.control(ReceiverStream::new(queue)).await.map_err(Broken::Status)?.into_inner();
        let welcome = match incoming.message().await.map_err(Broken::Status)?.and_then(|first| first.message) {
            Some(FromCoordinator::Welcome(welcome)) => welcome,
            Some(_) => return Err(Broken::Protocol("The coordinator's first word was not Welcome.".into())),
            None => return Err(Broken::Status(Status::unavailable("The coordinator closed the session."))),
        };
        if welcome.protocol != PROTOCOL_VERSION {
            return Err(Broken::Protocol(format!("The coordinator chose protocol {}.", welcome.protocol)));
        }
        Ok((control, incoming, client, welcome))
    }

    async fn greeting(&self) -> Result<Greeting, Broken> {
        let (ask, answer) = oneshot::channel();
        self.driver.send(SessionEvent::Greeting(ask)).await.map_err(|_| Broken::GivenUp)?;
        answer.await.map_err(|_| Broken::GivenUp)
    }

    async fn hear(&self, incoming: &mut Streaming<CoordinatorMessage>) -> Broken {
        loop {
            match incoming.message().await {
                Ok(Some(message)) => {
                    if self.driver.send(SessionEvent::Heard(Box::new(message))).await.is_err() {
                        return Broken::GivenUp;
                    }
                }
                Ok(None) => return Broken::Status(Status::unavailable("The coordinator closed the session.")),
                Err(status) => return Broken::Status(status),
            }
        }
    }

    async fn send_streams(&self, client: Client) -> Broken {
        match self.outbox.send(&self.host.home, client).await {
            Ok(()) => Broken::Status(Status::unavailable("The coordinator closed the event stream.")),
            Err(status) => Broken::Status(status),
        }
    }
}

fn is_revoked(status: &Status) -> bool {
    status.code() == Code::PermissionDenied
        && proto::status::reason_of(status).as_deref() == Some(Reason::WorkerRevoked.code())
}

/// Starts the task that makes sessions.
pub fn start(session: Session, shutdown: Shutdown) -> tokio::task::JoinHandle<()> {
    task::spawn("session", session.run(shutdown))
}
