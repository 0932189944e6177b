//! What a case consists of.

use std::{collections::BTreeMap, fmt, fs, path::PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::{Map, Value};
use tests::parts;

/// Reason of a step whose stack's operation began and failed; with any other nothing has begun, and there are no events.
pub(super) const FAILED: &str = "STACK_FAILED";

/// A case of the corpus, as its `case.yaml` says.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    /// Of its folder, and of its stack.
    #[serde(skip)]
    pub(super) name: String,
    #[serde(skip)]
    pub(super) folder: PathBuf,
    /// What it shows, in a sentence.
    pub(super) shows: String,
    /// What is said when its project is refused; empty when it is not.
    #[serde(default)]
    pub(super) refused: Vec<String>,
    /// Stacks `<case>-<key>` that are deployed before it.
    #[serde(default)]
    before: BTreeMap<String, Other>,
    /// Stacks `<case>-<key>` that are deployed before it is deleted.
    #[serde(default)]
    meanwhile: BTreeMap<String, Other>,
    #[serde(default)]
    create: End,
    update: Option<End>,
    #[serde(default)]
    delete: End,
}

/// Another stack that a case needs.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Other {
    /// Its template, in the folder of the case.
    pub(super) template: String,
    /// Keys of the step.
    #[serde(default)]
    pub(super) deploy: Map<String, Value>,
}

/// What a phase is given, and how it ends.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct End {
    /// Keys of the step.
    #[serde(default)]
    pub(super) deploy: Map<String, Value>,
    /// Status of the stack afterwards, `absent` when there is none; absent: the phase's own `…_COMPLETE`.
    pub(super) end: Option<String>,
    /// How the step fails; absent: it does not.
    pub(super) fails: Option<Fails>,
    /// What the log must have.
    #[serde(default)]
    pub(super) says: Vec<String>,
    /// What the log must not have.
    #[serde(default)]
    pub(super) hides: Vec<String>,
}

/// How a step fails.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fails {
    /// Stable code.
    pub(super) reason: String,
    /// What the last line of the log must have: the first cause.
    #[serde(default)]
    pub(super) says: Vec<String>,
}

/// What is done to a stack.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Phase {
    Create,
    Update,
    Delete,
}

impl Phase {
    pub(super) const ALL: [Self; 3] = [Self::Create, Self::Update, Self::Delete];
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
        })
    }
}

impl Case {
    /// All of them, by name.
    pub(super) fn all() -> Result<Vec<Self>> {
        let corpus = parts::project().join("tests/aws/templates");
        let entries = fs::read_dir(&corpus).with_context(|| format!("{} cannot be read", corpus.display()))?;
        let mut folders: Vec<PathBuf> = entries.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
        folders.sort();
        folders.into_iter().map(Self::read).collect()
    }

    fn read(folder: PathBuf) -> Result<Self> {
        let file = folder.join("case.yaml");
        let text = fs::read_to_string(&file).with_context(|| format!("{} cannot be read", file.display()))?;
        let case: Self = serde_saphyr::from_str(&text).with_context(|| format!("{} is no case", file.display()))?;
        let name = folder.file_name().context("a folder has a name")?.to_string_lossy().into_owned();
        Ok(Self { name, folder, ..case })
    }

    /// Whether no project can have it.
    pub(super) fn is_refused(&self) -> bool {
        !self.refused.is_empty()
    }

    /// Whether there is something to do in a phase.
    pub(super) fn has(&self, phase: Phase) -> bool {
        match phase {
            Phase::Create => true,
            Phase::Update => self.update.is_some(),
            Phase::Delete => self.status(Phase::Update) != "absent",
        }
    }

    /// What a phase is given, and how it ends.
    pub(super) fn end(&self, phase: Phase) -> &End {
        match phase {
            Phase::Create => &self.create,
            Phase::Update => self.update.as_ref().unwrap_or(&self.create),
            Phase::Delete => &self.delete,
        }
    }

    /// Status of the stack after a phase; `absent` when there is none, or none any more.
    pub(super) fn status(&self, phase: Phase) -> &str {
        match (&self.end(phase).end, phase) {
            (Some(end), _) => end,
            (None, Phase::Update) if self.update.is_some() => "UPDATE_COMPLETE",
            (None, Phase::Create | Phase::Update) => "CREATE_COMPLETE",
            (None, Phase::Delete) => "absent",
        }
    }

    /// The template of a phase, in the folder.
    pub(super) fn template(&self, phase: Phase) -> Option<&'static str> {
        let updates = ["update.yaml", "update.json"].into_iter().filter(|_| phase == Phase::Update);
        updates.chain(["template.yaml", "template.json"]).find(|name| self.folder.join(name).is_file())
    }

    /// Other stacks, with their names, that are deployed first of all in a phase.
    pub(super) fn first(&self, phase: Phase) -> Vec<(String, &Other)> {
        let others = match phase {
            Phase::Create => &self.before,
            Phase::Update => &self.meanwhile,
            Phase::Delete => return Vec::new(),
        };
        others.iter().map(|(key, other)| (format!("{}-{key}", self.name), other)).collect()
    }

    pub(super) fn others(&self) -> impl Iterator<Item = &Other> {
        self.before.values().chain(self.meanwhile.values())
    }
}
