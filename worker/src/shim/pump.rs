//! From the start of the step's process to the end of the last one it left: reads what it says, and ends it when its time
//! is over or somebody asks.

use std::{
    io::{self, ErrorKind, PipeReader, Read},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    process::{Child, ExitStatus},
    sync::{Arc, mpsc::Receiver},
    time::{Duration, Instant},
};

use proto::deployment::log_frame::Level;
use rustix::{
    event::{PollFd, PollFlags, poll},
    fs::{OFlags, fcntl_getfl, fcntl_setfl},
    io::Errno,
    time::Timespec,
};

use super::{recorder::Recorder, timer::Timer};
use crate::{
    endpoint::Notice,
    exec_dir::ExecDir,
    process::{Launched, Tree},
};

/// 64 KiB: what a pipe holds.
const READ_BYTES: usize = 64 << 10;
/// 500 ms for what is left in the pipes when the process has ended but others keep them open.
const DRAIN: Duration = Duration::from_millis(500);

/// Why a step was ended from outside.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stop {
    /// Its time was over.
    TimedOut,
    /// It said nothing for too long.
    Silent,
    /// By request.
    Cancelled,
}

/// How it went.
pub(super) struct Ended {
    /// Of the step's process.
    pub(super) status: ExitStatus,
    /// Set when it was ended from outside.
    pub(super) stop: Option<Stop>,
    /// Whether no process of the step is left.
    pub(super) empty: bool,
}

/// What the shim hears of, besides the child.
pub(super) struct Events {
    /// Watches the exec folder for `cancel`.
    pub(super) cancel: OwnedFd,
    /// Set to the step's timeout.
    pub(super) timer: Timer,
    /// From the credential endpoint.
    pub(super) notices: Receiver<Notice>,
    /// Readable when there are some.
    pub(super) wake: Arc<OwnedFd>,
}

/// How long is waited for what.
#[derive(Clone, Copy)]
pub(super) struct Patience {
    /// Between TERM and kill, for a timeout.
    pub(super) grace: Duration,
    /// For a word of the child's, while it runs.
    pub(super) silence: Option<Duration>,
}

pub(super) struct Pump<'a> {
    recorder: &'a mut Recorder,
    exec: &'a ExecDir,
    events: Events,
    patience: Patience,
    /// When the child said something last, or could not because the disk was full.
    heard: Instant,
    child: Child,
    pidfd: OwnedFd,
    stdout: Pipe,
    stderr: Pipe,
    side: Pipe,
    tree: Tree,
    status: Option<ExitStatus>,
    stop: Option<Stop>,
    /// Until when the pipes may stay open after the end of the process.
    drain_until: Option<Instant>,
    /// Whether what is left of the tree was killed; then whether all of it is gone.
    emptied: Option<bool>,
}

/// One of the child's pipes, until its end.
struct Pipe {
    reader: Option<PipeReader>,
    buffer: Vec<u8>,
}

/// What poll says.
#[derive(Default)]
struct Ready {
    stdout: bool,
    stderr: bool,
    side: bool,
    ended: bool,
    cancel: bool,
    timer: bool,
    wake: bool,
}

impl Ready {
    fn speaks(&self) -> bool {
        self.stdout || self.stderr || self.side
    }
}

impl<'a> Pump<'a> {
    pub(super) fn new(
        recorder: &'a mut Recorder,
        exec: &'a ExecDir,
        events: Events,
        patience: Patience,
        launched: Launched,
        tree: Tree,
    ) -> io::Result<Self> {
        let flags = fcntl_getfl(&launched.side)?;
        fcntl_setfl(&launched.side, flags | OFlags::NONBLOCK)?;
        Ok(Self {
            recorder,
            exec,
            events,
            patience,
            heard: Instant::now(),
            child: launched.child,
            pidfd: launched.pidfd,
            stdout: Pipe::new(launched.stdout),
            stderr: Pipe::new(launched.stderr),
            side: Pipe::new(launched.side),
            tree,
            status: None,
            stop: None,
            drain_until: None,
            emptied: None,
        })
    }

    /// Runs to the end.
    ///
    /// # Errors
    /// When the log cannot be written, besides that the disk is full: the tree is killed, and nothing may be said about
    /// what the step did.
    pub(super) fn run(mut self) -> io::Result<Ended> {
        let result = self.pump();
        let empty = match (result.is_ok(), self.emptied) {
            (true, Some(empty)) => empty,
            (true, None) => self.empty_tree(),
            (false, _) => {
                self.tree.kill();
                let _ = self.child.wait();
                self.tree.kill_until_empty()
            }
        };
        result.map(|status| Ended { status, stop: self.stop, empty })
    }

    fn pump(&mut self) -> io::Result<ExitStatus> {
        loop {
            let held_up = self.recorder.is_full();
            let ready = self.wait()?;
            self.read(&ready)?;
            if ready.wake {
                self.heed_notices()?;
            }
            if ready.ended {
                self.heed_end()?;
            }
            if ready.cancel {
                self.heed_cancel()?;
            }
            if ready.timer {
                self.heed_timer()?;
            }
            if ready.speaks() || held_up {
                self.heard = Instant::now();
            }
            self.heed_silence()?;
            self.recorder.commit()?;
            if self.drain_until.is_some() && (held_up || self.recorder.is_full()) {
                // Nothing was read from the pipes while the disk was full: their time begins when it has room again.
                self.drain_until = Some(Instant::now() + DRAIN);
            }
            if let Some(status) = self.status
                && self.is_drained()
            {
                self.recorder.finish();
                return Ok(status);
            }
        }
    }

    fn wait(&self) -> io::Result<Ready> {
        // A full disk: the child's output waits in its pipes, and the child with it.
        let readable = !self.recorder.is_full();
        let sources: [(Option<BorrowedFd<'_>>, bool); 7] = [
            (self.stdout.fd(), readable),
            (self.stderr.fd(), readable),
            (self.side.fd(), readable),
            (Some(self.pidfd.as_fd()), self.status.is_none()),
            (Some(self.events.cancel.as_fd()), self.status.is_none()),
            (Some(self.events.timer.fd().as_fd()), self.status.is_none()),
            (Some(self.events.wake.as_fd()), true),
        ];
        let mut fds = Vec::with_capacity(sources.len());
        let mut places = [None; 7];
        for (place, (fd, wanted)) in places.iter_mut().zip(&sources) {
            if let (Some(fd), true) = (fd, *wanted) {
                *place = Some(fds.len());
                fds.push(PollFd::from_borrowed_fd(*fd, PollFlags::IN));
            }
        }
        poll_for(&mut fds, self.patience())?;
        let ready = places.map(|place| place.is_some_and(|at| !fds[at].revents().is_empty()));
        let [stdout, stderr, side, ended, cancel, timer, wake] = ready;
        Ok(Ready { stdout, stderr, side, ended, cancel, timer, wake })
    }

    fn patience(&self) -> Option<Duration> {
        let drain = self.drain_until.map(|until| until.saturating_duration_since(Instant::now()));
        let silence = self.silent_at().map(|at| at.saturating_duration_since(Instant::now()));
        [drain, silence, self.recorder.patience()].into_iter().flatten().min()
    }

    /// When the child will have said nothing for too long; the clock of that stands while the host is suspended.
    fn silent_at(&self) -> Option<Instant> {
        let silence = self.patience.silence.filter(|_| self.status.is_none() && self.stop.is_none())?;
        self.heard.checked_add(silence)
    }

    fn heed_silence(&mut self) -> io::Result<()> {
        if self.silent_at().is_some_and(|at| Instant::now() >= at) {
            return self.stop(Stop::Silent, self.patience.grace);
        }
        Ok(())
    }

    /// Takes what the pipes have. The side channel is emptied after the others are read and before what they said is
    /// looked at: what a script wanted masked before it wrote a line is masked in that line.
    fn read(&mut self, ready: &Ready) -> io::Result<()> {
        if ready.stdout {
            self.stdout.read()?;
        }
        if ready.stderr {
            self.stderr.read()?;
        }
        if ready.stdout || ready.stderr || ready.side {
            self.side.read_all()?;
        }
        self.recorder.side(&self.side.buffer);
        self.recorder.stdout(&self.stdout.buffer);
        self.recorder.stderr(&self.stderr.buffer);
        for pipe in [&mut self.side, &mut self.stdout, &mut self.stderr] {
            pipe.buffer.clear();
        }
        Ok(())
    }

    fn heed_notices(&mut self) -> io::Result<()> {
        rustix::io::read(&self.events.wake, &mut [0; 8])?;
        while let Ok(notice) = self.events.notices.try_recv() {
            match notice {
                Notice::Secrets(secrets, done) => {
                    self.recorder.learn(secrets.iter().map(String::as_str));
                    // The endpoint waits for this; if it does not any more, it will not hand them out.
                    let _ = done.send(());
                }
                Notice::Closed(sentence) | Notice::Expiring(sentence) => self.recorder.line(Level::Warning, &sentence),
                Notice::Refreshed(sentence) => self.recorder.line(Level::Info, &sentence),
            }
        }
        Ok(())
    }

    fn heed_end(&mut self) -> io::Result<()> {
        self.status = self.child.try_wait()?;
        if self.status.is_some() {
            self.drain_until = Some(Instant::now() + DRAIN);
        }
        Ok(())
    }

    fn heed_cancel(&mut self) -> io::Result<()> {
        let mut events = [0; 4096];
        rustix::io::read(&self.events.cancel, &mut events)?;
        match self.exec.cancel_request() {
            // One that was told to end goes on ending, unless nobody waits for it any more.
            Some(grace) if self.status.is_none() && (self.stop.is_none() || grace.is_zero()) => {
                self.stop(self.stop.unwrap_or(Stop::Cancelled), grace)
            }
            _ => Ok(()),
        }
    }

    fn heed_timer(&mut self) -> io::Result<()> {
        rustix::io::read(self.events.timer.fd(), &mut [0; 8])?;
        if self.status.is_some() {
            return Ok(());
        }
        if self.stop.is_some() {
            self.recorder.line(Level::Warning, "Its time to end by itself is over; what is left of it is killed.");
            self.tree.kill();
            return Ok(());
        }
        self.stop(Stop::TimedOut, self.patience.grace)
    }

    fn stop(&mut self, stop: Stop, grace: Duration) -> io::Result<()> {
        self.stop = Some(stop);
        let why = match stop {
            Stop::TimedOut => "The step's time is over",
            Stop::Silent => "The step has said nothing for its no_output_timeout",
            Stop::Cancelled => "The step is cancelled",
        };
        if grace.is_zero() {
            self.recorder.line(Level::Warning, &format!("{why}: its processes are killed."));
            self.tree.kill();
            return Ok(());
        }
        let grace_in_words = humantime::format_duration(grace);
        self.recorder.line(
            Level::Warning,
            &format!("{why}: its processes are told to end, and have {grace_in_words} for that."),
        );
        self.tree.terminate();
        self.events.timer.set(grace)
    }

    /// Whether nothing more can come from the child's pipes. Ends whoever keeps them open.
    fn is_drained(&mut self) -> bool {
        let talking = self.stdout.is_open() || self.stderr.is_open();
        if !talking && !self.side.is_open() {
            return true;
        }
        if talking && self.drain_until.is_none_or(|until| Instant::now() < until) {
            return false;
        }
        if self.emptied.is_none() {
            self.emptied = Some(self.empty_tree());
            self.drain_until = Some(Instant::now() + DRAIN);
            return false;
        }
        if self.drain_until.is_some_and(|until| Instant::now() < until) {
            return false;
        }
        self.recorder.line(
            Level::Warning,
            "A process that is not part of this step keeps its output open; what it writes there is not in this log.",
        );
        true
    }

    fn empty_tree(&mut self) -> bool {
        if self.tree.is_empty() {
            return true;
        }
        self.recorder.line(Level::Verbose, "Processes that the step left behind are ended.");
        self.tree.kill_until_empty()
    }
}

impl Pipe {
    fn new(reader: PipeReader) -> Self {
        Self { reader: Some(reader), buffer: Vec::new() }
    }

    fn is_open(&self) -> bool {
        self.reader.is_some()
    }

    fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.reader.as_ref().map(AsFd::as_fd)
    }

    /// One piece; answers whether there may be more.
    fn read(&mut self) -> io::Result<bool> {
        let Some(reader) = &mut self.reader else { return Ok(false) };
        let held = self.buffer.len();
        self.buffer.resize(held + READ_BYTES, 0);
        let read = reader.read(&mut self.buffer[held..]);
        self.buffer.truncate(held + *read.as_ref().unwrap_or(&0));
        match read {
            Ok(0) => self.reader = None,
            Ok(_) => return Ok(true),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(error) => return Err(error),
        }
        Ok(false)
    }

    /// Everything that a pipe holds, of one that does not block.
    fn read_all(&mut self) -> io::Result<()> {
        while self.buffer.len() < READ_BYTES && self.read()? {}
        Ok(())
    }
}

fn poll_for(fds: &mut [PollFd<'_>], patience: Option<Duration>) -> io::Result<()> {
    let timeout = patience.map(|patience| Timespec {
        tv_sec: patience.as_secs().try_into().unwrap_or(i64::MAX),
        tv_nsec: patience.subsec_nanos().into(),
    });
    match poll(fds, timeout.as_ref()) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
