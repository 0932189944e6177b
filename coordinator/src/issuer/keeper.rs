//! Carries out what the plan of rotation says, and the emergency that no plan knows.

use std::{sync::Arc, time::Duration};

use rusqlite::Connection;
use service::{shutdown::Shutdown, task};
use shared::reason::{Fault, Reason};
use tokio::{task::JoinHandle, time::sleep};

use super::{
    Enabled,
    key::SigningKey,
    rotation::{KeyTimes, Rotation, plan, signing, upcoming},
};
use crate::{
    audit, clock,
    registry::oidc_key::{self, Row},
    seal::Seal,
    store::Store,
    vault::on_host,
};

/// 1 hour: the longest sleep, since a clock may be set meanwhile.
const LONGEST_SLEEP: Duration = Duration::from_secs(3600);
/// 1 minute after a failure, and between any two looks.
const SHORTEST_SLEEP: Duration = Duration::from_secs(60);

/// What an emergency did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rotated {
    /// The key that signs from now on.
    pub kid: String,
    /// Milliseconds since 1970: since when it is published.
    pub published_at: i64,
    /// The keys that are no more.
    pub withdrawn: Vec<String>,
}

/// Rotates until `shutdown`.
pub(super) fn keep(issuer: Arc<Enabled>, shutdown: Shutdown) -> JoinHandle<()> {
    task::spawn("oidc-keys", async move {
        loop {
            let now = clock::now();
            let pause = match rotate(&issuer.ring.store, &issuer.ring.seal, now).await {
                Ok(wake_at) => Duration::from_millis(u64::try_from(wake_at - now).unwrap_or(0)),
                Err(error) => {
                    tracing::error!(%error, "the keys that sign tokens could not be rotated");
                    SHORTEST_SLEEP
                }
            };
            tokio::select! {
                biased;
                () = shutdown.requested() => return,
                () = sleep(pause.clamp(SHORTEST_SLEEP, LONGEST_SLEEP)) => {}
            }
        }
    })
}

/// Does what is due at `now`; answers when the next thing will be.
pub(super) async fn rotate(store: &Store, seal: &Seal, now: i64) -> Result<i64, Fault> {
    let rotation = plan(&store.read(times).await?, now);
    if rotation.make.is_none() && rotation.withdraw.is_empty() {
        return Ok(rotation.wake_at);
    }
    let spare = match rotation.make {
        Some(_) => Some(generated(seal).await?),
        None => None,
    };
    // Planned again where nobody else can write: the keys may have been rotated from outside since.
    store.write(move |connection| carry_out(connection, &plan(&times(connection)?, now), spare.as_ref(), now)).await
}

fn carry_out(connection: &Connection, rotation: &Rotation, spare: Option<&Spare>, now: i64) -> Result<i64, Fault> {
    if let (Some(signs_from), Some(spare)) = (rotation.make, spare) {
        oidc_key::insert(connection, &spare.row(now, signs_from))?;
        let detail = format!("It is published, and signs tokens from {}.", shown(signs_from));
        audit::record(connection, now, &on_host("oidc.rotate", &spare.kid, &detail))?;
        tracing::info!(kid = spare.kid, signs_from = shown(signs_from), "a key that signs tokens was made");
    }
    for kid in &rotation.withdraw {
        oidc_key::delete(connection, kid)?;
        audit::record(
            connection,
            now,
            &on_host("oidc.rotate", kid, "It is withdrawn: its last token ended a day ago."),
        )?;
        tracing::info!(kid, "a key that signed tokens was withdrawn");
    }
    Ok(rotation.wake_at)
}

/// In an emergency: the next key signs at once, made now if there is none yet, and every other one is withdrawn. For plain threads;
/// a coordinator that serves hears of it at its next token.
///
/// # Errors
/// [`Reason::OidcNotConfigured`] when there are no keys yet; those of the store.
pub fn rotate_at_once(store: &Store, seal: &Seal, now: i64) -> Result<Rotated, Fault> {
    let spare = SigningKey::generate(seal).map(Spare::of)?;
    store.write_blocking(move |connection| {
        let keys = times(connection)?;
        if signing(&keys, now).is_none() {
            return Err(no_keys());
        }
        let next = match upcoming(&keys, now) {
            Some(next) => KeyTimes { signs_from: now, ..next.clone() },
            None => spare.row(now, now).times,
        };
        let withdrawn: Vec<String> = keys.iter().map(|key| key.kid.clone()).filter(|kid| *kid != next.kid).collect();
        for kid in &withdrawn {
            oidc_key::delete(connection, kid)?;
        }
        if next.kid == spare.kid {
            oidc_key::insert(connection, &spare.row(now, now))?;
        } else {
            oidc_key::sign_from(connection, &next.kid, now)?;
        }
        let detail = format!("In an emergency: it signs at once. Withdrawn: {}.", withdrawn.join(", "));
        audit::record(connection, now, &on_host("oidc.rotate", &next.kid, &detail))?;
        Ok(Rotated { kid: next.kid, published_at: next.published_at, withdrawn })
    })
}

/// A key that was made beforehand, because that takes long.
struct Spare {
    kid: String,
    sealed_key: Vec<u8>,
}

impl Spare {
    fn of((key, sealed_key): (SigningKey, Vec<u8>)) -> Self {
        Self { kid: key.jwk().kid.clone(), sealed_key }
    }

    fn row(&self, published_at: i64, signs_from: i64) -> Row {
        let times = KeyTimes { kid: self.kid.clone(), published_at, signs_from };
        Row { times, sealed_key: self.sealed_key.clone() }
    }
}

async fn generated(seal: &Seal) -> Result<Spare, Fault> {
    let seal = seal.clone();
    let made = tokio::task::spawn_blocking(move || SigningKey::generate(&seal).map(Spare::of)).await;
    made.map_err(|_| Fault::new(Reason::Internal, "Making a key that signs tokens broke off."))?
}

fn times(connection: &Connection) -> Result<Vec<KeyTimes>, Fault> {
    Ok(oidc_key::list(connection)?.into_iter().map(|row| row.times).collect())
}

fn shown(at: i64) -> String {
    jiff::Timestamp::from_millisecond(at).map_or_else(|_| at.to_string(), |at| at.to_string())
}

fn no_keys() -> Fault {
    Fault::new(
        Reason::OidcNotConfigured,
        "There is no key to rotate: this coordinator never issued tokens. `longshore-coordinator serve --oidc-issuer URL` makes the \
         first one.",
    )
}
