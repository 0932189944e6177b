//! A file under a name nobody looks for, until it is whole.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use uuid::Uuid;

pub(super) struct Unfinished {
    pub(super) file: File,
    path: PathBuf,
}

impl Unfinished {
    pub(super) fn create(folder: &Path) -> io::Result<Self> {
        let path = folder.join(format!(".{}", Uuid::new_v4()));
        Ok(Self { file: File::create_new(&path)?, path })
    }

    /// Gives it its name once its bytes are on disk.
    pub(super) fn rename(self, path: &Path) -> io::Result<()> {
        self.file.sync_all()?;
        fs::rename(&self.path, path)
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // After the rename there is nothing under this name.
        let _ = fs::remove_file(&self.path);
    }
}
