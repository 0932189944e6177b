//! Whoever stands between our programs and AWS, to make its answers late, wrong, few or short-lived. What it is not told to change
//! passes byte by byte with its Host header, so that signatures stay valid; only a connection serves one request.

mod answers;
mod relay;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::{Context, Result};
use jiff::{SignedDuration, Timestamp};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::{
    ServerConfig,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};

use self::relay::{Message, Stream};
use crate::{
    emulator::{AccessKey, Client},
    http::Response,
};

/// A running one; it ends when dropped.
#[derive(Debug)]
pub struct Fault {
    address: SocketAddr,
    listener: TcpListener,
    thread: Option<JoinHandle<()>>,
    state: Arc<Mutex<State>>,
    ca_pem: Option<String>,
}

/// What is answered in place of AWS.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Trouble {
    /// AWS asks for fewer calls.
    Throttling,
    /// Somebody answers who is not AWS.
    Answer {
        /// E.g. 500.
        status: u16,
        /// Its words.
        body: String,
    },
    /// S3 asks for fewer calls.
    SlowDown,
    /// The connection ends without an answer.
    Reset,
    /// AWS's clock is so many minutes ahead of ours, and the signature too old for it.
    Clock {
        /// More than 15, as AWS's own patience.
        minutes_ahead: i64,
    },
}

/// A request that came by.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Call {
    /// E.g. `GetCallerIdentity`; empty when neither a form nor a query names it.
    pub action: String,
    /// Access key that signed it; empty when nobody did.
    pub key_id: String,
    /// The program that asked, as it names itself, e.g. `Boto3/1.44.8 …`.
    pub agent: String,
    /// When it came.
    pub at: Timestamp,
    /// Whether something else was answered than AWS did.
    pub is_troubled: bool,
}

/// A session that AWS gave.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Session {
    /// The action that made it, e.g. `AssumeRole`.
    pub action: String,
    /// Of the role's session; empty for one of a user.
    pub arn: String,
    /// What it signs with, and when it was told to end.
    pub key: AccessKey,
}

#[derive(Debug, Default)]
struct State {
    troubles: BTreeMap<String, (usize, Trouble)>,
    /// By action: how long its sessions live from now on.
    lives: BTreeMap<String, Duration>,
    /// By access key: when its shortened session ends.
    ends: BTreeMap<String, Timestamp>,
    /// Who owns all buckets, if somebody checks.
    bucket_owner: Option<String>,
    sessions: Vec<Session>,
    calls: Vec<Call>,
}

impl Fault {
    /// Stands before this AWS on a free port of loopback.
    ///
    /// # Errors
    /// When no port can be bound.
    pub fn start(aws: &Client) -> Result<Self> {
        Self::start_with(aws, None)
    }

    /// The same with TLS, and a certificate that an authority of this name issued.
    ///
    /// # Errors
    /// When no port can be bound, or no certificate be made.
    pub fn start_tls(aws: &Client, authority: &str) -> Result<Self> {
        Self::start_with(aws, Some(authority))
    }

    fn start_with(aws: &Client, authority: Option<&str>) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").context("no port to stand before AWS")?;
        let address = listener.local_addr().context("a listener has no address")?;
        let incoming = listener.try_clone().context("a listener cannot be shared")?;
        let state = Arc::new(Mutex::new(State::default()));
        let shown = authority.map(show).transpose()?;
        let (ca_pem, config) = shown.unzip();
        let (shared, upstream) = (Arc::clone(&state), aws.url().trim_start_matches("http://").to_owned());
        let thread = thread::spawn(move || {
            for stream in incoming.incoming().map_while(Result::ok) {
                let (state, upstream, config) = (Arc::clone(&shared), upstream.clone(), config.clone());
                // Whoever goes away in the middle harms only their own request.
                thread::spawn(move || serve(stream, config, &upstream, &state).ok());
            }
        });
        Ok(Self { address, listener, thread: Some(thread), state, ca_pem })
    }

    /// For `AWS_ENDPOINT_URL`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}://{}", if self.ca_pem.is_some() { "https" } else { "http" }, self.address)
    }

    /// Where it listens, e.g. `127.0.0.1:40001`.
    #[must_use]
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Certificate of the authority behind its own, with TLS.
    #[must_use]
    pub fn ca_pem(&self) -> Option<&str> {
        self.ca_pem.as_deref()
    }

    /// The next `calls` calls of an action get this; those after them are AWS's again.
    pub fn trouble(&self, action: &str, calls: usize, trouble: Trouble) {
        lock(&self.state).troubles.insert(action.into(), (calls, trouble));
    }

    /// From now on requests for a bucket are refused that demand another owner than this account, as S3 does.
    pub fn check_bucket_owner(&self, account: &str) {
        lock(&self.state).bucket_owner = Some(account.into());
    }

    /// Every action is AWS's again.
    pub fn no_trouble(&self) {
        lock(&self.state).troubles.clear();
    }

    /// Sessions that this action makes from now on end after `life`: they are told so, and AWS then answers that they have expired.
    pub fn shorten(&self, action: &str, life: Duration) {
        lock(&self.state).lives.insert(action.into(), life);
    }

    /// What came by so far.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        lock(&self.state).calls.clone()
    }

    /// Access keys with which a program, by the beginning of its name, signed its calls.
    #[must_use]
    pub fn keys_of(&self, agent: &str) -> BTreeSet<String> {
        let calls = self.calls();
        calls.into_iter().filter(|call| call.agent.starts_with(agent)).map(|call| call.key_id).collect()
    }

    /// Every session that AWS gave through it.
    #[must_use]
    pub fn sessions(&self) -> Vec<Session> {
        lock(&self.state).sessions.clone()
    }

    /// The secret halves of all of them.
    #[must_use]
    pub fn secrets(&self) -> Vec<String> {
        let keys = self.sessions().into_iter().map(|session| session.key);
        keys.flat_map(|key| [Some(key.secret), key.session_token]).flatten().collect()
    }
}

impl Drop for Fault {
    fn drop(&mut self) {
        let shut = rustix::net::shutdown(&self.listener, rustix::net::Shutdown::Both);
        if let Some(thread) = self.thread.take()
            && shut.is_ok()
        {
            let _ = thread.join();
        }
    }
}

/// What happens in place of AWS's answer.
enum Instead {
    Answer(Response),
    Reset,
}

impl State {
    fn take(&mut self, request: &Message, now: Timestamp) -> Option<Instead> {
        let (action, key_id) = (request.action(), request.key_id());
        let trouble = self.troubles.get_mut(&action).filter(|(calls, _)| *calls > 0).map(|(calls, trouble)| {
            *calls -= 1;
            trouble.clone()
        });
        let has_ended = self.ends.get(&key_id).is_some_and(|end| now >= *end);
        let demanded = request.header("x-amz-expected-bucket-owner");
        let is_foreign = !demanded.is_empty() && self.bucket_owner.as_ref().is_some_and(|owner| *owner != demanded);
        let (agent, is_troubled) = (request.header("user-agent"), trouble.is_some() || has_ended || is_foreign);
        self.calls.push(Call { action, key_id, agent, at: now, is_troubled });
        match trouble {
            Some(Trouble::Reset) => Some(Instead::Reset),
            Some(trouble) => Some(Instead::Answer(answers::of(&trouble, &request.header("x-amz-date"), now))),
            None if has_ended => Some(Instead::Answer(answers::expired())),
            None => is_foreign.then(|| Instead::Answer(answers::denied_by_s3())),
        }
    }

    /// Looks for a session in AWS's answer, and shortens it; answers the body that is handed on when it differs.
    fn hand_on(&mut self, action: &str, body: &str, now: Timestamp) -> Option<String> {
        let mut session = Session { action: action.into(), arn: answers::arn(body), key: answers::key(body)? };
        let life = self.lives.get(action).and_then(|life| SignedDuration::try_from(*life).ok());
        let Some(life) = life else {
            self.sessions.push(session);
            return None;
        };
        // AWS says whole seconds, and keeps what it said.
        let end = Timestamp::from_second((now + life).as_second()).ok()?;
        self.ends.insert(session.key.id.clone(), end);
        let shorter = end.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let changed = body.replace(&session.key.expiration.replace(shorter.clone())?, &shorter);
        self.sessions.push(session);
        Some(changed)
    }
}

fn serve(stream: TcpStream, tls: Option<Arc<ServerConfig>>, upstream: &str, state: &Mutex<State>) -> Result<()> {
    let mut stream = Stream::accept(stream, tls)?;
    let request = Message::read(&mut stream)?;
    let instead = lock(state).take(&request, Timestamp::now());
    let answer = match instead {
        Some(Instead::Reset) => return Ok(()),
        Some(Instead::Answer(response)) => relay::to_bytes(&response),
        None => {
            let answer = relay::ask(upstream, &request)?;
            let body = answer.text();
            let changed = lock(state).hand_on(&request.action(), &body, Timestamp::now());
            changed.map_or_else(|| answer.bytes(), |body| answer.with_body(&body))
        }
    };
    stream.answer(&answer)
}

/// The PEM text of an authority, and what shows a certificate of it.
fn show(authority: &str) -> Result<(String, Arc<ServerConfig>)> {
    service::tls::install_provider();
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, authority);
    let ca_key = KeyPair::generate()?;
    let ca_pem = params.self_signed(&ca_key)?.pem();
    let key = KeyPair::generate()?;
    let mut own = CertificateParams::new(["127.0.0.1".to_owned(), "localhost".to_owned()])?;
    own.distinguished_name.push(DnType::CommonName, "sts.in.the.middle");
    own.use_authority_key_identifier_extension = true;
    let own = own.signed_by(&key, &Issuer::new(params, ca_key))?;
    let secret = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![own.der().clone()], secret)?;
    Ok((ca_pem, Arc::new(config)))
}

// Whatever panicked left the state as it was before or after its step: both are fine for the next.
fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
