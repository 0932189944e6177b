//! One object in one request, and what is said about every object.

use action::Failure;
use aws_sdk_s3::{
    error::SdkError,
    types::{ObjectCannedAcl, ServerSideEncryption, StorageClass},
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use shared::{aws::Partition, plan::upload::ObjectSettings};

use crate::{
    Bucket, Stored,
    checksum::Algorithm,
    content::Content,
    media_type::media_type,
    patience::{persistently, time_for},
};

/// What stays as it is in URLs (RFC 3986, "unreserved").
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
/// The same in paths.
const ENCODED_IN_PATHS: &AsciiSet = &ENCODED.remove(b'/');

/// Says about an object what its settings say, in either request that begins one.
macro_rules! described {
    ($request:expr, $settings:expr) => {
        $request
            .set_content_type($crate::object::given(&$settings.content_type))
            .set_cache_control($crate::object::given(&$settings.cache_control))
            .set_content_disposition($crate::object::given(&$settings.content_disposition))
            .set_content_encoding($crate::object::given(&$settings.content_encoding))
            .set_content_language($crate::object::given(&$settings.content_language))
            .set_metadata((!$settings.metadata.is_empty()).then(|| $settings.metadata.clone().into_iter().collect()))
            .set_tagging($crate::object::given(&$crate::object::tagging($settings)))
            .set_storage_class($crate::object::storage_class($settings))
            .set_server_side_encryption($crate::object::encryption($settings))
            .set_ssekms_key_id($crate::object::given(&$settings.kms_key))
            .set_acl($crate::object::acl($settings))
    };
}
pub(crate) use described;

/// Settings with nothing left to guess, for an object of that key: lower-case metadata, as S3 keeps it, and a content type.
pub(crate) fn complete(settings: &ObjectSettings, key: &str) -> ObjectSettings {
    let mut complete = settings.clone();
    complete.metadata =
        settings.metadata.iter().map(|(key, value)| (key.to_ascii_lowercase(), value.clone())).collect();
    if complete.content_type.is_empty() {
        complete.content_type = media_type(key).to_owned();
    }
    complete
}

/// Stores an object whole.
pub(crate) async fn put(
    bucket: &Bucket,
    key: &str,
    content: &Content,
    settings: &ObjectSettings,
) -> Result<Stored, Failure> {
    let piece = content.piece(content.whole(), bucket.algorithm).await?;
    let request = || async {
        let body = piece.stream().await.map_err(SdkError::construction_failure)?;
        let put = bucket.client.put_object().bucket(&bucket.name).key(key).set_expected_bucket_owner(bucket.owner());
        let put = match piece.sum.algorithm {
            Algorithm::Crc64Nvme => put.checksum_crc64_nvme(piece.sum.text()),
            Algorithm::Crc32 => put.checksum_crc32(piece.sum.text()),
            Algorithm::Crc32C => put.checksum_crc32_c(piece.sum.text()),
        };
        described!(put, settings).body(body).customize().config_override(time_for(content.length)).send().await
    };
    let permissions = permissions(settings, false);
    let stored =
        persistently(request).await.map_err(|error| bucket.call("PutObject", &permissions, key).failure(&error))?;
    bucket.add_sent(content.length);
    Ok(Stored {
        e_tag: stored.e_tag.unwrap_or_default(),
        version_id: versioned(stored.version_id),
        checksum: piece.sum.text(),
    })
}

/// What the caller must be allowed to store such an object.
pub(crate) fn permissions(settings: &ObjectSettings, in_parts: bool) -> String {
    let kms = settings.encryption == "aws:kms";
    [
        ("s3:PutObject", true),
        ("s3:PutObjectAcl", !settings.acl.is_empty()),
        ("s3:PutObjectTagging", !settings.tags.is_empty()),
        ("kms:GenerateDataKey", kms),
        ("kms:Decrypt", kms && in_parts),
    ]
    .into_iter()
    .filter_map(|(permission, needed)| needed.then_some(permission))
    .collect::<Vec<_>>()
    .join(", ")
}

/// Objects of buckets without versions have the version `null`, or none.
pub(crate) fn versioned(version: Option<String>) -> Option<String> {
    version.filter(|version| !version.is_empty() && version != "null")
}

pub(crate) fn url(endpoint: Option<&str>, region: &str, bucket: &str, key: &str) -> String {
    let suffix = Partition::of_region(region).dns_suffix;
    let key = utf8_percent_encode(key, ENCODED_IN_PATHS);
    match endpoint {
        Some(endpoint) => format!("{endpoint}/{bucket}/{key}"),
        None if bucket.contains('.') => format!("https://s3.{region}.{suffix}/{bucket}/{key}"),
        None => format!("https://{bucket}.s3.{region}.{suffix}/{key}"),
    }
}

pub(crate) fn given(text: &str) -> Option<String> {
    Some(text).filter(|text| !text.is_empty()).map(str::to_owned)
}

/// Tags as the header has them: like the query of a URL.
pub(crate) fn tagging(settings: &ObjectSettings) -> String {
    let encoded = |text| utf8_percent_encode(text, ENCODED).to_string();
    let tags: Vec<_> =
        settings.tags.iter().map(|(key, value)| format!("{}={}", encoded(key), encoded(value))).collect();
    tags.join("&")
}

pub(crate) fn storage_class(settings: &ObjectSettings) -> Option<StorageClass> {
    given(&settings.storage_class).map(|class| StorageClass::from(class.as_str()))
}

pub(crate) fn encryption(settings: &ObjectSettings) -> Option<ServerSideEncryption> {
    given(&settings.encryption).map(|kind| ServerSideEncryption::from(kind.as_str()))
}

pub(crate) fn acl(settings: &ObjectSettings) -> Option<ObjectCannedAcl> {
    given(&settings.acl).map(|acl| ObjectCannedAcl::from(acl.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_has_one_url_in_every_partition() {
        for (endpoint, region, bucket, key, expected) in [
            (None, "eu-west-1", "shop", "a/ü b.txt", "https://shop.s3.eu-west-1.amazonaws.com/a/%C3%BC%20b.txt"),
            (None, "cn-north-1", "shop", "x", "https://shop.s3.cn-north-1.amazonaws.com.cn/x"),
            (None, "us-iso-east-1", "shop", "x", "https://shop.s3.us-iso-east-1.c2s.ic.gov/x"),
            (None, "eu-west-1", "www.shop.example", "x", "https://s3.eu-west-1.amazonaws.com/www.shop.example/x"),
            (Some("http://127.0.0.1:4566"), "eu-west-1", "shop", "a b", "http://127.0.0.1:4566/shop/a%20b"),
        ] {
            assert_eq!(url(endpoint, region, bucket, key), expected);
        }
    }

    #[test]
    fn settings_are_completed_as_s3_would_keep_them() {
        let mut settings = ObjectSettings::default();
        settings.metadata.insert("Built-By".into(), "CI".into());
        let done = complete(&settings, "web/index.html");
        assert_eq!(done.content_type, "text/html");
        assert_eq!(done.metadata.into_iter().collect::<Vec<_>>(), [("built-by".to_owned(), "CI".to_owned())]);
        settings.content_type = "text/x-own".into();
        assert_eq!(complete(&settings, "web/index.html").content_type, "text/x-own");
    }

    #[test]
    fn tags_go_as_the_query_of_a_url() {
        let tags = [("team", "shop & co"), ("a=b", "")].map(|(key, value)| (key.into(), value.into()));
        let settings = ObjectSettings { tags: tags.into(), ..ObjectSettings::default() };
        assert_eq!(tagging(&settings), "a%3Db=&team=shop%20%26%20co");
    }

    #[test]
    fn permissions_are_those_that_the_settings_need() {
        let mut settings = ObjectSettings::default();
        assert_eq!(permissions(&settings, true), "s3:PutObject");
        settings.acl = "public-read".into();
        settings.tags.insert("a".into(), "b".into());
        settings.encryption = "aws:kms".into();
        let all = "s3:PutObject, s3:PutObjectAcl, s3:PutObjectTagging, kms:GenerateDataKey";
        assert_eq!(permissions(&settings, false), all);
        assert_eq!(permissions(&settings, true), format!("{all}, kms:Decrypt"));
    }

    #[test]
    fn no_version_is_not_a_version() {
        assert_eq!(versioned(Some("null".into())), None);
        assert_eq!(versioned(Some("x".into())), Some("x".into()));
        assert_eq!(versioned(None), None);
    }
}
