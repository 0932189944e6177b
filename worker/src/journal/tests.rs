//! Every byte of a journal torn off or flipped: nothing that counted is lost in silence.

use shared::id::{AssignSeq, ExecutionId};
use worker_core::{Memory, Record, Stage, Terms};

use super::{
    Durability, Journal,
    format::{self, HEADER, Tail},
    segment,
};

fn execution(n: u128) -> ExecutionId {
    ExecutionId(uuid::Uuid::from_u128(n))
}

fn accepted(n: u128) -> Record {
    let terms = Terms { seq: AssignSeq(n as i64), step_key: format!("step {n}"), number: 1, ..Terms::default() };
    Record::Accepted { execution: execution(n), terms }
}

/// Batches of two records each, every batch durable before the next is written.
fn journal(batches: usize) -> (Vec<u8>, Vec<Memory>) {
    let mut bytes = format::header("0123456789abcdef0123456789abcdef");
    let mut memory = Memory::default();
    let mut prefixes = vec![memory.clone()];
    for n in 0..batches as u128 {
        let synced = bytes.len() as u64;
        for record in [accepted(n + 1), Record::Intent { execution: execution(n + 1) }] {
            format::encode(&mut bytes, synced, &record).expect("encodes");
            memory.apply(record);
            prefixes.push(memory.clone());
        }
    }
    (bytes, prefixes)
}

#[test]
fn a_journal_cut_at_any_byte_keeps_a_prefix() {
    let (bytes, prefixes) = journal(4);
    for cut in HEADER..bytes.len() {
        let replay = format::replay(&bytes[..cut]).expect("a header");
        assert!(prefixes.contains(&replay.memory), "cut at {cut}");
        assert_ne!(replay.tail, Tail::Damaged { at: cut }, "cut at {cut}");
    }
}

#[test]
fn a_journal_cut_at_any_byte_with_zeros_behind_keeps_a_prefix_and_its_id() {
    let (bytes, prefixes) = journal(4);
    for cut in HEADER..bytes.len() {
        let mut torn = bytes[..cut].to_vec();
        torn.resize(bytes.len() + 100, 0);
        let replay = format::replay(&torn).expect("a header");
        assert!(prefixes.contains(&replay.memory), "cut at {cut}");
        assert!(!matches!(replay.tail, Tail::Damaged { .. }), "cut at {cut}");
    }
}

#[test]
fn a_flipped_byte_is_damage_unless_it_is_in_the_last_batch() {
    let (bytes, prefixes) = journal(4);
    let (all_but_last, _) = journal(3);
    for at in 0..bytes.len() {
        for flip in [0x01, 0x80] {
            let mut bad = bytes.clone();
            bad[at] ^= flip;
            let Some(replay) = format::replay(&bad) else {
                assert!(at < HEADER, "byte {at}");
                continue;
            };
            assert!(at >= HEADER, "a flipped header at byte {at} was believed");
            assert!(prefixes.contains(&replay.memory), "byte {at}");
            assert_ne!(&replay.memory, prefixes.last().expect("some"), "byte {at} went unnoticed");
            let damaged = matches!(replay.tail, Tail::Damaged { .. });
            assert_eq!(damaged, at < all_but_last.len(), "byte {at}: {:?}", replay.tail);
        }
    }
}

#[test]
fn what_was_appended_is_there_again_under_the_same_id() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut opened = Journal::open(folder.path(), "boot", &[]).expect("opens");
    let id = opened.journal.id().to_owned();
    opened.journal.append(accepted(1));
    let last = opened.journal.append(Record::Intent { execution: execution(1) });
    wait_for(&opened.journal, last);
    drop(opened);

    let again = Journal::open(folder.path(), "boot", &[]).expect("opens");
    assert_eq!(again.journal.id(), id);
    assert_eq!(again.memory.held[&execution(1)].stage, Stage::Intent);
    assert_eq!(again.memory.hwm, AssignSeq(1));
    assert_eq!(again.memory.boot_id, "boot");
}

#[test]
fn a_lazy_record_is_durable_after_the_journal_is_closed() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut opened = Journal::open(folder.path(), "boot", &[]).expect("opens");
    opened.journal.append(accepted(1));
    opened.journal.append(Record::Forgotten { execution: execution(1) });
    drop(opened);
    let again = Journal::open(folder.path(), "boot", &[]).expect("opens");
    assert!(again.memory.held.is_empty());
    assert_eq!(again.memory.fences.iter().count(), 1);
}

#[test]
fn a_full_segment_becomes_a_snapshot_and_loses_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut opened = Journal::open(folder.path(), "boot", &[]).expect("opens");
    let evidence = "x".repeat(50_000);
    let mut last = 0;
    for n in 1..=3 * segment::CAPACITY / 50_000 {
        opened.journal.append(accepted(u128::from(n)));
        opened.journal.append(Record::Interrupted { execution: execution(n.into()), evidence: evidence.clone() });
        last = opened.journal.append(Record::Forgotten { execution: execution(n.into()) });
    }
    wait_for(&opened.journal, last);
    drop(opened);
    let size = std::fs::metadata(folder.path().join("journal")).expect("a file").len();
    assert_eq!(size, segment::CAPACITY);
    let again = Journal::open(folder.path(), "boot", &[]).expect("opens");
    assert_eq!(again.memory.hwm, AssignSeq(3 * segment::CAPACITY as i64 / 50_000));
    assert!(again.memory.held.is_empty());
    assert_eq!(again.memory.fences.iter().count() as u64, 3 * segment::CAPACITY / 50_000);
    assert_eq!(again.memory.fences.since(), AssignSeq(1), "nothing was let go of");
}

#[test]
fn a_memory_of_before_is_read_and_vouches_for_nothing() {
    let execution = execution(1);
    let text = format!(
        r#"{{"hwm":7,"boot_id":"b","held":{{}},"fences":[{{"execution":"{execution}","step_key":"s","number":1}}]}}"#
    );
    let memory: worker_core::Memory = serde_json::from_str(&text).expect("read");
    assert_eq!(memory.fences.iter().count(), 1);
    assert!(memory.fences.since() > AssignSeq(1 << 60));
}

#[test]
fn a_damaged_journal_begins_anew_and_says_why() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut opened = Journal::open(folder.path(), "boot", &[]).expect("opens");
    let id = opened.journal.id().to_owned();
    for n in 1..4 {
        let number = opened.journal.append(accepted(n));
        wait_for(&opened.journal, number);
    }
    drop(opened);
    let path = folder.path().join("journal");
    let mut bytes = std::fs::read(&path).expect("a file");
    bytes[HEADER + 30] ^= 1;
    std::fs::write(&path, bytes).expect("written");

    let again = Journal::open(folder.path(), "boot", &[]).expect("opens");
    assert_ne!(again.journal.id(), id);
    assert!(again.lost.expect("a reason").contains("unreadable"));
    assert!(folder.path().join("journal.damaged").exists());
}

#[test]
fn files_without_a_record_mean_that_the_journal_lost_something() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut opened = Journal::open(folder.path(), "boot", &[]).expect("opens");
    let id = opened.journal.id().to_owned();
    opened.journal.append(accepted(1));
    opened.journal.append(accepted(2));
    opened.journal.append(Record::Forgotten { execution: execution(2) });
    drop(opened);
    let whole = Journal::open(folder.path(), "boot", &[execution(1), execution(2)]).expect("opens");
    assert_eq!((whole.journal.id(), whole.lost.clone()), (id.as_str(), None));
    drop(whole);

    let found = Journal::open(folder.path(), "boot", &[execution(3)]).expect("opens");
    assert_ne!(found.journal.id(), id);
    assert_eq!(found.memory.held[&execution(3)].stage, Stage::Intent);
    assert!(found.lost.expect("a reason").contains(&execution(3).to_string()));
}

#[test]
fn no_durability_is_claimed_after_the_folder_is_gone() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut opened = Journal::open(folder.path(), "boot", &[]).expect("opens");
    std::fs::remove_dir_all(folder.path()).expect("removed");
    // Beyond one segment's capacity, so that it must be replaced.
    let mut last = 0;
    for n in 1..=segment::CAPACITY / 40_000 {
        last =
            opened.journal.append(Record::Interrupted { execution: execution(n.into()), evidence: "x".repeat(50_000) });
    }
    let mut durability = opened.journal.durability();
    let end = tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(async {
        durability.wait_for(|durability| matches!(durability, Durability::Broken(_))).await.map(|found| found.clone())
    });
    assert!(matches!(end, Ok(Durability::Broken(_))), "record {last} was called durable");
}

fn wait_for(journal: &Journal, number: u64) {
    let mut durability = journal.durability();
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime
        .block_on(durability.wait_for(|durability| matches!(durability, Durability::UpTo(n) if *n >= number)))
        .expect("a writer");
}
