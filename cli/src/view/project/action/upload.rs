//! Uploads to S3.

use std::collections::BTreeMap;

use proto::action as a;
use serde::Serialize;

/// An upload.
#[derive(Serialize)]
pub(crate) struct UploadToS3View {
    bucket: String,
    bucket_owner: String,
    source: Vec<String>,
    exclude: Vec<String>,
    key_prefix: String,
    key: String,
    settings: Option<ObjectSettingsView>,
    rules: Vec<ObjectRuleView>,
    even_unchanged: bool,
    delete_extraneous: Option<DeleteExtraneousView>,
}

#[derive(Serialize)]
struct ObjectRuleView {
    files: Vec<String>,
    settings: Option<ObjectSettingsView>,
}

#[derive(Serialize)]
struct ObjectSettingsView {
    content_type: String,
    cache_control: String,
    content_disposition: String,
    content_encoding: String,
    content_language: String,
    metadata: BTreeMap<String, String>,
    tags: BTreeMap<String, String>,
    storage_class: String,
    encryption: String,
    kms_key: String,
    acl: String,
}

#[derive(Serialize)]
struct DeleteExtraneousView {
    at_most: u32,
}

impl UploadToS3View {
    /// For a table.
    pub(super) fn in_a_word(&self) -> String {
        format!("{} to bucket {}", self.source.join(", "), self.bucket)
    }
}

impl From<a::UploadToS3> for UploadToS3View {
    fn from(it: a::UploadToS3) -> Self {
        Self {
            bucket: it.bucket,
            bucket_owner: it.bucket_owner,
            source: it.source,
            exclude: it.exclude,
            key_prefix: it.key_prefix,
            key: it.key,
            settings: it.settings.map(Into::into),
            rules: it.rules.into_iter().map(Into::into).collect(),
            even_unchanged: it.even_unchanged,
            delete_extraneous: it.delete_extraneous.map(|it| DeleteExtraneousView { at_most: it.at_most }),
        }
    }
}

impl From<a::ObjectRule> for ObjectRuleView {
    fn from(it: a::ObjectRule) -> Self {
        Self { files: it.files, settings: it.settings.map(Into::into) }
    }
}

impl From<a::ObjectSettings> for ObjectSettingsView {
    fn from(it: a::ObjectSettings) -> Self {
        Self {
            content_type: it.content_type,
            cache_control: it.cache_control,
            content_disposition: it.content_disposition,
            content_encoding: it.content_encoding,
            content_language: it.content_language,
            metadata: it.metadata.into_iter().collect(),
            tags: it.tags.into_iter().collect(),
            storage_class: it.storage_class,
            encryption: it.encryption,
            kms_key: it.kms_key,
            acl: it.acl,
        }
    }
}
