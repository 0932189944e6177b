//! The part of an attempt's runtime folder that its process may read.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::{OpenOptionsExt, lchown},
    path::{Path, PathBuf},
};

use super::private_dir;

/// `<runtime>/<execution id>/step/`: token, script, action, home. Belongs to the step's user as soon as the step runs, and
/// whatever is in it then is the step's word: nobody else reads or writes it any more.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StepDir {
    path: PathBuf,
}

impl StepDir {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Makes the folder, 0700, with the step's home in it; one that is there already is taken as it is.
    ///
    /// # Errors
    /// Whatever the file system says.
    pub fn create(&self) -> io::Result<()> {
        private_dir(&self.path)?;
        private_dir(&self.home())
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the step finds as HOME.
    #[must_use]
    pub fn home(&self) -> PathBuf {
        self.path.join("home")
    }

    /// Writes a file that only the step may read, at once for every reader. Before the folder is given away only.
    ///
    /// # Errors
    /// Whatever the file system says.
    pub fn write_private(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        write_private(&self.path, name, bytes)
    }
}

pub(super) fn write_private(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let new = folder.join(format!("{name}.new"));
    OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&new)?.write_all(bytes)?;
    fs::rename(new, folder.join(name))
}

/// Gives a folder and all that is in it to a user and the group of the same number; of a symbolic link the link itself.
/// The folder comes last: until then the new owner cannot get into it, so nothing changes under our hands.
///
/// # Errors
/// Whatever the file system says.
pub fn give(path: &Path, uid: u32) -> io::Result<()> {
    if fs::symlink_metadata(path)?.is_dir() {
        for entry in fs::read_dir(path)? {
            give(&entry?.path(), uid)?;
        }
    }
    lchown(path, Some(uid), Some(uid))
}
