//! Files of projects, stored once each under the SHA-256 of their bytes: `files/ab/abcd…`.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use aws_lc_rs::digest;
use shared::{
    limits,
    reason::{Fault, Reason},
};
use unfinished::Unfinished;

mod unfinished;

/// The files of one data folder.
#[derive(Clone, Debug)]
pub struct Files {
    folder: PathBuf,
}

impl Files {
    /// Those in this folder, which need not be there yet.
    #[must_use]
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The folder itself.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Size in bytes of a file; `None` when it was not uploaded.
    #[must_use]
    pub fn size(&self, sha256: &str) -> Option<u64> {
        is_digest(sha256).then(|| fs::metadata(self.path(sha256)).ok()).flatten().map(|found| found.len())
    }

    /// Where a file is, if it was uploaded; `None` for what is no digest.
    #[must_use]
    pub fn find(&self, sha256: &str) -> Option<PathBuf> {
        is_digest(sha256).then(|| self.path(sha256))
    }

    /// Opens a file for reading.
    ///
    /// # Errors
    /// [`Reason::FileNotFound`] when it was not uploaded; [`Reason::StoreUnavailable`] when it cannot be read.
    pub async fn open(&self, sha256: &str) -> Result<tokio::fs::File, Fault> {
        if !is_digest(sha256) {
            return Err(Fault::new(
                Reason::InvalidFile,
                "A file's digest must be SHA-256 in 64 lower-case hex digits.",
            ));
        }
        tokio::fs::File::open(self.path(sha256)).await.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Fault::new(
                Reason::FileNotFound,
                format!("The file {sha256} was not uploaded: apply the project again."),
            ),
            _ => Fault::new(Reason::StoreUnavailable, format!("The file {sha256} cannot be read: {error}.")),
        })
    }

    /// Begins an upload. Blocks.
    ///
    /// # Errors
    /// [`Reason::InvalidFile`] when it is no digest; [`Reason::StoreUnavailable`] when nothing can be written.
    pub fn begin(&self, sha256: &str) -> Result<Upload, Fault> {
        if !is_digest(sha256) {
            return Err(Fault::new(
                Reason::InvalidFile,
                "A file's digest must be SHA-256 in 64 lower-case hex digits.",
            ));
        }
        let path = self.path(sha256);
        let folder = path.parent().unwrap_or(&self.folder).to_owned();
        let temp = fs::create_dir_all(&folder)
            .and_then(|()| Unfinished::create(&folder))
            .map_err(|error| unwritable(&folder, &error))?;
        Ok(Upload {
            path,
            folder,
            temp,
            sha256: sha256.to_owned(),
            size: 0,
            digest: digest::Context::new(&digest::SHA256),
        })
    }

    /// Takes a whole file that is on disk already, in the same file system, to its place, durably. Blocks.
    ///
    /// # Errors
    /// [`Reason::StoreUnavailable`].
    pub fn adopt(&self, file: &Path, sha256: &str) -> Result<(), Fault> {
        let path = self.path(sha256);
        let folder = path.parent().unwrap_or(&self.folder);
        let adopted = fs::create_dir_all(folder)
            .and_then(|()| fs::rename(file, &path))
            .and_then(|()| File::open(folder)?.sync_all());
        adopted.map_err(|error| unwritable(folder, &error))
    }

    fn path(&self, sha256: &str) -> PathBuf {
        self.folder.join(&sha256[..2]).join(sha256)
    }
}

/// A file on its way in; what is not finished is removed.
pub struct Upload {
    path: PathBuf,
    folder: PathBuf,
    temp: Unfinished,
    sha256: String,
    size: u64,
    digest: digest::Context,
}

impl Upload {
    /// Takes its next bytes. Blocks.
    ///
    /// # Errors
    /// [`Reason::InvalidFile`] when it is too large; [`Reason::StoreUnavailable`].
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        self.size += bytes.len() as u64;
        if self.size > limits::FILE_BYTES {
            return Err(Fault::new(
                Reason::InvalidFile,
                format!("The file {} is larger than {} bytes.", self.sha256, limits::FILE_BYTES),
            ));
        }
        self.digest.update(bytes);
        self.temp.file.write_all(bytes).map_err(|error| unwritable(&self.folder, &error))
    }

    /// Stores it, durably; its size in bytes. Blocks.
    ///
    /// # Errors
    /// [`Reason::InvalidFile`] when its bytes have another digest; [`Reason::StoreUnavailable`].
    pub fn finish(self) -> Result<u64, Fault> {
        let digest: String = self.digest.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        if digest != self.sha256 {
            return Err(Fault::new(
                Reason::InvalidFile,
                format!(
                    "The file {} arrived with the digest {digest}: it was changed on the way, or while it was read. Try again.",
                    self.sha256
                ),
            ));
        }
        let stored = self.temp.rename(&self.path).and_then(|()| File::open(&self.folder)?.sync_all());
        stored.map_err(|error| unwritable(&self.folder, &error)).map(|()| self.size)
    }
}

/// Runs what touches the disk where it may block.
///
/// # Errors
/// Those of `act`.
pub async fn blocking<T: Send + 'static>(act: impl FnOnce() -> Result<T, Fault> + Send + 'static) -> Result<T, Fault> {
    tokio::task::spawn_blocking(act)
        .await
        .unwrap_or_else(|_| Err(Fault::new(Reason::Internal, "Storing a file failed by a fault of Longshore's own.")))
}

/// Whether a text is a SHA-256 in hex, as it is written here.
pub(crate) fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn unwritable(folder: &Path, error: &io::Error) -> Fault {
    Fault::new(
        Reason::StoreUnavailable,
        format!("A file could not be stored in {}: {error}. See that the disk has room and is well.", folder.display()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELLO: &str = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

    fn left_in(folder: &Path) -> usize {
        fs::read_dir(folder.join("2c")).expect("a folder").count()
    }

    #[test]
    fn a_file_is_stored_under_its_digest_and_only_when_it_has_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let files = Files::new(folder.path().join("files"));
        assert_eq!(files.size(HELLO), None);
        let mut upload = files.begin(HELLO).expect("begun");
        upload.push(b"hel").expect("some");
        upload.push(b"lo").expect("the rest");
        assert_eq!(upload.finish(), Ok(5));
        assert_eq!(files.size(HELLO), Some(5));

        let mut other = files.begin(HELLO).expect("begun");
        other.push(b"help").expect("some");
        assert_eq!(other.finish().expect_err("another file").reason, Reason::InvalidFile);
        assert_eq!(left_in(files.folder()), 1, "an unfinished upload was left behind");
    }

    #[test]
    fn a_digest_is_never_a_path() {
        let folder = tempfile::tempdir().expect("a folder");
        let files = Files::new(folder.path().into());
        for bad in ["", "../../../../etc/passwd", &HELLO.to_uppercase(), &HELLO[1..]] {
            assert!(files.begin(bad).is_err(), "{bad}");
            assert_eq!(files.size(bad), None, "{bad}");
        }
    }
}
