//! Deletes the objects that no file stands for.

use action::Failure;
use aws_sdk_s3::{
    operation::delete_objects::DeleteObjectsOutput,
    types::{Delete, ObjectIdentifier},
};
use shared::{plan::upload::DeleteExtraneous, reason::Reason};

use crate::{Bucket, listing::Extraneous, patience::persistently};

/// 1,000 keys in one request (Amazon S3 API, DeleteObjects).
const BATCH: usize = 1000;

/// Refuses to delete more than is allowed.
///
/// # Errors
/// `TOO_MANY_DELETIONS`.
pub(crate) fn allowed(extraneous: &Extraneous, limit: DeleteExtraneous, place: &str) -> Result<(), Failure> {
    if extraneous.count <= u64::from(limit.at_most) {
        return Ok(());
    }
    let examples = extraneous.keys.iter().take(5).map(String::as_str).collect::<Vec<_>>().join(", ");
    let examples = if examples.is_empty() { String::new() } else { format!(" ({examples} …)") };
    Err(Failure::new(
        Reason::TooManyDeletions,
        format!(
            "No file stands for {} objects below {place}{examples}, and the step may delete {} at most: nothing was uploaded or deleted. If \
             they are to go, raise `delete_extraneous.at_most`; if not, check `source` and `key_prefix`.",
            extraneous.count, limit.at_most
        ),
    ))
}

/// Deletes the objects.
///
/// # Errors
/// As S3 answers; the sentence names keys that were not deleted.
pub(crate) async fn delete(bucket: &Bucket, keys: &[String]) -> Result<(), Failure> {
    for batch in keys.chunks(BATCH) {
        if bucket.cancelled.is_cancelled() {
            return Err(failed(
                "The step was cancelled before all objects were deleted that no file stands for.".into(),
            ));
        }
        delete_batch(bucket, batch).await?;
    }
    Ok(())
}

async fn delete_batch(bucket: &Bucket, keys: &[String]) -> Result<(), Failure> {
    let objects = keys.iter().map(|key| ObjectIdentifier::builder().key(key).build()).collect::<Result<Vec<_>, _>>();
    let delete = objects.and_then(|objects| Delete::builder().set_objects(Some(objects)).quiet(true).build());
    let delete = delete.map_err(|error| failed(format!("Objects of {} cannot be deleted: {error}.", bucket.name)))?;
    let request = || {
        let request = bucket.client.delete_objects().bucket(&bucket.name).delete(delete.clone());
        request.set_expected_bucket_owner(bucket.owner()).send()
    };
    let call = bucket.call("DeleteObjects", "s3:DeleteObject", "");
    let answer = persistently(request).await.map_err(|error| call.failure(&error))?;
    refused(&bucket.name, &answer).map_or(Ok(()), Err)
}

/// S3 answers for each key.
fn refused(bucket: &str, answer: &DeleteObjectsOutput) -> Option<Failure> {
    // More than a person mends at a time.
    const TOLD: usize = 5;
    let errors = answer.errors();
    let first = errors.first()?;
    let keys: Vec<_> = errors.iter().take(TOLD).filter_map(|error| error.key()).collect();
    let more = errors.len().saturating_sub(TOLD);
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    let reason = if first.code() == Some("AccessDenied") { Reason::PermissionMissing } else { Reason::UploadFailed };
    Some(Failure::new(
        reason,
        format!(
            "Of the bucket {bucket} these objects were not deleted: {}{more}. It takes the permission s3:DeleteObject. AWS says of the \
             first: {}: {}.",
            keys.join(", "),
            first.code().unwrap_or("no code"),
            first.message().unwrap_or("no message").trim_end_matches('.')
        ),
    ))
}

fn failed(sentence: String) -> Failure {
    Failure::new(Reason::UploadFailed, sentence)
}

#[cfg(test)]
mod tests {
    use aws_sdk_s3::types::Error;

    use super::*;

    #[test]
    fn more_than_may_be_deleted_is_refused_with_examples() {
        let extraneous = |count| Extraneous { keys: vec!["web/old.js".into()], count };
        assert_eq!(allowed(&extraneous(3), DeleteExtraneous { at_most: 3 }, "s3://shop/web/"), Ok(()));
        let refused = allowed(&extraneous(4), DeleteExtraneous { at_most: 3 }, "s3://shop/web/").expect_err("refused");
        assert_eq!(refused.reason, Reason::TooManyDeletions);
        assert!(refused.sentence.starts_with("No file stands for 4 objects below s3://shop/web/ (web/old.js …), and"));
        let none = Extraneous { keys: vec![], count: 1 };
        assert!(
            allowed(&none, DeleteExtraneous { at_most: 0 }, "p")
                .expect_err("refused")
                .sentence
                .contains("below p, and")
        );
    }

    #[test]
    fn keys_that_s3_refused_to_delete_are_named() {
        assert_eq!(refused("shop", &DeleteObjectsOutput::builder().build()), None);
        let error =
            |n: usize| Error::builder().key(format!("k{n}")).code("AccessDenied").message("Access Denied").build();
        let answer = DeleteObjectsOutput::builder().set_errors(Some((0..7).map(error).collect())).build();
        let refused = refused("shop", &answer).expect("refused");
        assert_eq!(refused.reason, Reason::PermissionMissing);
        assert!(refused.sentence.contains("k0, k1, k2, k3, k4 and 2 more"), "{}", refused.sentence);
    }
}
