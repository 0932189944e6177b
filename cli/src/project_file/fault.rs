//! What is wrong with a project file, and where.

use std::path::Path;

/// A place in the project file, both from 1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Place {
    /// Line.
    pub(super) line: u64,
    /// Column, in characters.
    pub(super) column: u64,
}

impl Place {
    /// The place that the parser means, unless it means none.
    pub(super) fn of(location: serde_saphyr::Location) -> Option<Self> {
        (location != serde_saphyr::Location::UNKNOWN).then(|| Self { line: location.line(), column: location.column() })
    }
}

/// One thing that is wrong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Fault {
    /// Where; absent when it is about the whole.
    pub(super) place: Option<Place>,
    /// What, and what to do, in a sentence.
    pub(super) sentence: String,
}

impl Fault {
    /// A fault at a place.
    pub(super) fn at(place: Option<Place>, sentence: impl Into<String>) -> Self {
        Self { place, sentence: sentence.into() }
    }

    /// As compilers write it, so that editors can jump there.
    pub(super) fn in_file(&self, path: &Path) -> String {
        let path = path.display();
        match self.place {
            Some(Place { line, column }) => format!("{path}:{line}:{column}: {}", self.sentence),
            None => format!("{path}: {}", self.sentence),
        }
    }
}
