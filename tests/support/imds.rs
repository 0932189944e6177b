//! An instance metadata service as strict as EC2's: version 2 only, tokens that expire, credentials that AWS vended.

use std::{
    collections::BTreeMap,
    net::TcpListener,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use uuid::Uuid;

use crate::{
    emulator::{ACCOUNT, AccessKey, Client, REGION},
    http::{Request, Response, Server},
};

const TTL: &str = "x-aws-ec2-metadata-token-ttl-seconds";
const TOKEN: &str = "x-aws-ec2-metadata-token";
const CREDENTIALS: &str = "/latest/meta-data/iam/security-credentials";

/// 6 hours: the longest EC2 lets a token live.
const MAX_TTL: u64 = 21_600;
/// 1 hour: what a role allows unless told otherwise. EC2 vends six hours; a shorter session shows more refreshes.
const SESSION: Duration = Duration::from_secs(3600);
/// 15 minutes before its end EC2 has a new session ready.
const RENEW_BEFORE: SignedDuration = SignedDuration::from_mins(15);

/// The EC2 instance that a service speaks for.
#[derive(Clone, Debug)]
pub struct Instance {
    /// `i-…`.
    pub id: String,
    /// The role attached to it.
    pub role: Option<String>,
}

impl Instance {
    /// An instance with a role and an id of its own.
    #[must_use]
    pub fn with_role(role: &str) -> Self {
        Self { role: Some(role.into()), ..Self::without_role() }
    }

    /// An instance that nobody gave a role.
    #[must_use]
    pub fn without_role() -> Self {
        let id = Uuid::new_v4().simple().to_string();
        Self { id: format!("i-{}", &id[..17]), role: None }
    }
}

/// How the service behaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// As EC2 does.
    Normal,
    /// The instance's metadata options switch it off: 403 for everything.
    Disabled,
    /// STS does not let EC2 assume the role: an answer with 200 whose `Code` is not `Success`.
    RoleRefused,
    /// The answer to the question for a token is dropped on the way: what a container behind hop limit 1 sees.
    HopLimit,
    /// Every answer but that with a token comes later than anybody waits for it.
    Slow,
    /// Every answer is somebody else's page, with 200.
    Garbage,
    /// Every answer has this status.
    Status(u16),
    /// The role that is named has no credentials: one is being exchanged.
    Rotating,
}

/// 5 seconds: longer than clients wait.
const SLOW: Duration = Duration::from_secs(5);

/// A running service.
#[derive(Debug)]
pub struct Imds {
    server: Server,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    instance: Instance,
    mode: Mode,
    aws: Client,
    tokens: BTreeMap<String, Instant>,
    session: Option<Session>,
    /// How long its sessions are told to last, when that is shorter than they do.
    vend_for: Option<Duration>,
    requests: Vec<String>,
}

#[derive(Clone, Debug)]
struct Session {
    role: String,
    key: AccessKey,
    last_updated: Timestamp,
    /// The end that is told.
    ends: Timestamp,
}

impl Imds {
    /// Speaks for an instance on a free port of loopback.
    ///
    /// # Errors
    /// When no port can be bound.
    pub fn start(instance: Instance, aws: Client) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").context("no port for the instance metadata service")?;
        Self::start_on(listener, instance, aws)
    }

    /// Speaks for an instance on a listener, which may be inside another network.
    ///
    /// # Errors
    /// When the listener has no address.
    pub fn start_on(listener: TcpListener, instance: Instance, aws: Client) -> Result<Self> {
        let state = State {
            instance,
            mode: Mode::Normal,
            aws,
            tokens: BTreeMap::new(),
            session: None,
            vend_for: None,
            requests: Vec::new(),
        };
        let state = Arc::new(Mutex::new(state));
        let shared = Arc::clone(&state);
        let server = Server::start(listener, move |request| lock(&shared).answer(request))?;
        Ok(Self { server, state })
    }

    /// For `AWS_EC2_METADATA_SERVICE_ENDPOINT`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.server.address())
    }

    /// Behaves differently from now on.
    pub fn set_mode(&self, mode: Mode) {
        lock(&self.state).mode = mode;
    }

    /// Attaches another role, or none; what was vended stays valid, as in AWS.
    pub fn set_role(&self, role: Option<&str>) {
        lock(&self.state).instance.role = role.map(str::to_owned);
    }

    /// Tells a shorter life of its sessions than they have, and vends a new one at half of it.
    pub fn vend_for(&self, told: Duration) {
        let mut state = lock(&self.state);
        state.vend_for = Some(told);
        state.session = None;
    }

    /// The instance it speaks for.
    #[must_use]
    pub fn instance(&self) -> Instance {
        lock(&self.state).instance.clone()
    }

    /// What was asked so far, as `METHOD path`.
    #[must_use]
    pub fn requests(&self) -> Vec<String> {
        lock(&self.state).requests.clone()
    }
}

// A panic in one answer leaves the state as it was before or after it: both are fine for the next.
fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    fn answer(&mut self, request: &Request) -> Response {
        self.requests.push(format!("{} {}", request.method, request.path));
        match self.mode {
            Mode::Disabled => return plain(403, "Forbidden"),
            Mode::HopLimit if request.method == "PUT" => return plain(200, "").after(None),
            Mode::Garbage => return Response::new(200, "text/html", "<html><body>Please log in.</body></html>"),
            Mode::Status(status) => return plain(status, ""),
            _ => {}
        }
        let delay = if self.mode == Mode::Slow && request.method != "PUT" { SLOW } else { Duration::ZERO };
        self.service(request).after(Some(delay))
    }

    fn service(&mut self, request: &Request) -> Response {
        match (request.method.as_str(), request.path.as_str()) {
            ("PUT", "/latest/api/token") => self.hand_out_token(request),
            ("PUT", _) => plain(404, "Not Found"),
            ("GET" | "HEAD", path) if self.knows_token(request) => self.read(path),
            ("GET" | "HEAD", _) => plain(401, "Unauthorized"),
            _ => plain(405, "Method Not Allowed"),
        }
    }

    fn hand_out_token(&mut self, request: &Request) -> Response {
        // A proxy adds this header: whoever forwards requests must not get at the host's credentials.
        if request.headers.contains_key("x-forwarded-for") {
            return plain(403, "Forbidden");
        }
        let asked = request.headers.get(TTL).and_then(|value| value.parse::<u64>().ok());
        let Some(ttl) = asked.filter(|ttl| (1..=MAX_TTL).contains(ttl)) else {
            return plain(400, "Bad Request");
        };
        let token = URL_SAFE_NO_PAD.encode([Uuid::new_v4().into_bytes(), Uuid::new_v4().into_bytes()].concat());
        self.tokens.insert(token.clone(), Instant::now() + Duration::from_secs(ttl));
        let mut response = plain(200, &token);
        response.headers.push((TTL.into(), ttl.to_string()));
        response
    }

    fn knows_token(&self, request: &Request) -> bool {
        let end = request.headers.get(TOKEN).and_then(|token| self.tokens.get(token));
        end.is_some_and(|end| Instant::now() < *end)
    }

    fn read(&mut self, path: &str) -> Response {
        let id = self.instance.id.clone();
        match path {
            "/latest/meta-data/instance-id" => plain(200, &id),
            "/latest/meta-data/placement/region" => plain(200, REGION),
            "/latest/meta-data/services/partition" => plain(200, "aws"),
            "/latest/meta-data/placement/availability-zone" => plain(200, &format!("{REGION}a")),
            "/latest/dynamic/instance-identity/document" => identity_document(&id),
            "/latest/meta-data/iam/info" => self.profile(),
            path => match path.strip_prefix(CREDENTIALS) {
                Some("" | "/") => self.instance.role.as_deref().map_or_else(not_found, |role| plain(200, role)),
                Some(rest) => self.credentials(rest.trim_start_matches('/')),
                None => not_found(),
            },
        }
    }

    fn profile(&self) -> Response {
        let Some(role) = &self.instance.role else {
            return not_found();
        };
        json_answer(&json!({
            "Code": "Success",
            "LastUpdated": now_text(),
            "InstanceProfileArn": format!("arn:aws:iam::{ACCOUNT}:instance-profile/{role}"),
            "InstanceProfileId": "AIPAEXAMPLEEXAMPLEEXA",
        }))
    }

    fn credentials(&mut self, role: &str) -> Response {
        if self.instance.role.as_deref() != Some(role) || self.mode == Mode::Rotating {
            return not_found();
        }
        let vended = if self.mode == Mode::RoleRefused { None } else { self.session_of(role).ok() };
        match vended {
            Some(session) => json_answer(&json!({
                "Code": "Success",
                "LastUpdated": session.last_updated.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
                "Type": "AWS-HMAC",
                "AccessKeyId": session.key.id,
                "SecretAccessKey": session.key.secret,
                "Token": session.key.session_token,
                "Expiration": session.ends.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            })),
            None => json_answer(&json!({
                "Code": "AssumeRoleUnauthorizedAccess",
                "Message": format!("EC2 cannot assume the role {role}. Please see documentation at https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_iam-ec2.html."),
                "LastUpdated": now_text(),
            })),
        }
    }

    /// The session that instances are told of until shortly before its end.
    fn session_of(&mut self, role: &str) -> Result<Session> {
        let half = |told: Duration| SignedDuration::from_millis(told.as_millis() as i64 / 2);
        let renew_before = self.vend_for.map_or(RENEW_BEFORE, half);
        if let Some(session) =
            self.session.as_ref().filter(|session| session.role == role && session.is_fresh(renew_before))
        {
            return Ok(session.clone());
        }
        let key = self.aws.instance_session(role, &self.instance.id, SESSION)?;
        let last_updated = Timestamp::now();
        let ends = match self.vend_for {
            Some(told) => last_updated + told,
            None => key.expiration.as_deref().context("a session without an end")?.parse()?,
        };
        let session = Session { role: role.into(), key, last_updated, ends };
        self.session = Some(session.clone());
        Ok(session)
    }
}

impl Session {
    fn is_fresh(&self, renew_before: SignedDuration) -> bool {
        self.ends.duration_since(Timestamp::now()) > renew_before
    }
}

fn identity_document(instance: &str) -> Response {
    json_answer(&json!({
        "accountId": ACCOUNT,
        "architecture": "x86_64",
        "availabilityZone": format!("{REGION}a"),
        "imageId": "ami-0123456789abcdef0",
        "instanceId": instance,
        "instanceType": "t3.small",
        "pendingTime": now_text(),
        "privateIp": "10.0.0.10",
        "region": REGION,
        "version": "2017-09-30",
    }))
}

fn now_text() -> String {
    Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn plain(status: u16, body: &str) -> Response {
    Response::new(status, "text/plain", body)
}

fn json_answer(value: &serde_json::Value) -> Response {
    // EC2 says text/plain here as well.
    plain(200, &value.to_string())
}

fn not_found() -> Response {
    plain(404, "Not Found")
}
