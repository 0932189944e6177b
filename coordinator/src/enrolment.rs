//! How a stranger becomes a worker, and how a worker gets its next certificate. Every join that is refused looks the same
//! from outside; the true reason is in the audit log.

use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use proto::{
    join_string,
    worker::{JoinRequest, JoinResponse, JoinString},
};
use rusqlite::Connection;
use shared::{
    id::WorkerId,
    reason::{Fault, Reason},
};
use uuid::Uuid;

use crate::{
    audit::{self, Entry},
    authorization::{Caller, Trust},
    clock,
    pki::{CertificateRequest, Pki, WorkerCertificate},
    rate::RateLimit,
    registry::{
        authority,
        invitation::{self, Row as Invitation},
        pool, worker,
    },
    seal::random,
};

/// 10 minutes: as long as a worker may repeat a join whose answer was lost, with the same key.
const LOST_REPLY: Duration = Duration::from_secs(600);
const MINUTE: Duration = Duration::from_secs(60);
/// 10 refused tries a minute from one address.
const TRIES_PER_ADDRESS: u32 = 10;
/// 600 refused tries a minute from all together.
const TRIES: u32 = 600;
/// 4 renewals a minute of one worker: one is due every twelve hours, and some may be lost.
const RENEWALS: u32 = 4;

const INVITATION_ID: usize = 10;
const SECRET: usize = 32;

/// Makes invitations and certificates.
pub struct Enrolment {
    trust: Arc<Trust>,
    pki: Arc<Pki>,
    urls: Urls,
    by_address: RateLimit<IpAddr>,
    by_all: RateLimit<()>,
    renewals: RateLimit<WorkerId>,
}

/// Where hosts find the coordinator, best first.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Urls {
    /// The join listener.
    pub join: Vec<String>,
    /// The worker listener.
    pub worker: Vec<String>,
}

/// What an admin invites.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wish {
    /// Pool of the worker.
    pub pool: String,
    /// Its name; made from the pool's when empty.
    pub name: String,
    /// Its labels, as JSON.
    pub labels: String,
    /// How long the join string is good for.
    pub ttl: Duration,
}

/// An invitation, as it is handed out once.
pub struct Invited {
    /// `LSJ1.…`: a secret.
    pub join_string: String,
    /// Name of the worker it makes.
    pub worker_name: String,
    /// Milliseconds since 1970.
    pub expires_at: i64,
}

/// What came of a join that was let in.
struct Joined {
    id: WorkerId,
    invitation: Invitation,
    certificate: WorkerCertificate,
}

impl Enrolment {
    /// With what it needs.
    #[must_use]
    pub fn new(trust: Arc<Trust>, pki: Arc<Pki>, urls: Urls) -> Self {
        Self {
            trust,
            pki,
            urls,
            by_address: RateLimit::new(TRIES_PER_ADDRESS, MINUTE),
            by_all: RateLimit::new(TRIES, MINUTE),
            renewals: RateLimit::new(RENEWALS, MINUTE),
        }
    }

    /// Writes an invitation in the caller's transaction.
    ///
    /// # Errors
    /// [`Reason::PoolNotFound`], [`Reason::AlreadyExists`]; those of the store.
    pub fn invite(&self, connection: &Connection, wish: &Wish, by: &str, at: i64) -> Result<Invited, Fault> {
        pool::get(connection, &wish.pool)?;
        let (id, secret) = (random::<INVITATION_ID>()?, random::<SECRET>()?);
        let worker_name = match wish.name.as_str() {
            "" => format!("{}-{}", wish.pool, id.iter().take(3).map(|byte| format!("{byte:02x}")).collect::<String>()),
            name => name.to_owned(),
        };
        worker::ensure_name_is_free(connection, &worker_name)?;
        let expires_at = at + wish.ttl.as_millis() as i64;
        let row = Invitation {
            id: id.to_vec(),
            digest: self.trust.seal.digest(PURPOSE, secret.as_slice()).to_vec(),
            pool: wish.pool.clone(),
            worker_name: worker_name.clone(),
            labels: wish.labels.clone(),
            created_by: by.to_owned(),
            created_at: at,
            expires_at,
            uses_left: 1,
            redeemed_spki: None,
            redeemed_by: None,
            redeemed_at: None,
        };
        invitation::insert(connection, &row)?;
        let join_string = join_string::encode(&JoinString {
            urls: self.urls.join.clone(),
            pins: vec![self.pki.server_pin()?.to_vec()],
            id: id.to_vec(),
            secret: secret.to_vec(),
            expires_at: expires_at / 1000,
        });
        Ok(Invited { join_string, worker_name, expires_at })
    }

    /// Makes a worker of whoever holds a join string. Returns the worker's id beside the answer.
    ///
    /// # Errors
    /// [`Reason::JoinRefused`] for every refusal, [`Reason::TooManyRequests`]; those of the store.
    pub async fn join(
        self: &Arc<Self>,
        caller: &Caller,
        request: JoinRequest,
    ) -> Result<(WorkerId, JoinResponse), Fault> {
        let now = Instant::now();
        let address = caller.peer.address.ip();
        if self.by_address.is_spent(&address, now) || self.by_all.is_spent(&(), now) {
            return Err(too_many());
        }
        match self.redeem(caller, request).await? {
            Ok(joined) => {
                // After the commit: without it the worker's first call would be refused.
                self.trust.standings.refresh(&self.trust.store, joined.id).await?;
                tracing::info!(worker = joined.invitation.worker_name, id = %joined.id, "a worker joined");
                Ok((joined.id, self.answer(joined)))
            }
            Err(why) => {
                // Only refusals count: a hundred honest hosts behind one address join as fast as they like.
                self.by_address.count(address, now);
                self.by_all.count((), now);
                tracing::warn!(%address, why, "a join was refused");
                self.trust.refusals.record(caller.was_refused("", Reason::JoinRefused, why));
                Err(refused())
            }
        }
    }

    /// The next certificate of a worker, under a new key. Its first use ends the one before.
    ///
    /// # Errors
    /// [`Reason::InvalidArgument`] for an unfit request, [`Reason::TooManyRequests`], [`Reason::WorkerRevoked`]; those of the
    /// store.
    pub async fn renew(&self, caller: &Caller, csr_der: &[u8]) -> Result<WorkerCertificate, Fault> {
        let id = caller.worker()?;
        if !self.renewals.allows(id, Instant::now()) {
            return Err(too_many());
        }
        let request = CertificateRequest::from_der(csr_der).map_err(unfit)?;
        let (pki, caller) = (Arc::clone(&self.pki), caller.clone());
        let certificate =
            self.trust.store.write(move |connection| renew(connection, &pki, &caller, id, &request)).await?;
        self.trust.standings.refresh(&self.trust.store, id).await?;
        Ok(certificate)
    }

    /// The authorities a worker trusts as its coordinator, in DER.
    #[must_use]
    pub fn coordinator_authorities(&self) -> Vec<Vec<u8>> {
        vec![self.pki.server_authority().to_vec()]
    }

    async fn redeem(
        self: &Arc<Self>,
        caller: &Caller,
        request: JoinRequest,
    ) -> Result<Result<Joined, &'static str>, Fault> {
        if request.invitation_id.len() != INVITATION_ID || request.secret.len() != SECRET {
            return Ok(Err("the invitation's id or secret has the wrong length"));
        }
        let csr = match CertificateRequest::from_der(&request.csr_der) {
            Ok(csr) => csr,
            Err(why) => return Ok(Err(why)),
        };
        let (this, caller) = (Arc::clone(self), caller.clone());
        self.trust
            .store
            .write(move |connection| this.redeem_in(connection, &caller, &request, &csr, clock::now()))
            .await
    }

    /// One transaction: the invitation is used up, the worker and its certificate are there and the audit log says so, or
    /// nothing of it. `Ok(Err)` is a refusal, which changes nothing.
    fn redeem_in(
        &self,
        connection: &Connection,
        caller: &Caller,
        request: &JoinRequest,
        csr: &CertificateRequest,
        at: i64,
    ) -> Result<Result<Joined, &'static str>, Fault> {
        let found = invitation::find(connection, &request.invitation_id)?;
        // An unknown id takes as long as a wrong secret.
        let digest = found.as_ref().map_or([0; 32].as_slice(), |row| row.digest.as_slice());
        let is_right = self.trust.seal.matches(PURPOSE, &request.secret, digest);
        let Some(invitation) = found else { return Ok(Err("there is no such invitation")) };
        if !is_right {
            return Ok(Err("the secret is wrong"));
        }
        if invitation.expires_at <= at {
            return Ok(Err("the invitation expired"));
        }
        if let Some(id) = lost_reply(connection, &invitation, csr, at)? {
            return self.join_again(connection, caller, invitation, csr, id, at).map(Ok);
        }
        if invitation.uses_left <= 0 {
            return Ok(Err(USED));
        }
        if worker::is_key_known(connection, csr.spki())? {
            return Ok(Err("the key belongs to another worker"));
        }
        if worker::find(connection, &invitation.worker_name)?.is_some() {
            return Ok(Err("there is a worker of that name already"));
        }
        let id = WorkerId(Uuid::now_v7());
        if !invitation::redeem(connection, &invitation.id, csr.spki(), id, at)? {
            return Ok(Err(USED));
        }
        let certificate = self.pki.issue_worker(csr, id, at)?;
        let named = (id, invitation.worker_name.as_str(), invitation.pool.as_str(), invitation.labels.as_str());
        worker::insert(connection, named, &certificate, at)?;
        authority::note_issued(connection, id, &certificate, "join")?;
        audit::record(connection, at, &entry(caller, &invitation, id, "Joined with a join string."))?;
        Ok(Ok(Joined { id, invitation, certificate }))
    }

    fn join_again(
        &self,
        connection: &Connection,
        caller: &Caller,
        invitation: Invitation,
        csr: &CertificateRequest,
        id: WorkerId,
        at: i64,
    ) -> Result<Joined, Fault> {
        let certificate = self.pki.issue_worker(csr, id, at)?;
        worker::set_current(connection, id, &certificate)?;
        authority::note_issued(connection, id, &certificate, "join again")?;
        audit::record(
            connection,
            at,
            &entry(caller, &invitation, id, "Joined again with the same key: the first answer was lost."),
        )?;
        Ok(Joined { id, invitation, certificate })
    }

    fn answer(&self, joined: Joined) -> JoinResponse {
        JoinResponse {
            worker_id: joined.id.to_string(),
            worker_name: joined.invitation.worker_name,
            pool: joined.invitation.pool,
            certificate_der: joined.certificate.der.to_vec(),
            coordinator_cas_der: self.coordinator_authorities(),
            worker_urls: self.urls.worker.clone(),
        }
    }
}

const PURPOSE: &str = "invitation";
const USED: &str = "the invitation was used before";

/// The worker that this very key made of this invitation a moment ago, if it still uses that key. The same key has no more
/// power with another certificate; without this, a lost answer would burn the invitation.
fn lost_reply(
    connection: &Connection,
    invitation: &Invitation,
    csr: &CertificateRequest,
    at: i64,
) -> Result<Option<WorkerId>, Fault> {
    let (Some(spki), Some(id), Some(redeemed_at)) =
        (&invitation.redeemed_spki, invitation.redeemed_by, invitation.redeemed_at)
    else {
        return Ok(None);
    };
    if spki != csr.spki() || at - redeemed_at >= LOST_REPLY.as_millis() as i64 {
        return Ok(None);
    }
    let row = worker::find(connection, &id.to_string())?;
    let still_uses_it =
        |row: &worker::Row| row.state != worker::State::Revoked && row.spki_current.as_deref() == Some(csr.spki());
    Ok(row.filter(still_uses_it).map(|row| row.id))
}

fn renew(
    connection: &Connection,
    pki: &Pki,
    caller: &Caller,
    id: WorkerId,
    request: &CertificateRequest,
) -> Result<WorkerCertificate, Fault> {
    let at = clock::now();
    let row = worker::get(connection, &id.to_string())?;
    if row.state == worker::State::Revoked {
        return Err(worker::revoked(&row.name));
    }
    if worker::is_key_known(connection, request.spki())? {
        return Err(unfit("its key was used before; each certificate needs a new one"));
    }
    let certificate = pki.issue_worker(request, id, at)?;
    worker::set_next(connection, id, &certificate)?;
    authority::note_issued(connection, id, &certificate, "renewal")?;
    audit::record(connection, at, &caller.did(row.name, ""))?;
    Ok(certificate)
}

fn entry(caller: &Caller, invitation: &Invitation, id: WorkerId, detail: &str) -> Entry {
    Entry {
        actor: format!("worker {}", invitation.worker_name),
        detail: format!("{detail} Worker {id}; invited by {}.", invitation.created_by),
        ..caller.did(invitation.worker_name.clone(), "")
    }
}

fn unfit(why: &'static str) -> Fault {
    Fault::new(Reason::InvalidArgument, format!("The certificate request is refused: {why}."))
}

fn refused() -> Fault {
    Fault::new(
        Reason::JoinRefused,
        "The coordinator refused this join string: it may be used, expired or of another coordinator. Its audit log says why; \
         ask an admin for a new one (longshore worker invite).",
    )
}

fn too_many() -> Fault {
    Fault::new(Reason::TooManyRequests, "Too many tries: wait a minute, then try again.")
}
