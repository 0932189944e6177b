//! The step: plan → survey → transfer → delete → tell.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use action::{Failure, Scene, Speech};
use aws::Credentials;
use aws_credential_types::provider::ProvideCredentials;
use futures_util::{StreamExt, stream};
use shared::{
    plan::upload::{DeleteExtraneous, UploadToS3},
    reason::Reason,
};
use tokio::{
    task,
    time::{MissedTickBehavior, interval},
};

use crate::{
    Bucket, deletion, folder,
    folder::Selection,
    listing::{self, Extraneous, Presence},
    outputs::outputs,
    plan::{Planned, plan},
    progress::{Load, Pace, counted, size},
    report::Report,
    transfer::{Done, Transfer},
};

/// 16 files at once: small ones are mostly waiting for answers.
const FILES_AT_ONCE: usize = 16;
/// 1 second between two looks at how far it is.
const LOOK: Duration = Duration::from_secs(1);
/// 20 files, or failures: up to here each is worth a line.
const FEW: usize = 20;

/// Uploads the files of a step, and deletes what no file stands for if that is asked for. Sets the outputs Uploaded, Unchanged,
/// Deleted, `Files[key]`, and `Package.Key`, `.S3Uri`, `.Uri`, `.Arn` and `.ObjectVersion`, with `[key]` where there are several.
///
/// # Errors
/// `UPLOAD_INVALID` before anything is sent, `TOO_MANY_DELETIONS` before anything is changed; `UPLOAD_FAILED` when some file could
/// not be uploaded: all others were, and nothing was deleted. What is the matter with every file has its own reason:
/// `BUCKET_REFUSED`, `PERMISSION_MISSING`, and those of [`aws::explain`].
pub async fn upload(order: &UploadToS3, scene: &Scene, speech: &mut Speech) -> Result<(), Failure> {
    let begun = Instant::now();
    guard(order)?;
    let objects = objects(order, scene).await?;
    let owner = owner(order, scene).await?;
    let bucket = Bucket::new(scene, order.bucket.trim(), &owner);
    let place = format!("s3://{}/{}", bucket.name(), order.key_prefix);
    let (presence, extraneous) = survey(&bucket, order, &objects, &place).await?;
    let total = Load { files: objects.len() as u64, bytes: objects.iter().map(|object| object.length).sum() };
    speech.line(&format!(
        "{} ({}) to {place}, which must belong to AWS account {owner} (region {}).",
        counted(total.files, "file"),
        size(total.bytes),
        scene.region
    ));
    let mut report = Report::new(&objects);
    let transfer = Transfer::new(&bucket, &scene.folder, order.even_unchanged);
    carry(&transfer, &bucket, &objects, presence, &mut report, speech).await;
    if let Some(first) = report.first_failure() {
        *first = bucket.narrowed(first.clone()).await;
    }
    if let Some(failure) = report.failure(scene.cancelled.is_cancelled(), &place) {
        return Err(failure);
    }
    deletion::delete(&bucket, &extraneous.keys).await?;
    report.set_deleted(extraneous.keys.len());
    extraneous.keys.iter().for_each(|key| speech.verbose(&format!("Deleted s3://{}/{key}.", bucket.name())));
    tell(&bucket, &report, speech);
    speech.line(&report.summary(&place, begun.elapsed()));
    Ok(())
}

/// What must hold whatever the variables came to.
fn guard(order: &UploadToS3) -> Result<(), Failure> {
    if order.bucket.trim().is_empty() {
        return Err(Failure::new(Reason::UploadInvalid, "`bucket` is empty: name the bucket."));
    }
    if order.delete_extraneous.is_some() && order.key_prefix.trim_matches([' ', '/']).is_empty() {
        let sentence = "`delete_extraneous` needs a `key_prefix`, and it is empty: everything else in the bucket would be deleted.";
        return Err(Failure::new(Reason::UploadInvalid, sentence));
    }
    if order.delete_extraneous.is_some() && !order.key_prefix.ends_with('/') {
        let sentence = format!(
            "`delete_extraneous` needs a `key_prefix` that ends with /: below \"{0}\" are also objects like {0}2/… that have nothing to do \
             with this step.",
            order.key_prefix
        );
        return Err(Failure::new(Reason::UploadInvalid, sentence));
    }
    Ok(())
}

async fn objects(order: &UploadToS3, scene: &Scene) -> Result<Vec<Planned>, Failure> {
    let (order, folder) = (Arc::new(order.clone()), scene.folder.clone());
    let planned = task::spawn_blocking(move || {
        let selection = Selection::new(&order.source, &order.exclude)?;
        plan(&order, &selection, folder::files(&folder, &selection)?)
    });
    planned.await.map_err(|error| Failure::new(Reason::Internal, format!("The files were not looked at: {error}.")))?
}

/// The account that must own the bucket: as ordered, or the step's own.
async fn owner(order: &UploadToS3, scene: &Scene) -> Result<String, Failure> {
    let ordered = order.bucket_owner.trim();
    if !ordered.is_empty() {
        return Ok(ordered.to_owned());
    }
    let credentials = scene.credentials.provide_credentials().await.map_err(|error| {
        let why = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
        Failure::new(Reason::CredentialsUnavailable, format!("The step's credentials cannot be had: {why}."))
    })?;
    let credentials = Credentials {
        access_key_id: credentials.access_key_id().into(),
        secret_access_key: credentials.secret_access_key().to_owned().into(),
        session_token: credentials.session_token().unwrap_or_default().to_owned().into(),
        expires_at: None,
    };
    Ok(scene.aws.caller("this step", &credentials, &scene.region).await?.value.account)
}

/// Looks at the bucket before anything is changed.
async fn survey(
    bucket: &Bucket,
    order: &UploadToS3,
    objects: &[Planned],
    place: &str,
) -> Result<(Vec<Presence>, Extraneous), Failure> {
    if let Some(limit @ DeleteExtraneous { at_most }) = order.delete_extraneous {
        let selection = Selection::new(&order.source, &order.exclude)?;
        let prefix = order.key_prefix.as_str();
        let is_left_out = |key: &str| key.strip_prefix(prefix).is_some_and(|below| selection.leaves_out(below));
        let (presence, extraneous) = listing::extraneous(bucket, prefix, objects, at_most, &is_left_out).await?;
        deletion::allowed(&extraneous, limit, place)?;
        return Ok((presence, extraneous));
    }
    let presence = if objects.len() > 1 && !order.even_unchanged {
        listing::presence(bucket, objects).await?
    } else {
        vec![Presence::Unknown; objects.len()]
    };
    Ok((presence, Extraneous::default()))
}

/// Brings all files to their objects, many at once, and says how far it is.
async fn carry(
    transfer: &Transfer<'_>,
    bucket: &Bucket,
    objects: &[Planned],
    presence: Vec<Presence>,
    report: &mut Report<'_>,
    speech: &mut Speech,
) {
    let begun = Instant::now();
    let total = Load { files: objects.len() as u64, bytes: objects.iter().map(|object| object.length).sum() };
    let mut pace = Pace::new(total);
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let files = stream::iter(objects.iter().zip(presence).enumerate());
    let mut carried = files
        .map(|(index, (object, presence))| async move { (index, transfer.bring(object, presence).await) })
        .buffer_unordered(FILES_AT_ONCE);
    loop {
        tokio::select! {
            next = carried.next() => match next {
                Some((index, result)) => {
                    let count = if result.is_ok() { objects.len() } else { report.failed() };
                    mention(&objects[index], &result, count <= FEW, bucket, speech);
                    report.add(index, result);
                }
                None => break,
            },
            _ = looks.tick() => {
                if let Some(words) = pace.next(begun.elapsed(), report.load(bucket.sent())) {
                    speech.progress(words.percentage, &words.message);
                    if words.is_line {
                        speech.line(&format!("{}.", words.message));
                    }
                }
            }
        }
    }
}

fn mention(
    object: &Planned,
    result: &Result<Done, Failure>,
    is_one_of_few: bool,
    bucket: &Bucket,
    speech: &mut Speech,
) {
    let (path, place) = (&object.path, format!("s3://{}/{}", bucket.name(), object.key));
    let line = match result {
        Ok(Done::Uploaded(_, why)) => format!("{path} → {place} ({}; {why})", size(object.length)),
        Ok(Done::Unchanged(_)) => format!("{path} = {place} (unchanged)"),
        Ok(Done::NotBegun) => return,
        Err(failure) => format!("{path} was not uploaded. {}", failure.sentence),
    };
    match (is_one_of_few, result) {
        (false, _) => speech.verbose(&line),
        (true, Ok(_)) => speech.line(&line),
        (true, Err(_)) => speech.warning(&line),
    }
}

fn tell(bucket: &Bucket, report: &Report<'_>, speech: &mut Speech) {
    let (outputs, note) = outputs(bucket, &report.items(), report.counts());
    for (name, value) in outputs {
        speech.output(&name, &value);
    }
    if let Some(note) = note {
        speech.line(&note);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(prefix: &str) -> UploadToS3 {
        UploadToS3 {
            bucket: "shop".into(),
            key_prefix: prefix.into(),
            delete_extraneous: Some(DeleteExtraneous { at_most: 10 }),
            ..UploadToS3::default()
        }
    }

    #[test]
    fn nothing_is_ever_deleted_without_a_prefix_that_is_a_folder_whatever_the_variables_came_to() {
        for prefix in ["", " ", "/", "web", "web/v"] {
            let refused = guard(&order(prefix)).expect_err("refused");
            assert_eq!(refused.reason, Reason::UploadInvalid);
        }
        assert_eq!(guard(&order("web/")), Ok(()));
        let no_bucket = UploadToS3 { bucket: " ".into(), ..UploadToS3::default() };
        assert!(guard(&no_bucket).is_err());
        assert_eq!(guard(&UploadToS3 { delete_extraneous: None, ..order("") }), Ok(()));
    }
}
