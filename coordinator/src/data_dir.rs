//! The data folder: private to the coordinator's user, and to one coordinator at a time.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{self, Read, Seek, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use crate::exit::Exit;

/// A data folder that this process holds until it is dropped.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    // The kernel lets go of the lock when the process ends, however it ends.
    _lock: File,
}

impl DataDir {
    /// Makes the folder if it is not there, and holds it.
    ///
    /// # Errors
    /// Exit 73 when it cannot be made or written, or another coordinator holds it: the sentence names its process.
    pub fn hold(path: &Path) -> Result<Self, Exit> {
        let unusable = |error: io::Error| {
            Exit::data_folder(format!(
                "The data folder {} cannot be used: {error}. See that it belongs to the coordinator's user, or choose another (--data-dir).",
                path.display()
            ))
        };
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(unusable)?;
        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path.join("lock"))
            .map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(held(path, &mut lock)),
            Err(TryLockError::Error(error)) => return Err(unusable(error)),
        }
        write_pid(&mut lock).map_err(unusable)?;
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a file of it whole or not at all; nobody else may read it when `is_secret`.
    ///
    /// # Errors
    /// Exit 73 when it cannot be written.
    pub fn write(&self, name: &str, text: &str, is_secret: bool) -> Result<(), Exit> {
        let path = self.path.join(name);
        let mode = if is_secret { 0o600 } else { 0o644 };
        replace(&path, text, mode)
            .map_err(|error| Exit::data_folder(format!("{} cannot be written: {error}.", path.display())))
    }
}

fn replace(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let unfinished = path.with_extension("unfinished");
    // One that a crash left behind may have another mode.
    let _ = fs::remove_file(&unfinished);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&unfinished)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&unfinished, path)
}

fn write_pid(lock: &mut File) -> io::Result<()> {
    lock.set_len(0)?;
    lock.rewind()?;
    write!(lock, "{}", std::process::id())
}

fn held(path: &Path, lock: &mut File) -> Exit {
    let mut pid = String::new();
    // Without its number the sentence is still true.
    let _ = lock.read_to_string(&mut pid);
    let who = if pid.trim().is_empty() { String::new() } else { format!(" (process {})", pid.trim()) };
    Exit::data_folder(format!(
        "The data folder {} is in use by another coordinator{who}: stop that one, or choose another folder (--data-dir).",
        path.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_coordinator_is_told_who_holds_the_folder() {
        let folder = tempfile::tempdir().expect("a folder");
        let first = DataDir::hold(folder.path()).expect("held");
        let exit = DataDir::hold(folder.path()).expect_err("held by another");
        assert_eq!(exit.code, 73);
        assert!(exit.sentence.contains(&format!("process {}", std::process::id())), "{exit}");
        drop(first);
        assert!(DataDir::hold(folder.path()).is_ok());
    }

    #[test]
    fn a_secret_file_is_readable_to_its_owner_only() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a folder");
        let held = DataDir::hold(folder.path()).expect("held");
        held.write("admin.token", "secret", true).expect("written");
        let mode = fs::metadata(folder.path().join("admin.token")).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
