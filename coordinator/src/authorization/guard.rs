//! The layer in front of every service: finds the rule, proves the caller, or answers the refusal.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http::{HeaderMap, Request, Response, header::AUTHORIZATION};
use proto::status::to_status;
use shared::reason::{Fault, Reason};
use tonic::body::Body;
use tower::{Layer, Service};

use super::{Caller, Listener, Principal, Required, Rule, rule_for};
use crate::{
    audit::{Entry, Refusals},
    clock,
    listener::{Peer, WorkerPeer},
    registry,
    seal::Seal,
    standing::Standings,
    store::Store,
    token::{Role, Token},
};

/// What it takes to know who somebody is.
pub struct Trust {
    /// Holds the tokens.
    pub store: Store,
    /// Digests their secrets.
    pub seal: Seal,
    /// Which worker may connect with which certificate.
    pub standings: Standings,
    /// Where refusals go.
    pub refusals: Refusals,
}

/// Guards all services of one listener.
#[derive(Clone)]
pub struct Guard {
    listener: Listener,
    trust: Arc<Trust>,
}

impl Guard {
    /// For one listener.
    #[must_use]
    pub fn new(listener: Listener, trust: Arc<Trust>) -> Self {
        Self { listener, trust }
    }

    async fn admit(&self, path: &str, headers: &HeaderMap, peer: Option<&Peer>) -> Result<Caller, Fault> {
        let peer = peer.ok_or_else(|| Fault::new(Reason::Internal, "The connection does not say whose it is."))?;
        let rule = rule_for(path).filter(|rule| rule.listener == self.listener);
        let admitted = match rule {
            Some(rule) => self.trust.prove(rule, headers, peer).await,
            None => Err(Fault::new(
                Reason::PermissionDenied,
                format!("{path} cannot be called here: there is no such method on this port."),
            )),
        };
        if let Err(fault) = &admitted {
            self.note(path, rule, peer, fault);
        }
        admitted
    }

    fn note(&self, path: &str, rule: Option<&'static Rule>, peer: &Peer, fault: &Fault) {
        tracing::info!(method = path, address = %peer.address, reason = fault.reason.code(), "a call was refused");
        self.trust.refusals.record(Entry {
            actor: peer.worker.as_ref().map_or_else(|| "unknown".into(), |worker| format!("worker {}", worker.id)),
            address: peer.address.ip().to_string(),
            action: rule.map_or("unknown", |rule| rule.action),
            // A stranger chooses it: enough to see what was tried.
            target: path.chars().take(100).collect(),
            refusal: Some(fault.reason),
            detail: fault.sentence.chars().take(500).collect(),
        });
    }
}

impl Trust {
    async fn prove(&self, rule: &'static Rule, headers: &HeaderMap, peer: &Peer) -> Result<Caller, Fault> {
        let principal = match rule.required {
            Required::Nobody => Principal::Anyone,
            Required::Token(role) => self.prove_token(rule, role, headers).await?,
            Required::Worker => self.prove_worker(peer).await?,
        };
        Ok(Caller { principal, peer: peer.clone(), action: rule.action })
    }

    async fn prove_token(&self, rule: &Rule, needed: Role, headers: &HeaderMap) -> Result<Principal, Fault> {
        let token = bearer(headers)?;
        let id = token.id.clone();
        let row = self.store.read(move |connection| registry::token::find(connection, &id)).await?;
        // An unknown id takes as long as a wrong secret.
        let digest = row.as_ref().map_or([0; 32].as_slice(), |row| row.digest.as_slice());
        let is_right = token.matches(&self.seal, digest);
        let Some(row) = row.filter(|row| is_right && row.revoked_at.is_none()) else {
            return Err(Fault::new(
                Reason::Unauthenticated,
                "The token is not known here, or was revoked: use another one, or log in at the coordinator it is of.",
            ));
        };
        if row.expires_at.is_some_and(|end| end <= clock::now()) {
            return Err(Fault::new(
                Reason::TokenExpired,
                format!(
                    "The token \"{}\" expired: make a new one on the coordinator's host (longshore-coordinator admin-token create).",
                    row.name
                ),
            ));
        }
        if row.role < needed {
            return Err(Fault::new(
                Reason::PermissionDenied,
                format!(
                    "The token \"{}\" has the role {}; {} needs {}.",
                    row.name,
                    row.role.name(),
                    rule.action,
                    needed.name()
                ),
            ));
        }
        Ok(Principal::Token { name: row.name, role: row.role })
    }

    async fn prove_worker(&self, peer: &Peer) -> Result<Principal, Fault> {
        let Some(WorkerPeer { id, serial, not_after }) = &peer.worker else {
            return Err(Fault::new(Reason::Unauthenticated, "The call needs a worker's certificate."));
        };
        // The handshake checked this once; a connection may be older than its certificate.
        if *not_after <= clock::now() {
            return Err(Fault::new(
                Reason::Unauthenticated,
                "The worker's certificate expired: reset this host and invite it anew.",
            ));
        }
        let name = self.standings.admit(&self.store, *id, serial, *not_after).await?;
        Ok(Principal::Worker { id: *id, name })
    }
}

fn bearer(headers: &HeaderMap) -> Result<Token, Fault> {
    let missing = || {
        Fault::new(
            Reason::Unauthenticated,
            "The call has no token: send it as `authorization: Bearer lst_…` (longshore login does).",
        )
    };
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return Err(missing()) };
    let text = value.to_str().map_err(|_| missing())?;
    let token = text.strip_prefix("Bearer ").ok_or_else(missing)?;
    Token::parse(token)
}

impl<S> Layer<S> for Guard {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded { guard: self.clone(), inner }
    }
}

/// A service behind a [`Guard`].
#[derive(Clone)]
pub struct Guarded<S> {
    guard: Guard,
    inner: S,
}

impl<S> Service<Request<Body>> for Guarded<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let guard = self.guard.clone();
        // The one that is ready is used, and a clone of it is left for the next call.
        let next = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, next);
        Box::pin(async move {
            let peer = request.extensions().get::<Peer>().cloned();
            match guard.admit(request.uri().path(), request.headers(), peer.as_ref()).await {
                Ok(caller) => {
                    request.extensions_mut().insert(caller);
                    inner.call(request).await
                }
                Err(fault) => Ok(to_status(&fault).into_http()),
            }
        })
    }
}
