use super::*;

fn refused(act: Act<'static>) -> Refused<'static> {
    Refused {
        whom: "account \"shop\"",
        access_key_id: "AKIA1",
        act,
        region: "eu-south-1",
        url: "https://sts.eu-south-1.amazonaws.com",
        host: "the worker's host",
    }
}

fn assuming() -> Act<'static> {
    Act::AssumeRole { role_arn: "arn:R", has_external_id: false, has_tags: false, has_source_identity: false }
}

#[test]
fn each_refusal_of_credentials_says_whose_they_are_and_what_to_do() {
    use Reason::{CredentialsExpired, CredentialsRefused};
    for (code, says, reason, parts) in [
        ("InvalidClientTokenId", "", CredentialsRefused, ["access key AKIA1 of account \"shop\"", "mistyped"]),
        (
            "UnrecognizedClientException",
            "",
            CredentialsRefused,
            ["access key AKIA1 of account \"shop\"", "another partition"],
        ),
        (
            "SignatureDoesNotMatch",
            "does not match",
            CredentialsRefused,
            ["secret key does not belong", "enter the secret key again"],
        ),
        ("ExpiredToken", "Expired.", CredentialsExpired, ["(access key AKIA1) have expired", "AWS says: Expired."]),
        ("AccessDenied", "explicit deny", CredentialsRefused, ["forbids it sts:GetCallerIdentity", "explicit deny"]),
        ("RegionDisabledException", "off", CredentialsRefused, ["not active in region eu-south-1", "activate it"]),
        ("SomethingNew", "new words", CredentialsRefused, ["with SomethingNew", "new words"]),
        ("InternalFailure", "oops.", Reason::AwsUnavailable, ["(InternalFailure): oops.", "Try again later"]),
    ] {
        let fault = refused(Act::Caller).refusal(code, says);
        assert_eq!(fault.reason, reason, "{code}: {fault}");
        for part in parts {
            assert!(fault.sentence.contains(part), "{code}: {fault}");
        }
    }
}

#[test]
fn each_refusal_of_a_session_says_what_is_wrong_with_the_wish() {
    use Reason::{AssumeRoleRefused, InvalidArgument, SessionDuration};
    for (code, says, reason, part) in [
        ("AccessDenied", "not authorized", AssumeRoleRefused, "without an external id, since none was sent"),
        (
            "ValidationError",
            "The requested DurationSeconds exceeds the MaxSessionDuration",
            SessionDuration,
            "of the role arn:R",
        ),
        (
            "ValidationError",
            "Member must have length less than 64",
            InvalidArgument,
            "AssumeRole of account \"shop\" of the role arn:R",
        ),
        ("PackedPolicyTooLarge", "Packed size: 130%", InvalidArgument, "too large together"),
        ("MalformedPolicyDocument", "Syntax error", InvalidArgument, "mend its JSON"),
        ("ExpiredToken", "gone", Reason::CredentialsExpired, "have expired"),
    ] {
        let fault = refused(assuming()).refusal(code, says);
        assert_eq!(fault.reason, reason, "{code}: {fault}");
        assert!(fault.sentence.contains(part) && fault.sentence.contains(says), "{code}: {fault}");
    }
}

#[test]
fn what_was_not_sent_is_not_demanded_of_a_trust_policy() {
    let plain = refused(assuming()).refusal("AccessDenied", "no");
    assert!(!plain.sentence.contains("TagSession") && !plain.sentence.contains("SetSourceIdentity"), "{plain}");
}

#[test]
fn each_refusal_of_a_web_identity_says_which_part_iam_does_not_like() {
    for (code, part) in [
        ("InvalidIdentityToken", "issuer's exact URL"),
        ("ExpiredTokenException", "the token has expired"),
        ("IDPCommunicationError", "reachable from the internet"),
        ("IDPRejectedClaim", "rejected the token's claims"),
        ("AccessDenied", "sts:AssumeRoleWithWebIdentity"),
    ] {
        let fault = refused(Act::WebIdentity { role_arn: "arn:R" }).refusal(code, "AWS's words");
        assert_eq!(fault.reason, Reason::WebIdentityRefused, "{fault}");
        for part in [part, "arn:R", "AWS's words"] {
            assert!(fault.sentence.contains(part), "{code}: {fault}");
        }
    }
}
