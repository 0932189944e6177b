//! Local files that a template names, put into the staging bucket, and their places there put into the template.
//!
//! Objects are named for their content: what is there already is not uploaded again, and a template whose files did not change
//! stays the same text, so that CloudFormation sees no change either. That is also why no versions are written into it.

mod archive;
mod content;
mod listing;
mod objects;
pub(crate) mod place;

use std::{
    collections::BTreeMap,
    future::Future,
    path::{Path, PathBuf},
    pin::Pin,
};

use action::{Failure, Scene, Speech};
use action_s3::{Bucket, Source};
use shared::{
    limits,
    plan::{stack::Staging, upload::ObjectSettings},
    reason::Reason,
};
use stack_template::{Artifact, ArtifactKind, Replacement, Template};
use tokio::task;
use tokio_util::sync::CancellationToken;

use content::Content;
use objects::Objects;
use place::Place;

/// 10 templates within each other: nobody follows more.
const NESTED_TEMPLATES: usize = 10;

/// A template without local files.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Packaged {
    /// Its text, with every other byte as it was.
    pub(crate) template: String,
    /// Keys and versions of the objects that were not there before. A stack whose update is rolled back reads older ones again:
    /// they are kept when the step ends.
    pub(crate) uploaded: Vec<(String, Option<String>)>,
}

/// Uploads the local files that a template names (see [`Template::local_artifacts`]), as `aws cloudformation package` does:
/// folders as archives, code that is a single file as an archive of it, nested templates after their own local files. `base` is the
/// template's folder below the scene's.
///
/// # Errors
/// `TEMPLATE_INVALID` for a template that cannot be read; `PACKAGE_INVALID` for a file that is not there, leads out of the scene's
/// folder or cannot be read, and for templates that name one another in a circle or are nested too deep, all those of one template
/// together; `STACK_CANCELLED`; those of [`Bucket::put`].
pub(crate) async fn package(
    template: &str,
    base: &Path,
    scene: &Scene,
    staging: &Staging,
    bucket: &Bucket,
    speech: &mut Speech,
) -> Result<Packaged, Failure> {
    let mut packer = Packer::new(&scene.folder, &scene.cancelled, staging, bucket, speech);
    let template = read("The template", template)?;
    let template = packer.fill(template, base.to_owned()).await?;
    Ok(Packaged { template, uploaded: packer.uploaded })
}

struct Packer<'a, O> {
    folder: &'a Path,
    cancelled: &'a CancellationToken,
    staging: &'a Staging,
    objects: &'a O,
    speech: &'a mut Speech,
    /// Keys of what was packaged, by the file's path and by what was done with it.
    known: BTreeMap<(PathBuf, ArtifactKind), String>,
    /// Nested templates from the outside in.
    chain: Vec<PathBuf>,
    uploaded: Vec<(String, Option<String>)>,
}

type Boxed<'b, T> = Pin<Box<dyn Future<Output = Result<T, Failure>> + Send + 'b>>;

impl<'a, O: Objects> Packer<'a, O> {
    fn new(
        folder: &'a Path,
        cancelled: &'a CancellationToken,
        staging: &'a Staging,
        objects: &'a O,
        speech: &'a mut Speech,
    ) -> Self {
        let (known, chain, uploaded) = (BTreeMap::new(), Vec::new(), Vec::new());
        Self { folder, cancelled, staging, objects, speech, known, chain, uploaded }
    }

    /// The template's text with all its local files replaced. Goes into nested templates, hence the box.
    fn fill(&mut self, template: Template, base: PathBuf) -> Boxed<'_, String> {
        Box::pin(async move {
            let mut edits = Vec::new();
            for (artifact, place) in self.places(&template, &base)? {
                let key = self.pack(&artifact, place).await?;
                let replacement = self.replacement(&artifact, key);
                edits.push((artifact, replacement));
            }
            template.replaced(&edits).map_err(|fault| Failure::new(Reason::TemplateInvalid, fault.to_string()))
        })
    }

    /// Where the files are; all that is wrong with them is told together, before anything is uploaded.
    fn places(&self, template: &Template, base: &Path) -> Result<Vec<(Artifact, Place)>, Failure> {
        let (mut places, mut faults) = (Vec::new(), Vec::new());
        for artifact in template.local_artifacts() {
            match self.place(&artifact, base) {
                Ok(place) => places.push((artifact, place)),
                Err(fault) => faults.push(self.sentence(&artifact, &fault)),
            }
        }
        match faults.is_empty() {
            true => Ok(places),
            false => Err(Failure::new(Reason::PackageInvalid, faults.join("\n"))),
        }
    }

    fn place(&self, artifact: &Artifact, base: &Path) -> Result<Place, String> {
        let place = place::find(self.folder, base, &artifact.path)?;
        let wants_file = matches!(artifact.kind, ArtifactKind::Template | ArtifactKind::Snippet);
        match place {
            Place::Folder(_) if wants_file => Err("which is a folder, and must be a file".into()),
            place => Ok(place),
        }
    }

    fn replacement(&self, artifact: &Artifact, key: String) -> Replacement {
        match artifact.kind {
            ArtifactKind::Template => Replacement::Url(self.objects.url(&key)),
            _ => Replacement::Object { bucket: self.staging.bucket.clone(), key, version: None },
        }
    }

    /// The key of an artifact's object, which is there afterwards.
    async fn pack(&mut self, artifact: &Artifact, place: Place) -> Result<String, Failure> {
        if self.cancelled.is_cancelled() {
            let sentence = "The step was cancelled while files were uploaded for its stack, which was not touched.";
            return Err(Failure::new(Reason::StackCancelled, sentence));
        }
        let known = (place.path().to_owned(), artifact.kind);
        if let Some(key) = self.known.get(&known) {
            return Ok(key.clone());
        }
        let content = match artifact.kind {
            ArtifactKind::Template => Content::Text(self.nested(artifact, place.path()).await?),
            kind => {
                let root = self.folder.to_owned();
                blocking(move || Content::of(place, kind == ArtifactKind::Code, &root))
                    .await?
                    .map_err(|fault| self.refusal(artifact, &fault))?
            }
        };
        let key = self.store(artifact, content).await?;
        self.known.insert(known, key.clone());
        Ok(key)
    }

    /// The text of a nested template without local files.
    async fn nested(&mut self, artifact: &Artifact, path: &Path) -> Result<String, Failure> {
        self.check_chain(path).map_err(|fault| self.refusal(artifact, &fault))?;
        let text = place::text(path, limits::STAGED_TEMPLATE_BYTES).map_err(|fault| self.refusal(artifact, &fault))?;
        let template = read(&format!("The nested template \"{}\"", self.shown(path)), &text)?;
        let base = path.parent().unwrap_or(path).to_owned();
        self.chain.push(path.to_owned());
        let text = self.fill(template, base).await?;
        self.chain.pop();
        Ok(text)
    }

    fn check_chain(&self, path: &Path) -> Result<(), String> {
        if self.chain.iter().any(|outer| outer == path) {
            let chain = self.chain.iter().map(PathBuf::as_path).chain([path]);
            let names: Vec<_> = chain.map(|path| self.shown(path)).collect();
            return Err(format!("and so templates name one another in a circle: {}", names.join(" → ")));
        }
        match self.chain.len() < NESTED_TEMPLATES {
            true => Ok(()),
            false => Err(format!("and so templates are nested more than {NESTED_TEMPLATES} deep")),
        }
    }

    async fn store(&mut self, artifact: &Artifact, content: Content) -> Result<String, Failure> {
        let (sum, content) = blocking(move || (content.sum(), content)).await?;
        let sum = sum.map_err(|fault| self.refusal(artifact, &fault))?;
        let key = format!("{}{sum}{}", self.staging.prefix, content.extension());
        let address = format!("s3://{}/{key}", self.staging.bucket);
        if self.objects.has(&key).await? {
            self.speech.verbose(&format!("{} is at {address} already.", artifact.path));
            return Ok(key);
        }
        let version = match content {
            Content::Text(text) => self.put(&key, text.into()).await?,
            Content::File(path) => self.put(&key, path.into()).await?,
            Content::Archive(listing) => {
                let folder = self.folder.to_owned();
                let archive = blocking(move || archive::write(&listing, &sum, &folder))
                    .await?
                    .map_err(|fault| self.refusal(artifact, &fault))?;
                self.put(&key, archive.path().into()).await?
            }
        };
        self.speech.line(&format!(
            "Uploaded {} of \"{}\" ({}) to {address}",
            artifact.property, artifact.logical_id, artifact.path
        ));
        self.uploaded.push((key.clone(), version));
        Ok(key)
    }

    async fn put(&mut self, key: &str, source: Source) -> Result<Option<String>, Failure> {
        let kms_key = self.staging.kms_key.clone();
        let encryption = if kms_key.is_empty() { String::new() } else { "aws:kms".into() };
        self.objects.put(key, source, &ObjectSettings { encryption, kms_key, ..ObjectSettings::default() }).await
    }

    fn refusal(&self, artifact: &Artifact, fault: &str) -> Failure {
        Failure::new(Reason::PackageInvalid, self.sentence(artifact, fault))
    }

    fn sentence(&self, artifact: &Artifact, fault: &str) -> String {
        let Artifact { property, logical_id, line, path, .. } = artifact;
        let within = self.chain.last().map(|path| format!(" of \"{}\"", self.shown(path))).unwrap_or_default();
        format!("{property} of \"{logical_id}\" (line {line}{within}) is the local path \"{path}\", {fault}.")
    }

    /// A path as people know it.
    fn shown(&self, path: &Path) -> String {
        place::below(self.folder, path)
    }
}

fn read(what: &str, text: &str) -> Result<Template, Failure> {
    Template::parse(text)
        .map_err(|fault| Failure::new(Reason::TemplateInvalid, format!("{what} cannot be read. {fault}")))
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Failure> {
    task::spawn_blocking(work)
        .await
        .map_err(|error| Failure::new(Reason::Internal, format!("Packaging broke off: {error}.")))
}

#[cfg(test)]
mod tests;
