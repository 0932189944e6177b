//! Uploads to S3.

use shared::plan::upload::{DeleteExtraneous, ObjectRule, ObjectSettings, UploadToS3};

use crate::action as wire;

impl From<&UploadToS3> for wire::UploadToS3 {
    fn from(it: &UploadToS3) -> Self {
        Self {
            bucket: it.bucket.clone(),
            bucket_owner: it.bucket_owner.clone(),
            source: it.source.clone(),
            exclude: it.exclude.clone(),
            key_prefix: it.key_prefix.clone(),
            key: it.key.clone(),
            settings: Some((&it.settings).into()),
            rules: it.rules.iter().map(Into::into).collect(),
            even_unchanged: it.even_unchanged,
            delete_extraneous: it.delete_extraneous.map(|it| wire::DeleteExtraneous { at_most: it.at_most }),
        }
    }
}

impl From<&wire::UploadToS3> for UploadToS3 {
    fn from(it: &wire::UploadToS3) -> Self {
        Self {
            bucket: it.bucket.clone(),
            bucket_owner: it.bucket_owner.clone(),
            source: it.source.clone(),
            exclude: it.exclude.clone(),
            key_prefix: it.key_prefix.clone(),
            key: it.key.clone(),
            settings: it.settings.as_ref().map(Into::into).unwrap_or_default(),
            rules: it.rules.iter().map(Into::into).collect(),
            even_unchanged: it.even_unchanged,
            delete_extraneous: it.delete_extraneous.map(|it| DeleteExtraneous { at_most: it.at_most }),
        }
    }
}

impl From<&ObjectRule> for wire::ObjectRule {
    fn from(it: &ObjectRule) -> Self {
        Self { files: it.files.clone(), settings: Some((&it.settings).into()) }
    }
}

impl From<&wire::ObjectRule> for ObjectRule {
    fn from(it: &wire::ObjectRule) -> Self {
        Self { files: it.files.clone(), settings: it.settings.as_ref().map(Into::into).unwrap_or_default() }
    }
}

impl From<&ObjectSettings> for wire::ObjectSettings {
    fn from(it: &ObjectSettings) -> Self {
        let it = it.clone();
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

impl From<&wire::ObjectSettings> for ObjectSettings {
    fn from(it: &wire::ObjectSettings) -> Self {
        let it = it.clone();
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
