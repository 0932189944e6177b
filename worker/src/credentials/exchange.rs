//! One HTTP exchange with a service that stands beside this host or on it, with its failures told apart: nobody there, no
//! answer, no HTTP. Always straight to the address: no proxy, no redirect.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, StatusCode, Uri, header::HOST};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use service::{backoff::Backoff, task};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::{Instant, timeout, timeout_at},
};
use tokio_rustls::TlsConnector;
use tokio_util::task::AbortOnDropHandle;

use crate::random;

/// 3 tries of each call.
const TRIES: u32 = 3;
/// Up to 200 ms before the second try, twice that before the third.
const FIRST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_secs(1);
/// 64 KiB: credentials are a few kilobytes.
const LONGEST_ANSWER: usize = 64 << 10;

/// What is asked.
pub(super) struct Call {
    pub(super) method: Method,
    pub(super) uri: Uri,
    /// May hold a token: never shown.
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    /// Whom an https address may be answered by.
    pub(super) tls: Option<Arc<ClientConfig>>,
}

/// How long a service may take.
#[derive(Clone, Copy)]
pub(super) struct Patience {
    /// For the connection.
    pub(super) connect: Duration,
    /// For everything, from the first packet to the last.
    pub(super) whole: Duration,
}

/// What was answered, whatever its status.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    /// May hold a secret.
    pub(super) body: String,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Unanswered {
    /// No connection; why, as the end of a sentence.
    NoConnection(String),
    /// A connection, and nothing came in time.
    Silence,
    /// What came is no HTTP answer; why, as the end of a sentence.
    Broken(String),
}

impl Call {
    /// Reads something.
    pub(super) fn get(uri: Uri, headers: Vec<(HeaderName, HeaderValue)>) -> Self {
        Self { method: Method::GET, uri, headers, tls: None }
    }

    /// The answer; after a failure, or one of the service's own (5xx, 429), asks again up to three times in all.
    ///
    /// # Errors
    /// As the last try failed.
    pub(super) async fn answer(&self, patience: Patience) -> Result<Answer, Unanswered> {
        let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
        for _ in 1..TRIES {
            match self.answer_once(patience).await {
                Ok(answer) if !answer.may_pass() => return Ok(answer),
                _ => tokio::time::sleep(backoff.next(random::fraction())).await,
            }
        }
        self.answer_once(patience).await
    }

    async fn answer_once(&self, patience: Patience) -> Result<Answer, Unanswered> {
        let deadline = Instant::now() + patience.whole;
        let stream = self.connect(patience.connect).await?;
        let exchange = async {
            if self.is_tls() { self.converse(self.secure(stream).await?).await } else { self.converse(stream).await }
        };
        timeout_at(deadline, exchange).await.unwrap_or(Err(Unanswered::Silence))
    }

    async fn connect(&self, patience: Duration) -> Result<TcpStream, Unanswered> {
        let port = self.uri.port_u16().unwrap_or(if self.is_tls() { 443 } else { 80 });
        match timeout(patience, TcpStream::connect((self.host(), port))).await {
            Ok(Ok(stream)) => Ok(stream),
            Ok(Err(error)) => Err(Unanswered::NoConnection(error.to_string())),
            Err(_) => Err(Unanswered::NoConnection(format!("no connection within {patience:?}"))),
        }
    }

    async fn secure(
        &self,
        stream: TcpStream,
    ) -> Result<impl AsyncRead + AsyncWrite + Unpin + Send + 'static, Unanswered> {
        let name =
            ServerName::try_from(self.host().to_owned()).map_err(|error| Unanswered::Broken(error.to_string()))?;
        let tls = self.tls.clone().ok_or_else(|| Unanswered::Broken("TLS is not expected there".into()))?;
        let connected = TlsConnector::from(tls).connect(name, stream).await;
        connected.map_err(|error| Unanswered::Broken(error.to_string()))
    }

    async fn converse(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    ) -> Result<Answer, Unanswered> {
        let broken = |error: hyper::Error| Unanswered::Broken(error.to_string());
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
        let driving = task::spawn("exchange", async {
            // What breaks it is told to the one who waits for the answer.
            let _ = connection.await;
        });
        let _driving = AbortOnDropHandle::new(driving);
        let request = self.request().map_err(|error| Unanswered::Broken(error.to_string()))?;
        let response = sender.send_request(request).await.map_err(broken)?;
        let status = response.status();
        let body = Limited::new(response.into_body(), LONGEST_ANSWER).collect().await;
        let body = body.map_err(|error| Unanswered::Broken(error.to_string()))?.to_bytes();
        Ok(Answer { status, body: String::from_utf8_lossy(&body).into_owned() })
    }

    fn request(&self) -> http::Result<http::Request<Empty<Bytes>>> {
        let path = self.uri.path_and_query().map_or("/", |path| path.as_str());
        let authority = self.uri.authority().map(http::uri::Authority::as_str).unwrap_or_default();
        let host = authority.rsplit('@').next().unwrap_or_default();
        let mut request = http::Request::builder().method(&self.method).uri(path).header(HOST, host);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        request.body(Empty::new())
    }

    /// Without the brackets of an IPv6 address.
    fn host(&self) -> &str {
        let host = self.uri.host().unwrap_or_default();
        host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
    }

    fn is_tls(&self) -> bool {
        self.uri.scheme_str() == Some("https")
    }
}

impl Answer {
    /// Whether another try may go better.
    fn may_pass(&self) -> bool {
        self.status.is_server_error() || self.status == StatusCode::TOO_MANY_REQUESTS
    }
}
