//! The bucket for what is too large for a request: templates above CloudFormation's limit, and the local files that they name.

use action::{Failure, Scene, Speech};
use action_s3::{Bucket, Stored};
use shared::{
    limits,
    plan::{stack::Staging, upload::ObjectSettings},
    reason::Reason,
};
use stack_template::local_paths;

use crate::{
    errors::failure,
    input::{Given, Input},
};

/// What was put into the bucket for this operation alone, and is taken away after it.
#[derive(Debug)]
pub(crate) struct Staged {
    bucket: Bucket,
    key: String,
    stored: Stored,
}

impl Staged {
    /// Takes the template away again; a failure to do so is said, and fails nothing.
    pub(crate) async fn clear(self, speech: &mut Speech) {
        let deleted = self.bucket.delete(&self.key, self.stored.version_id.as_deref()).await;
        let cleared = match deleted {
            Ok(()) => clear(&self.bucket, &self.key).await,
            refused => refused,
        };
        tell_left(&self.bucket, &self.key, cleared, speech);
    }
}

/// Takes away what an attempt before this one put there and could not take away any more. The template may hold secrets.
pub(crate) async fn clear_earlier(input: &Input<'_>, scene: &Scene, speech: &mut Speech) {
    let (Given::Text(text), Some(staging)) = (&input.template, &input.order.staging) else { return };
    // Local files that were put in their places may have made it larger.
    let may_be_staged = text.len() > limits::TEMPLATE_BYTES || local_paths(text).is_ok_and(|paths| !paths.is_empty());
    if !may_be_staged {
        return;
    }
    let Ok(account) = account(scene).await else { return };
    let (bucket, key) = (Bucket::new(scene, &staging.bucket, &account), key(staging, scene));
    let cleared = clear(&bucket, &key).await;
    tell_left(&bucket, &key, cleared, speech);
}

/// Deletes all versions of an object, each of which is to be seen when the one before is gone.
async fn clear(bucket: &Bucket, key: &str) -> Result<(), Failure> {
    // More attempts than a step has.
    const VERSIONS: usize = 20;
    for _ in 0..VERSIONS {
        let Some(version) = bucket.version(key).await? else { return Ok(()) };
        bucket.delete(key, Some(version.as_str()).filter(|version| !version.is_empty())).await?;
    }
    Ok(())
}

fn tell_left(bucket: &Bucket, key: &str, cleared: Result<(), Failure>, speech: &mut Speech) {
    if let Err(failure) = cleared {
        let place = format!("s3://{}/{key}", bucket.name());
        speech.warning(&format!("The staged template {place} could not be deleted. {}", failure.sentence));
    }
}

/// The operation is in the key: nobody else's step uses this object, so that it can be deleted after ours, and found by every attempt.
fn key(staging: &Staging, scene: &Scene) -> String {
    format!("{}{}/stack.template", staging.prefix, scene.operation)
}

/// Uploads the local files that a template names, and the template itself if it is too large for a request.
///
/// # Errors
/// `STAGING_NEEDED` when that needs a bucket and the step names none; as [`Bucket`]'s own.
pub(crate) async fn stage(
    input: &mut Input<'_>,
    scene: &Scene,
    speech: &mut Speech,
) -> Result<Option<Staged>, Failure> {
    let Given::Text(text) = &input.template else { return Ok(None) };
    let artifacts = local_paths(text).unwrap_or_default();
    let is_large = text.len() > limits::TEMPLATE_BYTES;
    if artifacts.is_empty() && !is_large {
        return Ok(None);
    }
    let Some(staging) = &input.order.staging else {
        let paths: Vec<_> = artifacts.iter().map(|artifact| artifact.path.as_str()).collect();
        return Err(needed(&input.order.stack, text.len(), &paths));
    };
    let bucket = bucket(staging, scene, speech).await?;
    if !artifacts.is_empty() {
        let base = input.folder(scene);
        let packaged = crate::package::package(text, &base, scene, staging, &bucket, speech).await?;
        input.replace_text(packaged.template)?;
    }
    put_template(input, scene, staging, bucket, speech).await
}

async fn put_template(
    input: &mut Input<'_>,
    scene: &Scene,
    staging: &Staging,
    bucket: Bucket,
    speech: &mut Speech,
) -> Result<Option<Staged>, Failure> {
    let Given::Text(text) = &input.template else { return Ok(None) };
    if text.len() <= limits::TEMPLATE_BYTES {
        return Ok(None);
    }
    let key = key(staging, scene);
    let settings = ObjectSettings { content_type: "text/plain".into(), ..encrypted(staging) };
    let bytes = text.len();
    let stored = bucket.put(&key, text.clone().into_bytes(), &settings).await?;
    speech.verbose(&format!("The template has {bytes} bytes and goes by s3://{}/{key}.", bucket.name()));
    input.template = Given::Url(bucket.url(&key));
    Ok(Some(Staged { bucket, key, stored }))
}

/// How objects are encrypted.
pub(crate) fn encrypted(staging: &Staging) -> ObjectSettings {
    let encryption = if staging.kms_key.is_empty() { "" } else { "aws:kms" };
    ObjectSettings { encryption: encryption.into(), kms_key: staging.kms_key.clone(), ..ObjectSettings::default() }
}

/// The bucket, made if it is not there and the step allows it.
async fn bucket(staging: &Staging, scene: &Scene, speech: &mut Speech) -> Result<Bucket, Failure> {
    let bucket = Bucket::new(scene, &staging.bucket, &account(scene).await?);
    if bucket.exists().await? {
        return Ok(bucket);
    }
    if !staging.create {
        return Err(Failure::new(
            Reason::BucketRefused,
            format!(
                "The staging bucket {} is not there. Create it, name another one, or allow that it is made with `staging: {{ create: true \
                 }}`.",
                staging.bucket
            ),
        ));
    }
    bucket.create_private(&staging.kms_key).await?;
    speech.line(&format!("Created the bucket {}: encrypted, versioned, closed to the public.", staging.bucket));
    Ok(bucket)
}

/// The account that must own the bucket: nobody else may read or change what is deployed from it.
async fn account(scene: &Scene) -> Result<String, Failure> {
    let client = aws_sdk_sts::Client::new(&scene.config("sts"));
    match client.get_caller_identity().send().await {
        Ok(caller) => Ok(caller.account.unwrap_or_default()),
        Err(error) => Err(failure(scene, "GetCallerIdentity", &error).await),
    }
}

fn needed(stack: &str, bytes: usize, paths: &[&str]) -> Failure {
    let limit = limits::TEMPLATE_BYTES;
    let why = match paths {
        [] => format!("has {bytes} bytes, and CloudFormation takes at most {limit} in a request"),
        paths => format!("names local files, which CloudFormation cannot read ({})", paths.join(", ")),
    };
    Failure::new(
        Reason::StagingNeeded,
        format!(
            "The template of stack \"{stack}\" {why}. Name a bucket to upload to, in the step: `staging: {{ bucket: NAME, create: true }}` \
             (`create` makes it, encrypted and closed to the public, if it is not there)."
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_bucket_the_step_says_why_one_is_needed_and_what_to_write() {
        let large = needed("shop", 60_000, &[]);
        assert_eq!(large.reason, Reason::StagingNeeded);
        assert!(
            large.sentence.contains("has 60000 bytes, and CloudFormation takes at most 51200"),
            "{}",
            large.sentence
        );
        assert!(large.sentence.contains("`staging: { bucket: NAME, create: true }`"), "{}", large.sentence);
        let local = needed("shop", 100, &["src/handler", "nested.yaml"]);
        assert!(local.sentence.contains("(src/handler, nested.yaml)"), "{}", local.sentence);
    }
}
