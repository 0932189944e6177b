//! The files beside a project file that its steps use: found, checked, known by their content.

mod artifacts;
mod shelf;
mod stack;
mod upload;
mod walk;

use std::path::Path;

use shared::{limits, plan};

pub(crate) use self::shelf::{Attachment, hex};
use self::shelf::{Purpose, Shelf};
use super::{
    fault::{Fault, Place},
    format::{Parameter, ProjectFile, Step},
};

/// What the steps use, apart from what stands in the project file itself.
pub(super) struct Supplies {
    /// By path.
    pub(super) attachments: Vec<Attachment>,
    /// Of each step, in order.
    pub(super) by_step: Vec<Supply>,
    /// What is allowed and will not be as it looks.
    pub(super) warnings: Vec<Fault>,
}

/// What one step uses.
#[derive(Default)]
pub(super) struct Supply {
    /// Files that its template names, sorted.
    pub(super) artifacts: Vec<String>,
    /// Parameters, when they are in a file.
    pub(super) parameters: Vec<Parameter>,
}

/// A text that stands in the project file, or where it is instead.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Written<'a> {
    /// The text itself.
    Text(&'a str),
    /// A path beside the project file.
    Path(&'a str),
    /// An address in S3.
    Address(&'a str),
}

/// What a `template:` key says. A template has more than one line, a path and an address have one.
pub(super) fn template_of(written: &str) -> Written<'_> {
    if written.contains('\n') {
        Written::Text(written)
    } else if ["https://", "http://", "s3://", "#{"].iter().any(|start| written.starts_with(start)) {
        Written::Address(written)
    } else {
        Written::Path(written)
    }
}

/// What a `stack_policy:` key says. A policy is JSON, so it begins with a brace.
pub(super) fn policy_of(written: &str) -> plan::Source {
    if written.contains('\n') || written.trim_start().starts_with('{') {
        plan::Source::Body(written.to_owned())
    } else {
        plan::Source::File(written.to_owned())
    }
}

/// Finds every file that a step uses.
pub(super) fn collect(file: &ProjectFile, folder: &Path, faults: &mut Vec<Fault>) -> Supplies {
    let mut warnings = Vec::new();
    let mut shelf = Shelf::new(folder);
    let by_step = file.steps.iter().map(|step| supply(step, &mut shelf, &mut warnings, faults)).collect();
    let attachments = shelf.into_attachments();
    if attachments.len() > limits::FILES {
        let sentence = format!("The project has {} files; at most {} are allowed.", attachments.len(), limits::FILES);
        faults.push(Fault::at(None, sentence));
    }
    Supplies { attachments, by_step, warnings }
}

fn supply(step: &Step, shelf: &mut Shelf, warnings: &mut Vec<Fault>, faults: &mut Vec<Fault>) -> Supply {
    if let Some(path) = step.script.as_ref().and_then(|script| script.file.as_ref())
        && let Err(sentence) = shelf.text(&path.value, Purpose::Script)
    {
        faults.push(Fault::at(Place::of(path.referenced), sentence));
    }
    if let Some(upload) = &step.s3_upload {
        upload::collect(upload, shelf, faults);
    }
    step.deployed().map_or_else(Supply::default, |stack| stack::collect(stack, shelf, warnings, faults))
}
