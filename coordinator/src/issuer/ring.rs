//! The keys that are in the store, opened. The store has the last word at each token: a key may be withdrawn from outside, by
//! `longshore-coordinator oidc rotate`.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use shared::reason::{Fault, Reason};
use tokio::sync::Mutex;

use super::{
    key::{Jwk, SigningKey},
    rotation::{self, KeyTimes},
};
use crate::{
    registry::oidc_key::{self, Row},
    seal::Seal,
    store::Store,
};

/// 1 second: how old the answer to a stranger may be, so that many of them do not keep the store busy.
const FRESH: Duration = Duration::from_secs(1);

/// The keys of the store.
pub(super) struct Ring {
    pub(super) store: Store,
    pub(super) seal: Seal,
    known: Mutex<Known>,
}

/// What was read last.
#[derive(Default)]
struct Known {
    keys: Vec<Arc<Opened>>,
    read_at: Option<Instant>,
}

/// A key with its times.
pub(super) struct Opened {
    times: KeyTimes,
    key: Arc<SigningKey>,
}

impl Opened {
    pub(super) fn jwk(&self) -> &Jwk {
        self.key.jwk()
    }
}

impl Ring {
    pub(super) fn new(store: Store, seal: Seal) -> Self {
        Self { store, seal, known: Mutex::default() }
    }

    /// The key that signs at `now`, as the store says at this moment.
    pub(super) async fn signing(&self, now: i64) -> Result<Arc<SigningKey>, Fault> {
        let keys = self.keys().await?;
        let times: Vec<KeyTimes> = keys.iter().map(|opened| opened.times.clone()).collect();
        let signer = rotation::signing(&times, now);
        let opened = signer.and_then(|signer| keys.iter().find(|opened| opened.times == *signer));
        opened.map(|opened| Arc::clone(&opened.key)).ok_or_else(no_key)
    }

    /// The public halves of all keys, as the store said within the last second.
    pub(super) async fn published(&self) -> Result<Vec<Jwk>, Fault> {
        let mut known = self.known.lock().await;
        if known.read_at.is_none_or(|at| at.elapsed() >= FRESH) {
            self.read(&mut known).await?;
        }
        Ok(known.keys.iter().map(|opened| opened.jwk().clone()).collect())
    }

    /// All keys, as the store says at this moment.
    pub(super) async fn keys(&self) -> Result<Vec<Arc<Opened>>, Fault> {
        let mut known = self.known.lock().await;
        self.read(&mut known).await?;
        Ok(known.keys.clone())
    }

    async fn read(&self, known: &mut Known) -> Result<(), Fault> {
        let rows = self.store.read(oidc_key::list).await?;
        known.keys = rows.into_iter().map(|row| self.opened(row, &known.keys)).collect::<Result<_, _>>()?;
        known.read_at = Some(Instant::now());
        Ok(())
    }

    /// A key's name says all of it: one that is known need not be opened again.
    fn opened(&self, row: Row, known: &[Arc<Opened>]) -> Result<Arc<Opened>, Fault> {
        let same = known.iter().find(|opened| opened.times.kid == row.times.kid);
        let key = match same {
            Some(opened) => Arc::clone(&opened.key),
            None => Arc::new(SigningKey::open(&self.seal, &row.times.kid, &row.sealed_key)?),
        };
        Ok(Arc::new(Opened { times: row.times, key }))
    }
}

fn no_key() -> Fault {
    Fault::new(
        Reason::Internal,
        "The store has no key that signs tokens: it was changed from outside. Start the coordinator again; it makes one.",
    )
}
