//! Artifacts: files that steps left behind. Bytes arrive in pieces from workers, over sessions and restarts of both sides, and
//! are kept once each under their digest; what is known of them is in the store.

mod arrival;
mod retention;

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use proto::worker;
use rusqlite::Connection;
use shared::{
    id::{DeploymentId, ExecutionId},
    limits,
    reason::{Fault, Reason},
    size,
};
use tokio::{
    sync::{Mutex, watch},
    time::{Instant, timeout_at},
};

use self::arrival::{Arrival, End};
use crate::{
    clock,
    files::{Files, blocking, is_digest},
    registry::artifact::{self, Row, State, Told},
    store::Store,
};

/// How many bytes are kept, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Keeping {
    /// Bytes of all artifacts together.
    pub quota: u64,
    /// After the end of the deployment.
    pub retention: Duration,
}

/// The artifacts of one data folder. Clones are the same.
#[derive(Clone)]
pub struct Artifacts(Arc<Inner>);

struct Inner {
    store: Store,
    /// Contents by digest.
    contents: Files,
    /// Pieces of what has not arrived as a whole.
    arriving: PathBuf,
    keeping: Keeping,
    /// Held while a content is put in its place or removed, and the store says so: nothing is removed that was just stored.
    placing: Mutex<()>,
    /// Changes with every one that is settled.
    news: watch::Sender<()>,
}

/// What becomes of an artifact that a worker offers.
pub enum Offered {
    /// Nothing more is wanted of it.
    Settled(Settled),
    /// Its bytes are wanted.
    Wanted(Receiving),
}

/// What became of an artifact.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Settled {
    /// Stable code of why it is not stored; empty when it is.
    pub reason: String,
    /// That, in a sentence.
    pub detail: String,
}

/// An artifact on its way in.
pub struct Receiving {
    artifacts: Artifacts,
    told: Told,
    arrival: Arrival,
}

impl Artifacts {
    /// Those in this folder, which need not be there yet.
    #[must_use]
    pub fn new(store: Store, folder: PathBuf, keeping: Keeping) -> Self {
        Self(Arc::new(Inner {
            store,
            arriving: folder.join("arriving"),
            contents: Files::new(folder),
            keeping,
            placing: Mutex::default(),
            news: watch::Sender::new(()),
        }))
    }

    /// A worker tells, with an attempt's end, what the attempt left behind: from then on it is known that it is on its way.
    ///
    /// # Errors
    /// [`Reason::InvalidArgument`] for what no worker of ours would say; those of the store.
    pub async fn announce(&self, execution: ExecutionId, artifacts: &[worker::Artifact]) -> Result<(), Fault> {
        if artifacts.is_empty() {
            return Ok(());
        }
        let told = artifacts.iter().map(|artifact| told(execution, artifact)).collect::<Result<Vec<_>, _>>()?;
        let quota = self.0.keeping.quota;
        let noted = self.0.store.write(move |tx| {
            let mut kept = None;
            told.iter().try_for_each(|told| note(tx, told, quota, &mut kept))
        });
        noted.await
    }

    /// A worker wants to send an artifact.
    ///
    /// # Errors
    /// [`Reason::InvalidArgument`] for what no worker of ours would say; [`Reason::StoreUnavailable`] when it cannot be taken now.
    pub async fn offer(&self, execution: ExecutionId, artifact: &worker::Artifact) -> Result<Offered, Fault> {
        let told = told(execution, artifact)?;
        let (quota, noted) = (self.0.keeping.quota, told.clone());
        let row = self.0.store.write(move |tx| {
            note(tx, &noted, quota, &mut None)?;
            artifact::get(tx, execution, noted.number)?.ok_or_else(|| unknown(execution))
        });
        let row = row.await?;
        if row.told != told {
            return Err(invalid("An artifact that was told of before is another now."));
        }
        if row.state != State::Arriving {
            return Ok(Offered::Settled(Settled { reason: row.reason, detail: row.detail }));
        }
        let path = self.arriving(&told);
        let size = told.size;
        let arrival = blocking(move || Arrival::open(path, size)).await?;
        Ok(Offered::Wanted(Receiving { artifacts: self.clone(), told, arrival }))
    }

    /// The artifacts of a deployment, each with the bytes of it that have arrived.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn list(&self, deployment: DeploymentId) -> Result<Vec<(Row, u64)>, Fault> {
        let rows = self.0.store.read(move |connection| artifact::list(connection, deployment)).await?;
        Ok(rows.into_iter().map(|row| (self.arrived(&row), row)).map(|(arrived, row)| (row, arrived)).collect())
    }

    /// The same, once none is on its way, or the time is over.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn list_when_settled(&self, deployment: DeploymentId, wait: Duration) -> Result<Vec<(Row, u64)>, Fault> {
        let until = Instant::now() + wait;
        let mut news = self.0.news.subscribe();
        loop {
            news.borrow_and_update();
            let found = self.list(deployment).await?;
            let is_settled = found.iter().all(|(row, _)| row.state != State::Arriving);
            if is_settled || timeout_at(until, news.changed()).await.is_err() {
                return Ok(found);
            }
        }
    }

    /// Opens the bytes of one that is stored.
    ///
    /// # Errors
    /// [`Reason::ArtifactNotFound`] when the deployment has none of that id; [`Reason::ArtifactNotStored`] with why; those of the
    /// store.
    pub async fn open(&self, deployment: DeploymentId, id: &str) -> Result<(tokio::fs::File, u64), Fault> {
        let rows = self.0.store.read(move |connection| artifact::list(connection, deployment)).await?;
        let row = rows.into_iter().find(|row| row.id() == id).ok_or_else(|| {
            let sentence = format!("Deployment {deployment} has no artifact with the id \"{}\".", id.escape_debug());
            Fault::new(Reason::ArtifactNotFound, sentence)
        })?;
        if let Some(why) = not_stored(&row) {
            return Err(Fault::new(Reason::ArtifactNotStored, why));
        }
        let path = self.0.contents.find(&row.told.sha256).unwrap_or_default();
        let file = tokio::fs::File::open(&path).await.map_err(|error| {
            let sentence =
                format!("The artifact \"{}\" cannot be read from {}: {error}.", row.told.name, path.display());
            Fault::new(Reason::StoreUnavailable, sentence)
        })?;
        Ok((file, row.told.size))
    }

    fn arriving(&self, told: &Told) -> PathBuf {
        self.0.arriving.join(format!("{}-{}", told.execution, told.number))
    }

    fn arrived(&self, row: &Row) -> u64 {
        match row.state {
            State::Stored => row.told.size,
            State::Arriving => fs::metadata(self.arriving(&row.told)).map_or(0, |found| found.len()),
            State::Refused | State::Expired => 0,
        }
    }

    /// Puts a whole content in its place and says so.
    async fn place(&self, told: Told, arriving: PathBuf) -> Result<(), Fault> {
        let _placing = self.0.placing.lock().await;
        let (contents, sha256) = (self.0.contents.clone(), told.sha256.clone());
        blocking(move || contents.adopt(&arriving, &sha256)).await?;
        self.0.store.write(move |tx| artifact::set_state(tx, &told, State::Stored, "", "")).await
    }

    async fn refuse(&self, told: Told, reason: Reason, detail: &str) -> Result<Settled, Fault> {
        let settled = Settled { reason: reason.code().into(), detail: detail.into() };
        let written = settled.clone();
        self.0
            .store
            .write(move |tx| artifact::set_state(tx, &told, State::Refused, &written.reason, &written.detail))
            .await?;
        Ok(settled)
    }
}

impl Receiving {
    /// From where on its bytes are wanted.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.arrival.offset()
    }

    /// Takes its next bytes, which are written before the next are asked for.
    ///
    /// # Errors
    /// [`Reason::InvalidFile`] when there are more than were told of; [`Reason::StoreUnavailable`].
    pub async fn push(mut self, chunk: Vec<u8>) -> Result<Self, Fault> {
        blocking(move || self.arrival.push(&chunk).map(|()| self)).await
    }

    /// All was sent.
    ///
    /// # Errors
    /// [`Reason::InvalidFile`] when it is to be sent again; [`Reason::StoreUnavailable`] when it cannot be stored now.
    pub async fn finish(self) -> Result<Settled, Fault> {
        let Self { artifacts, told, arrival } = self;
        let sha256 = told.sha256.clone();
        let settled = match blocking(move || arrival.finish(&sha256)).await? {
            End::Whole(path) => artifacts.place(told, path).await.map(|()| Settled::default()),
            End::Damaged => {
                let detail =
                    format!("\"{}\" changed on the worker's disk after it was kept: its digest is another.", told.name);
                artifacts.refuse(told, Reason::ArtifactDamaged, &detail).await
            }
        };
        // Whoever waits for one looks again.
        artifacts.0.news.send_replace(());
        settled
    }
}

impl Row {
    /// What it is called within its deployment.
    #[must_use]
    pub fn id(&self) -> String {
        format!("{}-{}", self.told.execution, self.told.number)
    }
}

/// Writes it down when it was never heard of; refused, when there is no room for it. `kept` are the bytes of all others, once
/// they were counted.
fn note(tx: &Connection, told: &Told, quota: u64, kept: &mut Option<u64>) -> Result<(), Fault> {
    if !artifact::insert(tx, clock::now(), told)? {
        return Ok(());
    }
    let before = match *kept {
        Some(before) => before,
        None => artifact::bytes(tx)?.saturating_sub(told.size),
    };
    let fits = before.saturating_add(told.size) <= quota;
    *kept = Some(if fits { before + told.size } else { before });
    if !fits {
        let detail = format!(
            "\"{}\" has {}, and the artifacts of all deployments may have {}, of which {} are taken. Raise --artifact-quota of \
             the coordinator, or keep artifacts for a shorter time with --artifact-retention.",
            told.name,
            size::shown(told.size),
            size::shown(quota),
            size::shown(before)
        );
        artifact::set_state(tx, told, State::Refused, Reason::ArtifactQuota.code(), &detail)?;
    }
    Ok(())
}

fn unknown(execution: ExecutionId) -> Fault {
    Fault::new(Reason::AttemptNotOpen, format!("The attempt {execution} was never known here."))
}

fn not_stored(row: &Row) -> Option<String> {
    let name = &row.told.name;
    match row.state {
        State::Stored => None,
        State::Arriving => Some(format!("The artifact \"{name}\" is still on its way from the worker.")),
        State::Refused => Some(format!("The artifact \"{name}\" was not taken ({}). {}", row.reason, row.detail)),
        State::Expired => Some(format!(
            "The artifact \"{name}\" was removed: it was kept as long as --artifact-retention of the coordinator says."
        )),
    }
}

/// What a worker says of an artifact, if it is something that ours would say.
fn told(execution: ExecutionId, artifact: &worker::Artifact) -> Result<Told, Fault> {
    let worker::Artifact { number, name, size, sha256 } = artifact;
    let number = u32::try_from(*number).ok().filter(|number| (1..=limits::ARTIFACTS as u32).contains(number));
    let size = u64::try_from(*size).ok().filter(|size| *size <= limits::ARTIFACT_BYTES);
    let (Some(number), Some(size)) = (number, size) else {
        return Err(invalid("An artifact's number or size is out of bounds."));
    };
    let is_name = (1..=limits::ARTIFACT_NAME_BYTES).contains(&name.len())
        && !name.contains(|c: char| c.is_control() || matches!(c, '/' | '\\'))
        && !matches!(name.as_str(), "." | "..");
    if !is_name || !is_digest(sha256) {
        return Err(invalid("An artifact's name or digest has the wrong shape."));
    }
    Ok(Told { execution, number, name: name.clone(), size, sha256: sha256.clone() })
}

fn invalid(sentence: &str) -> Fault {
    Fault::new(Reason::InvalidArgument, sentence)
}

fn unwritable(path: &Path, error: &io::Error) -> Fault {
    let sentence = format!(
        "An artifact could not be stored at {}: {error}. See that the disk has room and is well.",
        path.display()
    );
    Fault::new(Reason::StoreUnavailable, sentence)
}

#[cfg(test)]
mod tests;
