//! Local files that a template names, and those that nested templates name.

use std::collections::{BTreeMap, BTreeSet};

use stack_template::{Artifact, ArtifactKind, Template};

use super::{
    shelf::{Purpose, Shelf},
    walk::{Kind, Walk},
};

/// 10 templates within each other: nobody follows more.
const DEPTH: usize = 10;

/// Where a template is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Base {
    /// In the project file, whose folder its paths are relative to.
    Inline,
    /// In this file, whose folder its paths are relative to.
    File(String),
}

impl Base {
    /// What a sentence about it begins with.
    pub(super) fn subject(&self) -> String {
        match self {
            Self::Inline => "The template".to_owned(),
            Self::File(path) => format!("The template {path}"),
        }
    }

    /// The same with a place in it, as compilers write it.
    pub(super) fn at(&self, line: usize, column: usize) -> String {
        match self {
            Self::Inline => format!("The template, in its line {line}, column {column}"),
            Self::File(path) => format!("The template {path}:{line}:{column}"),
        }
    }

    /// Who names an artifact, as the beginning of a sentence that goes on with its path.
    fn names(&self, artifact: &Artifact) -> String {
        let place = match self {
            Self::Inline => format!("The template, in its line {}", artifact.line),
            Self::File(path) => format!("The template {path}:{}", artifact.line),
        };
        format!("{place}: `{}` of {} names", artifact.property, artifact.logical_id)
    }

    /// A path of the template as one of the project; none when it leads out.
    fn path(&self, written: &str) -> Option<String> {
        let own = match self {
            Self::Inline => "",
            Self::File(path) => path.rsplit_once('/').map_or("", |(folder, _)| folder),
        };
        if written.starts_with('/') {
            return None;
        }
        let mut parts: Vec<&str> = Vec::new();
        for part in own.split('/').chain(written.split('/')) {
            match part {
                "" | "." => {}
                ".." => {
                    parts.pop()?;
                }
                name => parts.push(name),
            }
        }
        Some(parts.join("/"))
    }
}

/// The files that were found, by path, each with who names it first.
pub(super) struct Artifacts<'a> {
    shelf: &'a mut Shelf,
    found: BTreeMap<String, String>,
    faults: Vec<String>,
    /// Nested templates that were read.
    read: BTreeSet<String>,
    /// Templates within each other, down to the one that is read.
    trail: Vec<String>,
}

/// What [`Artifacts::of`] finds.
pub(super) struct Named(BTreeMap<String, String>);

impl Named {
    /// One of them, with the beginning of a sentence that says who names it.
    pub(super) fn first(&self) -> Option<(&str, &str)> {
        self.0.iter().next().map(|(path, names)| (path.as_str(), names.as_str()))
    }

    /// Their paths, sorted.
    pub(super) fn into_paths(self) -> Vec<String> {
        self.0.into_keys().collect()
    }
}

impl<'a> Artifacts<'a> {
    /// Those of a template.
    ///
    /// # Errors
    /// Each file that cannot be taken, and each nested template that cannot be read.
    pub(super) fn of(template: &Template, base: Base, shelf: &'a mut Shelf) -> Result<Named, Vec<String>> {
        let trail = match &base {
            Base::Inline => Vec::new(),
            Base::File(path) => vec![path.clone()],
        };
        let mut artifacts = Self { shelf, found: BTreeMap::new(), faults: Vec::new(), read: BTreeSet::new(), trail };
        artifacts.look(template, &base);
        if artifacts.faults.is_empty() { Ok(Named(artifacts.found)) } else { Err(artifacts.faults) }
    }

    fn look(&mut self, template: &Template, base: &Base) {
        for artifact in template.local_artifacts() {
            let names = base.names(&artifact);
            if let Err(why) = self.take(base, &artifact, &names) {
                self.faults.push(format!("{names} \"{}\", {why}", artifact.path));
            }
        }
    }

    /// # Errors
    /// Why it cannot be taken: the end of a sentence that begins with it.
    fn take(&mut self, base: &Base, artifact: &Artifact, names: &str) -> Result<(), String> {
        let written = artifact.path.as_str();
        if written.contains("#{") {
            return Err("and which files a project has is known before its variables are.".into());
        }
        let path = base.path(written).ok_or("which leads out of the project's folder.")?;
        let is_folder = self.shelf.folder().join(&path).is_dir();
        match artifact.kind {
            ArtifactKind::Template if !is_folder => self.nested(&path, names),
            ArtifactKind::Code | ArtifactKind::File if is_folder => self.folder(&path, names),
            ArtifactKind::Template | ArtifactKind::Snippet if is_folder => {
                Err("which is a folder, and a template is a file.".into())
            }
            _ => self.file(&path, names),
        }
    }

    fn file(&mut self, path: &str, names: &str) -> Result<(), String> {
        self.shelf.add(path).map_err(reason)?;
        self.found.entry(path.to_owned()).or_insert_with(|| names.to_owned());
        Ok(())
    }

    /// Every file below a folder.
    fn folder(&mut self, path: &str, names: &str) -> Result<(), String> {
        let found = Walk::below(self.shelf.folder(), path, &|_| true);
        if found.is_empty() {
            return Err("which is a folder without files.".into());
        }
        for thing in found {
            match thing.kind {
                Kind::File => self.file(&thing.path, names)?,
                Kind::Refused { why, .. } => return Err(format!("in which {} {why}.", thing.path)),
            }
        }
        Ok(())
    }

    /// A template, and what it names.
    fn nested(&mut self, path: &str, names: &str) -> Result<(), String> {
        if self.trail.iter().any(|above| above == path) {
            return Err(format!("which is nested in itself: {} → {path}.", self.trail.join(" → ")));
        }
        if self.trail.len() >= DEPTH {
            return Err(format!("and templates are nested more than {DEPTH} deep."));
        }
        if !self.read.insert(path.to_owned()) {
            return Ok(());
        }
        let text = self.shelf.text(path, Purpose::Template).map_err(reason)?;
        let base = Base::File(path.to_owned());
        let template = Template::parse(&text).map_err(|fault| {
            format!("which is no template. {}: {}", base.at(fault.line, fault.column), fault.sentence)
        })?;
        self.found.entry(path.to_owned()).or_insert_with(|| names.to_owned());
        self.trail.push(path.to_owned());
        self.look(&template, &base);
        self.trail.pop();
        Ok(())
    }
}

fn reason(sentence: String) -> String {
    format!("which cannot be taken. {sentence}")
}
