//! The same facts into memory and into SQLite: whatever happens to a fleet, the store refuses nothing of what the core decides, and a
//! coordinator that begins with the one is the one that begins with the other.

use std::{path::PathBuf, sync::mpsc::channel};

use coordinator::{
    driver::worker_record,
    pki::WorkerCertificate,
    registry::{pool, worker},
    store::{FILE, Store, facts, hold},
};
use coordinator_core::{Coordinator, Mono, Patience, Stored, fact::Fact};
use proof::{fleet::store::Change, walk::walk_and_tell};
use tempfile::TempDir;

/// 600 long ways: each change is synced to disk.
const SEEDS: u64 = 600;

/// SQLite beside a fleet's memory.
struct Beside {
    folder: TempDir,
    store: Store,
    /// How many folders a restore has made.
    folders: usize,
}

impl Beside {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(&folder.path().join("0")).expect("a store");
        Self { folder, store, folders: 0 }
    }

    fn follow(&mut self, change: Change) {
        match change {
            Change::Begun(begun) => self.begin(*begun),
            Change::Stored(fact) => {
                let told = format!("{fact:?}");
                let stored = self.store.write_blocking(move |tx| facts::apply(tx, 0, &fact));
                stored.unwrap_or_else(|fault| panic!("SQLite refuses {told}: {fault}"));
            }
            Change::BackedUp => Store::copy(&self.place(), &self.backup()).expect("copied"),
            Change::Restored => self.restore(),
        }
    }

    fn begin(&self, begun: Stored) {
        let written = self.store.write_blocking(move |tx| {
            pool::ensure_default(tx, 0)?;
            for (number, record) in begun.workers.iter().enumerate() {
                worker::insert(tx, (record.id, &record.name, &record.pool, "{}"), &certificate(number), 0)?;
            }
            for (id, facts) in &begun.deployments {
                facts::apply(tx, 0, &Fact::Deployment(*id, facts[0].clone()))?;
            }
            Ok(())
        });
        written.expect("begun");
    }

    fn restore(&mut self) {
        self.folders += 1;
        std::fs::create_dir(self.place()).expect("a folder");
        std::fs::copy(self.backup(), self.place().join(FILE)).expect("copied");
        self.store = Store::open(&self.place()).expect("a store");
        self.store.write_blocking(|tx| hold::begin(tx, 0, "restored")).expect("on hold");
    }

    fn place(&self) -> PathBuf {
        self.folder.path().join(self.folders.to_string())
    }

    fn backup(&self) -> PathBuf {
        self.folder.path().join("backup")
    }

    fn stored(&self) -> Stored {
        let read = self.store.read_blocking(|connection| {
            let rows = worker::list(connection, None)?;
            let workers = rows.iter().map(|row| worker_record(connection, row)).collect::<Result<Vec<_>, _>>()?;
            Ok(Stored {
                workers,
                deployments: facts::open_deployments(connection)?,
                restores: hold::restores(connection)?,
                is_on_hold: hold::hold(connection)?.is_some(),
            })
        });
        read.expect("read")
    }
}

/// What a coordinator that begins with this believes, in words.
fn belief(mut stored: Stored) -> String {
    stored.workers.sort_by_key(|worker| worker.id);
    stored.deployments.sort_by_key(|(id, _)| *id);
    let (core, decision) = Coordinator::recover(Mono::default(), Patience::default(), stored);
    format!("{core:#?}\n{decision:#?}")
}

/// Nobody looks at it here.
fn certificate(number: usize) -> WorkerCertificate {
    let unlike = vec![u8::try_from(number).expect("few")];
    WorkerCertificate { der: Vec::new().into(), serial: unlike.clone(), spki: unlike, not_before: 0, not_after: 0 }
}

#[test]
fn memory_and_sqlite_agree_whatever_happens() {
    for seed in 0..SEEDS {
        let (witness, changes) = channel();
        let (walked, fleet) = walk_and_tell(seed, Some(witness));
        assert_eq!(walked.breach, None, "seed {seed}");
        let mut beside = Beside::new();
        changes.try_iter().for_each(|change| beside.follow(change));
        assert_eq!(belief(beside.stored()), belief(fleet.stored()), "seed {seed}");
    }
}
