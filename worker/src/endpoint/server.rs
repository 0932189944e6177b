//! The endpoint's thread, inside the shim.

use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, Shutdown, SocketAddr, SocketAddrV4, TcpListener, TcpStream},
    os::fd::OwnedFd,
    sync::{
        Arc,
        mpsc::{SyncSender, sync_channel},
    },
    thread,
    time::{Duration, Instant, SystemTime},
};

use proto::worker::Credentials;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
};

use super::{
    Address,
    credentials::Answer,
    expiry::Expiry,
    peer,
    request::{self, Verdict},
};
use crate::exec_dir::RuntimeDir;

/// 20 refused requests: somebody is trying.
const MOST_REFUSALS: u32 = 20;
/// 20 answers at once, e.g. a script that starts as many programs.
const BURST: u32 = 20;
/// 5 answers a second after those; the next one waits for its turn.
const INTERVAL: Duration = Duration::from_millis(200);
/// 2 seconds: how long one client may keep the others waiting.
const PATIENCE: Duration = Duration::from_secs(2);
/// Said to whoever is refused; which of it was wrong is not said.
const STRANGER: &str = "The request is not one of this step.";
/// 256 KiB: a request, an answer and the table of the host's connections fit.
const STACK_BYTES: usize = 256 << 10;

/// What the endpoint has to say to the shim.
pub enum Notice {
    /// These will be handed out next; the endpoint waits until something comes back, which says that they are masked.
    Secrets(Vec<String>, SyncSender<()>),
    /// It closed itself, for the reason in this sentence.
    Closed(String),
    /// The credentials near their end, and no newer ones came; in a sentence.
    Expiring(String),
    /// After that, newer ones came; in a sentence.
    Refreshed(String),
}

/// The way to the shim: a queue, and something that wakes it.
pub struct Notices {
    /// Where notices go. One place is enough: the endpoint waits for its answer.
    pub sender: SyncSender<Notice>,
    /// An eventfd that the shim polls.
    pub wake: Arc<OwnedFd>,
}

/// The running endpoint. Dropping it ends it.
pub struct Server {
    address: Address,
    listener: TcpListener,
}

struct Service {
    address: Address,
    listener: TcpListener,
    runtime: RuntimeDir,
    /// The only one who is answered.
    user: u32,
    account_id: String,
    notices: Notices,
    /// Secret key and token that the shim masks already.
    known: Vec<String>,
    tokens: u32,
    refilled: Instant,
    refusals: u32,
    expiry: Expiry,
}

impl Server {
    /// Starts the endpoint for a step that runs as `user` (none means as we do) and begins with `credentials`, which the
    /// shim masks already.
    ///
    /// # Errors
    /// When loopback or threads cannot be had.
    pub fn start(
        runtime: &RuntimeDir,
        execution_id: &str,
        account_id: &str,
        user: Option<u32>,
        credentials: &Credentials,
        notices: Notices,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0))?;
        let SocketAddr::V4(socket) = listener.local_addr()? else {
            return Err(io::Error::other("loopback is not IPv4"));
        };
        let address = Address::new(socket, execution_id)?;
        let mut service = Service {
            address: address.clone(),
            listener: listener.try_clone()?,
            runtime: runtime.clone(),
            user: user.unwrap_or_else(|| rustix::process::geteuid().as_raw()),
            account_id: account_id.to_owned(),
            notices,
            known: secrets(credentials),
            tokens: BURST,
            refilled: Instant::now(),
            refusals: 0,
            expiry: Expiry::default(),
        };
        thread::Builder::new().name("endpoint".into()).stack_size(STACK_BYTES).spawn(move || service.run())?;
        Ok(Self { address, listener })
    }

    /// How clients find it.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Wakes the thread out of accept. The listener is closed with the process at the latest.
        let _ = rustix::net::shutdown(&self.listener, rustix::net::Shutdown::Both);
    }
}

impl Service {
    fn run(&mut self) {
        while let Ok((connection, peer)) = self.next_client() {
            // A client that went away harms only itself.
            let _ = self.serve(connection, peer);
            if self.refusals >= MOST_REFUSALS {
                let _ = rustix::net::shutdown(&self.listener, rustix::net::Shutdown::Both);
                self.notify(Notice::Closed(format!(
                    "The step's AWS credential endpoint was closed: it refused {MOST_REFUSALS} requests, so something on this host is guessing. AWS calls of this step fail from now on."
                )));
                return;
            }
        }
    }

    /// Looks at the credentials' end while it waits, and before it answers.
    fn next_client(&mut self) -> io::Result<(TcpStream, SocketAddr)> {
        loop {
            let patience = self.watch_expiry();
            let mut fds = [PollFd::new(&self.listener, PollFlags::IN)];
            let timeout = Timespec { tv_sec: patience.as_secs() as i64, tv_nsec: patience.subsec_nanos().into() };
            match poll(&mut fds, Some(&timeout)) {
                Ok(0) | Err(Errno::INTR) => {}
                Ok(_) => {
                    self.watch_expiry();
                    return self.listener.accept();
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Says what is to be said, and how long it may be until the next look.
    fn watch_expiry(&mut self) -> Duration {
        let (Ok(Some(credentials)), Some(since)) = (self.runtime.read_credentials(), self.runtime.credentials_since())
        else {
            return self.expiry.patience(&Credentials::default(), SystemTime::UNIX_EPOCH, SystemTime::now());
        };
        let now = SystemTime::now();
        if let Some(notice) = self.expiry.look(&credentials, since, self.runtime.credentials_problem(), now) {
            self.notify(notice);
        }
        self.expiry.patience(&credentials, since, now)
    }

    fn serve(&mut self, mut connection: TcpStream, peer: SocketAddr) -> io::Result<()> {
        if !self.is_own_user(peer) {
            // Not one word is read from anybody else, and nobody else can have the endpoint closed by guessing.
            return connection.write_all(refusal("401 Unauthorized", STRANGER).as_bytes());
        }
        let answer = if self.read_request(&mut connection)? {
            self.take_token();
            self.credentials()
        } else {
            self.refusals += 1;
            refusal("401 Unauthorized", STRANGER)
        };
        connection.write_all(answer.as_bytes())?;
        connection.shutdown(Shutdown::Write)
    }

    /// Answers whether it is one that may be answered.
    fn read_request(&self, connection: &mut TcpStream) -> io::Result<bool> {
        let deadline = Instant::now() + PATIENCE;
        connection.set_write_timeout(Some(PATIENCE))?;
        let mut bytes = Vec::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
            connection.set_read_timeout(Some(left))?;
            let mut chunk = [0; 1024];
            let length = connection.read(&mut chunk)?;
            bytes.extend_from_slice(&chunk[..length]);
            match request::judge(&bytes, &self.address) {
                Verdict::Granted => return Ok(true),
                Verdict::Refused => return Ok(false),
                Verdict::Incomplete if length == 0 || Instant::now() > deadline => return Ok(false),
                Verdict::Incomplete => {}
            }
        }
    }

    fn is_own_user(&self, peer: SocketAddr) -> bool {
        peer::uid(peer, self.address.socket) == Some(self.user)
    }

    /// Waits until another answer is due.
    fn take_token(&mut self) {
        let earned = (self.refilled.elapsed().as_millis() / INTERVAL.as_millis()).min(u128::from(BURST)) as u32;
        if earned > 0 {
            self.tokens = (self.tokens + earned).min(BURST);
            self.refilled = Instant::now();
        }
        if self.tokens == 0 {
            thread::sleep(INTERVAL.saturating_sub(self.refilled.elapsed()));
            self.refilled = Instant::now();
        } else {
            self.tokens -= 1;
        }
    }

    fn credentials(&mut self) -> String {
        let Ok(Some(credentials)) = self.runtime.read_credentials() else {
            return refusal("503 Service Unavailable", "The worker has no credentials for this step now.");
        };
        let fresh = secrets(&credentials);
        if fresh != self.known {
            if !self.wait_until_masked(fresh.clone()) {
                return refusal("503 Service Unavailable", "The step is ending.");
            }
            self.known = fresh;
        }
        let answer = Answer::new(credentials, &self.account_id);
        match serde_json::to_string(&answer) {
            Ok(json) => response("200 OK", &json),
            Err(_) => refusal("500 Internal Server Error", "The credentials have no such form."),
        }
    }

    fn wait_until_masked(&self, secrets: Vec<String>) -> bool {
        // One place: one answer.
        let (done, waiting) = sync_channel(1);
        let sent = self.notify(Notice::Secrets(secrets, done));
        sent && waiting.recv().is_ok()
    }

    /// Answers whether the shim will see it.
    fn notify(&self, notice: Notice) -> bool {
        self.notices.sender.send(notice).is_ok() && rustix::io::write(&self.notices.wake, &1_u64.to_ne_bytes()).is_ok()
    }
}

fn secrets(credentials: &Credentials) -> Vec<String> {
    vec![credentials.secret_access_key.clone(), credentials.session_token.clone()]
}

fn refusal(status: &str, message: &str) -> String {
    let code = status.get(4..).unwrap_or_default().replace(' ', "");
    response(status, &serde_json::json!({ "Code": code, "Message": message }).to_string())
}

fn response(status: &str, json: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n{json}",
        json.len()
    )
}
