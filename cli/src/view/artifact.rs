//! Artifacts.

use std::path::PathBuf;

use jiff::Timestamp;
use proto::deployment as d;
use serde::Serialize;
use shared::size;

use super::{View, short, time, word};

/// A file that a step left behind.
#[derive(Serialize)]
pub(crate) struct ArtifactView {
    id: String,
    step: String,
    execution_id: String,
    attempt: i32,
    name: String,
    size: i64,
    sha256: String,
    state: String,
    arrived: i64,
    reason: String,
    detail: String,
    create_time: Option<Timestamp>,
}

impl From<d::Artifact> for ArtifactView {
    fn from(it: d::Artifact) -> Self {
        Self {
            state: word(it.state().as_str_name(), "STATE_"),
            id: it.id,
            step: it.step,
            execution_id: it.execution_id,
            attempt: it.attempt,
            name: it.name,
            size: it.size,
            sha256: it.sha256,
            arrived: it.arrived,
            reason: it.reason,
            detail: it.detail,
            create_time: time(it.create_time),
        }
    }
}

impl View for ArtifactView {
    const MANY: &'static str = "artifacts";
    const COLUMNS: &'static [&'static str] = &["step", "attempt", "name", "size", "state", "created"];

    fn cells(&self) -> Vec<String> {
        let state = match self.state.as_str() {
            "arriving" if self.size > 0 => format!("arriving: {} %", self.arrived.saturating_mul(100) / self.size),
            "refused" => format!("refused: {}", self.reason),
            other => other.to_owned(),
        };
        vec![
            self.step.clone(),
            self.attempt.to_string(),
            self.name.clone(),
            size::shown(self.size.max(0).cast_unsigned()),
            state,
            short(self.create_time),
        ]
    }
}

/// An artifact that is in a file here now.
#[derive(Serialize)]
pub(crate) struct DownloadView {
    /// Where it is.
    pub(crate) path: PathBuf,
    /// Which step left it.
    pub(crate) step: String,
    /// What it is called.
    pub(crate) name: String,
    /// Bytes.
    pub(crate) size: i64,
    /// SHA-256 of its bytes, hex, and of the file's.
    pub(crate) sha256: String,
}

impl View for DownloadView {
    const MANY: &'static str = "artifacts";
    const COLUMNS: &'static [&'static str] = &["path", "step", "size", "sha256"];

    fn cells(&self) -> Vec<String> {
        let path = self.path.display().to_string();
        vec![path, self.step.clone(), size::shown(self.size.max(0).cast_unsigned()), self.sha256.clone()]
    }
}
