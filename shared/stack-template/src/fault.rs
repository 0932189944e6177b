//! What is wrong with a template, and where.

/// Why a text is no template, or an edit is none of it.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("Line {line}, column {column} of the template: {sentence}")]
pub struct Fault {
    /// Counted from 1.
    pub line: usize,
    /// In characters, counted from 1.
    pub column: usize,
    /// What was wrong, and what to do.
    pub sentence: String,
}

impl Fault {
    pub(crate) fn new((line, column): (usize, usize), sentence: impl Into<String>) -> Self {
        Self { line, column, sentence: sentence.into() }
    }
}
