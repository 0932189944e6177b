//! The thread that archives: it reads a stream back from disk, checks it against its digest, and writes it as one object.
//! Many that wait together share their syncs.

use std::{
    collections::BTreeSet,
    fs::File,
    path::{Path, PathBuf},
    sync::Arc,
};

use shared::{
    id::ExecutionId,
    reason::{Fault, Reason},
};
use tokio::sync::{mpsc, oneshot};

use super::{
    Sealed,
    archive::{self, Archive, Draft},
    error::unwritable,
    frames,
    index::Index,
    reader::Reader,
    segment,
};

/// 64 streams share their syncs; more would only make the first of them wait.
const BATCH: usize = 64;

/// 1 MiB of frames at a time.
const READ_BYTES: usize = 1 << 20;

/// A stream to seal, and who waits for it.
pub(super) struct Seal {
    pub(super) execution: ExecutionId,
    pub(super) final_seq: u64,
    pub(super) digest: Option<[u8; 32]>,
    pub(super) caller: oneshot::Sender<Result<Sealed, Fault>>,
}

pub(super) struct Archivist {
    dir: PathBuf,
    index: Arc<Index>,
    reader: Arc<Reader>,
    archive: Archive,
}

/// What a stream needs to be sealed.
enum Work {
    /// Nothing more.
    Done(Sealed),
    /// Its object is written, and not synced.
    Publish(Box<Draft>),
}

impl Archivist {
    pub(super) fn new(dir: PathBuf, index: Arc<Index>, reader: Arc<Reader>, archive: Archive) -> Self {
        Self { dir, index, reader, archive }
    }

    /// Seals until the queue closes.
    pub(super) fn run(self, mut queue: mpsc::Receiver<Seal>) {
        let mut batch = Vec::with_capacity(BATCH);
        while queue.blocking_recv_many(&mut batch, BATCH) > 0 {
            while !batch.is_empty() {
                batch = self.seal(batch);
            }
        }
    }

    /// Answers with those that must wait for another of the same stream.
    fn seal(&self, batch: Vec<Seal>) -> Vec<Seal> {
        let mut drafts = Vec::new();
        let mut again = Vec::new();
        let mut sealing = BTreeSet::new();
        for seal in batch {
            if !sealing.insert(seal.execution) {
                again.push(seal);
                continue;
            }
            match self.prepare(&seal) {
                Ok(Work::Publish(draft)) => drafts.push((seal, draft)),
                Ok(Work::Done(sealed)) => drop(seal.caller.send(Ok(sealed))),
                Err(fault) => drop(seal.caller.send(Err(fault))),
            }
        }
        let published = self.publish(&mut drafts);
        for (seal, _) in drafts {
            if published.is_ok() {
                self.forget(seal.execution);
            }
            // Its caller may be gone; what is archived stays archived.
            let _ = seal.caller.send(published.clone().map(|()| Sealed::Complete));
        }
        again
    }

    fn prepare(&self, seal: &Seal) -> Result<Work, Fault> {
        if self.index.next_seq(seal.execution).is_none()
            && let Some(object) = self.archive.find(seal.execution)?
        {
            seal.check(object.final_seq(), object.digest())?;
            return Ok(Work::Done(Sealed::Complete));
        }
        let next_seq = self.reader.next_seq(seal.execution)?;
        if next_seq < seal.final_seq {
            return Ok(Work::Done(Sealed::Missing { next_seq }));
        }
        if next_seq == 0 {
            // Nothing was written: there is nothing to keep.
            seal.check(0, &frames::EMPTY)?;
            self.forget(seal.execution);
            return Ok(Work::Done(Sealed::Complete));
        }
        self.draft(seal).map(|draft| Work::Publish(Box::new(draft)))
    }

    fn draft(&self, seal: &Seal) -> Result<Draft, Fault> {
        let mut draft = self.archive.begin(seal.execution)?;
        loop {
            let frames = self.reader.read(seal.execution, draft.next_seq(), READ_BYTES)?;
            if frames.is_empty() {
                break;
            }
            frames.iter().try_for_each(|(_, frame)| draft.push(frame))?;
        }
        seal.check(draft.next_seq(), draft.digest())?;
        draft.finish()?;
        Ok(draft)
    }

    /// Makes the objects durable: first what is in them, then their names.
    fn publish(&self, drafts: &mut [(Seal, Box<Draft>)]) -> Result<(), Fault> {
        match drafts {
            [] => Ok(()),
            [(_, draft)] => {
                draft.sync()?;
                let folder = draft.publish()?.to_owned();
                archive::sync_dir(&folder).map_err(|error| unwritable(&folder, &error))
            }
            several => {
                // One sync of the file system is cheaper than two syncs for each of many small files.
                sync_all(self.archive.dir())?;
                several.iter_mut().try_for_each(|(_, draft)| draft.publish().map(drop))?;
                sync_all(self.archive.dir())
            }
        }
    }

    /// Its records in the segments are dead from here on.
    fn forget(&self, execution: ExecutionId) {
        for dead in self.index.remove(execution) {
            segment::delete(&self.dir, dead);
        }
    }
}

fn sync_all(dir: &Path) -> Result<(), Fault> {
    let sync = || rustix::fs::syncfs(File::open(dir)?).map_err(std::io::Error::from);
    sync().map_err(|error| unwritable(dir, &error))
}

impl Seal {
    /// Whether what is stored is what the worker says there is.
    fn check(&self, next_seq: u64, digest: &[u8; 32]) -> Result<(), Fault> {
        if next_seq == self.final_seq && self.digest.is_none_or(|expected| expected == *digest) {
            return Ok(());
        }
        let what = if next_seq == self.final_seq {
            "its digest is another one".into()
        } else {
            format!("{next_seq} are stored")
        };
        let fault = Fault::new(
            Reason::Internal,
            format!(
                "The log of attempt {} is not what its worker says, {} frames with its digest: {what}. It is kept as it is, and not complete.",
                self.execution, self.final_seq
            ),
        );
        tracing::error!(error = %fault, execution = %self.execution, "a stored log does not agree with its digest");
        Err(fault)
    }
}
