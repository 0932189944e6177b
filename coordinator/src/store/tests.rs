//! What the store promises whatever is written: durability in groups, and operations that stand alone.

use std::{path::Path, sync::Barrier};

use rusqlite::{Connection, params};
use shared::{
    attempt::{AttemptEvent, AttemptState},
    reason::{Fault, Reason},
};
use tempfile::TempDir;

use super::*;

fn open() -> (TempDir, Store) {
    let dir = tempfile::tempdir().expect("a folder");
    let store = Store::open(dir.path()).expect("a store");
    (dir, store)
}

fn add_pool(connection: &Connection, name: &str) -> Result<(), Fault> {
    connection
        .execute("INSERT INTO pool (name, description, created_at) VALUES (?1, '', 0)", [name])
        .map(drop)
        .stored("adding a pool")
}

fn count(store: &Store, table: &'static str) -> i64 {
    store
        .read_blocking(move |connection| {
            connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).stored("counting")
        })
        .expect("a count")
}

fn refused(why: &str) -> Fault {
    Fault::new(Reason::InvalidArgument, why)
}

#[test]
fn of_24_who_redeem_one_invitation_at_once_one_succeeds() {
    let (_dir, store) = open();
    store
        .write_blocking(|connection| {
            add_pool(connection, "default")?;
            connection
                .execute(
                    "INSERT INTO invitation (id, secret_hmac, pool, worker_name, labels, created_by, created_at, expires_at, uses_left)
                     VALUES (x'01', x'02', 'default', 'w', '{}', 'admin', 0, 9, 1)",
                    [],
                )
                .map(drop)
                .stored("inviting")
        })
        .expect("an invitation");
    let barrier = Barrier::new(24);
    let redeemed = std::thread::scope(|scope| {
        let tries: Vec<_> = (0..24)
            .map(|_| {
                scope.spawn(|| {
                    barrier.wait();
                    store.write_blocking(|connection| {
                        let sql = "UPDATE invitation SET uses_left = uses_left - 1 WHERE id = x'01' AND uses_left > 0";
                        match connection.execute(sql, []).stored("redeeming")? {
                            1 => Ok(()),
                            _ => Err(refused("used")),
                        }
                    })
                })
            })
            .collect();
        tries.into_iter().map(|one| one.join().expect("no panic")).filter(Result::is_ok).count()
    });
    assert_eq!(redeemed, 1);
}

/// Holds the writer until the returned sender is dropped, so that what is asked meanwhile waits together.
fn hold_writer(store: &Store) -> std::sync::mpsc::Sender<()> {
    let (release, held) = std::sync::mpsc::channel::<()>();
    let (begun, begins) = std::sync::mpsc::channel();
    let store = store.clone();
    std::thread::spawn(move || {
        store.write_blocking(move |_| {
            begun.send(()).expect("the test listens");
            held.recv().expect_err("nobody sends");
            Ok(())
        })
    });
    begins.recv().expect("the writer is held");
    release
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_together_shares_one_commit() {
    let (_dir, store) = open();
    let release = hold_writer(&store);
    let before = store.commits();
    let mut writes = Box::pin(futures_util::future::join_all(
        (0..100).map(|n| store.write(move |connection| add_pool(connection, &format!("pool-{n}")))),
    ));
    // Polling once puts all of them in the queue.
    assert!(futures_util::poll!(&mut writes).is_pending());
    drop(release);
    assert!(writes.await.into_iter().all(|answer| answer.is_ok()));
    assert_eq!(store.commits() - before, 2, "one for what held the writer, one for all hundred");
    assert_eq!(tokio::task::spawn_blocking(move || count(&store, "pool")).await.expect("no panic"), 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_operation_takes_back_only_what_it_did() {
    let (_dir, store) = open();
    let release = hold_writer(&store);
    let mut writes = Box::pin(futures_util::future::join_all((0..10).map(|n| {
        store.write(move |connection| {
            add_pool(connection, &format!("pool-{n}"))?;
            match n % 3 {
                0 => Ok(n),
                1 => Err(refused("it is odd")),
                _ => panic!("an operation with a bug"),
            }
        })
    })));
    assert!(futures_util::poll!(&mut writes).is_pending());
    drop(release);
    let answers = writes.await;
    for (n, answer) in answers.into_iter().enumerate() {
        match n % 3 {
            0 => assert_eq!(answer, Ok(n)),
            1 => assert_eq!(answer, Err(refused("it is odd"))),
            _ => assert_eq!(answer.expect_err("it panicked").reason, Reason::Internal),
        }
    }
    let names = store
        .read(|connection| {
            let mut select = connection.prepare("SELECT name FROM pool ORDER BY name").stored("reading")?;
            let names = select.query_map([], |row| row.get::<_, String>(0)).stored("reading")?;
            names.collect::<rusqlite::Result<Vec<_>>>().stored("reading")
        })
        .await
        .expect("names");
    assert_eq!(names, ["pool-0", "pool-3", "pool-6", "pool-9"]);
}

#[test]
fn a_lone_refused_operation_changes_nothing_and_the_next_one_is_served() {
    let (_dir, store) = open();
    let answer = store.write_blocking(|connection| {
        add_pool(connection, "gone")?;
        Err::<(), _>(refused("no"))
    });
    assert_eq!(answer, Err(refused("no")));
    assert_eq!(store.write_blocking(|connection| add_pool(connection, "kept")), Ok(()));
    assert_eq!(count(&store, "pool"), 1);
}

#[test]
fn a_reader_cannot_write() {
    let (_dir, store) = open();
    let answer = store.read_blocking(|connection| add_pool(connection, "p"));
    assert_eq!(answer.expect_err("readers only read").reason, Reason::StoreUnavailable);
    assert_eq!(count(&store, "pool"), 0);
}

#[test]
fn what_was_answered_is_there_after_reopening() {
    let (dir, store) = open();
    store.write_blocking(|connection| add_pool(connection, "kept")).expect("written");
    drop(store);
    let store = Store::open(dir.path()).expect("it opens again");
    assert_eq!(count(&store, "pool"), 1);
}

#[test]
fn every_commit_is_synced_and_readers_do_not_block_the_writer() {
    let (_dir, store) = open();
    let settings = store
        .write_blocking(|connection| {
            let read = |pragma: &str| connection.query_row(&format!("PRAGMA {pragma}"), [], |row| row.get::<_, i64>(0));
            let journal =
                connection.query_row("PRAGMA journal_mode", [], |row| row.get::<_, String>(0)).stored("reading")?;
            Ok((read("synchronous").stored("reading")?, read("foreign_keys").stored("reading")?, journal))
        })
        .expect("settings");
    assert_eq!(settings, (2, 1, "wal".into()), "2 is FULL");
}

#[test]
fn a_store_of_a_newer_program_is_refused_with_both_versions() {
    let (dir, store) = open();
    store
        .write_blocking(|connection| {
            connection.execute("UPDATE store_meta SET schema_version = 99", []).map(drop).stored("pretending")
        })
        .expect("written");
    drop(store);
    let fault = Store::open(dir.path()).map(drop).expect_err("too new");
    assert_eq!(fault.reason, Reason::StoreTooNew);
    assert!(fault.sentence.contains("has version 99") && fault.sentence.contains("up to 8"), "{fault}");
}

#[test]
fn a_store_of_version_1_becomes_what_a_new_one_is_and_keeps_its_rows() {
    let dir = tempfile::tempdir().expect("a folder");
    let old = Connection::open(dir.path().join(FILE)).expect("a file");
    old.execute_batch(include_str!("schema.sql")).expect("version 1");
    old.execute_batch(
        "INSERT INTO store_meta (one, store_id, schema_version, created_at) VALUES (1, 'old', 1, 0);
         INSERT INTO pool (name, description, created_at) VALUES ('kept', '', 0);
         INSERT INTO project (name, description, process, revision, next_number, updated_at) VALUES ('shop', '', '{}', 1, 1, 0);
         INSERT INTO variable (id, project, name, name_key, kind, environments, from_file, value, version)
           VALUES ('v', 'shop', 'Region', 'region', 'text', '[\"staging\"]', 1, 'eu-west-1', 1);
         INSERT INTO step_run (deployment_id, idx, name, state, reason, detail) VALUES ('d', 0, 'Build', 'failed', 'EXIT_CODE', 'So.');",
    )
    .expect("rows");
    drop(old);
    let upgraded = Store::open(dir.path()).expect("upgraded");
    let (_dir, new) = open();
    assert_eq!(schema(&upgraded), schema(&new));
    let meta = |connection: &Connection| {
        connection
            .query_row("SELECT store_id, schema_version, (SELECT name FROM pool) FROM store_meta", [], |row| {
                Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?, row.get::<_, String>(2)?))
            })
            .stored("reading")
    };
    assert_eq!(upgraded.read_blocking(meta).expect("its rows"), ("old".into(), 8, "kept".into()));
    let value = |connection: &Connection| {
        connection
            .query_row("SELECT environments || steps || pools || value || (SELECT name || state || detail FROM step_run) FROM variable", [], |row| {
                row.get::<_, String>(0)
            })
            .stored("reading")
    };
    assert_eq!(upgraded.read_blocking(value).expect("its value"), "[\"staging\"][][]eu-west-1BuildfailedSo.");
}

/// Everything the store consists of: columns, indexes, triggers.
fn schema(store: &Store) -> Vec<(String, Option<String>)> {
    store
        .read_blocking(|connection| {
            connection
                .prepare("SELECT name, sql FROM sqlite_schema ORDER BY type, name")
                .and_then(|mut query| query.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect())
                .stored("reading the schema")
        })
        .expect("a schema")
}

#[test]
fn a_file_that_is_no_store_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join(FILE);
    std::fs::write(&file, "minutes of the meeting, ".repeat(500)).expect("a file");
    let fault = Store::open(dir.path()).map(drop).expect_err("no store");
    assert_eq!(fault.reason, Reason::StoreUnavailable);
    assert!(fault.sentence.contains(&file.display().to_string()), "{fault}");
    assert!(std::fs::read_to_string(&file).expect("still there").starts_with("minutes"));
}

#[test]
fn only_its_owner_may_read_the_store() {
    use std::os::unix::fs::PermissionsExt;
    let (dir, store) = open();
    store.write_blocking(|connection| add_pool(connection, "p")).expect("written");
    for name in [FILE.to_owned(), format!("{FILE}-wal")] {
        let mode = std::fs::metadata(dir.path().join(&name)).expect("a file").permissions().mode();
        assert_eq!(mode & 0o077, 0, "{name}");
    }
}

/// Runs with a file system of `megabytes` in memory, if this process may mount one.
fn with_small_disk(megabytes: u32, test: impl FnOnce(&Path)) {
    let dir = tempfile::tempdir().expect("a folder");
    let size = format!("size={megabytes}m");
    let mounted = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
        .arg(dir.path())
        .output()
        .is_ok_and(|done| done.status.success());
    if !mounted {
        #[allow(clippy::print_stderr, reason = "a test that is skipped says so")]
        {
            eprintln!("skipped: mounting a small file system needs root");
        }
        return;
    }
    struct Mounted<'a>(&'a Path);
    impl Drop for Mounted<'_> {
        fn drop(&mut self) {
            let _ = std::process::Command::new("umount").arg("-l").arg(self.0).status();
        }
    }
    let mounted = Mounted(dir.path());
    test(mounted.0);
}

#[test]
fn a_full_disk_changes_nothing_and_says_so() {
    with_small_disk(8, |disk| {
        let store = Store::open(disk).expect("a store");
        let fill = |n: usize| {
            store.write_blocking(move |connection| {
                connection
                    .execute(
                        "INSERT INTO authority (name, cert_pem, sealed_key, not_after) VALUES (?1, '', zeroblob(?2), 0)",
                        params![format!("filler-{n}"), 1 << 18],
                    )
                    .map(drop)
                    .stored("filling the disk")
            })
        };
        let kept = (0..200).map_while(|n| fill(n).ok()).count();
        assert!(kept < 200, "the disk never filled up");
        let fault = fill(kept).expect_err("still full");
        assert_eq!(fault.reason, Reason::StoreUnavailable);
        assert!(fault.sentence.contains(FILE) && fault.sentence.contains("full"), "{fault}");
        assert_eq!(count(&store, "authority"), kept as i64);
        drop(store);
        let store = Store::open(disk).expect("it opens on a full disk");
        assert_eq!(count(&store, "authority"), kept as i64);
    });
}

#[test]
fn a_full_disk_takes_back_the_whole_batch() {
    with_small_disk(4, |disk| {
        let store = Store::open(disk).expect("a store");
        let release = hold_writer(&store);
        let answers = std::thread::scope(|scope| {
            let small = {
                let store = store.clone();
                scope.spawn(move || store.write_blocking(|connection| add_pool(connection, "small")))
            };
            let large = {
                let store = store.clone();
                scope.spawn(move || {
                    store.write_blocking(|connection| {
                        let sql = "INSERT INTO authority (name, cert_pem, sealed_key, not_after) VALUES ('x', '', zeroblob(?1), 0)";
                        connection.execute(sql, [64 << 20]).map(drop).stored("filling the disk")
                    })
                })
            };
            while store.threads.writes.capacity() > WAITING - 2 {
                std::thread::yield_now();
            }
            drop(release);
            [small.join().expect("no panic"), large.join().expect("no panic")]
        });
        for answer in answers {
            assert_eq!(answer.expect_err("the disk is full").reason, Reason::StoreUnavailable);
        }
        assert_eq!(count(&store, "pool"), 0);
        assert_eq!(
            store.write_blocking(|connection| add_pool(connection, "small")),
            Ok(()),
            "there is room for little"
        );
    });
}

const ATTEMPT: &str =
    "INSERT INTO attempt (execution_id, deployment_id, step_idx, number, worker_id, worker_name, assign_seq, state, offered_at)
                       VALUES (?1, 'd', 0, ?2, 'w', 'w1', ?2, ?3, 0)";

/// The events that lead to a state from the beginning.
fn way_to(state: AttemptState) -> Vec<AttemptState> {
    let mut ways = vec![vec![AttemptState::Offered]];
    loop {
        if let Some(way) = ways.iter().find(|way| way.last() == Some(&state)) {
            return way.clone();
        }
        ways = ways
            .iter()
            .flat_map(|way| {
                let end = way[way.len() - 1];
                let next = AttemptEvent::ALL.into_iter().filter_map(move |event| end.apply(event).ok());
                next.map(|state| [way.clone(), vec![state]].concat())
            })
            .collect();
    }
}

#[test]
fn the_store_allows_exactly_the_moves_of_the_table() {
    let (_dir, store) = open();
    for from in AttemptState::ALL {
        let allowed: Vec<_> = AttemptEvent::ALL.into_iter().filter_map(|event| from.apply(event).ok()).collect();
        for to in AttemptState::ALL {
            let moved = store.write_blocking(move |connection| {
                connection.execute("DELETE FROM attempt", []).stored("clearing")?;
                connection.execute(ATTEMPT, params!["e", 1, "OFFERED"]).stored("offering")?;
                let go = |state: AttemptState| connection.execute("UPDATE attempt SET state = ?1", [state.name()]);
                for state in &way_to(from)[1..] {
                    go(*state).stored("going there")?;
                }
                Ok(go(to).is_ok())
            });
            let expected = from == to || allowed.contains(&to);
            assert_eq!(moved, Ok(expected), "{from:?} to {to:?}");
        }
    }
}

#[test]
fn an_attempt_begins_offered() {
    let (_dir, store) = open();
    for state in AttemptState::ALL {
        let born = store.write_blocking(move |connection| {
            connection.execute("DELETE FROM attempt", []).stored("clearing")?;
            Ok(connection.execute(ATTEMPT, params!["e", 1, state.name()]).is_ok())
        });
        assert_eq!(born, Ok(state == AttemptState::Offered), "{state:?}");
    }
}

#[test]
fn a_second_open_attempt_of_a_step_is_refused_until_the_first_is_settled() {
    let (_dir, store) = open();
    for state in AttemptState::ALL {
        let second = store.write_blocking(move |connection| {
            connection.execute("DELETE FROM attempt", []).stored("clearing")?;
            connection.execute(ATTEMPT, params!["first", 1, "OFFERED"]).stored("offering")?;
            for state in &way_to(state)[1..] {
                connection.execute("UPDATE attempt SET state = ?1", [state.name()]).stored("going there")?;
            }
            match connection.execute(ATTEMPT, params!["second", 2, "OFFERED"]) {
                Ok(_) => Ok(true),
                Err(error) if is_duplicate(&error) => Ok(false),
                Err(error) => Err(error).stored("offering again"),
            }
        });
        assert_eq!(second, Ok(state.is_settled()), "{state:?}");
    }
}
