//! How far uploads are: one line on stderr, drawn over and over, where somebody watches it.

use std::{
    io::{self, IsTerminal, Write},
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use shared::size;
use tokio::{
    task::JoinHandle,
    time::{self, Duration},
};

use crate::screen;

/// 100 ms between pictures: smooth for the eye, nothing for the terminal.
const INTERVAL: Duration = Duration::from_millis(100);
const CLEAR_LINE: &str = "\r\x1b[K";

/// Uploads under way. The line is gone when it is dropped.
pub(crate) struct Progress {
    state: Arc<State>,
    /// Draws; absent where nobody watches.
    painter: Option<JoinHandle<()>>,
}

struct State {
    files: usize,
    bytes: u64,
    done: AtomicUsize,
    sent: Arc<AtomicU64>,
}

impl Progress {
    /// Of so many files with so many bytes in all. Draws from the runtime that it is made in.
    pub(crate) fn new(files: usize, bytes: u64) -> Self {
        let state = Arc::new(State { files, bytes, done: AtomicUsize::new(0), sent: Arc::default() });
        let is_watched = files > 0 && io::stderr().is_terminal() && !screen::is_dumb();
        let painter = is_watched.then(|| tokio::spawn(paint(Arc::clone(&state))));
        Self { state, painter }
    }

    /// Where bytes are counted that were sent.
    pub(crate) fn counter(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.state.sent)
    }

    /// One more file is there.
    pub(crate) fn file_done(&self) {
        self.state.done.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(painter) = &self.painter {
            painter.abort();
            draw(CLEAR_LINE);
        }
    }
}

async fn paint(state: Arc<State>) {
    let mut ticks = time::interval(INTERVAL);
    loop {
        ticks.tick().await;
        draw(&format!("{CLEAR_LINE}{}", state.line()));
    }
}

fn draw(text: &str) {
    let mut err = io::stderr().lock();
    // Nobody to tell when stderr is closed.
    let _ = err.write_all(text.as_bytes()).and_then(|()| err.flush());
}

impl State {
    fn line(&self) -> String {
        let (done, sent) = (self.done.load(Ordering::Relaxed), self.sent.load(Ordering::Relaxed));
        format!("uploading: {done} of {} files, {} of {}", self.files, size::shown(sent), size::shown(self.bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_files_and_bytes() {
        let state =
            State { files: 340, bytes: 1 << 30, done: AtomicUsize::new(12), sent: Arc::new(AtomicU64::new(1 << 20)) };
        assert_eq!(state.line(), "uploading: 12 of 340 files, 1.0 MiB of 1.0 GiB");
    }
}
