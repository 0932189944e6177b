use super::*;

const PUT: Call<'_> = Call {
    name: "PutObject",
    permissions: "s3:PutObject",
    bucket: "shop",
    key: "web/index.html",
    region: "eu-west-1",
    owner: "123456789012",
};

fn answer(status: u16, code: &str, message: &str) -> Answer {
    Answer {
        status,
        code: code.into(),
        region: expected_region(message),
        message: message.into(),
        request_id: "4442587FB7D0A2F9".into(),
    }
}

#[test]
fn a_bucket_that_is_not_there_or_elsewhere_is_refused_with_what_to_do() {
    let gone = PUT.refused(&answer(404, "NoSuchBucket", "The specified bucket does not exist"));
    assert_eq!(gone.reason, Reason::BucketRefused);
    assert_eq!(gone.sentence, "There is no bucket shop: mend its name, or create it first.");
    let malformed = "The authorization header is malformed; the region 'eu-west-1' is wrong; expecting 'us-east-1'";
    for elsewhere in [
        answer(400, "AuthorizationHeaderMalformed", malformed),
        Answer { region: "us-east-1".into(), ..answer(301, "PermanentRedirect", "") },
        Answer { region: "us-east-1".into(), ..answer(301, "", "") },
        Answer { region: "us-east-1".into(), ..answer(400, "", "") },
    ] {
        let refused = PUT.refused(&elsewhere);
        assert_eq!(refused.reason, Reason::BucketRefused);
        assert!(refused.sentence.contains("is in region us-east-1, and the step works in eu-west-1"));
    }
}

#[test]
fn a_missing_permission_is_named_as_aws_names_it() {
    let said = "User: arn:aws:iam::123456789012:user/ci is not authorized to perform: kms:GenerateDataKey on resource: \
                \"arn:aws:kms:eu-west-1:123456789012:key/1\" because no identity-based policy allows the action";
    let denied = PUT.refused(&answer(403, "AccessDenied", said));
    assert_eq!(denied.reason, Reason::PermissionMissing);
    for part in [
        "PutObject of s3://shop/web/index.html: ",
        "user/ci lacks the permission kms:GenerateDataKey on arn:aws:kms:eu-west-1:123456789012:key/1",
        "(request id 4442587FB7D0A2F9)",
    ] {
        assert!(denied.sentence.contains(part), "{}", denied.sentence);
    }
}

#[test]
fn where_aws_gives_no_reason_all_that_it_may_be_is_told() {
    for denied in [answer(403, "AccessDenied", "Access Denied"), answer(403, "", "")] {
        let denied = PUT.refused(&denied);
        assert_eq!(denied.reason, Reason::PermissionMissing);
        assert!(denied.sentence.contains("s3:PutObject"));
        assert!(denied.sentence.contains("does not belong to AWS account 123456789012"));
    }
}

#[test]
fn other_refusals_have_their_remedy_or_awss_words() {
    for (code, part) in [
        ("AccessControlListNotSupported", "Leave `acl` out"),
        ("KMS.NotFoundException", "Check `kms_key`"),
        ("BadDigest", "another checksum"),
        ("InvalidTag", "AWS refused PutObject with InvalidTag: words (request id 4442587FB7D0A2F9)."),
    ] {
        let refused = PUT.refused(&answer(400, code, "words"));
        assert!(refused.sentence.contains(part), "{code}: {}", refused.sentence);
        assert!(refused.sentence.contains("s3://shop/web/index.html"));
    }
    let bucket = Call { key: "", name: "HeadBucket", ..PUT };
    assert!(bucket.refused(&answer(400, "", "")).sentence.starts_with("HeadBucket of the bucket shop: "));
}

#[test]
fn what_is_about_the_caller_or_awss_own_trouble_is_no_refusal_of_the_object() {
    for (status, code, is_about_this) in [
        (403, "AccessDenied", true),
        (200, "InternalError", false),
        (403, "ExpiredToken", false),
        (403, "SignatureDoesNotMatch", false),
        (503, "SlowDown", false),
        (200, "", false),
        (404, "", true),
    ] {
        assert_eq!(answer(status, code, "").is_about_this(), is_about_this, "{status} {code}");
    }
}
