//! The listener that strangers reach: two documents over plain HTTP, and nothing else is built into it. TLS is the business of what
//! stands before it, since AWS wants a certificate that a public authority gave.

use std::{convert::Infallible, sync::Arc, time::Duration};

use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::{
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::Serialize;
use service::{shutdown::Shutdown, task};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinHandle,
    time::timeout,
};

use super::{
    Enabled,
    documents::{DISCOVERY, Discovery, JWKS, Jwks},
};
use crate::listener::next_connection;

/// 64 connections at once, each for one request: AWS fetches a few times an hour. The kernel's queue holds the rest.
const CONNECTIONS: usize = 64;
/// 5 seconds for one request and its answer, whatever the caller does.
const PATIENCE: Duration = Duration::from_secs(5);
/// 8 KiB and 64 lines of headers, the least that hyper allows; nothing in them is read.
const HEADER_BYTES: usize = 8 << 10;
const HEADERS: usize = 64;
/// 1 minute: how long others may keep a copy, and therefore how long a key that was withdrawn may still be believed.
const CACHE_CONTROL: &str = "public, max-age=60";

type Answer = Response<Full<Bytes>>;

/// Answers until `shutdown`.
pub(super) fn serve(listener: TcpListener, issuer: Arc<Enabled>, shutdown: Shutdown) -> JoinHandle<()> {
    task::spawn("oidc-listener", accept(listener, issuer, shutdown))
}

async fn accept(listener: TcpListener, issuer: Arc<Enabled>, shutdown: Shutdown) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    while let Some((slot, stream, _)) = next_connection(&listener, &slots, &shutdown).await {
        task::spawn("oidc-connection", converse(stream, Arc::clone(&issuer), slot));
    }
}

/// One request, one answer.
async fn converse(stream: TcpStream, issuer: Arc<Enabled>, _slot: OwnedSemaphorePermit) {
    let service = service_fn(|request: Request<Incoming>| {
        let issuer = Arc::clone(&issuer);
        async move { Ok::<_, Infallible>(answer(request.method(), request.uri().path(), &issuer).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .keep_alive(false)
        .max_headers(HEADERS)
        .max_buf_size(HEADER_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    match timeout(PATIENCE, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a caller of the OIDC documents broke off"),
        Err(_) => tracing::debug!("a caller of the OIDC documents took too long"),
    }
}

async fn answer(method: &Method, path: &str, issuer: &Enabled) -> Answer {
    // What the answer to HEAD leaves away, hyper leaves away.
    let is_reading = matches!(*method, Method::GET | Method::HEAD);
    match path.strip_prefix(issuer.url.path()).filter(|_| is_reading) {
        Some(DISCOVERY) => document(&Discovery::of(&issuer.url)),
        Some(JWKS) => match issuer.ring.published().await {
            Ok(keys) => document(&Jwks { keys }),
            Err(error) => {
                tracing::error!(%error, "the keys that sign tokens could not be published");
                empty(StatusCode::SERVICE_UNAVAILABLE)
            }
        },
        _ => empty(StatusCode::NOT_FOUND),
    }
}

fn document(document: &impl Serialize) -> Answer {
    let Ok(json) = serde_json::to_vec(document) else {
        return empty(StatusCode::INTERNAL_SERVER_ERROR);
    };
    let mut answer = Response::new(Full::new(Bytes::from(json)));
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, header::HeaderValue::from_static(CACHE_CONTROL));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, header::HeaderValue::from_static("nosniff"));
    answer
}

fn empty(status: StatusCode) -> Answer {
    let mut answer = Response::new(Full::default());
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
    answer
}
