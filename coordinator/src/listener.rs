//! TLS listeners: each connection is shaken hands with in a task of its own and knows whose it is. A worker's connection
//! ends with its certificate, and within a second of its revocation.

use std::{
    convert::Infallible,
    fmt, io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::Stream;
use rustls::ServerConfig;
use service::{shutdown::Shutdown, task};
use shared::id::WorkerId;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time::{sleep, timeout},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::server::Connected;

use crate::{clock, standing::Standings};

mod certificate;

/// 256 handshakes at once: each holds a socket and some CPU before we know who it is. The kernel's queue holds the rest.
const HANDSHAKES: usize = 256;
/// 10 seconds: a slow link makes it in two.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// 64 connections wait between handshake and server, which takes them at once.
const READY: usize = 64;

/// Who is at the other end of a connection; in every request's extensions.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Where it comes from.
    pub address: SocketAddr,
    /// Whose certificate it showed; only on the worker listener.
    pub worker: Option<WorkerPeer>,
}

/// A worker's certificate, as it was verified.
#[derive(Clone, Debug)]
pub struct WorkerPeer {
    /// The worker.
    pub id: WorkerId,
    /// Number of the certificate.
    pub serial: Arc<[u8]>,
    /// Milliseconds since 1970: its end.
    pub not_after: i64,
}

/// Whom a listener lets in.
#[derive(Clone)]
pub enum Admission {
    /// Whoever speaks TLS; what they may do is decided at each call.
    Anyone,
    /// Who shows a certificate of the worker authority, which TLS has verified, in this coordinator's name space.
    Workers {
        /// Name space of the certificates.
        trust_domain: Arc<str>,
        /// Ends connections of who is revoked.
        standings: Standings,
    },
}

/// Accepts connections until `shutdown`.
pub fn connections(
    listener: TcpListener,
    tls: Arc<ServerConfig>,
    admission: Admission,
    shutdown: Shutdown,
) -> impl Stream<Item = Result<Connection, Infallible>> {
    let (ready, connections) = mpsc::channel(READY);
    task::spawn("accept", accept(listener, TlsAcceptor::from(tls), admission, ready, shutdown));
    ReceiverStream::new(connections)
}

async fn accept(
    listener: TcpListener,
    tls: TlsAcceptor,
    admission: Admission,
    ready: mpsc::Sender<Result<Connection, Infallible>>,
    shutdown: Shutdown,
) {
    let slots = Arc::new(Semaphore::new(HANDSHAKES));
    while let Some((slot, stream, address)) = next_connection(&listener, &slots, &shutdown).await {
        let welcome = welcome(stream, address, tls.clone(), admission.clone(), ready.clone(), slot);
        task::spawn("handshake", welcome);
    }
}

/// The next connection, once a slot is free for it; none when the end was asked for.
pub(crate) async fn next_connection(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
    shutdown: &Shutdown,
) -> Option<(OwnedSemaphorePermit, TcpStream, SocketAddr)> {
    loop {
        let next = async {
            let slot = Arc::clone(slots).acquire_owned().await.ok()?;
            Some((slot, listener.accept().await))
        };
        let (slot, accepted) = tokio::select! {
            biased;
            () = shutdown.requested() => return None,
            next = next => next?,
        };
        match accepted {
            Ok((stream, address)) => return Some((slot, stream, address)),
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                // Out of file descriptors: trying again at once would only burn the CPU.
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn welcome(
    stream: TcpStream,
    address: SocketAddr,
    tls: TlsAcceptor,
    admission: Admission,
    ready: mpsc::Sender<Result<Connection, Infallible>>,
    slot: OwnedSemaphorePermit,
) {
    let shaken = timeout(HANDSHAKE_TIMEOUT, handshake(stream, address, tls, admission)).await;
    drop(slot);
    match shaken {
        // The server is gone: so is the connection.
        Ok(Ok(connection)) => drop(ready.send(Ok(connection)).await),
        Ok(Err(error)) => tracing::debug!(%address, %error, "a handshake failed"),
        Err(_) => tracing::debug!(%address, "a handshake took too long"),
    }
}

async fn handshake(
    stream: TcpStream,
    address: SocketAddr,
    tls: TlsAcceptor,
    admission: Admission,
) -> io::Result<Connection> {
    // The server's own switch does nothing for streams it did not accept itself.
    stream.set_nodelay(true)?;
    let stream = tls.accept(stream).await?;
    let Admission::Workers { trust_domain, standings } = admission else {
        return Ok(Connection { stream, peer: Peer { address, worker: None }, end: None });
    };
    let worker = certificate::worker_of(&stream, &trust_domain)
        .map_err(|why| io::Error::new(io::ErrorKind::PermissionDenied, why))?;
    let end = until_no_longer_valid(standings, worker.clone());
    Ok(Connection { stream, peer: Peer { address, worker: Some(worker) }, end: Some(Box::pin(end)) })
}

async fn until_no_longer_valid(standings: Standings, worker: WorkerPeer) {
    let revoked = standings.end_of(worker.id);
    // Who is revoked already may connect and is told so at the first call.
    if revoked.is_cancelled() {
        return std::future::pending().await;
    }
    let left = Duration::from_millis(worker.not_after.saturating_sub(clock::now()).max(0) as u64);
    tokio::select! {
        () = revoked.cancelled() => tracing::info!(worker = %worker.id, "a revoked worker's connection was closed"),
        () = sleep(left) => tracing::info!(worker = %worker.id, "a connection was closed: its certificate ended"),
    }
}

/// A TLS connection that knows whose it is, and breaks when its peer's right ends.
pub struct Connection {
    stream: TlsStream<TcpStream>,
    peer: Peer,
    end: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl Connection {
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        match self.end.as_mut().map(|end| end.as_mut().poll(cx)) {
            Some(Poll::Ready(())) => {
                // A finished future must not be polled again.
                self.end = Some(Box::pin(std::future::ready(())));
                Poll::Ready(io::Error::new(io::ErrorKind::ConnectionAborted, "the worker's right to connect ended"))
            }
            _ => Poll::Pending,
        }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("peer", &self.peer).finish_non_exhaustive()
    }
}

impl Connected for Connection {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        // The server always reads, so this is where the end is noticed.
        if let Poll::Ready(error) = self.poll_end(cx) {
            return Poll::Ready(Err(error));
        }
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
