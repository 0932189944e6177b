//! A coordinator in this process, and callers that trust it.

use std::{fs, path::Path, time::Duration};

use coordinator::{
    Running,
    config::{Config, Settings},
    exit::Exit,
};
use proto::{
    deployment::{
        AuditEvent, InviteWorkerRequest, ListAuditEventsRequest, account_service_client::AccountServiceClient,
        audit_service_client::AuditServiceClient, environment_service_client::EnvironmentServiceClient,
        pool_service_client::PoolServiceClient, project_service_client::ProjectServiceClient,
        worker_service_client::WorkerServiceClient,
    },
    join_string,
    worker::{
        FetchStepRequest, JoinRequest, JoinResponse, JoinString, join_service_client::JoinServiceClient,
        session_service_client::SessionServiceClient,
    },
};
use rcgen::{CertificateParams, KeyPair};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use service::{channel::channel, shutdown::Shutdown, tls};
use tempfile::TempDir;
use tonic::{
    Code, Request, Status,
    metadata::MetadataValue,
    service::{Interceptor, interceptor::InterceptedService},
    transport::Channel,
};

/// A channel whose every call carries a token.
pub(crate) type Authorised = InterceptedService<Channel, Bearer>;

/// Puts a token into each call.
#[derive(Clone)]
pub(crate) struct Bearer(pub(crate) String);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let value = MetadataValue::try_from(format!("Bearer {}", self.0)).expect("a token is ascii");
        request.metadata_mut().insert("authorization", value);
        Ok(request)
    }
}

/// A running coordinator; it ends when this is dropped.
pub(crate) struct World {
    pub(crate) folder: TempDir,
    pub(crate) running: Running,
    shutdown: AskedWhenDropped,
}

struct AskedWhenDropped(Shutdown);

/// A worker's certificate with its key.
pub(crate) struct Badge {
    pub(crate) certificate: Vec<u8>,
    pub(crate) key: KeyPair,
}

pub(crate) fn settings(folder: &Path) -> Settings {
    let anywhere = Some("127.0.0.1:0".parse().expect("an address"));
    Settings {
        data_dir: Some(folder.join("data")),
        admin_listen: anywhere,
        join_listen: anywhere,
        worker_listen: anywhere,
        ..Settings::default()
    }
}

pub(crate) async fn begin(settings: Settings) -> Result<(Running, Shutdown), Exit> {
    tls::install_provider();
    let shutdown = Shutdown::new();
    let running = coordinator::start(Config::resolve(settings)?, shutdown.clone()).await?;
    Ok((running, shutdown))
}

impl World {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let settings = settings(folder.path());
        Self::of(folder, settings).await
    }

    pub(crate) async fn of(folder: TempDir, settings: Settings) -> Self {
        let (running, shutdown) = begin(settings).await.expect("a start");
        Self { folder, running, shutdown: AskedWhenDropped(shutdown) }
    }

    /// Ends it, and starts it again on the same folder.
    pub(crate) async fn restart(self) -> Self {
        self.shutdown.0.request();
        self.running.ended().await;
        let settings = settings(self.folder.path());
        Self::of(self.folder, settings).await
    }

    pub(crate) fn data(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join("data").join(name)
    }

    pub(crate) fn token(&self) -> String {
        fs::read_to_string(self.data("admin.token")).expect("the first token").trim().to_owned()
    }

    /// To the admin listener, without a token.
    pub(crate) fn channel(&self) -> Channel {
        self.channel_to(&self.running.admin_urls[0])
    }

    pub(crate) fn channel_to(&self, url: &str) -> Channel {
        let ca = fs::read(self.data("ca.pem")).expect("the authority");
        let config = tls::client_config(tls::roots_from_pem(&ca).expect("roots"), None).expect("a config");
        channel(url, config).expect("a url")
    }

    pub(crate) fn accounts(&self) -> AccountServiceClient<Authorised> {
        AccountServiceClient::with_interceptor(self.channel(), Bearer(self.token()))
    }

    pub(crate) fn environments(&self) -> EnvironmentServiceClient<Authorised> {
        EnvironmentServiceClient::with_interceptor(self.channel(), Bearer(self.token()))
    }

    pub(crate) fn pools(&self) -> PoolServiceClient<Authorised> {
        PoolServiceClient::with_interceptor(self.channel(), Bearer(self.token()))
    }

    pub(crate) fn projects(&self) -> ProjectServiceClient<Authorised> {
        ProjectServiceClient::with_interceptor(self.channel(), Bearer(self.token()))
    }

    pub(crate) fn workers(&self) -> WorkerServiceClient<Authorised> {
        WorkerServiceClient::with_interceptor(self.channel(), Bearer(self.token()))
    }

    /// The audit log, newest first, once it has a line that fits.
    pub(crate) async fn audited(&self, fits: impl Fn(&AuditEvent) -> bool) -> AuditEvent {
        let mut client = AuditServiceClient::with_interceptor(self.channel(), Bearer(self.token()));
        // Refusals are written after they were answered, and nothing tells when.
        for _ in 0..200 {
            let events =
                client.list_audit_events(ListAuditEventsRequest::default()).await.expect("the log").into_inner().events;
            if let Some(found) = events.into_iter().find(&fits) {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("the audit log has no such line");
    }

    pub(crate) async fn invite(&self, name: &str, ttl: Option<Duration>) -> JoinString {
        let request = InviteWorkerRequest {
            pool: "default".into(),
            name: name.into(),
            labels: [("team".to_owned(), "shop".to_owned())].into(),
            ttl: ttl.map(|ttl| ttl.try_into().expect("a length of time")),
            ..InviteWorkerRequest::default()
        };
        let invited = self.workers().invite_worker(request).await.expect("an invitation").into_inner();
        join_string::decode(&invited.join_string).expect("whole")
    }

    /// Joins as a new worker.
    pub(crate) async fn worker(&self, name: &str) -> (JoinResponse, Badge) {
        let invitation = self.invite(name, None).await;
        let key = key();
        let joined = join(&invitation, request(&invitation, &key)).await.expect("joined");
        let certificate = joined.certificate_der.clone();
        (joined, Badge { certificate, key })
    }

    /// To the worker listener, with a certificate.
    pub(crate) fn session(&self, badge: &Badge) -> SessionServiceClient<Channel> {
        let ca = fs::read(self.data("ca.pem")).expect("the authority");
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(badge.key.serialize_der()));
        let identity =
            tls::Identity::new(vec![CertificateDer::from(badge.certificate.clone())], key).expect("an identity");
        let config = tls::client_config(tls::roots_from_pem(&ca).expect("roots"), Some(identity)).expect("a config");
        SessionServiceClient::new(channel(&self.running.urls.worker[0], config).expect("a url"))
    }
}

impl Drop for AskedWhenDropped {
    fn drop(&mut self) {
        self.0.request();
    }
}

pub(crate) fn key() -> KeyPair {
    KeyPair::generate().expect("a key")
}

pub(crate) fn csr(key: &KeyPair) -> Vec<u8> {
    CertificateParams::default().serialize_request(key).expect("a request").der().to_vec()
}

pub(crate) fn request(invitation: &JoinString, key: &KeyPair) -> JoinRequest {
    JoinRequest {
        invitation_id: invitation.id.clone(),
        secret: invitation.secret.clone(),
        csr_der: csr(key),
        version: "test".into(),
    }
}

/// Joins as a host does that knows nothing but the join string.
pub(crate) async fn join(invitation: &JoinString, request: JoinRequest) -> Result<JoinResponse, Status> {
    let pins: Vec<tls::Pin> = invitation.pins.iter().map(|pin| pin.as_slice().try_into().expect("32 bytes")).collect();
    let config = tls::pinned_client_config(&pins).expect("a config");
    let mut client = JoinServiceClient::new(channel(&invitation.urls[0], config).expect("a url"));
    client.join(request).await.map(tonic::Response::into_inner)
}

/// A call that every worker may make, and that the guard must let pass before it is refused for what it asks.
pub(crate) async fn knock(client: &mut SessionServiceClient<Channel>) -> Result<(), Status> {
    let request = FetchStepRequest { execution_id: uuid::Uuid::now_v7().to_string() };
    match client.fetch_step(request).await {
        Ok(_) => panic!("there is no such attempt"),
        Err(status) if status.code() == Code::FailedPrecondition => Ok(()),
        Err(status) => Err(status),
    }
}

pub(crate) fn reason(status: &Status) -> String {
    proto::status::reason_of(status).unwrap_or_else(|| format!("no reason: {status:?}"))
}

/// Every file below a folder that holds these bytes.
pub(crate) fn files_with(folder: &Path, needle: &[u8]) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files_with(&path, needle));
        } else if fs::read(&path).is_ok_and(|bytes| bytes.windows(needle.len()).any(|window| window == needle)) {
            found.push(path);
        }
    }
    found
}
