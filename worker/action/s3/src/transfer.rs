//! One file on its way: looked at, compared with what is there, and stored if it differs.

use std::{
    path::Path,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::Duration,
};

use action::Failure;
use aws_sdk_s3::{
    operation::head_object::HeadObjectOutput,
    types::{ChecksumMode, Tag, Tagging},
};
use shared::reason::Reason;

use crate::{
    Bucket,
    compare::{difference, kept},
    content::Content,
    listing::Presence,
    multipart::WHOLE_BYTES,
    object,
    plan::Planned,
    report::is_of_the_step,
};

/// 3 seconds for what is under way when the step is cancelled: most small files are through by then.
const CANCEL_GRACE: Duration = Duration::from_secs(3);
/// 8 files that could not be sent: then AWS is taken for out of reach, and no further one is begun.
const UNREACHED: usize = 8;

/// What became of a file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Done {
    /// With its object's version, and why.
    Uploaded(Option<String>, &'static str),
    /// With its object's version.
    Unchanged(Option<String>),
    /// Nothing: it would have failed like others, or the step was cancelled.
    NotBegun,
}

/// Everything that transfers of files have in common.
#[derive(Debug)]
pub(crate) struct Transfer<'a> {
    bucket: &'a Bucket,
    folder: &'a Path,
    even_unchanged: bool,
    is_hopeless: AtomicBool,
    unreached: AtomicUsize,
}

/// What is known of an object before its file is sent.
enum Comparison {
    Same(Option<String>),
    Differs(&'static str),
}

impl<'a> Transfer<'a> {
    pub(crate) fn new(bucket: &'a Bucket, folder: &'a Path, even_unchanged: bool) -> Self {
        Self { bucket, folder, even_unchanged, is_hopeless: AtomicBool::new(false), unreached: AtomicUsize::new(0) }
    }

    /// Brings a file to its object.
    pub(crate) async fn bring(&self, object: &Planned, presence: Presence) -> Result<Done, Failure> {
        if self.is_hopeless.load(Ordering::Relaxed) || self.bucket.cancelled.is_cancelled() {
            return Ok(Done::NotBegun);
        }
        let brought = if object.length > WHOLE_BYTES {
            // Ends by itself when it is cancelled, and removes its parts.
            self.work(object, presence).await
        } else {
            tokio::select! {
                brought = self.work(object, presence) => brought,
                () = self.late() => Err(self.broken_off(&object.key)),
            }
        };
        brought.inspect_err(|failure| self.note(failure.reason))
    }

    async fn work(&self, object: &Planned, presence: Presence) -> Result<Done, Failure> {
        let content = Content::open(self.folder.join(&object.path).into()).await?;
        match self.compare(object, presence, &content).await? {
            Comparison::Same(version) => {
                self.set_again(object).await?;
                Ok(Done::Unchanged(version))
            }
            Comparison::Differs(why) => {
                let stored = self.bucket.store(&object.key, &content, &object.settings).await?;
                Ok(Done::Uploaded(stored.version_id, why))
            }
        }
    }

    async fn compare(&self, object: &Planned, presence: Presence, content: &Content) -> Result<Comparison, Failure> {
        match presence {
            _ if self.even_unchanged => return Ok(Comparison::Differs("asked for")),
            Presence::Absent => return Ok(Comparison::Differs("it was not there")),
            Presence::Sized(size) if size != content.length => return Ok(Comparison::Differs("its size differs")),
            _ => {}
        }
        let head = match self.head(&object.key).await? {
            Ok(head) => head,
            Err(why) => return Ok(Comparison::Differs(why)),
        };
        if let Some(what) = difference(content.length, &object.settings, &head) {
            return Ok(Comparison::Differs(what));
        }
        match kept(&head) {
            None => Ok(Comparison::Differs("S3 has no checksum of it")),
            Some(kept) if kept.is_of(content).await? => Ok(Comparison::Same(object::versioned(head.version_id))),
            Some(_) => Ok(Comparison::Differs("its content differs")),
        }
    }

    /// What S3 tells of an object, or why it does not.
    async fn head(&self, key: &str) -> Result<Result<Box<HeadObjectOutput>, &'static str>, Failure> {
        let head = self.bucket.client.head_object().bucket(&self.bucket.name).key(key);
        let head = head.checksum_mode(ChecksumMode::Enabled).set_expected_bucket_owner(self.bucket.owner());
        match head.send().await {
            Ok(head) => Ok(Ok(Box::new(head))),
            Err(error) if error.as_service_error().is_some_and(|error| error.is_not_found()) => {
                Ok(Err("it was not there"))
            }
            Err(error) => {
                let failure = self.bucket.call("HeadObject", "s3:GetObject, s3:ListBucket", key).failure(&error);
                // Who may not look may still put.
                if failure.reason == Reason::PermissionMissing {
                    return Ok(Err("what is there may not be looked at: s3:GetObject or s3:ListBucket is missing"));
                }
                Err(failure)
            }
        }
    }

    /// Tags and ACLs are no part of what S3 tells of an object. Setting them again makes no new version.
    async fn set_again(&self, object: &Planned) -> Result<(), Failure> {
        let (bucket, key) = (self.bucket, object.key.as_str());
        if !object.settings.tags.is_empty() {
            let call = bucket.call("PutObjectTagging", "s3:PutObjectTagging", key);
            let tags = object.settings.tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build());
            let tags =
                tags.collect::<Result<Vec<_>, _>>().and_then(|tags| Tagging::builder().set_tag_set(Some(tags)).build());
            let tags = tags.map_err(|error| {
                Failure::new(Reason::UploadInvalid, format!("The tags of {} cannot be sent: {error}.", object.path))
            })?;
            let put = bucket.client.put_object_tagging().bucket(&bucket.name).key(key).tagging(tags);
            put.set_expected_bucket_owner(bucket.owner()).send().await.map_err(|error| call.failure(&error))?;
        }
        if let Some(acl) = object::acl(&object.settings) {
            let call = bucket.call("PutObjectAcl", "s3:PutObjectAcl", key);
            let put = bucket.client.put_object_acl().bucket(&bucket.name).key(key).acl(acl);
            put.set_expected_bucket_owner(bucket.owner()).send().await.map_err(|error| call.failure(&error))?;
        }
        Ok(())
    }

    async fn late(&self) {
        self.bucket.cancelled.cancelled().await;
        tokio::time::sleep(CANCEL_GRACE).await;
    }

    fn broken_off(&self, key: &str) -> Failure {
        let sentence = format!(
            "s3://{}/{key} was on its way when the step was cancelled: it is there as a whole, or not at all.",
            self.bucket.name
        );
        Failure::new(Reason::UploadFailed, sentence)
    }

    fn note(&self, reason: Reason) {
        let is_hopeless = match reason {
            // It may be this file's bad luck.
            Reason::AwsUnavailable | Reason::AwsThrottled => {
                self.unreached.fetch_add(1, Ordering::Relaxed) + 1 >= UNREACHED
            }
            reason => is_of_the_step(reason),
        };
        if is_hopeless {
            self.is_hopeless.store(true, Ordering::Relaxed);
        }
    }
}
