//! Uploads to S3.

use shared::plan::upload::{DeleteExtraneous, ObjectRule, ObjectSettings, UploadToS3};

use super::super::format;

/// An upload.
pub(super) fn upload(it: &format::UploadToS3) -> UploadToS3 {
    UploadToS3 {
        bucket: it.bucket.clone(),
        bucket_owner: it.bucket_owner.clone(),
        source: it.source.texts(),
        exclude: it.exclude.texts(),
        key_prefix: it.key_prefix.clone(),
        key: it.key.clone(),
        settings: settings(&it.settings()),
        rules: it
            .rules
            .iter()
            .map(|rule| ObjectRule { files: rule.files.texts(), settings: settings(&rule.settings()) })
            .collect(),
        even_unchanged: it.even_unchanged,
        delete_extraneous: it.delete_extraneous.map(|it| DeleteExtraneous { at_most: it.at_most }),
    }
}

fn settings(it: &format::Settings<'_>) -> ObjectSettings {
    ObjectSettings {
        content_type: it.content_type.into(),
        cache_control: it.cache_control.into(),
        content_disposition: it.content_disposition.into(),
        content_encoding: it.content_encoding.into(),
        content_language: it.content_language.into(),
        metadata: it.metadata.clone(),
        tags: it.tags.clone(),
        storage_class: it.storage_class.into(),
        encryption: match it.encryption {
            None => String::new(),
            Some(format::Encryption::Aes256) => "AES256".into(),
            Some(format::Encryption::Kms) => "aws:kms".into(),
        },
        kms_key: it.kms_key.into(),
        acl: it.acl.into(),
    }
}
