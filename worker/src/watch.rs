//! Hears of what shims write, without asking: one inotify instance over the folders of all live attempts.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    mem::MaybeUninit,
    os::fd::OwnedFd,
    path::Path,
};

use rustix::{
    fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags},
    io::Errno,
};
use shared::id::ExecutionId;
use tokio::io::unix::AsyncFd;

/// 16 KiB: hundreds of events a read.
const BUFFER: usize = 16 << 10;

/// Watches the folders of attempts.
#[derive(Debug)]
pub struct Watcher {
    inotify: AsyncFd<OwnedFd>,
    executions: BTreeMap<i32, ExecutionId>,
}

/// What was seen since the last time.
#[derive(Default, Debug, PartialEq, Eq)]
pub struct Sights {
    /// The start mark was made.
    pub started: BTreeSet<ExecutionId>,
    /// The event stream grew.
    pub grown: BTreeSet<ExecutionId>,
    /// The lock was let go.
    pub unlocked: BTreeSet<ExecutionId>,
    /// The kernel lost count: anything may have happened to any of them.
    pub overflow: bool,
}

impl Watcher {
    /// Watches nothing yet.
    ///
    /// # Errors
    /// When the kernel gives no inotify instance (fs.inotify.max_user_instances).
    #[allow(unsafe_code)]
    pub fn new() -> io::Result<Self> {
        let inotify = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        // SAFETY: an `OwnedFd` is open and the same until it is dropped, and it is never taken out of the `AsyncFd`.
        let inotify = unsafe { AsyncFd::register(inotify) }?;
        Ok(Self { inotify, executions: BTreeMap::new() })
    }

    /// Watches an attempt's folder until it is removed.
    ///
    /// # Errors
    /// When the folder is not there, or the kernel has no more watches (fs.inotify.max_user_watches).
    pub fn watch(&mut self, execution: ExecutionId, folder: &Path) -> io::Result<()> {
        let wanted = WatchFlags::CREATE | WatchFlags::MODIFY | WatchFlags::CLOSE_WRITE | WatchFlags::ONLYDIR;
        let watch = inotify::add_watch(&self.inotify, folder, wanted)?;
        self.executions.insert(watch, execution);
        Ok(())
    }

    /// Waits until something was seen.
    ///
    /// # Errors
    /// When the kernel's queue cannot be read.
    pub async fn sights(&mut self) -> io::Result<Sights> {
        loop {
            let mut ready = self.inotify.readable().await?;
            let mut sights = Sights::default();
            match read_all(self.inotify.get_ref(), &mut self.executions, &mut sights) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => ready.clear_ready(),
                other => other?,
            }
            if sights != Sights::default() {
                return Ok(sights);
            }
        }
    }
}

/// Reads until the queue is empty, which is `WouldBlock`.
fn read_all(inotify: &OwnedFd, executions: &mut BTreeMap<i32, ExecutionId>, sights: &mut Sights) -> io::Result<()> {
    let mut buffer = [MaybeUninit::uninit(); BUFFER];
    let mut reader = Reader::new(inotify, &mut buffer);
    loop {
        let event = match reader.next() {
            Err(Errno::INTR) => continue,
            other => other?,
        };
        let flags = event.events();
        if flags.contains(ReadFlags::QUEUE_OVERFLOW) {
            sights.overflow = true;
        }
        if flags.contains(ReadFlags::IGNORED) {
            executions.remove(&event.wd());
        }
        let Some(execution) = executions.get(&event.wd()) else { continue };
        match event.file_name().map(|name| name.to_bytes()) {
            Some(b"start") if flags.contains(ReadFlags::CREATE) => sights.started.insert(*execution),
            Some(b"events.log") => sights.grown.insert(*execution),
            Some(b"lock") if flags.contains(ReadFlags::CLOSE_WRITE) => sights.unlocked.insert(*execution),
            _ => continue,
        };
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};

    use super::*;

    #[tokio::test]
    async fn start_growth_and_end_are_seen() {
        let folder = tempfile::tempdir().expect("a folder");
        let execution = ExecutionId(uuid::Uuid::from_u128(1));
        let mut watcher = Watcher::new().expect("inotify");
        watcher.watch(execution, folder.path()).expect("watched");
        let one = BTreeSet::from([execution]);

        File::create(folder.path().join("start")).expect("made");
        assert_eq!(watcher.sights().await.expect("sights").started, one);
        fs::write(folder.path().join("events.log"), "x").expect("written");
        assert_eq!(watcher.sights().await.expect("sights").grown, one);
        let lock = File::create(folder.path().join("lock")).expect("made");
        drop(lock);
        assert_eq!(watcher.sights().await.expect("sights").unlocked, one);
    }
}
