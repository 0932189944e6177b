//! Uploads to S3.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::listing::Listing;

/// A struct of keys that has those for how objects are stored besides its own: flattened ones would lose their places, and unknown
/// keys would go unseen.
macro_rules! with_object_settings {
    ($(#[$meta:meta])* $name:ident { $($own:tt)* }) => {
        $(#[$meta])*
        #[derive(Deserialize, JsonSchema, Debug)]
        #[serde(deny_unknown_fields)]
        pub(crate) struct $name {
            $($own)*
            /// Media type; by the file's name when absent.
            #[serde(default)]
            content_type: String,
            /// Cache-Control, e.g. `max-age=31536000, immutable`.
            #[serde(default)]
            cache_control: String,
            /// Content-Disposition.
            #[serde(default)]
            content_disposition: String,
            /// Content-Encoding, e.g. `gzip` for files that are compressed already.
            #[serde(default)]
            content_encoding: String,
            /// Content-Language.
            #[serde(default)]
            content_language: String,
            /// User metadata.
            #[serde(default)]
            metadata: BTreeMap<String, String>,
            /// Tags of the objects, at most 10.
            #[serde(default)]
            tags: BTreeMap<String, String>,
            /// Storage class, e.g. STANDARD_IA; the standard one when absent.
            #[serde(default)]
            storage_class: String,
            /// How objects are encrypted; as the bucket says when absent.
            #[serde(default)]
            encryption: Option<Encryption>,
            /// KMS key, with `encryption: aws:kms`; AWS's own when absent.
            #[serde(default)]
            kms_key: String,
            /// Canned ACL, e.g. `public-read`; none when absent, as buckets without ACLs demand.
            #[serde(default)]
            acl: String,
        }

        impl $name {
            /// How its objects are stored.
            pub(crate) fn settings(&self) -> Settings<'_> {
                Settings {
                    content_type: &self.content_type,
                    cache_control: &self.cache_control,
                    content_disposition: &self.content_disposition,
                    content_encoding: &self.content_encoding,
                    content_language: &self.content_language,
                    metadata: &self.metadata,
                    tags: &self.tags,
                    storage_class: &self.storage_class,
                    encryption: self.encryption,
                    kms_key: &self.kms_key,
                    acl: &self.acl,
                }
            }
        }
    };
}

with_object_settings! {
    /// Files to upload. Texts may hold #{Name}, globs not.
    UploadToS3 {
        /// Name of the bucket.
        pub(crate) bucket: String,
        /// The AWS account that must own the bucket, 12 digits in quotes; that of the step's identity when absent.
        #[serde(default)]
        pub(crate) bucket_owner: String,
        /// A file beside the project file, or globs such as dist/**: `*` stays within a folder, `**` goes through folders.
        pub(crate) source: Listing,
        /// Globs of files that are left out.
        #[serde(default)]
        pub(crate) exclude: Listing,
        /// Before every key, as it is, e.g. `web/`.
        #[serde(default)]
        pub(crate) key_prefix: String,
        /// The whole key of the only file, after the prefix; its path below the glob's fixed part when absent.
        #[serde(default)]
        pub(crate) key: String,
        /// Exceptions for some of the files; of those that match a file, each later one wins over the ones before.
        #[serde(default)]
        pub(crate) rules: Vec<ObjectRule>,
        /// Whether files are uploaded whose object is there already and is the same.
        #[serde(default)]
        pub(crate) even_unchanged: bool,
        /// Deletes objects below the prefix that no file stands for.
        #[serde(default)]
        pub(crate) delete_extraneous: Option<DeleteExtraneous>,
    }
}

with_object_settings! {
    /// How the objects of some files are stored.
    ObjectRule {
        /// Globs over paths below the fixed part of the source's glob, e.g. `*.html`.
        pub(crate) files: Listing,
    }
}

/// How objects are stored.
pub(crate) struct Settings<'a> {
    pub(crate) content_type: &'a str,
    pub(crate) cache_control: &'a str,
    pub(crate) content_disposition: &'a str,
    pub(crate) content_encoding: &'a str,
    pub(crate) content_language: &'a str,
    pub(crate) metadata: &'a BTreeMap<String, String>,
    pub(crate) tags: &'a BTreeMap<String, String>,
    pub(crate) storage_class: &'a str,
    pub(crate) encryption: Option<Encryption>,
    pub(crate) kms_key: &'a str,
    pub(crate) acl: &'a str,
}

/// How objects are encrypted.
#[derive(Deserialize, JsonSchema, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Encryption {
    /// By keys of S3.
    #[serde(rename = "AES256")]
    Aes256,
    /// By a key of KMS.
    #[serde(rename = "aws:kms")]
    Kms,
}

/// Objects that no file stands for are deleted.
#[derive(Deserialize, JsonSchema, Clone, Copy, Debug)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeleteExtraneous {
    /// If there are more of them than this, none is deleted and the step fails.
    pub(crate) at_most: u32,
}
