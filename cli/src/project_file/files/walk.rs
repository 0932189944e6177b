//! What is below a folder, in the order of names. Links are followed as long as they stay in the project's folder.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::shelf::kind_of;

/// 1,000,000 things below one folder: a hundred times what a project may have. Links can make any number of them.
const THINGS: usize = 1_000_000;

/// Something below a folder.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Found {
    /// From the project's folder, `/` between parts.
    pub(super) path: String,
    /// What it is.
    pub(super) kind: Kind,
}

/// What something is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// A file that can be read.
    File,
    /// A file that must not be taken, or a folder that must not be walked, and why: the end of a sentence that begins with it.
    Refused { why: String, is_folder: bool },
}

/// Walks below a folder of the project.
pub(super) struct Walk<'a> {
    /// The project's folder, without links.
    folder: &'a Path,
    /// Whether a folder is walked at all, by its path.
    enter: &'a dyn Fn(&str) -> bool,
    found: Vec<Found>,
    seen: usize,
    /// Folders without links that lead to where the walk is.
    trail: Vec<PathBuf>,
}

impl<'a> Walk<'a> {
    /// Everything below `path`, or `path` itself when it is no folder; nothing when nothing is there. An empty path is the
    /// project's folder.
    pub(super) fn below(folder: &'a Path, path: &str, enter: &'a dyn Fn(&str) -> bool) -> Vec<Found> {
        let mut walk = Self { folder, enter, found: Vec::new(), seen: 0, trail: Vec::new() };
        match path {
            "" => walk.folder_at("", folder.to_owned()),
            path => walk.thing(path.to_owned()),
        }
        if walk.seen > THINGS {
            walk.refuse(path.to_owned(), &format!("holds more than {THINGS} files and folders"), true);
        }
        walk.found
    }

    fn thing(&mut self, path: String) {
        self.seen += 1;
        if self.seen > THINGS {
            return;
        }
        let written = self.folder.join(&path);
        if fs::symlink_metadata(&written).is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
            return;
        }
        let seen = written.canonicalize().and_then(|place| Ok((fs::metadata(&place)?, place)));
        match seen {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.refuse(path, "is a link to something that is not there", false);
            }
            Err(error) => self.refuse(path, &format!("cannot be read: {error}"), false),
            Ok((metadata, place)) if !place.starts_with(self.folder) => {
                self.refuse(path, "is a link that leads out of the project's folder", metadata.is_dir());
            }
            Ok((metadata, place)) if metadata.is_dir() => {
                if self.trail.contains(&place) {
                    self.refuse(path, "is a link to a folder that it is in", true);
                } else if (self.enter)(&path) {
                    self.folder_at(&path, place);
                }
            }
            Ok((metadata, _)) => match kind_of(&metadata) {
                None => self.found.push(Found { path, kind: Kind::File }),
                Some(kind) => self.refuse(path, &format!("is {kind}, which has no content that could be kept"), false),
            },
        }
    }

    fn folder_at(&mut self, path: &str, place: PathBuf) {
        let names = fs::read_dir(&place).and_then(|entries| {
            let mut names = entries.map(|entry| Ok(entry?.file_name())).collect::<io::Result<Vec<_>>>()?;
            names.sort();
            Ok(names)
        });
        let names = match names {
            Ok(names) => names,
            Err(error) => return self.refuse(path.to_owned(), &format!("cannot be read: {error}"), true),
        };
        self.trail.push(place);
        for name in names {
            let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") };
            match name.to_str() {
                Some(name) => self.thing(below(name)),
                None => self.refuse(below(&name.to_string_lossy()), "has a name that is not UTF-8 text", false),
            }
        }
        self.trail.pop();
    }

    fn refuse(&mut self, path: String, why: &str, is_folder: bool) {
        self.found.push(Found { path, kind: Kind::Refused { why: why.to_owned(), is_folder } });
    }
}
