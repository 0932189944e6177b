//! A bucket, and what is done with its objects one by one.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use action::{Failure, Scene};
use aws_sdk_s3::{Client, types::ChecksumMode};
use bytes::{Bytes, BytesMut};
use shared::{aws::Partition, plan::upload::ObjectSettings, reason::Reason};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::{
    checksum::Algorithm,
    content::{Content, Source},
    multipart, object,
    refusal::Call,
};

/// 8 parts of large files at once, of all files together: enough to fill a fast line, and few enough to stay small.
pub(crate) const PARTS_AT_ONCE: usize = 8;

/// A handle of a bucket. Clones share their connections and bounds.
#[derive(Clone, Debug)]
pub struct Bucket {
    pub(crate) client: Client,
    pub(crate) name: String,
    /// 12 digits, or empty.
    pub(crate) owner: String,
    pub(crate) region: String,
    /// How new objects are summed.
    pub(crate) algorithm: Algorithm,
    pub(crate) cancelled: CancellationToken,
    pub(crate) parts: Arc<Semaphore>,
    endpoint: Option<String>,
    sent: Arc<AtomicU64>,
}

/// An object as it was stored.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Stored {
    /// As S3 writes it, in quotes.
    pub e_tag: String,
    /// None in buckets without versions.
    pub version_id: Option<String>,
    /// Base64, of the whole object.
    pub checksum: String,
}

impl Bucket {
    /// A handle; asks nothing. `owner` is the AWS account that must own the bucket, 12 digits: every request says so, and S3 refuses
    /// those for buckets of others (Amazon S3 User Guide, "Verifying bucket ownership with bucket owner condition"). Empty: anybody.
    #[must_use]
    pub fn new(scene: &Scene, name: &str, owner: &str) -> Self {
        let endpoint = scene.aws.endpoint("s3").map(|url| url.trim_end_matches('/').to_owned());
        let config = aws_sdk_s3::config::Builder::from(&scene.config("s3"))
            // Nobody gives a host name to each bucket of an endpoint of their own.
            .force_path_style(endpoint.is_some())
            .build();
        // Others that speak S3's protocol do not all know the newest checksum.
        let algorithm = if endpoint.is_some() { Algorithm::Crc32 } else { Algorithm::Crc64Nvme };
        Self {
            client: Client::from_conf(config),
            name: name.to_owned(),
            owner: owner.to_owned(),
            region: scene.region.clone(),
            algorithm,
            cancelled: scene.cancelled.clone(),
            parts: Arc::new(Semaphore::new(PARTS_AT_ONCE)),
            endpoint,
            sent: Arc::default(),
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where an object is to be had by HTTP: of one host for each bucket, except for names with dots, which no certificate
    /// covers, and for endpoints.
    #[must_use]
    pub fn url(&self, key: &str) -> String {
        object::url(self.endpoint.as_deref(), &self.region, &self.name, key)
    }

    /// An object's ARN; the bucket's for an empty key.
    #[must_use]
    pub fn arn(&self, key: &str) -> String {
        let partition = Partition::of_region(&self.region).id;
        let slash = if key.is_empty() { "" } else { "/" };
        format!("arn:{partition}:s3:::{}{slash}{key}", self.name)
    }

    /// Whether the bucket is there.
    ///
    /// # Errors
    /// `BUCKET_REFUSED` when it is in another region or another account owns it; `PERMISSION_MISSING` without s3:ListBucket;
    /// when AWS cannot be asked.
    pub async fn exists(&self) -> Result<bool, Failure> {
        let asked = self.client.head_bucket().bucket(&self.name).set_expected_bucket_owner(self.owner()).send().await;
        match asked {
            Ok(_) => Ok(true),
            Err(error) if error.as_service_error().is_some_and(|error| error.is_not_found()) => Ok(false),
            Err(error) => {
                let failure = self.call("HeadBucket", "s3:ListBucket", "").failure(&error);
                Err(self.narrowed(failure).await)
            }
        }
    }

    /// Stores an object, in parts if it is large. Without a content type in the settings the key's name tells it; the keys of
    /// metadata become lower-case.
    ///
    /// # Errors
    /// `UPLOAD_FAILED`, `BUCKET_REFUSED`, `PERMISSION_MISSING`, as AWS answers; when AWS cannot be asked.
    pub async fn put(
        &self,
        key: &str,
        source: impl Into<Source> + Send,
        settings: &ObjectSettings,
    ) -> Result<Stored, Failure> {
        let content = Content::open(source.into()).await?;
        self.store(key, &content, &object::complete(settings, key)).await
    }

    /// As [`Bucket::put`], with settings that are complete.
    pub(crate) async fn store(
        &self,
        key: &str,
        content: &Content,
        settings: &ObjectSettings,
    ) -> Result<Stored, Failure> {
        if content.length > multipart::WHOLE_BYTES {
            multipart::put(self, key, content, settings).await
        } else {
            object::put(self, key, content, settings).await
        }
    }

    /// The whole of an object.
    ///
    /// # Errors
    /// `AWS_REFUSED` for one that is not there or larger than `max_bytes`; as [`Bucket::put`].
    pub async fn read(&self, key: &str, max_bytes: u64) -> Result<Bytes, Failure> {
        let call = self.call("GetObject", "s3:GetObject, s3:ListBucket (to tell that it is not there)", key);
        let asked = self.client.get_object().bucket(&self.name).key(key).set_expected_bucket_owner(self.owner());
        let mut answer = asked.send().await.map_err(|error| call.failure(&error))?;
        let mut bytes = BytesMut::new();
        while let Some(next) = answer.body.next().await {
            bytes.extend_from_slice(&next.map_err(|error| self.broken_off(key, &error))?);
            if bytes.len() as u64 > max_bytes {
                return Err(self.too_large(key, max_bytes));
            }
        }
        Ok(bytes.freeze())
    }

    /// Whether an object is there.
    ///
    /// # Errors
    /// As [`Bucket::put`].
    pub async fn has(&self, key: &str) -> Result<bool, Failure> {
        self.version(key).await.map(|version| version.is_some())
    }

    /// The version of an object that is there, empty in a bucket without versions; none when there is no object.
    ///
    /// # Errors
    /// As [`Bucket::put`].
    pub async fn version(&self, key: &str) -> Result<Option<String>, Failure> {
        let asked = self.client.head_object().bucket(&self.name).key(key).set_expected_bucket_owner(self.owner());
        match asked.checksum_mode(ChecksumMode::Enabled).send().await {
            Ok(head) => Ok(Some(object::versioned(head.version_id).unwrap_or_default())),
            Err(error) if error.as_service_error().is_some_and(|error| error.is_not_found()) => Ok(None),
            Err(error) => Err(self.call("HeadObject", "s3:GetObject, s3:ListBucket", key).failure(&error)),
        }
    }

    /// Deletes an object, or one version of it for good. One that is not there is deleted already.
    ///
    /// # Errors
    /// As [`Bucket::put`].
    pub async fn delete(&self, key: &str, version: Option<&str>) -> Result<(), Failure> {
        let asked = self.client.delete_object().bucket(&self.name).key(key).set_expected_bucket_owner(self.owner());
        let permission = if version.is_some() { "s3:DeleteObjectVersion" } else { "s3:DeleteObject" };
        let deleted = asked.set_version_id(version.map(str::to_owned)).send().await;
        deleted.map(drop).map_err(|error| self.call("DeleteObject", permission, key).failure(&error))
    }

    pub(crate) fn owner(&self) -> Option<String> {
        Some(self.owner.clone()).filter(|owner| !owner.is_empty())
    }

    pub(crate) fn call<'a>(&'a self, name: &'a str, permissions: &'a str, key: &'a str) -> Call<'a> {
        Call { name, permissions, bucket: &self.name, key, region: &self.region, owner: &self.owner }
    }

    /// Bytes that S3 has taken through this handle and its clones.
    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    pub(crate) fn add_sent(&self, bytes: u64) {
        self.sent.fetch_add(bytes, Ordering::Relaxed);
    }

    /// A refusal without a reason may be about the owner: S3 then lets the same caller see the bucket if no owner is demanded.
    pub(crate) async fn narrowed(&self, failure: Failure) -> Failure {
        if failure.reason != Reason::PermissionMissing || self.owner.is_empty() {
            return failure;
        }
        let demanded =
            self.client.head_bucket().bucket(&self.name).set_expected_bucket_owner(self.owner()).send().await;
        if demanded.is_ok() || self.client.head_bucket().bucket(&self.name).send().await.is_err() {
            return failure;
        }
        let sentence = format!(
            "The bucket {} does not belong to AWS account {}: mend its name, or set `bucket_owner` to the account it belongs to.",
            self.name, self.owner
        );
        Failure::new(Reason::BucketRefused, sentence)
    }

    fn too_large(&self, key: &str, max_bytes: u64) -> Failure {
        let sentence = format!("s3://{}/{key} is larger than the {max_bytes} bytes that may be read.", self.name);
        Failure::new(Reason::AwsRefused, sentence)
    }

    fn broken_off(&self, key: &str, error: &dyn std::error::Error) -> Failure {
        let sentence = format!("s3://{}/{key} could not be read to its end: {error}.", self.name);
        Failure::new(Reason::AwsUnavailable, sentence)
    }
}

#[cfg(test)]
pub(crate) mod tests;
