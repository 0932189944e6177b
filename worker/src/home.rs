//! The worker's folders: `<data>` on disk, held by one agent at a time, and `<runtime>` in memory for what is secret.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use rustix::fs::{Access, access, statfs, statvfs};
use shared::id::ExecutionId;

use crate::{
    exec_dir::{ExecDir, RuntimeDir, let_nobody_pass, let_pass},
    failure::{Exit, Failure},
};

/// tmpfs and ramfs, from linux/magic.h.
const IN_MEMORY: [u32; 2] = [0x0102_1994, 0x8584_58f6];
/// NFS, SMB, CIFS: locks and fsync there do not mean what the journal needs them to mean.
const REMOTE: [u32; 3] = [0x6969, 0xfe53_4d42, 0xff53_4d42];

/// Where everything is.
#[derive(Clone, Debug)]
pub struct Home {
    data: PathBuf,
    runtime: PathBuf,
}

/// Says that this agent, and no other, uses the data folder; until dropped.
#[derive(Debug)]
pub struct HomeLock {
    // Kept for its lock only.
    _file: File,
}

impl Home {
    /// Makes the folders, and takes the data folder for this agent.
    ///
    /// # Errors
    /// With exit code 73: another agent has it, it is not on a local disk, or `runtime` is not in memory.
    pub fn open(data: &Path, runtime: Option<&Path>) -> Result<(Self, HomeLock), Failure> {
        passable_dir(data)?;
        let data = data.canonicalize().map_err(|error| Failure::data(data, &error))?;
        refuse_remote(&data)?;
        let lock = HomeLock::take(&data)?;
        passable_dir(&data.join("exec"))?;
        private_dir(&data.join("journal"))?;
        let runtime = match runtime {
            Some(runtime) => in_memory(runtime)?,
            None => find_runtime(&data)?,
        };
        Ok((Self { data, runtime }, lock))
    }

    /// Folder of the journal.
    #[must_use]
    pub fn journal(&self) -> PathBuf {
        self.data.join("journal")
    }

    /// Folder of certificate and key.
    #[must_use]
    pub fn identity(&self) -> PathBuf {
        self.data.join("id")
    }

    /// An attempt's folder on disk.
    #[must_use]
    pub fn exec(&self, execution: ExecutionId) -> ExecDir {
        ExecDir::new(self.data.join("exec").join(execution.to_string()))
    }

    /// An attempt's folder in memory.
    #[must_use]
    pub fn runtime(&self, execution: ExecutionId) -> RuntimeDir {
        RuntimeDir::new(self.runtime.join(execution.to_string()))
    }

    /// Writes down which authorities steps shall trust for AWS, readable for every user, and says where. It replaces the file of an
    /// earlier agent in one move: steps that run may be reading it.
    ///
    /// # Errors
    /// With exit code 73 when it cannot be written.
    pub fn write_ca_bundle(&self, pem: &str) -> Result<PathBuf, Failure> {
        let (path, new) = (self.data.join("aws-ca-bundle.pem"), self.data.join("aws-ca-bundle.new"));
        let written = fs::write(&new, pem)
            .and_then(|()| fs::set_permissions(&new, fs::Permissions::from_mode(0o644)))
            .and_then(|()| fs::rename(&new, &path));
        written.map_err(|error| Failure::data(&path, &error))?;
        Ok(path)
    }

    /// Folders of a pretended attempt, by a name that no attempt has.
    #[must_use]
    pub fn rehearsal(&self, name: &str) -> (ExecDir, RuntimeDir) {
        (ExecDir::new(self.data.join("exec").join(name)), RuntimeDir::new(self.runtime.join(name)))
    }

    /// The folders that others may pass through and not list.
    #[must_use]
    pub fn folders(&self) -> [PathBuf; 3] {
        [self.data.clone(), self.data.join("exec"), self.runtime.clone()]
    }

    /// Every attempt that has a folder on disk.
    ///
    /// # Errors
    /// Whatever the file system says.
    pub fn executions(&self) -> io::Result<Vec<ExecutionId>> {
        executions(&self.data)
    }

    /// Bytes free for this process in the data folder.
    #[must_use]
    pub fn disk_free(&self) -> u64 {
        statvfs(&self.data).map_or(0, |found| found.f_bavail.saturating_mul(found.f_frsize))
    }
}

/// Every attempt that has a folder below a data folder.
///
/// # Errors
/// Whatever the file system says.
pub fn executions(data: &Path) -> io::Result<Vec<ExecutionId>> {
    let folder = data.join("exec");
    let names =
        fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.file_name())).collect::<io::Result<Vec<_>>>()?;
    Ok(names.iter().filter_map(|name| name.to_str()?.parse().ok()).collect())
}

impl HomeLock {
    /// Takes a data folder that exists.
    ///
    /// # Errors
    /// With exit code 73, naming the pid, when an agent uses it.
    pub fn take(data: &Path) -> Result<Self, Failure> {
        let path = data.join("agent.lock");
        let failed = |error: io::Error| Failure::data(&path, &error);
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .mode(0o600)
            .open(&path)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut pid = String::new();
                let _ = file.read_to_string(&mut pid);
                return Err(Failure::new(
                    Exit::Data,
                    format!(
                        "Another agent (pid {}) uses the data folder {}: stop it, or give this one another --data-dir.",
                        pid.trim(),
                        data.display()
                    ),
                ));
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id())).map_err(failed)?;
        Ok(Self { _file: file })
    }

    /// The pid of the agent that uses a data folder; none if no agent does.
    #[must_use]
    pub fn holder(data: &Path) -> Option<String> {
        let mut file = File::open(data.join("agent.lock")).ok()?;
        if !matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)) {
            return None;
        }
        let mut pid = String::new();
        file.read_to_string(&mut pid).ok()?;
        Some(pid.trim().into())
    }
}

fn find_runtime(data: &Path) -> Result<PathBuf, Failure> {
    let run = Path::new("/run/longshore-worker");
    if can_have(run)
        && let Ok(found) = in_memory(run)
    {
        return Ok(found);
    }
    let uid = rustix::process::getuid().as_raw();
    let hash = crc32c::crc32c(data.as_os_str().as_encoded_bytes());
    in_memory(&Path::new("/dev/shm").join(format!("longshore-worker-{uid}-{hash:08x}")))
}

fn can_have(path: &Path) -> bool {
    let wanted = if path.exists() { path } else { path.parent().unwrap_or(path) };
    access(wanted, Access::WRITE_OK | Access::EXEC_OK).is_ok()
}

fn in_memory(path: &Path) -> Result<PathBuf, Failure> {
    passable_dir(path)?;
    refuse_foreign(path)?;
    let kind = file_system(path)?;
    if !IN_MEMORY.contains(&kind) {
        return Err(Failure::new(
            Exit::Data,
            format!(
                "The runtime folder {} is not in memory: secrets of steps would be written to a disk. Give a folder on a \
                 tmpfs with --runtime-dir.",
                path.display()
            ),
        ));
    }
    path.canonicalize().map_err(|error| Failure::data(path, &error))
}

/// Whoever owns a folder can exchange what is in it, and in /dev/shm everybody may make one before we do.
fn refuse_foreign(path: &Path) -> Result<(), Failure> {
    let owner = fs::metadata(path).map_err(|error| Failure::data(path, &error))?.uid();
    if owner == rustix::process::geteuid().as_raw() {
        return Ok(());
    }
    Err(Failure::new(
        Exit::Data,
        format!(
            "The runtime folder {} belongs to uid {owner}, who could take secrets of steps out of it: remove it, or give another one with \
             --runtime-dir.",
            path.display()
        ),
    ))
}

fn refuse_remote(path: &Path) -> Result<(), Failure> {
    if REMOTE.contains(&file_system(path)?) {
        return Err(Failure::new(
            Exit::Data,
            format!(
                "The data folder {} is on a network file system: give one on a local disk with --data-dir.",
                path.display()
            ),
        ));
    }
    Ok(())
}

/// The kind of file system, as in linux/magic.h.
fn file_system(path: &Path) -> Result<u32, Failure> {
    let found = statfs(path).map_err(|error| Failure::data(path, &error.into()))?;
    // Magic numbers are 32 bits wide, whatever the field is.
    Ok(found.f_type as u32)
}

fn private_dir(path: &Path) -> Result<(), Failure> {
    let failed = |error: io::Error| Failure::data(path, &error);
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed)?;
    let_nobody_pass(path).map_err(failed)
}

/// Steps under users of their own pass through it to what is theirs; everything else in it is private by its own mode.
fn passable_dir(path: &Path) -> Result<(), Failure> {
    let failed = |error: io::Error| Failure::data(path, &error);
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed)?;
    let_pass(path).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_runtime_folder_that_somebody_else_made_first_is_refused() {
        // Only root can make one that is somebody else's; for others the kernel refuses to change its mode.
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let folder = tempfile::tempdir().expect("a folder");
        let memory = tempfile::tempdir_in("/dev/shm").expect("a folder");
        std::os::unix::fs::chown(memory.path(), Some(61_098), Some(61_098)).expect("given away");
        let failure = Home::open(folder.path(), Some(memory.path())).map(drop).expect_err("refused");
        assert!(failure.sentence.contains("belongs to uid 61098"), "{}", failure.sentence);
    }

    #[test]
    fn a_second_agent_is_told_who_has_the_folder() {
        let folder = tempfile::tempdir().expect("a folder");
        let memory = tempfile::tempdir_in("/dev/shm").expect("a folder");
        let (_home, lock) = Home::open(folder.path(), Some(memory.path())).expect("opens");
        let failure = Home::open(folder.path(), None).expect_err("refused");
        assert_eq!(failure.exit, Exit::Data);
        assert!(failure.sentence.contains(&std::process::id().to_string()), "{failure}");
        assert_eq!(HomeLock::holder(folder.path()), Some(std::process::id().to_string()));
        drop(lock);
        assert_eq!(HomeLock::holder(folder.path()), None);
    }

    #[test]
    fn a_runtime_folder_on_a_disk_is_refused() {
        let folder = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).expect("a folder");
        let failure = Home::open(folder.path(), Some(&folder.path().join("runtime"))).expect_err("refused");
        assert!(failure.sentence.contains("not in memory"), "{failure}");
    }
}
