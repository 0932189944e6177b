//! What agent and shim share of one attempt: its folder on disk, its folder in memory, and the files in both. These
//! files are the contract between an agent and the shims that an older agent started, so their names and forms stay.
//!
//! Knows nothing of processes, scripts or the wire.

mod artifacts;
mod events;
mod exit;
mod order;
mod step_dir;

use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use prost::Message;
use proto::worker::Credentials;
use serde::{Deserialize, Serialize};
use shared::limits;

pub use self::{
    artifacts::{Artifact, ArtifactsDir},
    events::{EventReader, EventWriter},
    exit::{EXIT_SLOT_BYTES, ExitRecord, ExitSlot},
    order::{Refusal, ShimOrder},
    step_dir::{StepDir, give},
};

/// Name of the file that holds an attempt's own user.
const USER_FILE: &str = "step-user";

/// `<data>/exec/<execution id>/`: survives a restart of the host.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ExecDir {
    path: PathBuf,
}

/// `<runtime>/<execution id>/`: in memory only, for everything that is secret.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RuntimeDir {
    path: PathBuf,
}

/// The lock of an attempt, held until dropped. Held by its shim for the shim's whole life.
#[derive(Debug)]
pub struct ExecLock {
    // Kept for its lock only.
    _file: File,
}

/// Who runs an attempt; a pid is trusted only with the two others beside it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ShimInfo {
    /// Process id of the shim.
    pub pid: i32,
    /// When it started, in clock ticks since boot.
    pub start_ticks: u64,
    /// Of the kernel it runs on.
    pub boot_id: String,
    /// Folder of the step's own cgroup, where the host allows one.
    pub cgroup: Option<PathBuf>,
}

impl ExecDir {
    /// Names the folder; touches nothing.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Makes the folder, 0700, with its working folder; one that is there already is taken as it is.
    ///
    /// # Errors
    /// Whatever the file system says.
    pub fn create(&self) -> io::Result<()> {
        private_dir(&self.path)?;
        private_dir(&self.work())
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the shim locks.
    #[must_use]
    pub fn lock_path(&self) -> PathBuf {
        self.path.join("lock")
    }

    /// Its frames.
    #[must_use]
    pub fn events_path(&self) -> PathBuf {
        self.path.join("events.log")
    }

    /// How it ended.
    #[must_use]
    pub fn exit_path(&self) -> PathBuf {
        self.path.join("exit")
    }

    /// The child's working folder.
    #[must_use]
    pub fn work(&self) -> PathBuf {
        self.path.join("work")
    }

    /// What the attempt leaves behind for people.
    #[must_use]
    pub fn artifacts(&self) -> ArtifactsDir {
        ArtifactsDir::new(self.path.join("artifacts"))
    }

    /// Takes the lock, waiting for whoever holds it.
    ///
    /// # Errors
    /// Whatever the file system says.
    pub fn lock(&self) -> io::Result<ExecLock> {
        let file = self.lock_file()?;
        file.lock()?;
        Ok(ExecLock { _file: file })
    }

    /// Takes the lock if it is free; `None` means that a shim is alive.
    ///
    /// # Errors
    /// Whatever the file system says.
    pub fn try_lock(&self) -> io::Result<Option<ExecLock>> {
        // For reading where that is possible: closing a file that was open for writing looks like the shim's end.
        let file = match File::open(self.lock_path()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.lock_file()?,
            other => other?,
        };
        match file.try_lock() {
            Ok(()) => Ok(Some(ExecLock { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Records durably that the attempt shall never start. Under the lock only: a shim looks for it after locking.
    ///
    /// # Errors
    /// Whatever the file system says; then nothing may be concluded.
    pub fn make_void(&self, _lock: &ExecLock) -> io::Result<()> {
        match durable_mark(&self.path, "void") {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => sync_dir(&self.path),
            other => other,
        }
    }

    /// Whether the attempt shall never start.
    #[must_use]
    pub fn is_void(&self) -> bool {
        self.path.join("void").exists()
    }

    /// Records durably that a process may have been started. Under the lock only.
    ///
    /// # Errors
    /// `AlreadyExists` when some shim was here before; otherwise whatever the file system says.
    pub fn make_start(&self, _lock: &ExecLock) -> io::Result<()> {
        durable_mark(&self.path, "start")
    }

    /// Whether a process may have been started.
    #[must_use]
    pub fn is_started(&self) -> bool {
        self.path.join("start").exists()
    }

    /// Asks the shim to end the attempt, with `grace` between TERM and kill; without TERM when it is zero. Asking again changes
    /// nothing, but that one who has time is killed after all.
    ///
    /// # Errors
    /// Whatever the file system says.
    pub fn request_cancel(&self, grace: Duration) -> io::Result<()> {
        if self.cancel_request().is_some_and(|asked| asked.is_zero() || !grace.is_zero()) {
            return Ok(());
        }
        let new = self.path.join("cancel.new");
        if let Err(error) = write_new(&new, grace.as_millis().to_string().as_bytes())
            && !new.exists()
        {
            return Err(error);
        }
        // On a full disk the file is empty, and says enough all the same.
        fs::rename(new, self.cancel_path())
    }

    /// The grace of a cancel, if one was asked for; an unreadable one counts as the usual grace.
    #[must_use]
    pub fn cancel_request(&self) -> Option<Duration> {
        let text = fs::read_to_string(self.cancel_path()).ok()?;
        Some(text.trim().parse().map_or(limits::KILL_GRACE, Duration::from_millis))
    }

    /// Writes who runs the attempt.
    ///
    /// # Errors
    /// Whatever the file system says.
    pub fn write_shim_info(&self, info: &ShimInfo) -> io::Result<()> {
        write_new(&self.path.join("shim.info"), &serde_json::to_vec(info)?)
    }

    /// Who runs or ran the attempt; `None` when no shim came that far.
    ///
    /// # Errors
    /// `InvalidData` when the file is torn; otherwise whatever the file system says.
    pub fn read_shim_info(&self) -> io::Result<Option<ShimInfo>> {
        match fs::read(self.path.join("shim.info")) {
            Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// How the attempt ended; `None` when it has not, or when nobody will ever know.
    ///
    /// # Errors
    /// Whatever the file system says.
    pub fn read_exit(&self) -> io::Result<Option<ExitRecord>> {
        ExitSlot::read(&self.exit_path())
    }

    /// Takes what a shim still said after it had recorded the end into the record: it may have been killed while it copied
    /// artifacts. Answers whether there is a record. Under the lock only.
    ///
    /// # Errors
    /// Whatever the file system says; then nothing may be concluded.
    pub fn complete_exit(&self, _lock: &ExecLock) -> io::Result<bool> {
        let Some(record) = self.read_exit()? else { return Ok(false) };
        if self.artifacts().path().exists() {
            let (final_seq, digest) = events::end(&self.events_path())?;
            if final_seq > record.final_seq {
                ExitSlot::open(&self.exit_path())?.write(&ExitRecord { final_seq, digest, ..record })?;
            }
        }
        Ok(true)
    }

    /// Writes down which user the attempt holds for itself. Durable enough: after a restart of the host nobody has processes.
    ///
    /// # Errors
    /// Whatever the file system says.
    pub fn write_user(&self, uid: u32) -> io::Result<()> {
        step_dir::write_private(&self.path, USER_FILE, uid.to_string().as_bytes())
    }

    /// The user that the attempt holds for itself; `None` when it holds none, or no longer. A file that was torn when the host went
    /// down says neither, and since then nobody has processes.
    ///
    /// # Errors
    /// Whatever the file system says.
    pub fn read_user(&self) -> io::Result<Option<u32>> {
        match fs::read_to_string(self.path.join(USER_FILE)) {
            Ok(text) => Ok(text.parse().ok()),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidData) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Says that the attempt needs its user no longer: it has ended, or never began. Saying so again changes nothing.
    ///
    /// # Errors
    /// Whatever the file system says.
    pub fn release_user(&self) -> io::Result<()> {
        match fs::remove_file(self.path.join(USER_FILE)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn cancel_path(&self) -> PathBuf {
        self.path.join("cancel")
    }

    fn lock_file(&self) -> io::Result<File> {
        OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(self.lock_path())
    }
}

impl RuntimeDir {
    /// Names the folder; touches nothing.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Makes the folder, 0700; one that is there already is taken as it is.
    ///
    /// # Errors
    /// Whatever the file system says.
    pub fn create(&self) -> io::Result<()> {
        private_dir(&self.path)
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What of it the step itself may read.
    #[must_use]
    pub fn step(&self) -> StepDir {
        StepDir::new(self.path.join("step"))
    }

    /// Writes what the shim is to do.
    ///
    /// # Errors
    /// Whatever the file system says.
    pub fn write_order(&self, order: &ShimOrder) -> io::Result<()> {
        self.write_private("order", &order.encode_to_vec())
    }

    /// Reads what to do and removes the file, so that it can be read once.
    ///
    /// # Errors
    /// `InvalidData` when it is torn; otherwise whatever the file system says.
    pub fn take_order(&self) -> io::Result<ShimOrder> {
        let path = self.path.join("order");
        let bytes = fs::read(&path)?;
        fs::remove_file(&path)?;
        ShimOrder::decode(bytes.as_slice()).map_err(io::Error::other)
    }

    /// Puts fresh AWS credentials in place of the old ones, at once for every reader.
    ///
    /// # Errors
    /// Whatever the file system says.
    pub fn write_credentials(&self, credentials: &Credentials) -> io::Result<()> {
        self.write_private("credentials", &credentials.encode_to_vec())
    }

    /// The AWS credentials there are now; `None` when the step has none.
    ///
    /// # Errors
    /// `InvalidData` when the file is no such message; otherwise whatever the file system says.
    pub fn read_credentials(&self) -> io::Result<Option<Credentials>> {
        match fs::read(self.path.join("credentials")) {
            Ok(bytes) => Credentials::decode(bytes.as_slice()).map(Some).map_err(io::Error::other),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Since when they are there; none when they are not, or the file system does not say.
    #[must_use]
    pub fn credentials_since(&self) -> Option<SystemTime> {
        fs::metadata(self.path.join("credentials")).and_then(|found| found.modified()).ok()
    }

    /// Says why there are no fresh credentials, or that nothing is wrong any more.
    ///
    /// # Errors
    /// `NotFound` when the attempt has ended; otherwise whatever the file system says.
    pub fn write_credentials_problem(&self, sentence: Option<&str>) -> io::Result<()> {
        match sentence {
            Some(sentence) => self.write_private("credentials-problem", sentence.as_bytes()),
            None => match fs::remove_file(self.path.join("credentials-problem")) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => fs::metadata(&self.path).map(drop),
                other => other,
            },
        }
    }

    /// Why there are no fresh credentials, if the agent said so.
    #[must_use]
    pub fn credentials_problem(&self) -> Option<String> {
        fs::read_to_string(self.path.join("credentials-problem")).ok()
    }

    /// Writes a file that only its owner may read, at once for every reader.
    ///
    /// # Errors
    /// Whatever the file system says.
    pub fn write_private(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        step_dir::write_private(&self.path, name, bytes)
    }

    /// Removes the folder with all that is in it; one that is not there is fine.
    ///
    /// # Errors
    /// Whatever the file system says.
    pub fn wipe(&self) -> io::Result<()> {
        remove_tree(&self.path)
    }
}

/// Removes a folder with all that is in it; one that is not there is fine.
///
/// # Errors
/// Whatever the file system says.
pub fn remove_tree(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Lets every user pass through a folder to what is theirs in it; what else is there stays private by its own mode.
///
/// # Errors
/// Whatever the file system says.
pub fn let_pass(path: &Path) -> io::Result<()> {
    fs::set_permissions(path, Permissions::from_mode(0o711))
}

/// Ends [`let_pass`].
///
/// # Errors
/// Whatever the file system says.
pub fn let_nobody_pass(path: &Path) -> io::Result<()> {
    fs::set_permissions(path, Permissions::from_mode(0o700))
}

fn private_dir(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(path)?.write_all(bytes)
}

fn durable_mark(dir: &Path, name: &str) -> io::Result<()> {
    OpenOptions::new().create_new(true).write(true).mode(0o600).open(dir.join(name))?.sync_all()?;
    sync_dir(dir)
}

fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

#[cfg(test)]
mod tests;
