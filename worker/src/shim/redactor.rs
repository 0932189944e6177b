//! The secrets of a step, and what hides them.

use std::sync::Arc;

use shared::mask::{Inserted, Masker, Secrets};

/// Grows while the step runs; everything is masked by its newest state.
pub(super) struct Redactor {
    secrets: Secrets,
    masker: Arc<Masker>,
}

impl Redactor {
    /// Knows nothing yet.
    pub(super) fn new() -> Self {
        let secrets = Secrets::new();
        let masker = Arc::new(Masker::compile(&secrets));
        Self { secrets, masker }
    }

    /// Adds values; answers how many of them are too short to be masked. Blank ones count as neither.
    pub(super) fn learn<'a>(&mut self, values: impl IntoIterator<Item = &'a str>) -> usize {
        let (before, mut too_short) = (self.secrets.len(), 0);
        for value in values.into_iter().filter(|value| !value.trim().is_empty()) {
            too_short += usize::from(self.secrets.insert(value.as_bytes()) == Inserted::TooShort);
        }
        if self.secrets.len() != before {
            self.masker = Arc::new(Masker::compile(&self.secrets));
        }
        too_short
    }

    /// What hides them.
    pub(super) fn masker(&self) -> &Arc<Masker> {
        &self.masker
    }

    /// Whether a text has a secret in it.
    pub(super) fn reveals(&self, text: &str) -> bool {
        self.masker.mask(text.as_bytes()) != text.as_bytes()
    }
}
