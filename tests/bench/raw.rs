//! Raw limits of the machine: what nothing built on it can beat.

use std::{
    fs::OpenOptions,
    io::{Read, Write},
    os::unix::fs::FileExt,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::Instant,
};

use super::report::percentile;

/// Processes a second: `bash -c true` with its output in a pipe, from two loops at once.
pub(crate) fn spawn_rate(each: usize) -> f64 {
    let began = Instant::now();
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..each {
                    Command::new("bash").args(["-c", "true"]).stdin(Stdio::null()).output().unwrap();
                }
            });
        }
    });
    (2 * each) as f64 / began.elapsed().as_secs_f64()
}

/// Milliseconds of one 4 KiB write and fdatasync in this folder, p50.
pub(crate) fn sync_ms(folder: &Path, samples: usize) -> f64 {
    let file = OpenOptions::new().create(true).write(true).truncate(true).open(folder.join("sync")).unwrap();
    let page = [7; 4096];
    let mut times: Vec<f64> = (0..samples)
        .map(|at| {
            let began = Instant::now();
            file.write_at(&page, at as u64 * 4096).unwrap();
            file.sync_data().unwrap();
            began.elapsed().as_secs_f64() * 1000.0
        })
        .collect();
    percentile(&mut times, 0.5)
}

/// MB/s of `cat FILE` through a pipe.
pub(crate) fn cat_rate(file: &Path) -> f64 {
    let began = Instant::now();
    let mut cat = Command::new("cat").arg(file).stdout(Stdio::piped()).spawn().unwrap();
    let mut pipe = cat.stdout.take().unwrap();
    let mut buffer = vec![0; 256 << 10];
    let mut total = 0;
    loop {
        match pipe.read(&mut buffer).unwrap() {
            0 => break,
            read => total += read,
        }
    }
    cat.wait().unwrap();
    total as f64 / 1e6 / began.elapsed().as_secs_f64()
}

/// MB/s of copying memory.
pub(crate) fn copy_rate(text: &[u8]) -> f64 {
    let mut copy = Vec::with_capacity(text.len());
    copy.extend_from_slice(text);
    let began = Instant::now();
    for _ in 0..4 {
        copy.clear();
        copy.extend_from_slice(std::hint::black_box(text));
        std::hint::black_box(&copy);
    }
    4.0 * text.len() as f64 / 1e6 / began.elapsed().as_secs_f64()
}

/// Text as programs print it: lines of words, numbers and paths, without repetition that a cache could love.
pub(crate) fn log_text(bytes: usize) -> Vec<u8> {
    let words = ["INFO", "request", "took", "ms", "stack", "update", "/var/log/app", "status=200", "id:", "retry"];
    let mut text = Vec::with_capacity(bytes + 128);
    let mut state: u64 = 0x9e37_79b9_7f4a_7c15;
    while text.len() < bytes {
        for _ in 0..9 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let pick = (state >> 33) as usize;
            if pick.is_multiple_of(3) {
                write!(text, "{:x} ", state >> 20).unwrap();
            } else {
                write!(text, "{} ", words[pick % words.len()]).unwrap();
            }
        }
        text.push(b'\n');
    }
    text.truncate(bytes);
    text
}
