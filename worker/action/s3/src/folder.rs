//! The project's files on disk: which of them a step means, followed through links as long as these stay within the folder.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use action::Failure;
use shared::{limits, reason::Reason};

use crate::pattern::Pattern;

/// Which files a step means.
#[derive(Clone, Debug)]
pub(crate) struct Selection {
    pub(crate) sources: Vec<Pattern>,
    pub(crate) excluded: Vec<Pattern>,
}

/// A file that is meant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Found {
    /// From the project's folder, with `/`.
    pub(crate) path: String,
    /// Bytes.
    pub(crate) length: u64,
}

impl Selection {
    /// # Errors
    /// `UPLOAD_INVALID` for a glob that is none.
    pub(crate) fn new(sources: &[String], excluded: &[String]) -> Result<Self, Failure> {
        let patterns = |globs: &[String]| globs.iter().map(|glob| Pattern::new(glob)).collect::<Result<Vec<_>, _>>();
        Ok(Self { sources: patterns(sources)?, excluded: patterns(excluded)? })
    }

    /// Whether a path is meant.
    fn takes(&self, path: &str) -> bool {
        let is_in = |patterns: &[Pattern]| patterns.iter().any(|pattern| pattern.is_match(path));
        is_in(&self.sources) && !is_in(&self.excluded)
    }

    /// Whether what has this name below a source's fixed part is left out.
    pub(crate) fn leaves_out(&self, below: &str) -> bool {
        let is_excluded = |path: &str| self.excluded.iter().any(|pattern| pattern.is_match(path));
        self.sources.iter().any(|source| is_excluded(&source.above(below)))
    }

    /// Whether something below a folder may be meant.
    fn reaches(&self, folder: &str) -> bool {
        self.sources.iter().any(|pattern| pattern.reaches(folder))
    }
}

/// The files that a selection means, in the order of their paths. Blocks.
///
/// # Errors
/// `UPLOAD_INVALID` when there is none, when one cannot become an object, or leads out of the folder; all such are told at once.
pub(crate) fn files(folder: &Path, selection: &Selection) -> Result<Vec<Found>, Failure> {
    let root = folder.canonicalize().map_err(|error| {
        Failure::new(Reason::UploadFailed, format!("The step's folder {} cannot be read: {error}.", folder.display()))
    })?;
    let mut walk = Walk { root: &root, selection, found: Vec::new(), faults: Vec::new(), trail: Vec::new() };
    walk.folder(&root, "");
    let Walk { mut found, faults, .. } = walk;
    if !faults.is_empty() {
        return Err(invalid(faults.join("\n")));
    }
    if found.is_empty() {
        return Err(invalid(nothing(&root, selection)));
    }
    found.sort_unstable_by(|one, other| one.path.cmp(&other.path));
    Ok(found)
}

struct Walk<'a> {
    root: &'a Path,
    selection: &'a Selection,
    found: Vec<Found>,
    faults: Vec<String>,
    /// Folders without links that lead to where the walk is.
    trail: Vec<PathBuf>,
}

impl Walk<'_> {
    /// `place` is where the folder really is, `path` how it was come to.
    fn folder(&mut self, place: &Path, path: &str) {
        let names = match fs::read_dir(place) {
            Ok(entries) => entries.map(|entry| entry.map(|entry| entry.file_name())).collect::<io::Result<Vec<_>>>(),
            Err(error) => Err(error),
        };
        self.trail.push(place.to_owned());
        match names {
            Ok(names) => {
                for name in names {
                    let text = name.to_string_lossy();
                    let path = if path.is_empty() { text.to_string() } else { format!("{path}/{text}") };
                    match name.to_str() {
                        Some(name) => self.entry(&place.join(name), &path),
                        None => self.fault_of(&path, "has a name that is not UTF-8, which no key can be: rename it"),
                    }
                }
            }
            Err(error) => self.faults.push(format!("The folder {path} cannot be read: {error}.")),
        }
        self.trail.pop();
    }

    fn entry(&mut self, place: &Path, path: &str) {
        if !self.selection.takes(path) && !self.selection.reaches(path) {
            return;
        }
        let (real, looked) = match place.canonicalize().and_then(|real| Ok((real.clone(), fs::metadata(real)?))) {
            Ok(seen) => seen,
            Err(error) => {
                return self.fault_of(path, &format!("cannot be read ({error}): it may be a link that leads nowhere"));
            }
        };
        if !real.starts_with(self.root) {
            return self.outside(path, looked.is_dir());
        }
        if looked.is_dir() {
            self.subfolder(&real, path);
        } else if looked.is_file() {
            self.file(path, looked.len());
        } else {
            self.fault_of(
                path,
                "is neither a file nor a folder: a pipe, a socket or a device has no content to upload",
            );
        }
    }

    fn subfolder(&mut self, real: &Path, path: &str) {
        if !self.selection.reaches(path) {
            return;
        }
        if self.trail.iter().any(|folder| folder == real) {
            self.faults.push(format!(
                "{path} is a link to a folder that it is in: it would be followed for ever. Exclude it."
            ));
        } else {
            self.folder(real, path);
        }
    }

    fn file(&mut self, path: &str, length: u64) {
        if !self.selection.takes(path) {
            return;
        }
        if self.found.len() == limits::FILES {
            return self.fault(format!("More than {} files match: take fewer in one step.", limits::FILES));
        }
        self.found.push(Found { path: path.to_owned(), length });
    }

    fn outside(&mut self, path: &str, is_folder: bool) {
        if self.selection.takes(path) || (is_folder && self.selection.reaches(path)) {
            self.fault(format!("{path} is a link that leads out of the project's folder: it is not followed. Exclude it, or copy what it means."));
        }
    }

    /// What only matters if the path itself is meant.
    fn fault_of(&mut self, path: &str, what: &str) {
        if self.selection.takes(path) {
            self.fault(format!("{path} {what}."));
        }
    }

    fn fault(&mut self, sentence: String) {
        // More than a person mends at a time.
        const TOLD: usize = 20;
        if self.faults.len() < TOLD && !self.faults.contains(&sentence) {
            self.faults.push(sentence);
        }
    }
}

fn nothing(root: &Path, selection: &Selection) -> String {
    let globs: Vec<_> = selection.sources.iter().map(|pattern| format!("\"{}\"", pattern.text())).collect();
    let but = if selection.excluded.is_empty() { "" } else { " and is not excluded" };
    let folder = selection.sources.iter().map(|pattern| pattern.text().trim_end_matches('/'));
    let folder = folder.map(PathBuf::from).find(|path| root.join(path).is_dir());
    let advice = match folder {
        Some(folder) => format!("{0} is a folder: write {0}/** for all that is in it.", folder.display()),
        None => "Check `source` against the project's files.".to_owned(),
    };
    format!("No file matches {}{but}. {advice}", globs.join(" or "))
}

fn invalid(sentence: String) -> Failure {
    Failure::new(Reason::UploadInvalid, sentence)
}

#[cfg(test)]
mod tests;
