//! What becomes an object, and the sum that names it. Faults are ends of sentences.

use std::{
    fs::File,
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use aws_lc_rs::digest::{self, Context, Digest, SHA256};

use super::{
    archive,
    listing::{self, Listed, Listing},
    place::{self, Place},
};

/// 64 KiB at a time are read.
const BUFFER_BYTES: usize = 64 << 10;
/// 10 characters: no file's extension that means something is longer.
const EXTENSION_CHARS: usize = 10;

/// What becomes an object.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Content {
    /// An archive of these files.
    Archive(Listing),
    /// A file as it is.
    File(PathBuf),
    /// A template.
    Text(String),
}

impl Content {
    /// Of a place below `root`. Code is an archive in any case.
    pub(super) fn of(place: Place, is_code: bool, root: &Path) -> Result<Self, String> {
        match place {
            Place::Folder(path) => Listing::of_folder(&path, root).map(Self::Archive),
            Place::File(path) if is_code && !archive::is_one(&path)? => Listing::of_file(&path).map(Self::Archive),
            Place::File(path) => Ok(Self::File(path)),
        }
    }

    /// SHA-256 of the content, 64 lower-case hex digits. An archive's is that of its files, so that it stays the same when they
    /// are packed by another version of Longshore.
    pub(super) fn sum(&self) -> Result<String, String> {
        match self {
            Self::Archive(listing) => sum_of(listing, &mut Nothing),
            Self::File(path) => file_sum(path).map_err(|error| place::unreadable(&error)),
            Self::Text(text) => Ok(hex(digest::digest(&SHA256, text.as_bytes()))),
        }
    }

    /// With its dot; empty for none.
    pub(super) fn extension(&self) -> String {
        match self {
            Self::Archive(_) => ".zip".into(),
            Self::Text(_) => ".template".into(),
            Self::File(path) => extension(path).map(|extension| format!(".{extension}")).unwrap_or_default(),
        }
    }
}

/// What the files of an archive are written to, one after the other.
pub(super) trait Target: Write {
    /// Begins a file of that many bytes.
    fn begin(&mut self, file: &Listed, length: u64) -> io::Result<()>;
}

/// The sum of an archive's files: for each its name, mode and length, and its bytes. Writes them as they are read.
pub(super) fn sum_of(listing: &Listing, target: &mut impl Target) -> Result<String, String> {
    let mut context = Context::new(&SHA256);
    for file in &listing.files {
        add(file, &mut context, target).map_err(|error| listing::unreadable(&file.name, &error))?;
    }
    Ok(hex(context.finish()))
}

fn add(file: &Listed, context: &mut Context, target: &mut impl Target) -> io::Result<()> {
    let source = File::open(&file.path)?;
    let length = source.metadata()?.len();
    context.update(format!("{}\0{:o}\0{length}\0", file.name, file.mode()).as_bytes());
    target.begin(file, length)?;
    // No further than its length, which was told already.
    copy(source.take(length), |bytes| {
        context.update(bytes);
        target.write_all(bytes)
    })
}

fn file_sum(path: &Path) -> io::Result<String> {
    let mut context = Context::new(&SHA256);
    copy(File::open(path)?, |bytes| {
        context.update(bytes);
        Ok(())
    })?;
    Ok(hex(context.finish()))
}

fn copy(mut source: impl Read, mut take: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        match source.read(&mut buffer)? {
            0 => return Ok(()),
            length => take(&buffer[..length])?,
        }
    }
}

fn extension(path: &Path) -> Option<&str> {
    let extension = path.extension()?.to_str()?;
    let is_plain = extension.len() <= EXTENSION_CHARS && extension.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_plain.then_some(extension)
}

fn hex(digest: Digest) -> String {
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

struct Nothing;

impl Target for Nothing {
    fn begin(&mut self, _: &Listed, _: u64) -> io::Result<()> {
        Ok(())
    }
}

impl Write for Nothing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
