//! The text of a script or template: in the process itself, or in an uploaded file.

use coordinator_core::input::Refusal;
use shared::{
    limits,
    plan::{Action, File, Source, Step, stack::StackTemplate},
    reason::Reason,
};

use super::text::Texts;
use crate::files::Files;

/// Reads the text of a step's action; nothing for one that has none.
///
/// # Errors
/// `FILE_MISSING` when the file is not among the uploaded ones, `INVALID_FILE` when it is not UTF-8 or too large.
pub(super) async fn read(
    files: &Files,
    step: &Step,
    listed: &[File],
    texts: &Texts<'_>,
) -> Result<Option<String>, Refusal> {
    match &step.action {
        Action::Script(script) => {
            text(files, &script.source, listed, ("script", limits::SCRIPT_BYTES), texts).await.map(Some)
        }
        // One that is sent as it is reaches the worker as a file.
        Action::DeployStack(stack) if stack.substitute => match &stack.template {
            StackTemplate::File(path) => {
                let source = Source::File(path.clone());
                text(files, &source, listed, ("template", limits::STAGED_TEMPLATE_BYTES), texts).await.map(Some)
            }
            StackTemplate::Body(_) | StackTemplate::Url(_) => Ok(None),
        },
        Action::DeployStack(_)
        | Action::ApplyChangeSet(_)
        | Action::DeleteStack(_)
        | Action::UploadToS3(_)
        | Action::CheckIdentity => Ok(None),
    }
}

async fn text(
    files: &Files,
    source: &Source,
    listed: &[File],
    (what, max): (&str, usize),
    texts: &Texts<'_>,
) -> Result<String, Refusal> {
    let path = match source {
        Source::Body(text) => return Ok(text.clone()),
        Source::File(path) => path,
    };
    let missing = |why: String| {
        let fault = format!("its {what} file \"{path}\" {why}. Apply the project again, which uploads it.");
        texts.refuse(Reason::FileMissing, &fault)
    };
    let file = listed.iter().find(|file| &file.path == path);
    let file = file.ok_or_else(|| missing("is not among the project's files".into()))?;
    if file.size > max as u64 {
        let fault = format!("its {what} file \"{path}\" has {} bytes; at most {max} are allowed.", file.size);
        return Err(texts.refuse(Reason::InvalidFile, &fault));
    }
    let place = files.find(&file.sha256).ok_or_else(|| missing("has no digest".into()))?;
    let bytes = tokio::fs::read(place).await.map_err(|error| missing(format!("cannot be read: {error}")))?;
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let fault =
            format!("its {what} file \"{path}\" is not UTF-8 (byte {at} is the first that is not). Save it as UTF-8.");
        texts.refuse(Reason::InvalidFile, &fault)
    })
}
