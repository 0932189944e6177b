//! The files of an archive, in an order that the disk has no say in. Faults are ends of sentences.

use std::{
    ffi::OsStr,
    fs::{self, DirEntry, Metadata},
    io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use shared::limits;

use super::place;

/// Files, sorted by name, each once.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Listing {
    pub(super) files: Vec<Listed>,
}

/// A file of an archive.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Listed {
    /// In the archive, with slashes.
    pub(super) name: String,
    /// On disk.
    pub(super) path: PathBuf,
    pub(super) executable: bool,
}

impl Listed {
    /// All may read it, as Lambda demands, and all may run what somebody may run.
    pub(super) fn mode(&self) -> u32 {
        if self.executable { 0o755 } else { 0o644 }
    }
}

impl Listing {
    /// One file.
    pub(super) fn of_file(path: &Path) -> Result<Self, String> {
        let name = path.file_name().unwrap_or_default();
        let name = name.to_str().ok_or_else(|| no_text(name))?;
        let metadata = fs::metadata(path).map_err(|error| place::unreadable(&error))?;
        Ok(Self { files: vec![listed(name.to_owned(), path.to_owned(), &metadata)] })
    }

    /// All files of a folder and of the folders in it, hidden ones included. Links to files are followed within `root`.
    pub(super) fn of_folder(folder: &Path, root: &Path) -> Result<Self, String> {
        let root = fs::canonicalize(root).map_err(|error| place::unreadable(&error))?;
        let mut files = Vec::new();
        let mut open = vec![(folder.to_owned(), String::new())];
        while let Some((folder, prefix)) = open.pop() {
            for entry in fs::read_dir(&folder).map_err(|error| unreadable(&prefix, &error))? {
                let entry = entry.map_err(|error| unreadable(&prefix, &error))?;
                let name = entry.file_name().into_string().map_err(|name| no_text(name.as_ref()))?;
                let name = format!("{prefix}{name}");
                let metadata = metadata(&entry, &name, &root)?;
                match metadata.is_dir() {
                    true => open.push((entry.path(), format!("{name}/"))),
                    false => files.push(listed(name, entry.path(), &metadata)),
                }
                if files.len() > limits::FILES {
                    return Err(format!("and has more than {} files", limits::FILES));
                }
            }
        }
        files.sort();
        match files.is_empty() {
            true => Err("which is a folder without files".into()),
            false => Ok(Self { files }),
        }
    }
}

/// Of a folder or a file; of the file that a link leads to.
fn metadata(entry: &DirEntry, name: &str, root: &Path) -> Result<Metadata, String> {
    let itself = entry.metadata().map_err(|error| unreadable(name, &error))?;
    if itself.is_dir() || itself.is_file() {
        return Ok(itself);
    }
    let target = fs::canonicalize(entry.path()).map_err(|error| unreadable(name, &error))?;
    let metadata = fs::metadata(&target).map_err(|error| unreadable(name, &error))?;
    if metadata.is_file() && target.starts_with(root) {
        return Ok(metadata);
    }
    Err(format!("and \"{name}\" in it is neither a file nor a folder, nor a link to a file of the project"))
}

fn listed(name: String, path: PathBuf, metadata: &Metadata) -> Listed {
    Listed { name, path, executable: metadata.permissions().mode() & 0o111 != 0 }
}

fn no_text(name: &OsStr) -> String {
    format!("and the name \"{}\" in it is no UTF-8", name.display())
}

/// The fault of a file, or of a folder, in a folder.
pub(super) fn unreadable(name: &str, error: &io::Error) -> String {
    format!("and \"{name}\" in it cannot be read: {error}")
}

#[cfg(test)]
mod tests;
