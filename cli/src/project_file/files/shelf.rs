//! Files that were found, each once, by their paths.

use std::{
    collections::BTreeMap,
    fmt::Write,
    fs::{self, File, Metadata},
    io::{self, Read},
    os::unix::fs::{FileTypeExt, PermissionsExt},
    path::{Path, PathBuf},
};

use aws_lc_rs::digest;
use shared::{limits, plan};

/// A file of the project, known by its content.
#[derive(Clone, Debug)]
pub(crate) struct Attachment {
    /// Its name for the coordinator.
    pub(crate) file: plan::File,
    /// Where its bytes are.
    pub(crate) place: PathBuf,
}

/// What a step reads a text for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Script,
    Template,
    Policy,
    Parameters,
}

impl Purpose {
    fn name(self) -> &'static str {
        match self {
            Self::Script => "script",
            Self::Template => "template",
            Self::Policy => "stack policy",
            Self::Parameters => "parameter",
        }
    }

    /// Bytes.
    fn max(self) -> usize {
        match self {
            Self::Script => limits::SCRIPT_BYTES,
            Self::Template => limits::STAGED_TEMPLATE_BYTES,
            Self::Policy => limits::STACK_POLICY_BYTES,
            // 200 parameters of 4,096 characters each (AWS CloudFormation quotas) with their names.
            Self::Parameters => 1 << 20,
        }
    }

    fn remedy(self) -> &'static str {
        match self {
            Self::Script => "split it, or fetch what it carries while it runs",
            Self::Template => "CloudFormation takes no more; split it into nested stacks",
            Self::Policy => "CloudFormation takes no more; name resources with wildcards",
            Self::Parameters => "no stack takes so many",
        }
    }
}

/// The files of one project.
pub(super) struct Shelf {
    folder: PathBuf,
    found: BTreeMap<String, Attachment>,
}

impl Shelf {
    /// An empty one for files in this folder.
    pub(super) fn new(folder: &Path) -> Self {
        // A folder that cannot be found has no files either, and each is told to be missing.
        let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        Self { folder, found: BTreeMap::new() }
    }

    /// The project's folder, without links.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// What was found, by path.
    pub(super) fn into_attachments(self) -> Vec<Attachment> {
        self.found.into_values().collect()
    }

    /// Adds a file of any kind.
    ///
    /// # Errors
    /// Why it cannot be added, in a sentence that names it.
    pub(super) fn add(&mut self, path: &str) -> Result<(), String> {
        if self.found.contains_key(path) {
            return Ok(());
        }
        let place = self.place(path)?;
        let unreadable = |error: io::Error| format!("The file \"{path}\" cannot be read: {error}.");
        let metadata = fs::metadata(&place).map_err(unreadable)?;
        check_kind(&metadata, &format!("The file \"{path}\""))?;
        if metadata.len() > limits::FILE_BYTES {
            return Err(format!(
                "The file \"{path}\" has {} bytes; at most {} are allowed.",
                metadata.len(),
                limits::FILE_BYTES
            ));
        }
        let (sha256, size) = digest_of(File::open(&place).map_err(unreadable)?).map_err(unreadable)?;
        self.put(path, sha256, size, &metadata, place);
        Ok(())
    }

    /// Adds a file that must be text, and reads it.
    ///
    /// # Errors
    /// As [`Shelf::add`].
    pub(super) fn text(&mut self, path: &str, purpose: Purpose) -> Result<String, String> {
        let (text, metadata, place) = self.read(path, purpose)?;
        self.put(path, sha256(text.as_bytes()), text.len() as u64, &metadata, place);
        Ok(text)
    }

    /// Reads a text that does not travel with the project.
    ///
    /// # Errors
    /// As [`Shelf::add`].
    pub(super) fn peek(&self, path: &str, purpose: Purpose) -> Result<String, String> {
        self.read(path, purpose).map(|(text, ..)| text)
    }

    fn read(&self, path: &str, purpose: Purpose) -> Result<(String, Metadata, PathBuf), String> {
        let what = purpose.name();
        let place = self.place(path)?;
        let unreadable = |error: io::Error| format!("The {what} file \"{path}\" cannot be read: {error}.");
        let metadata = fs::metadata(&place).map_err(unreadable)?;
        check_kind(&metadata, &format!("The {what} file \"{path}\""))?;
        check_size(path, metadata.len(), purpose)?;
        let bytes = fs::read(&place).map_err(unreadable)?;
        check_size(path, bytes.len() as u64, purpose)?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let at = error.utf8_error().valid_up_to() + 1;
            format!("The {what} file \"{path}\" is not UTF-8 text: byte {at} is not part of any character.")
        })?;
        Ok((text, metadata, place))
    }

    fn put(&mut self, path: &str, sha256: String, size: u64, metadata: &Metadata, place: PathBuf) {
        let executable = metadata.permissions().mode() & 0o100 != 0;
        let file = plan::File { path: path.to_owned(), sha256, size, executable };
        self.found.insert(path.to_owned(), Attachment { file, place });
    }

    /// A file's place, which no `..` and no symbolic link may lead out of the project's folder.
    ///
    /// # Errors
    /// As [`Shelf::add`].
    pub(super) fn place(&self, path: &str) -> Result<PathBuf, String> {
        let outside =
            || format!("The path \"{path}\" leads out of the project's folder: files must be beside the project file.");
        if !plan::is_relative_path(path) {
            return Err(outside());
        }
        let place = self.folder.join(path).canonicalize().map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => format!("There is no file \"{path}\" beside the project file."),
            _ => format!("The file \"{path}\" cannot be read: {error}."),
        })?;
        if place.starts_with(&self.folder) { Ok(place) } else { Err(outside()) }
    }
}

/// Only a regular file has bytes that are the same when they are read again.
fn check_kind(metadata: &Metadata, thing: &str) -> Result<(), String> {
    match kind_of(metadata) {
        None => Ok(()),
        Some(kind) => Err(format!("{thing} is {kind}, and must be a file.")),
    }
}

/// What something is that is not a regular file.
pub(super) fn kind_of(metadata: &Metadata) -> Option<&'static str> {
    let kind = metadata.file_type();
    if kind.is_file() {
        None
    } else if kind.is_dir() {
        Some("a folder")
    } else if kind.is_fifo() {
        Some("a pipe")
    } else if kind.is_socket() {
        Some("a socket")
    } else {
        Some("a device")
    }
}

fn check_size(path: &str, size: u64, purpose: Purpose) -> Result<(), String> {
    let (what, max, remedy) = (purpose.name(), purpose.max(), purpose.remedy());
    if size <= max as u64 {
        return Ok(());
    }
    Err(format!("The {what} file \"{path}\" has {size} bytes; at most {max} are allowed: {remedy}."))
}

/// Digest and size in bytes of what is read to its end, in constant memory.
fn digest_of(mut reader: impl Read) -> io::Result<(String, u64)> {
    let mut context = digest::Context::new(&digest::SHA256);
    let mut buffer = vec![0; limits::CHUNK_BYTES];
    let mut size = 0;
    loop {
        match reader.read(&mut buffer)? {
            0 => return Ok((hex(context.finish().as_ref()), size)),
            count => {
                context.update(&buffer[..count]);
                size += count as u64;
            }
        }
    }
}

fn sha256(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

/// Lower-case digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut hex, byte| {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const OF_NOTHING: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn a_digest_is_that_of_the_bytes_however_they_are_read() {
        assert_eq!(sha256(b""), OF_NOTHING);
        assert_eq!(digest_of(io::empty()).expect("read"), (OF_NOTHING.into(), 0));
        let bytes = vec![7; 3 * limits::CHUNK_BYTES + 1];
        assert_eq!(digest_of(bytes.as_slice()).expect("read"), (sha256(&bytes), bytes.len() as u64));
    }
}
