//! The bucket, as far as packaging needs it.

use std::future::Future;

use action::Failure;
use action_s3::{Bucket, Source};
use shared::plan::upload::ObjectSettings;

/// Where objects are put.
pub(super) trait Objects: Sync {
    /// Whether an object is there.
    fn has(&self, key: &str) -> impl Future<Output = Result<bool, Failure>> + Send;
    /// Stores an object; its version, if it got one.
    fn put(
        &self,
        key: &str,
        source: Source,
        settings: &ObjectSettings,
    ) -> impl Future<Output = Result<Option<String>, Failure>> + Send;
    /// Where CloudFormation finds an object by HTTP.
    fn url(&self, key: &str) -> String;
}

impl Objects for Bucket {
    async fn has(&self, key: &str) -> Result<bool, Failure> {
        Bucket::has(self, key).await
    }

    async fn put(&self, key: &str, source: Source, settings: &ObjectSettings) -> Result<Option<String>, Failure> {
        Ok(Bucket::put(self, key, source, settings).await?.version_id)
    }

    fn url(&self, key: &str) -> String {
        Bucket::url(self, key)
    }
}
