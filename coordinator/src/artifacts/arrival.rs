//! The bytes of one artifact, as far as they have arrived. They stay when the way breaks, and when the coordinator does.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::PathBuf,
};

use aws_lc_rs::digest;
use shared::reason::{Fault, Reason};

use super::unwritable;

/// 1 MiB read at a time.
const PIECE: usize = 1 << 20;

/// A file that grows. It is locked, so that an older session's rest does not mix with a newer one's.
pub(super) struct Arrival {
    path: PathBuf,
    file: File,
    digest: digest::Context,
    /// Bytes it shall have.
    size: u64,
    offset: u64,
    /// Whether some of it came earlier.
    is_resumed: bool,
}

/// How an arrival ended.
pub(super) enum End {
    /// All of it is on disk, at this path.
    Whole(PathBuf),
    /// It is not what the worker said, from its first byte on; nothing of it is left.
    Damaged,
}

impl Arrival {
    /// Takes up what has arrived. Blocks: it reads it again.
    ///
    /// # Errors
    /// [`Reason::StoreUnavailable`] when another session is still sending it, or the disk is unwell.
    pub(super) fn open(path: PathBuf, size: u64) -> Result<Self, Fault> {
        let failed = |error: std::io::Error| unwritable(&path, &error);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(failed)?;
        }
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).read(true).write(true).mode(0o600);
        let mut file = options.open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let sentence = "Another session of the worker is still sending this artifact. Try again in a moment.";
                return Err(Fault::new(Reason::StoreUnavailable, sentence));
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        if file.metadata().map_err(failed)?.len() > size {
            file.set_len(0).map_err(failed)?;
        }
        let (mut digest, mut offset, mut piece) = (digest::Context::new(&digest::SHA256), 0, vec![0; PIECE]);
        loop {
            let read = file.read(&mut piece).map_err(failed)?;
            if read == 0 {
                break;
            }
            digest.update(&piece[..read]);
            offset += read as u64;
        }
        Ok(Self { is_resumed: offset > 0, path, file, digest, size, offset })
    }

    /// Bytes that have arrived.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// Takes its next bytes. Blocks.
    ///
    /// # Errors
    /// [`Reason::InvalidFile`] when there are more than it shall have; [`Reason::StoreUnavailable`].
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        if self.offset + bytes.len() as u64 > self.size {
            return Err(Fault::new(
                Reason::InvalidFile,
                format!("An artifact has more than the {} bytes it was said to have.", self.size),
            ));
        }
        self.file.write_all(bytes).map_err(|error| unwritable(&self.path, &error))?;
        self.digest.update(bytes);
        self.offset += bytes.len() as u64;
        Ok(())
    }

    /// Nothing more comes. Blocks.
    ///
    /// # Errors
    /// [`Reason::InvalidFile`] when some of it is missing, or when what came earlier may be what is wrong: then it is to be sent
    /// again, in the second case from its beginning. [`Reason::StoreUnavailable`].
    pub(super) fn finish(self, sha256: &str) -> Result<End, Fault> {
        if self.offset < self.size {
            let sentence = format!("An artifact broke off after {} of {} bytes.", self.offset, self.size);
            return Err(Fault::new(Reason::InvalidFile, sentence));
        }
        let found: String = self.digest.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        if found == sha256 {
            self.file.sync_all().map_err(|error| unwritable(&self.path, &error))?;
            return Ok(End::Whole(self.path));
        }
        fs::remove_file(&self.path).map_err(|error| unwritable(&self.path, &error))?;
        if self.is_resumed {
            let sentence =
                "An artifact that came in several pieces is not what it was said to be. Send it from its beginning.";
            return Err(Fault::new(Reason::InvalidFile, sentence));
        }
        Ok(End::Damaged)
    }
}
