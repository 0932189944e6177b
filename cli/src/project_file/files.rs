//! The files beside a project file that its steps use: found, read, checked, known by their content.

use std::{
    collections::BTreeMap,
    fmt::Write,
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use aws_lc_rs::digest;
use serde_saphyr::Spanned;
use shared::{limits, plan};

use super::{
    fault::{Fault, Place},
    format::ProjectFile,
};

/// A file with its bytes, kept since it was digested: what is uploaded is what was checked.
pub(crate) struct Attachment {
    /// Its name for the coordinator.
    pub(crate) file: plan::File,
    /// All of it.
    pub(crate) bytes: Vec<u8>,
}

impl std::fmt::Debug for Attachment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Attachment").field("file", &self.file).finish_non_exhaustive()
    }
}

/// What a step wants a file for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Script,
    Template,
}

impl Purpose {
    fn name(self) -> &'static str {
        match self {
            Self::Script => "script",
            Self::Template => "template",
        }
    }

    /// Bytes.
    fn max(self) -> usize {
        match self {
            Self::Script => limits::SCRIPT_BYTES,
            Self::Template => limits::TEMPLATE_BYTES,
        }
    }
}

/// Reads every file that a step names, once.
pub(super) fn collect(file: &ProjectFile, folder: &Path, faults: &mut Vec<Fault>) -> Vec<Attachment> {
    let mut found = BTreeMap::new();
    for (path, purpose) in named(file) {
        if found.contains_key(&path.value) {
            continue;
        }
        match read(folder, &path.value, purpose) {
            Ok(attachment) => {
                found.insert(path.value.clone(), attachment);
            }
            Err(sentence) => faults.push(Fault::at(Place::of(path.referenced), sentence)),
        }
    }
    found.into_values().collect()
}

/// Whether the text of a `template:` key is the template itself rather than a path.
pub(super) fn is_inline(template: &str) -> bool {
    template.contains('\n')
}

fn named(file: &ProjectFile) -> impl Iterator<Item = (&Spanned<String>, Purpose)> {
    file.steps.iter().flat_map(|step| {
        let script = step.script.as_ref().and_then(|script| script.file.as_ref());
        let template = step.cloudformation.as_ref().map(|it| &it.deploy.template).filter(|it| !is_inline(&it.value));
        let script = script.map(|path| (path, Purpose::Script));
        script.into_iter().chain(template.map(|path| (path, Purpose::Template)))
    })
}

fn read(folder: &Path, path: &str, purpose: Purpose) -> Result<Attachment, String> {
    let what = purpose.name();
    let place = beside(folder, path)?;
    let unreadable = |error: io::Error| format!("The {what} file \"{path}\" cannot be read: {error}.");
    let metadata = fs::metadata(&place).map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(format!("The {what} file \"{path}\" is not a file."));
    }
    if metadata.len() > purpose.max() as u64 {
        return Err(too_large(path, metadata.len(), purpose));
    }
    let bytes = fs::read(&place).map_err(unreadable)?;
    if bytes.len() > purpose.max() {
        return Err(too_large(path, bytes.len() as u64, purpose));
    }
    if let Err(error) = std::str::from_utf8(&bytes) {
        return Err(format!(
            "The {what} file \"{path}\" is not UTF-8 text: byte {} is not part of any character.",
            error.valid_up_to() + 1
        ));
    }
    let file = plan::File {
        path: path.to_owned(),
        sha256: sha256(&bytes),
        size: bytes.len() as u64,
        executable: metadata.permissions().mode() & 0o100 != 0,
    };
    Ok(Attachment { file, bytes })
}

/// The file's place, which no `..` and no symbolic link may lead out of the project's folder.
fn beside(folder: &Path, path: &str) -> Result<PathBuf, String> {
    let outside =
        || format!("The path \"{path}\" leads out of the project's folder: files must be beside the project file.");
    if !plan::is_relative_path(path) {
        return Err(outside());
    }
    let missing = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => format!("There is no file \"{path}\" beside the project file."),
        _ => format!("The file \"{path}\" cannot be read: {error}."),
    };
    let folder = folder.canonicalize().map_err(missing)?;
    let place = folder.join(path).canonicalize().map_err(missing)?;
    if place.starts_with(&folder) { Ok(place) } else { Err(outside()) }
}

fn too_large(path: &str, size: u64, purpose: Purpose) -> String {
    let (what, max) = (purpose.name(), purpose.max());
    let remedy = match purpose {
        Purpose::Script => "split it, or fetch what it carries while it runs",
        Purpose::Template => "CloudFormation takes no more in a request; split it into nested stacks",
    };
    format!("The {what} file \"{path}\" has {size} bytes; at most {max} are allowed: {remedy}.")
}

/// 64 lower-case hex digits.
pub(super) fn sha256(bytes: &[u8]) -> String {
    let digest = digest::digest(&digest::SHA256, bytes);
    digest.as_ref().iter().fold(String::with_capacity(64), |mut hex, byte| {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
