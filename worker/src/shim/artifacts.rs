//! Files that a script leaves behind as artifacts: named while it runs, copied when it has ended, as they are then. To take them when
//! they are named would be no promise: the script goes on before its word is heard.

mod name;
mod source;

use std::{
    collections::BTreeSet,
    fs::File,
    io::{self, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::Instant,
};

use aws_lc_rs::digest;
use rustix::fs::statvfs;
use shared::{limits, size};

use self::{
    name::{fit, unlike},
    source::open,
};
use crate::exec_dir::{Artifact, ArtifactsDir};

/// 1 MiB at a time.
const PIECE: usize = 1 << 20;

/// What a script has named so far.
pub(super) struct Artifacts {
    /// What relative paths begin at.
    folder: PathBuf,
    /// With whose rights files are opened.
    user: Option<u32>,
    wanted: Vec<Wanted>,
    /// How many were named beyond what one attempt may have.
    too_many: usize,
}

/// A file that was named.
pub(super) struct Wanted {
    path: PathBuf,
    /// The path as its writer knows it.
    shown: PathBuf,
    /// What people call it, not masked.
    pub(super) name: String,
}

/// Copies files into an attempt's folder, one after the other.
pub(super) struct Copier<'a> {
    into: &'a ArtifactsDir,
    user: Option<u32>,
    until: Instant,
    /// Whether somebody wants it to stop.
    is_stopped: &'a dyn Fn() -> bool,
    names: BTreeSet<String>,
    number: u32,
}

impl Artifacts {
    /// None yet.
    pub(super) fn new(folder: PathBuf, user: Option<u32>) -> Self {
        Self { folder, user, wanted: Vec::new(), too_many: 0 }
    }

    /// The script names a file.
    pub(super) fn want(&mut self, path: &str, name: Option<&str>) {
        if self.wanted.len() == limits::ARTIFACTS {
            self.too_many += 1;
            return;
        }
        let path = self.folder.join(path);
        let name = name.map_or_else(
            || path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            |given| given.trim().to_owned(),
        );
        let shown = path.strip_prefix(&self.folder).unwrap_or(&path).to_owned();
        self.wanted.push(Wanted { path, shown, name });
    }

    /// Whether anything was named.
    pub(super) fn is_named(&self) -> bool {
        !self.wanted.is_empty()
    }

    /// Everything that was named, in order, and how many more there were.
    pub(super) fn take(&mut self) -> (Vec<Wanted>, usize) {
        (std::mem::take(&mut self.wanted), std::mem::take(&mut self.too_many))
    }

    /// What copies them.
    pub(super) fn copier<'a>(&self, into: &'a ArtifactsDir, is_stopped: &'a dyn Fn() -> bool) -> Copier<'a> {
        let until = Instant::now() + limits::ARTIFACTS_COPIED_WITHIN;
        Copier { into, user: self.user, until, is_stopped, names: BTreeSet::new(), number: 0 }
    }
}

impl Copier<'_> {
    /// Copies one, durably; `name` is what people may see of its name.
    ///
    /// # Errors
    /// Why it is left out, in a sentence.
    pub(super) fn copy(&mut self, wanted: Wanted, name: &str) -> Result<Artifact, String> {
        let Wanted { path, shown, .. } = wanted;
        let source = open(&path, self.user).map_err(|unfit| unfit.sentence(&shown))?;
        self.number += 1;
        let content = self.into.content(self.number);
        let name = unlike(&fit(name), &mut self.names);
        let copied = self.ensure_room(&source, &shown).and_then(|()| self.pour(source, &shown, &content));
        let artifact = copied.map(|(size, sha256)| Artifact { number: self.number, name, size, sha256 });
        let told = artifact.and_then(|artifact| {
            self.into.tell(&artifact).map_err(|error| unwritable(&error))?;
            Ok(artifact)
        });
        if told.is_err() {
            // What nobody is told of is not sent, and goes with the attempt's folder.
            let _ = self.into.settle(self.number);
        }
        told
    }

    fn ensure_room(&self, source: &File, path: &Path) -> Result<(), String> {
        let bytes = source.metadata().map_err(|error| unreadable(path, &error))?.len();
        if bytes > limits::ARTIFACT_BYTES {
            return Err(too_large(path, bytes));
        }
        let made = self.into.create();
        let free = made.and_then(|()| Ok(statvfs(self.into.path())?)).map_err(|error| unwritable(&error))?;
        let free = free.f_bavail.saturating_mul(free.f_frsize);
        if free < bytes.saturating_add(limits::DISK_FLOOR_BYTES) {
            return Err(format!(
                "\"{}\" has {}, and the worker's disk has {} free, of which {} are kept for logs. Make room there.",
                path.display(),
                size::shown(bytes),
                size::shown(free),
                size::shown(limits::DISK_FLOOR_BYTES)
            ));
        }
        Ok(())
    }

    /// Answers how many bytes there were, and their digest.
    fn pour(&self, mut source: File, path: &Path, content: &Path) -> Result<(u64, String), String> {
        let mut target = File::options()
            .create_new(true)
            .write(true)
            .mode(0o600)
            .open(content)
            .map_err(|error| unwritable(&error))?;
        let (mut digest, mut bytes) = (digest::Context::new(&digest::SHA256), 0);
        let mut piece = vec![0; PIECE];
        loop {
            if (self.is_stopped)() {
                return Err("The end of the step was asked for while it was copied.".into());
            }
            if Instant::now() >= self.until {
                let limit = humantime::format_duration(limits::ARTIFACTS_COPIED_WITHIN);
                return Err(format!("The artifacts of one step have {limit} to be copied, which was over before."));
            }
            let read = match source.read(&mut piece) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(unreadable(path, &error)),
            };
            bytes += read as u64;
            // It may have grown since it was measured.
            if bytes > limits::ARTIFACT_BYTES {
                return Err(too_large(path, bytes));
            }
            digest.update(&piece[..read]);
            target.write_all(&piece[..read]).map_err(|error| unwritable(&error))?;
        }
        target.sync_all().map_err(|error| unwritable(&error))?;
        Ok((bytes, digest.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect()))
    }
}

fn too_large(path: &Path, bytes: u64) -> String {
    format!(
        "\"{}\" has {bytes} bytes; an artifact has at most {} ({}).",
        path.display(),
        limits::ARTIFACT_BYTES,
        size::shown(limits::ARTIFACT_BYTES)
    )
}

fn unreadable(path: &Path, error: &io::Error) -> String {
    format!("\"{}\" cannot be read: {error}.", path.display())
}

fn unwritable(error: &io::Error) -> String {
    format!("It cannot be copied on the worker: {error}.")
}
