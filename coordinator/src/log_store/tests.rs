//! What the log promises: nothing lost, doubled or out of order, whatever is sent and whenever it ends.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use proptest::prelude::*;
use tempfile::TempDir;
use uuid::Uuid;

use super::*;

/// Frames are any bytes to the log.
type Frame = Vec<u8>;

fn execution(n: u128) -> ExecutionId {
    ExecutionId(Uuid::from_u128(n))
}

fn delimited(frames: &[Frame]) -> Bytes {
    let mut bytes = Vec::new();
    for frame in frames {
        prost::encoding::encode_varint(frame.len() as u64, &mut bytes);
        bytes.extend_from_slice(frame);
    }
    bytes.into()
}

fn lines(range: std::ops::Range<u64>) -> Vec<Frame> {
    range.map(|n| format!("line {n}\n").into_bytes()).collect()
}

fn digest(frames: &[Frame]) -> [u8; 32] {
    frames.iter().fold(frames::EMPTY, |digest, frame| frames::chain(&digest, frame))
}

async fn append(log: &LogStore, id: ExecutionId, first_seq: u64, frames: &[Frame]) -> Result<u64, Fault> {
    let appended = log.append(id, first_seq, frames.len() as u32, delimited(frames)).await?;
    Ok(appended.next_seq)
}

/// The whole stream, read in pages of `max_bytes`.
async fn read_all(log: &LogStore, id: ExecutionId, max_bytes: usize) -> Vec<Frame> {
    let mut found = Vec::new();
    loop {
        let page = log.read(id, found.len() as u64, max_bytes).await.expect("it can be read");
        if page.is_empty() {
            return found;
        }
        for (seq, frame) in page {
            assert_eq!(seq, found.len() as u64, "in order and without gaps");
            found.push(frame.to_vec());
        }
    }
}

fn open() -> (TempDir, LogStore) {
    let dir = tempfile::tempdir().expect("a folder");
    let log = LogStore::open(dir.path()).expect("a log");
    (dir, log)
}

fn segments(dir: &TempDir) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(dir.path().join("log"))
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "seg"))
        .collect();
    files.sort();
    files
}

fn object(dir: &TempDir, id: ExecutionId) -> PathBuf {
    let id = id.to_string();
    dir.path().join("log/archive").join(&id[34..]).join(format!("{id}.zst"))
}

#[tokio::test]
async fn what_was_appended_is_read_back_and_survives_reopening() {
    let (dir, log) = open();
    assert_eq!(append(&log, execution(1), 0, &lines(0..10)).await, Ok(10));
    assert_eq!(append(&log, execution(1), 10, &lines(10..12)).await, Ok(12));
    drop(log);
    let log = LogStore::open(dir.path()).expect("it opens again");
    assert_eq!(log.next_seq(execution(1)), Ok(12));
    assert_eq!(append(&log, execution(1), 12, &lines(12..20)).await, Ok(20));
    for max_bytes in [0, 1, 20, 1 << 20] {
        assert_eq!(read_all(&log, execution(1), max_bytes).await, lines(0..20));
    }
}

#[tokio::test]
async fn frames_after_a_gap_are_not_stored_and_the_answer_says_where_to_begin() {
    let (_dir, log) = open();
    append(&log, execution(1), 0, &lines(0..3)).await.expect("appended");
    assert_eq!(append(&log, execution(1), 4, &lines(4..9)).await, Ok(3));
    assert_eq!(append(&log, execution(2), 1, &lines(1..2)).await, Ok(0));
    assert_eq!(read_all(&log, execution(1), 1 << 20).await, lines(0..3));
    assert_eq!(log.next_seq(execution(2)), Ok(0));
}

#[tokio::test]
async fn frames_sent_again_are_stored_once() {
    let (_dir, log) = open();
    append(&log, execution(1), 0, &lines(0..5)).await.expect("appended");
    assert_eq!(append(&log, execution(1), 0, &lines(0..5)).await, Ok(5));
    assert_eq!(append(&log, execution(1), 2, &lines(2..4)).await, Ok(5));
    assert_eq!(append(&log, execution(1), 3, &lines(3..8)).await, Ok(8));
    assert_eq!(append(&log, execution(1), 8, &[]).await, Ok(8));
    assert_eq!(read_all(&log, execution(1), 1 << 20).await, lines(0..8));
}

#[tokio::test]
async fn a_frame_that_differs_from_the_stored_one_is_an_alarm_and_changes_nothing() {
    let (_dir, log) = open();
    append(&log, execution(1), 0, &lines(0..5)).await.expect("appended");
    let mut other = lines(3..8);
    other[1][0] ^= 1;
    let fault = append(&log, execution(1), 3, &other).await.expect_err("it contradicts");
    assert_eq!(fault.reason, Reason::Internal);
    assert!(fault.sentence.contains("frame 4"), "{fault}");
    assert_eq!(read_all(&log, execution(1), 1 << 20).await, lines(0..5));
}

#[tokio::test]
async fn overlaps_that_wait_together_are_stored_once() {
    let (_dir, log) = open();
    let batches = [(0, 0..4), (2, 2..6), (0, 0..1), (5, 5..9), (20, 20..30), (9, 9..12)];
    let appends = batches.map(|(first, range)| {
        let log = log.clone();
        async move { append(&log, execution(1), first, &lines(range)).await }
    });
    let answers = futures_util::future::join_all(appends).await;
    assert_eq!(answers, [Ok(4), Ok(6), Ok(6), Ok(9), Ok(9), Ok(12)]);
    assert_eq!(read_all(&log, execution(1), 1 << 20).await, lines(0..12));
}

#[tokio::test]
async fn bytes_that_are_not_the_promised_frames_are_refused() {
    let (_dir, log) = open();
    let good = delimited(&lines(0..3));
    let cut = good.slice(..good.len() - 1);
    let huge = delimited(&[vec![0; shared::limits::MESSAGE_BYTES]]);
    for (count, bytes) in [(2, good.clone()), (4, good), (3, cut), (1, huge), (1, Bytes::from_static(&[0xff; 11]))] {
        let fault = log.append(execution(1), 0, count, bytes).await.expect_err("refused");
        assert_eq!(fault.reason, Reason::InvalidArgument);
    }
    let fault = log.append(execution(1), u64::MAX, 1, delimited(&lines(0..1))).await.expect_err("refused");
    assert_eq!(fault.reason, Reason::InvalidArgument);
    assert_eq!(log.next_seq(execution(1)), Ok(0));
}

#[tokio::test]
async fn streams_that_grow_side_by_side_stay_apart() {
    let (dir, log) = open();
    let stream = |id: u128| (0..50).map(move |n| format!("{id}: {n}").repeat(id as usize * 40).into_bytes());
    for n in 0..50 {
        for id in [1, 2, 3] {
            let frame: Vec<Frame> = stream(id).skip(n).take(1).collect();
            append(&log, execution(id), n as u64, &frame).await.expect("appended");
        }
    }
    for log in [log, LogStore::open(dir.path()).expect("it opens again")] {
        for id in [1, 2, 3] {
            assert_eq!(read_all(&log, execution(id), 1000).await, stream(id).collect::<Vec<_>>());
        }
    }
}

/// A folder whose only segment holds these bytes.
fn with_segment(bytes: &[u8]) -> TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    fs::create_dir(dir.path().join("log")).expect("a folder");
    fs::write(dir.path().join("log/000001.seg"), bytes).expect("a segment");
    dir
}

#[tokio::test]
async fn a_tail_torn_at_any_byte_loses_only_the_record_it_tore() {
    let (dir, log) = open();
    append(&log, execution(1), 0, &lines(0..3)).await.expect("appended");
    let first = fs::metadata(&segments(&dir)[0]).expect("a segment").len() as usize;
    append(&log, execution(1), 3, &lines(3..6)).await.expect("appended");
    drop(log);
    let bytes = fs::read(&segments(&dir)[0]).expect("a segment");
    for torn in first..bytes.len() {
        let cut = bytes[..torn].to_vec();
        let mut flipped = bytes.clone();
        flipped[torn] ^= 0x10;
        let mut zeroed = bytes.clone();
        zeroed[torn..].fill(0);
        for bytes in [cut, flipped, zeroed].iter().filter(|torn| **torn != bytes) {
            let dir = with_segment(bytes);
            let log = LogStore::open(dir.path()).expect("it opens");
            assert_eq!(read_all(&log, execution(1), 1 << 20).await, lines(0..3), "torn at byte {torn}");
            assert_eq!(append(&log, execution(1), 3, &lines(3..9)).await, Ok(9));
            drop(log);
            let log = LogStore::open(dir.path()).expect("it opens again");
            assert_eq!(read_all(&log, execution(1), 1 << 20).await, lines(0..9), "torn at byte {torn}");
        }
    }
}

#[tokio::test]
async fn damage_in_an_earlier_segment_is_told_and_never_read_as_log() {
    let (dir, log) = open();
    append(&log, execution(1), 0, &lines(0..3)).await.expect("appended");
    drop(log);
    let bytes = fs::read(&segments(&dir)[0]).expect("a segment");
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1;
        let dir = with_segment(&damaged);
        fs::write(dir.path().join("log/000002.seg"), b"").expect("a newer segment");
        let log = LogStore::open(dir.path()).expect("it opens");
        let next_seq = log.next_seq(execution(1)).expect("it is known");
        if next_seq > 0 {
            let fault = log.read(execution(1), 0, 1 << 20).await.expect_err("its frames are damaged");
            assert_eq!(fault.reason, Reason::Internal);
            assert!(fault.sentence.contains("000001.seg"), "{fault}");
        }
        assert_eq!(fs::read(&segments(&dir)[0]).expect("a segment"), damaged, "evidence stays");
    }
}

#[tokio::test]
async fn frames_lost_between_others_are_told_when_they_are_read() {
    let (dir, log) = open();
    append(&log, execution(1), 0, &lines(0..3)).await.expect("appended");
    let first = fs::metadata(&segments(&dir)[0]).expect("a segment").len() as usize;
    append(&log, execution(1), 3, &lines(3..6)).await.expect("appended");
    let second = fs::metadata(&segments(&dir)[0]).expect("a segment").len() as usize;
    append(&log, execution(1), 6, &lines(6..9)).await.expect("appended");
    drop(log);
    let bytes = fs::read(&segments(&dir)[0]).expect("a segment");
    let dir = with_segment(&[&bytes[..first], &bytes[second..]].concat());
    let log = LogStore::open(dir.path()).expect("it opens");
    assert_eq!(log.read(execution(1), 6, 1 << 20).await.expect("they are there").len(), 3);
    let fault = log.read(execution(1), 3, 1).await.expect_err("they are gone");
    assert_eq!(fault.reason, Reason::Internal);
    let fault = log.seal(execution(1), 9, digest(&lines(0..9))).await.expect_err("it cannot be whole");
    assert_eq!(fault.reason, Reason::Internal);
}

#[tokio::test]
async fn a_whole_stream_is_archived_and_read_as_before() {
    let (dir, log) = open();
    let frames = lines(0..1000);
    append(&log, execution(1), 0, &frames).await.expect("appended");
    assert_eq!(log.seal(execution(1), 1000, digest(&frames)).await, Ok(Sealed::Complete));
    assert_eq!(log.seal(execution(1), 1000, digest(&frames)).await, Ok(Sealed::Complete), "and again");
    for log in [log, LogStore::open(dir.path()).expect("it opens again")] {
        assert_eq!(log.next_seq(execution(1)), Ok(1000));
        assert_eq!(read_all(&log, execution(1), 100).await, frames);
        assert_eq!(append(&log, execution(1), 990, &frames[990..]).await, Ok(1000), "a late repetition");
        let more = append(&log, execution(1), 1000, &lines(0..1)).await.expect_err("it was complete");
        assert_eq!(more.reason, Reason::Internal);
    }
    let packed = fs::read(object(&dir, execution(1))).expect("an object");
    let plain = zstd::stream::decode_all(&packed[..]).expect("any zstd reads it");
    assert_eq!(plain, delimited(&frames));
}

#[tokio::test]
async fn large_streams_are_archived_in_chunks_and_read_from_anywhere() {
    let (_dir, log) = open();
    let frames: Vec<Frame> = (0..64_u8).map(|n| vec![n; 64 << 10]).collect();
    for (n, batch) in frames.chunks(8).enumerate() {
        append(&log, execution(1), n as u64 * 8, batch).await.expect("appended");
    }
    assert_eq!(log.seal(execution(1), 64, digest(&frames)).await, Ok(Sealed::Complete));
    for from in 0..64 {
        let page = log.read(execution(1), from, 1).await.expect("it can be read");
        assert_eq!((page.len(), page[0].0, &page[0].1[..]), (1, from, &frames[from as usize][..]));
    }
    assert_eq!(read_all(&log, execution(1), 3 << 20).await, frames);
}

#[tokio::test]
async fn a_stream_that_is_not_whole_is_not_sealed() {
    let (dir, log) = open();
    append(&log, execution(1), 0, &lines(0..5)).await.expect("appended");
    assert_eq!(log.seal(execution(1), 6, digest(&lines(0..6))).await, Ok(Sealed::Missing { next_seq: 5 }));
    assert_eq!(log.seal(execution(2), 1, digest(&lines(0..1))).await, Ok(Sealed::Missing { next_seq: 0 }));
    for (final_seq, digest) in [(5, [7; 32]), (4, digest(&lines(0..4)))] {
        let fault = log.seal(execution(1), final_seq, digest).await.expect_err("it does not agree");
        assert_eq!(fault.reason, Reason::Internal);
    }
    assert!(!object(&dir, execution(1)).exists());
    assert_eq!(append(&log, execution(1), 5, &lines(5..6)).await, Ok(6), "it goes on as if nothing had been");
    assert_eq!(log.seal(execution(1), 6, digest(&lines(0..6))).await, Ok(Sealed::Complete));
}

#[tokio::test]
async fn a_stream_whose_digest_nobody_knows_is_sealed_by_its_length() {
    let (_dir, log) = open();
    append(&log, execution(1), 0, &lines(0..5)).await.expect("appended");
    assert_eq!(log.seal(execution(1), 6, None).await, Ok(Sealed::Missing { next_seq: 5 }));
    assert_eq!(log.seal(execution(1), 4, None).await.expect_err("there are more").reason, Reason::Internal);
    assert_eq!(log.seal(execution(1), 5, None).await, Ok(Sealed::Complete));
    assert_eq!(read_all(&log, execution(1), 1 << 20).await, lines(0..5));
}

#[tokio::test]
async fn an_empty_stream_is_complete_without_a_file() {
    let (dir, log) = open();
    let mut follower = log.subscribe(execution(1)).expect("followed");
    assert_eq!(log.seal(execution(1), 0, frames::EMPTY).await, Ok(Sealed::Complete));
    assert!(follower.changed().await.is_err(), "no more comes");
    assert!(!object(&dir, execution(1)).exists());
}

#[tokio::test]
async fn followers_hear_of_every_append_and_of_the_end() {
    let (_dir, log) = open();
    let mut follower = log.subscribe(execution(1)).expect("followed before it began");
    append(&log, execution(1), 0, &lines(0..4)).await.expect("appended");
    follower.changed().await.expect("it grew");
    assert_eq!(*follower.borrow_and_update(), 4);
    assert_eq!(log.seal(execution(1), 4, digest(&lines(0..4))).await, Ok(Sealed::Complete));
    assert!(follower.changed().await.is_err(), "it is closed");
    let mut late = log.subscribe(execution(1)).expect("followed");
    assert_eq!(*late.borrow_and_update(), 4);
    assert!(late.changed().await.is_err());
}

#[tokio::test]
async fn many_streams_are_sealed_together() {
    let (dir, log) = open();
    for id in 0..100 {
        append(&log, execution(id), 0, &lines(0..id as u64 + 1)).await.expect("appended");
    }
    let seals = (0..200).map(|n| {
        let (log, id) = (log.clone(), n % 100);
        async move { log.seal(execution(id), id as u64 + 1, digest(&lines(0..id as u64 + 1))).await }
    });
    let answers = futures_util::future::join_all(seals).await;
    assert!(answers.iter().all(|answer| *answer == Ok(Sealed::Complete)), "{answers:?}");
    drop(log);
    let log = LogStore::open(dir.path()).expect("it opens again");
    for id in 0..100 {
        assert_eq!(read_all(&log, execution(id), 1 << 20).await, lines(0..id as u64 + 1));
    }
}

/// Fills segments until there are `wanted` of them.
async fn fill(log: &LogStore, dir: &TempDir, id: ExecutionId, wanted: usize) -> Vec<Frame> {
    let mut frames = Vec::new();
    while segments(dir).len() < wanted {
        let batch: Vec<Frame> = (0..8_u8).map(|n| vec![n; 128 << 10]).collect();
        append(log, id, frames.len() as u64, &batch).await.expect("appended");
        frames.extend(batch);
    }
    frames
}

#[tokio::test]
async fn a_segment_goes_when_all_its_streams_are_archived() {
    let (dir, log) = open();
    append(&log, execution(1), 0, &lines(0..5)).await.expect("appended");
    let large = fill(&log, &dir, execution(2), 2).await;
    assert_eq!(log.seal(execution(2), large.len() as u64, digest(&large)).await, Ok(Sealed::Complete));
    assert_eq!(segments(&dir).len(), 2, "the first holds a stream that still grows");
    assert_eq!(log.seal(execution(1), 5, digest(&lines(0..5))).await, Ok(Sealed::Complete));
    assert_eq!(segments(&dir), [dir.path().join("log/000002.seg")]);
    assert_eq!(log.next_seq(execution(2)), Ok(large.len() as u64));
    drop(log);
    let log = LogStore::open(dir.path()).expect("it opens again");
    assert_eq!(append(&log, execution(3), 0, &lines(0..2)).await, Ok(2));
    assert_eq!(read_all(&log, execution(1), 1 << 20).await, lines(0..5));
}

#[tokio::test]
async fn a_segment_that_a_crash_left_behind_goes_at_the_next_start() {
    let (dir, log) = open();
    let frames = fill(&log, &dir, execution(1), 2).await;
    let first = segments(&dir)[0].clone();
    let kept = fs::read(&first).expect("a segment");
    assert_eq!(log.seal(execution(1), frames.len() as u64, digest(&frames)).await, Ok(Sealed::Complete));
    assert!(!first.exists());
    drop(log);
    fs::write(&first, kept).expect("as before the crash");
    fs::write(dir.path().join("log/archive/new/half.zst"), b"half").expect("as before the crash");
    let log = LogStore::open(dir.path()).expect("it opens again");
    assert!(!first.exists());
    assert!(!dir.path().join("log/archive/new/half.zst").exists());
    assert_eq!(log.next_seq(execution(1)), Ok(frames.len() as u64));
}

#[tokio::test]
async fn a_damaged_archive_is_told_and_never_read_as_log() {
    let (dir, log) = open();
    let frames = lines(0..50);
    append(&log, execution(1), 0, &frames).await.expect("appended");
    assert_eq!(log.seal(execution(1), 50, digest(&frames)).await, Ok(Sealed::Complete));
    let file = object(&dir, execution(1));
    let bytes = fs::read(&file).expect("an object");
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 4;
        fs::write(&file, &damaged).expect("written");
        match log.read(execution(1), 0, 1 << 20).await {
            Ok(read) => {
                // The header of a skippable frame, which only other programs read.
                let read: Vec<_> = read.into_iter().map(|(_, frame)| frame.to_vec()).collect();
                assert_eq!(read, frames, "byte {at}");
            }
            Err(fault) => assert_eq!(fault.reason, Reason::Internal, "byte {at}"),
        }
    }
}

/// Runs with a file system of `megabytes` in memory, if this process may mount one.
async fn with_small_disk(megabytes: u32, test: impl AsyncFnOnce(&Path)) {
    struct Mounted(TempDir);
    impl Drop for Mounted {
        fn drop(&mut self) {
            let _ = std::process::Command::new("umount").arg("-l").arg(self.0.path()).status();
        }
    }
    let dir = tempfile::tempdir().expect("a folder");
    let size = format!("size={megabytes}m");
    let mount =
        std::process::Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(dir.path()).output();
    if mount.is_ok_and(|done| done.status.success()) {
        let mounted = Mounted(dir);
        test(mounted.0.path()).await;
    } else {
        #[allow(clippy::print_stderr, reason = "a test that is skipped says so")]
        {
            eprintln!("skipped: mounting a small file system needs root");
        }
    }
}

#[tokio::test]
async fn on_a_full_disk_nothing_is_acknowledged_and_with_room_it_goes_on() {
    with_small_disk(8, async |disk| {
        let log = LogStore::open(disk).expect("a log");
        let ballast = disk.join("ballast");
        fs::write(&ballast, vec![0; 4 << 20]).expect("written");
        let batch: Vec<Frame> = (0..4_u8).map(|n| vec![n; 100 << 10]).collect();
        let mut kept = 0;
        let fault = loop {
            match append(&log, execution(1), kept, &batch).await {
                Ok(next_seq) => kept = next_seq,
                Err(fault) => break fault,
            }
        };
        assert_eq!(fault.reason, Reason::StoreUnavailable);
        assert!(fault.sentence.contains("000001.seg"), "{fault}");
        assert_eq!(log.next_seq(execution(1)), Ok(kept));
        fs::remove_file(&ballast).expect("room");
        assert_eq!(append(&log, execution(1), kept, &batch).await, Ok(kept + 4));
        drop(log);
        let log = LogStore::open(disk).expect("it opens again");
        assert_eq!(read_all(&log, execution(1), 1 << 20).await.len() as u64, kept + 4);
    })
    .await;
}

#[tokio::test]
async fn a_stream_that_finds_no_room_in_the_archive_stays_as_it_is() {
    with_small_disk(8, async |disk| {
        let log = LogStore::open(disk).expect("a log");
        // What does not compress.
        let frames: Vec<Frame> = (0..48_u64)
            .map(|n| (0..2048_u64).flat_map(|m| frames::chain(&[n as u8; 32], &m.to_le_bytes())).collect())
            .collect();
        for (n, batch) in frames.chunks(8).enumerate() {
            append(&log, execution(1), n as u64 * 8, batch).await.expect("appended");
        }
        let ballast = disk.join("ballast");
        fs::write(&ballast, vec![0; 3 << 20]).expect("written");
        let fault = log.seal(execution(1), 48, digest(&frames)).await.expect_err("no room");
        assert_eq!(fault.reason, Reason::StoreUnavailable);
        assert_eq!(
            fs::read_dir(disk.join("log/archive/new")).expect("a folder").count(),
            0,
            "nothing half-written stays"
        );
        assert_eq!(read_all(&log, execution(1), 1 << 20).await, frames);
        fs::remove_file(&ballast).expect("room");
        assert_eq!(log.seal(execution(1), 48, digest(&frames)).await, Ok(Sealed::Complete));
        assert_eq!(read_all(&log, execution(1), 1 << 20).await, frames);
    })
    .await;
}

/// What may happen to a log.
#[derive(Clone, Debug)]
enum Act {
    /// Frames are sent: how many, and how far from where they belong the first of them is.
    Append {
        id: u128,
        count: u64,
        shift: i64,
    },
    Seal {
        id: u128,
    },
    Reopen,
}

fn any_act() -> impl Strategy<Value = Act> {
    prop_oneof![
        8 => (0..3_u128, 0..6_u64, -4..3_i64).prop_map(|(id, count, shift)| Act::Append { id, count, shift }),
        1 => (0..3_u128).prop_map(|id| Act::Seal { id }),
        1 => Just(Act::Reopen),
    ]
}

/// The bytes of a frame follow from its place, so that what is sent twice is the same.
fn frames_of(id: u128, range: std::ops::Range<u64>) -> Vec<Frame> {
    range.map(|seq| format!("{id}/{seq};").repeat((seq % 7) as usize).into_bytes()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn a_log_is_a_list_of_frames_for_each_stream(acts in prop::collection::vec(any_act(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let (dir, mut log) = open();
        let mut model: BTreeMap<u128, (u64, bool)> = BTreeMap::new();
        runtime.block_on(async {
            for act in acts {
                match act {
                    Act::Append { id, count, shift } => {
                        let (length, sealed) = model.entry(id).or_default();
                        let first = length.saturating_add_signed(shift);
                        let end = first + count;
                        let answer = append(&log, execution(id), first, &frames_of(id, first..end)).await;
                        if *sealed && first <= *length && end > *length {
                            assert_eq!(answer.map_err(|fault| fault.reason), Err(Reason::Internal));
                        } else {
                            if first <= *length {
                                *length = end.max(*length);
                            }
                            assert_eq!(answer, Ok(*length));
                        }
                    }
                    Act::Seal { id } => {
                        let (length, sealed) = model.entry(id).or_default();
                        let answer = log.seal(execution(id), *length, digest(&frames_of(id, 0..*length))).await;
                        assert_eq!(answer, Ok(Sealed::Complete));
                        *sealed = *length > 0;
                    }
                    Act::Reopen => {
                        drop(log);
                        log = LogStore::open(dir.path()).expect("it opens again");
                    }
                }
            }
            for (id, (length, _)) in model {
                assert_eq!(log.next_seq(execution(id)), Ok(length));
                assert_eq!(read_all(&log, execution(id), 30).await, frames_of(id, 0..length));
            }
        });
    }
}
