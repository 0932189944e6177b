use aws::{Aws, Settings};
use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};

use super::*;

/// The bucket `shop`, whose place nobody asks.
pub(crate) fn bucket(region: &str) -> Bucket {
    Bucket::new(&scene(region, Settings::default()), "shop", "123456789012")
}

fn scene(region: &str, settings: Settings) -> Scene {
    let credentials = Credentials::new("AKIAIOSFODNN7EXAMPLE", "secret", None, None, "test");
    Scene {
        aws: Aws::new(&settings).expect("settings"),
        credentials: SharedCredentialsProvider::new(credentials),
        region: region.into(),
        folder: "/nowhere".into(),
        operation: "longshore-1".into(),
        cancelled: CancellationToken::new(),
    }
}

#[test]
fn objects_are_named_in_the_words_of_the_buckets_partition() {
    let bucket = bucket("us-gov-west-1");
    assert_eq!(bucket.arn(""), "arn:aws-us-gov:s3:::shop");
    assert_eq!(bucket.arn("a/b"), "arn:aws-us-gov:s3:::shop/a/b");
    assert_eq!(bucket.url("a/b"), "https://shop.s3.us-gov-west-1.amazonaws.com/a/b");
}

#[test]
fn an_endpoint_is_asked_by_path_and_summed_with_what_all_know() {
    let settings = Settings { endpoint_url: Some("http://127.0.0.1:4566/".into()), ..Settings::default() };
    let bucket = Bucket::new(&scene("eu-west-1", settings), "shop", "");
    assert_eq!(bucket.url("a"), "http://127.0.0.1:4566/shop/a");
    assert_eq!((bucket.algorithm, bucket.owner()), (Algorithm::Crc32, None));
    let of_aws = tests::bucket("eu-west-1");
    assert_eq!((of_aws.algorithm, of_aws.owner().as_deref()), (Algorithm::Crc64Nvme, Some("123456789012")));
}
