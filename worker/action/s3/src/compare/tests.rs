use aws_sdk_s3::operation::head_object::builders::HeadObjectOutputBuilder;

use super::*;

fn settings() -> ObjectSettings {
    let mut settings = ObjectSettings { content_type: "text/css".into(), ..ObjectSettings::default() };
    settings.metadata.insert("release".into(), "7".into());
    settings
}

fn head() -> HeadObjectOutputBuilder {
    HeadObjectOutput::builder().content_length(9).content_type("text/css").metadata("release", "7")
}

#[test]
fn an_object_that_is_described_alike_has_no_difference() {
    assert_eq!(difference(9, &settings(), &head().build()), None);
    let encrypted = head().server_side_encryption(ServerSideEncryption::Aes256).storage_class(StorageClass::StandardIa);
    assert_eq!(difference(9, &settings(), &encrypted.build()), None, "what nobody asked for may be as it is");
}

#[test]
fn whatever_else_would_be_sent_is_a_difference() {
    for (changed, what) in [
        (head().content_length(8), "its size"),
        (head().content_type("text/html"), "its Content-Type"),
        (head().cache_control("no-cache"), "its Cache-Control"),
        (head().content_disposition("inline"), "its Content-Disposition"),
        (head().content_encoding("gzip"), "its Content-Encoding"),
        (head().content_language("de"), "its Content-Language"),
        (head().metadata("release", "8"), "its metadata"),
        (head().metadata("more", ""), "its metadata"),
    ] {
        assert_eq!(difference(9, &settings(), &changed.build()), Some(what));
    }
}

#[test]
fn class_and_encryption_count_when_they_are_asked_for() {
    let arn = "arn:aws:kms:eu-west-1:123456789012:key/1234";
    let kms = head().server_side_encryption(ServerSideEncryption::AwsKms).ssekms_key_id(arn).build();
    let asked = |encryption: &str, key: &str| ObjectSettings {
        encryption: encryption.into(),
        kms_key: key.into(),
        ..settings()
    };
    for (encryption, key, expected) in [
        ("aws:kms", "", None),
        ("aws:kms", arn, None),
        ("aws:kms", "1234", None),
        ("aws:kms", "234", Some("its encryption")),
        ("aws:kms", "alias/shop", Some("its encryption")),
        ("AES256", "", Some("its encryption")),
    ] {
        assert_eq!(difference(9, &asked(encryption, key), &kms), expected, "{encryption} {key}");
    }
    let class = |class: &str| ObjectSettings { storage_class: class.into(), ..settings() };
    assert_eq!(difference(9, &class("STANDARD"), &head().build()), None);
    assert_eq!(difference(9, &class("STANDARD_IA"), &head().build()), Some("its storage class"));
}

async fn content(bytes: &'static [u8]) -> Content {
    Content::open(bytes.to_vec().into()).await.expect("a content")
}

#[tokio::test]
async fn any_checksum_of_the_whole_tells_whether_the_content_is_the_same() {
    let bytes = b"123456789";
    for algorithm in [Algorithm::Crc64Nvme, Algorithm::Crc32, Algorithm::Crc32C] {
        let text = Sum::of(algorithm, bytes).text();
        let there = match algorithm {
            Algorithm::Crc64Nvme => head().checksum_crc64_nvme(text),
            Algorithm::Crc32 => head().checksum_crc32(text),
            Algorithm::Crc32C => head().checksum_crc32_c(text),
        };
        let kept = kept(&there.checksum_type(ChecksumType::FullObject).build()).expect("a checksum");
        assert!(kept.is_of(&content(bytes).await).await.expect("compared"));
        assert!(!kept.is_of(&content(b"123456780").await).await.expect("compared"));
    }
    assert_eq!(kept(&head().e_tag("\"25f9e794323b453885f5181f1b624d0b\"").build()), None);
}

#[tokio::test]
async fn a_composite_tells_it_of_objects_that_were_cut_alike() {
    let bytes = vec![7_u8; (16 << 20) + 1];
    let content = Content::open(bytes.clone().into()).await.expect("a content");
    let composite = |size: usize| {
        let sums: Vec<Sum> = bytes.chunks(size).map(|part| Sum::of(Algorithm::Crc32, part)).collect();
        let head = head().checksum_crc32(Sum::composite(Algorithm::Crc32, &sums));
        kept(&head.checksum_type(ChecksumType::Composite).build()).expect("a checksum")
    };
    assert!(composite(16 << 20).is_of(&content).await.expect("compared"));
    assert!(!composite(8 << 20).is_of(&content).await.expect("compared"));
    assert!(!composite(10 << 20).is_of(&content).await.expect("compared"));
}
