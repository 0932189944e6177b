//! The listeners, bound and, but for the one of the issuer, served.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use rustls::{RootCertStore, ServerConfig};
use service::{shutdown::Shutdown, task, tls};
use tokio::{net::TcpListener, task::JoinHandle, time};
use tonic::{service::Routes, transport::Server};

use crate::{
    authorization::{Guard, Listener, Trust},
    clock,
    config::Config,
    exit::Exit,
    listener::{Admission, connections},
    pki::{Pki, SERVER_TTL},
};

/// 20 seconds between pings to a silent peer, and as long for its answer.
const KEEP_ALIVE: Duration = Duration::from_secs(20);
/// 64 calls at once on one connection; a worker has a handful, a CLI two.
const STREAMS: u32 = 64;
/// 16 KiB of headers: ours have a token and a path.
const HEADERS: u32 = 16 << 10;
/// 1 MiB and 4 MiB in flight on a stream and a connection: logs must fill a line with some round-trip time.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 4 << 20;
/// 12 hours between looks at the server certificate's age.
const RENEWAL_CHECK: Duration = Duration::from_secs(12 * 3600);

/// Ports that are bound and not served yet.
pub struct Bound {
    /// For the CLI.
    pub admin: TcpListener,
    /// For joining hosts.
    pub join: TcpListener,
    /// For workers.
    pub worker: TcpListener,
    /// For AWS, if this coordinator issues tokens.
    pub oidc: Option<TcpListener>,
}

impl Bound {
    /// Binds all of them.
    ///
    /// # Errors
    /// Exit 64 naming port and flag when one is taken or not ours to bind.
    pub async fn bind(config: &Config) -> Result<Self, Exit> {
        Ok(Self {
            admin: bind("--admin-listen", config.admin_listen).await?,
            join: bind("--join-listen", config.join_listen).await?,
            worker: bind("--worker-listen", config.worker_listen).await?,
            oidc: match config.oidc_issuer {
                Some(_) => Some(bind("--oidc-listen", config.oidc_listen).await?),
                None => None,
            },
        })
    }
}

/// Where a listener was bound.
///
/// # Errors
/// Exit 70 when the system does not say.
pub fn address(listener: &TcpListener) -> Result<SocketAddr, Exit> {
    listener.local_addr().map_err(|error| Exit::software(format!("A port that was bound has no address: {error}.")))
}

async fn bind(flag: &str, address: SocketAddr) -> Result<TcpListener, Exit> {
    use std::io::ErrorKind;
    TcpListener::bind(address).await.map_err(|error| {
        let why = match error.kind() {
            ErrorKind::AddrInUse => "another program uses it".to_owned(),
            ErrorKind::PermissionDenied => "this user may not".to_owned(),
            ErrorKind::AddrNotAvailable => "this host does not have that address".to_owned(),
            _ => error.to_string(),
        };
        Exit::usage(format!(
            "Port {} cannot be opened on {}: {why}. Choose another one with {flag}.",
            address.port(),
            address.ip()
        ))
    })
}

/// What all listeners show, kept fresh.
pub struct Certificate(Arc<tls::Identity>);

impl Certificate {
    /// Makes one for the configured names, and another before it ends.
    ///
    /// # Errors
    /// Exit 64 for a name it cannot carry.
    pub fn keep(pki: Arc<Pki>, names: Vec<String>, shutdown: Shutdown) -> Result<Self, Exit> {
        let first = pki.issue_server(&names, clock::now())?;
        let identity = tls::Identity::new(first.chain, first.key).map_err(|error| unusable(&error))?;
        task::spawn("certificate", renew(pki, names, Arc::clone(&identity), shutdown));
        Ok(Self(identity))
    }

    fn server_config(&self, clients: Option<RootCertStore>) -> Result<Arc<ServerConfig>, Exit> {
        tls::server_config(Arc::clone(&self.0), clients).map(Arc::new).map_err(|error| unusable(&error))
    }
}

async fn renew(pki: Arc<Pki>, names: Vec<String>, identity: Arc<tls::Identity>, shutdown: Shutdown) {
    let mut issued_at = clock::now();
    loop {
        tokio::select! {
            biased;
            () = shutdown.requested() => return,
            () = time::sleep(RENEWAL_CHECK) => {}
        }
        let now = clock::now();
        if now - issued_at < SERVER_TTL.as_millis() as i64 / 2 {
            continue;
        }
        let renewed = pki.issue_server(&names, now).map_err(|fault| fault.sentence);
        match renewed.and_then(|next| identity.replace(next.chain, next.key).map_err(|error| error.to_string())) {
            Ok(()) => issued_at = now,
            Err(error) => tracing::error!(error, "the server certificate could not be renewed"),
        }
    }
}

fn unusable(error: &tls::TlsError) -> Exit {
    Exit::software(format!("The server certificate cannot be used: {error}"))
}

/// What all listeners have in common.
pub struct Doors {
    /// What they show.
    pub certificate: Certificate,
    /// Who may call what.
    pub trust: Arc<Trust>,
    /// When they close.
    pub shutdown: Shutdown,
}

impl Doors {
    /// Serves one listener until the end is asked for, and until its calls have ended. With `clients`, only who shows a
    /// certificate of these authorities gets through the handshake.
    ///
    /// # Errors
    /// Exit 70 when TLS cannot be set up.
    pub fn open(
        &self,
        listener: Listener,
        socket: TcpListener,
        routes: Routes,
        admission: Admission,
        clients: Option<RootCertStore>,
    ) -> Result<JoinHandle<()>, Exit> {
        let tls = self.certificate.server_config(clients)?;
        let incoming = connections(socket, tls, admission, self.shutdown.clone());
        let server = Server::builder()
            .http2_keepalive_interval(Some(KEEP_ALIVE))
            .http2_keepalive_timeout(Some(KEEP_ALIVE))
            // Whoever resets streams faster than we can refuse them is cut off.
            .http2_max_pending_accept_reset_streams(Some(20))
            .http2_max_header_list_size(HEADERS)
            .max_concurrent_streams(STREAMS)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .layer(Guard::new(listener, Arc::clone(&self.trust)))
            .add_routes(routes);
        let end = self.shutdown.requested_owned();
        Ok(task::spawn("server", async move {
            if let Err(error) = server.serve_with_incoming_shutdown(incoming, end).await {
                tracing::error!(%error, "a listener ended");
            }
        }))
    }
}
