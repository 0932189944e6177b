use std::{fs, io::Write};

use proto::worker::{Frame, Log, frame::Body};
use shared::outcome::Outcome;
use tempfile::TempDir;

use super::*;

fn frame(text: &str) -> Frame {
    let log = Log { source: 1, level: 2, data: text.as_bytes().to_vec().into() };
    Frame { time_ms: 1, body: Some(Body::Log(log)) }
}

fn texts(reader: &mut EventReader) -> Vec<String> {
    let mut texts = Vec::new();
    while let Some(bytes) = reader.read().unwrap() {
        let Some(Body::Log(log)) = Frame::decode(bytes).unwrap().body else { panic!("not a log frame") };
        texts.push(String::from_utf8(log.data.to_vec()).unwrap());
    }
    texts
}

fn three_frames(dir: &TempDir) -> PathBuf {
    let path = dir.path().join("events.log");
    let mut writer = EventWriter::create(&path).unwrap();
    for text in ["one", "two", "three"] {
        writer.push(&frame(text));
    }
    writer.flush().unwrap();
    path
}

#[test]
fn frames_come_back_in_order_and_a_reader_follows_a_live_writer() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("events.log");
    let mut writer = EventWriter::create(&path).unwrap();
    let mut reader = EventReader::open(&path).unwrap();
    assert_eq!(texts(&mut reader), Vec::<String>::new());
    writer.push(&frame("one"));
    writer.push(&frame(&"long ".repeat(100_000)));
    writer.flush().unwrap();
    assert_eq!(texts(&mut reader).len(), 2);
    writer.push(&frame("three"));
    assert_eq!(texts(&mut reader), Vec::<String>::new(), "what was not flushed is not there");
    writer.flush().unwrap();
    assert_eq!(texts(&mut reader), ["three"]);
    assert_eq!((reader.sequence(), writer.sequence()), (3, 3));
}

#[test]
fn a_tail_torn_at_any_byte_leaves_the_frames_before_it() {
    let dir = TempDir::new().unwrap();
    let path = three_frames(&dir);
    let whole = fs::read(&path).unwrap();
    for length in 0..whole.len() {
        fs::write(&path, &whole[..length]).unwrap();
        let found = texts(&mut EventReader::open(&path).unwrap());
        assert!(found.len() < 3);
        assert_eq!(found, ["one", "two", "three"][..found.len()]);
    }
}

#[test]
fn a_flipped_bit_is_never_read_as_a_frame() {
    let dir = TempDir::new().unwrap();
    let path = three_frames(&dir);
    let whole = fs::read(&path).unwrap();
    for at in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x40;
        fs::write(&path, &damaged).unwrap();
        let found = texts(&mut EventReader::open(&path).unwrap());
        assert!(found.len() < 3, "byte {at}");
        assert_eq!(found, ["one", "two", "three"][..found.len()]);
    }
}

#[test]
fn a_reader_can_begin_in_the_middle() {
    let dir = TempDir::new().unwrap();
    let mut reader = EventReader::open(&three_frames(&dir)).unwrap();
    assert!(reader.skip_to(2).unwrap());
    assert_eq!(texts(&mut reader), ["three"]);
    assert!(!reader.skip_to(9).unwrap());
}

#[test]
fn the_digest_chains_over_the_frames() {
    let dir = TempDir::new().unwrap();
    let mut writer = EventWriter::create(&dir.path().join("events.log")).unwrap();
    assert_eq!(writer.digest(), "0".repeat(64));
    writer.push(&frame("one"));
    let mut input = vec![0; 32];
    input.extend(frame("one").encode_to_vec());
    let expected = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &input);
    assert_eq!(writer.digest(), expected.as_ref().iter().map(|b| format!("{b:02x}")).collect::<String>());
}

#[test]
fn an_exit_record_fits_its_slot_whatever_its_detail() {
    let dir = TempDir::new().unwrap();
    let exec = ExecDir::new(dir.path());
    let slot = ExitSlot::create(&exec.exit_path()).unwrap();
    assert_eq!(exec.read_exit().unwrap(), None, "all zero means not ended");
    for detail in ["short".to_owned(), "\u{1}é".repeat(9000)] {
        let record =
            ExitRecord { outcome: Outcome::refused("TEST", detail.clone()), final_seq: 7, digest: "ab".repeat(32) };
        slot.write(&record).unwrap();
        let read = exec.read_exit().unwrap().unwrap();
        assert_eq!((read.final_seq, &read.digest), (7, &record.digest));
        assert!(detail.starts_with(read.outcome.detail.trim_end_matches('…')));
        assert!(read.outcome.detail.len() >= detail.len().min(500));
        assert_eq!(fs::metadata(exec.exit_path()).unwrap().len() as usize, EXIT_SLOT_BYTES);
    }
}

#[test]
fn a_damaged_exit_record_is_no_exit_record() {
    let dir = TempDir::new().unwrap();
    let exec = ExecDir::new(dir.path());
    let slot = ExitSlot::create(&exec.exit_path()).unwrap();
    slot.write(&ExitRecord { outcome: Outcome::exited(0), final_seq: 1, digest: String::new() }).unwrap();
    let whole = fs::read(exec.exit_path()).unwrap();
    let used = whole.iter().rposition(|byte| *byte != 0).unwrap();
    for at in 0..=used {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        fs::write(exec.exit_path(), &damaged).unwrap();
        assert_eq!(exec.read_exit().unwrap(), None, "byte {at}");
    }
}

#[test]
fn a_held_lock_is_seen_and_a_second_start_is_refused() {
    let dir = TempDir::new().unwrap();
    let exec = ExecDir::new(dir.path().join("x"));
    exec.create().unwrap();
    let lock = exec.lock().unwrap();
    assert!(exec.try_lock().unwrap().is_none());
    exec.make_start(&lock).unwrap();
    assert_eq!(exec.make_start(&lock).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    drop(lock);
    let lock = exec.try_lock().unwrap().expect("free");
    exec.make_void(&lock).unwrap();
    exec.make_void(&lock).unwrap();
    assert!(exec.is_started() && exec.is_void());
}

#[test]
fn an_order_is_read_once_and_its_debug_shows_no_value() {
    let dir = TempDir::new().unwrap();
    let runtime = RuntimeDir::new(dir.path());
    let secret = proto::worker::SpecVariable { name: "N".into(), value: "hunter2".into(), sensitive: true };
    let spec = proto::worker::StepSpec { variables: vec![secret], ..Default::default() };
    let order = ShimOrder { spec: Some(spec), attempt_number: 3, ..Default::default() };
    assert!(!format!("{order:?}").contains("hunter2"));
    runtime.write_order(&order).unwrap();
    assert_eq!(runtime.take_order().unwrap(), order);
    assert_eq!(runtime.take_order().unwrap_err().kind(), io::ErrorKind::NotFound);
}

#[test]
fn a_torn_order_is_an_error() {
    let dir = TempDir::new().unwrap();
    File::create(dir.path().join("order")).unwrap().write_all(&[0x0a, 0xff]).unwrap();
    assert!(RuntimeDir::new(dir.path()).take_order().is_err());
}

#[test]
fn a_cancel_that_a_full_disk_left_empty_is_a_cancel_with_the_usual_grace() {
    let dir = TempDir::new().unwrap();
    let exec = ExecDir::new(dir.path().to_owned());
    assert_eq!(exec.cancel_request(), None);
    fs::write(dir.path().join("cancel"), "").unwrap();
    assert_eq!(exec.cancel_request(), Some(limits::KILL_GRACE));
}
