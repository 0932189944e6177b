//! Calls to STS.

use shared::reason::Reason;
use std::time::Duration;

use super::{
    assert_says, at, keys,
    server::{Server, answer, caller, error, error_at, session},
};
use crate::{Assumption, Settings};

const HOUR: Duration = Duration::from_secs(3600);
const ROLE: &str = "arn:aws:iam::123456789012:role/deployer";

fn assumption() -> Assumption {
    Assumption {
        role_arn: ROLE.into(),
        session_name: "longshore-1".into(),
        external_id: "shop-1".into(),
        duration: HOUR,
        policy: "{}".into(),
        policy_arns: vec!["arn:aws:iam::aws:policy/ReadOnlyAccess".into()],
        tags: vec![("longshore:project".into(), "shop".into())],
        transitive: true,
        source_identity: "ada".into(),
    }
}

#[tokio::test]
async fn throttling_is_repeated_and_counted() {
    let throttled = error("400 Bad Request", "Throttling", "Rate exceeded");
    let server = Server::new(&[throttled.clone(), throttled, caller("123456789012")]);
    let aws = at(&server.listen().await);
    let answer = aws.caller("account \"shop\"", &keys(), "eu-west-1").await.expect("an answer in the end");
    assert_eq!((answer.throttled, server.asked()), (2, 3));
    assert_eq!(answer.value.arn, "arn:aws:iam::123456789012:user/shop");
}

#[tokio::test]
async fn throttling_without_end_is_given_up_and_said() {
    let server = Server::new(&[error("400 Bad Request", "Throttling", "Rate exceeded")]);
    let aws = at(&server.listen().await);
    let fault = aws.caller("account \"shop\"", &keys(), "eu-west-1").await.expect_err("throttled for ever");
    assert_says(
        &fault,
        Reason::AwsThrottled,
        &["GetCallerIdentity of account \"shop\"", "6 times in 0 seconds", "Rate exceeded"],
    );
    assert_eq!(server.asked(), 6);
}

#[tokio::test]
async fn a_refusal_is_not_repeated() {
    let server = Server::new(&[error("403 Forbidden", "InvalidClientTokenId", "The security token is invalid.")]);
    let aws = at(&server.listen().await);
    let fault = aws.caller("account \"shop\"", &keys(), "").await.expect_err("refused");
    assert_says(&fault, Reason::CredentialsRefused, &["AKIAIOSFODNN7EXAMPLE of account \"shop\"", "mistyped"]);
    assert_eq!(server.asked(), 1);
}

#[tokio::test]
async fn a_wrong_clock_is_set_against_the_one_of_aws() {
    let expired = error_at(
        "403 Forbidden",
        "SignatureDoesNotMatch",
        "Signature expired: 20261122T213206Z is now earlier than 20261123T031706Z",
        "Date: Sun, 23 Nov 2003 03:32:06 GMT\r\n",
    );
    let server = Server::new(&[expired]);
    let aws = at(&server.listen().await);
    let fault = aws.caller("worker-role", &keys(), "eu-west-1").await.expect_err("refused");
    assert_says(
        &fault,
        Reason::ClockSkew,
        &[
            "GetCallerIdentity of worker-role",
            "AWS's clock says 2003-11-23T03:32:06Z",
            "the worker's host says 2",
            "ahead",
            "NTP",
        ],
    );
}

#[tokio::test]
async fn what_is_not_aws_is_told_by_its_url() {
    for garbage in [
        answer("200 OK", "", "<html>Sign in to the hotel's network</html>"),
        answer("502 Bad Gateway", "", "nobody home"),
        answer("200 OK", "", ""),
        answer("404 Not Found", "", "{}"),
    ] {
        let server = Server::new(std::slice::from_ref(&garbage));
        let url = server.listen().await;
        let fault = at(&url).caller("account \"shop\"", &keys(), "eu-west-1").await.expect_err("that is not AWS");
        assert_says(&fault, Reason::AwsUnavailable, &[&url, "proxy is in the way"]);
    }
}

#[tokio::test]
async fn an_answer_with_a_blank_in_it_is_no_identity() {
    for blank in ["", "  "] {
        let server = Server::new(&[caller(blank)]);
        let fault = at(&server.listen().await).caller("worker-role", &keys(), "eu-west-1").await.expect_err("blank");
        assert_says(&fault, Reason::AwsUnavailable, &["without an account"]);
    }
    let server = Server::new(&[session("AssumeRole", "")]);
    let aws = at(&server.listen().await);
    let fault = aws.assume_role("worker-role", &keys(), "eu-west-1", &assumption()).await.expect_err("blank");
    assert_says(&fault, Reason::AwsUnavailable, &["without a session token"]);
}

#[tokio::test]
async fn a_role_is_assumed_with_everything_that_was_wished() {
    let server = Server::new(&[session("AssumeRole", "token")]);
    let aws = at(&server.listen().await);
    let session = aws.assume_role("account \"shop\"", &keys(), "eu-west-1", &assumption()).await.expect("a session");
    assert_eq!(session.value.access_key_id, "ASIAEXAMPLE");
    assert_eq!(session.value.expires_at, Some(1_893_456_000));
    let asked = server.last_body();
    for part in [
        "Action=AssumeRole&",
        "RoleSessionName=longshore-1",
        "ExternalId=shop-1",
        "DurationSeconds=3600",
        "Policy=%7B%7D",
        "PolicyArns.member.1.arn=arn%3Aaws%3Aiam%3A%3Aaws%3Apolicy%2FReadOnlyAccess",
        "Tags.member.1.Key=longshore%3Aproject",
        "TransitiveTagKeys.member.1=longshore%3Aproject",
        "SourceIdentity=ada",
    ] {
        assert!(asked.contains(part), "\"{part}\" is missing in {asked}");
    }
}

#[tokio::test]
async fn a_role_that_is_refused_says_what_its_trust_policy_needs() {
    let says = "User: arn:aws:iam::1:user/x is not authorized to perform: sts:AssumeRole on resource: r";
    let server = Server::new(&[error("403 Forbidden", "AccessDenied", says)]);
    let aws = at(&server.listen().await);
    let fault = aws.assume_role("account \"shop\"", &keys(), "", &assumption()).await.expect_err("refused");
    let parts = [
        "account \"shop\" (access key AKIAIOSFODNN7EXAMPLE)",
        ROLE,
        "sts:TagSession",
        "sts:SetSourceIdentity",
        "external id",
        says,
    ];
    assert_says(&fault, Reason::AssumeRoleRefused, &parts);
}

#[tokio::test]
async fn a_role_of_another_partition_is_never_asked_for() {
    let server = Server::new(&[session("AssumeRole", "token")]);
    let aws = at(&server.listen().await);
    let wish = Assumption { role_arn: "arn:aws-cn:iam::123456789012:role/deployer".into(), ..assumption() };
    let fault = aws.assume_role("account \"shop\"", &keys(), "eu-west-1", &wish).await.expect_err("two partitions");
    assert_says(&fault, Reason::PartitionMismatch, &["\"aws-cn\"", "eu-west-1", "\"aws\""]);
    let wish = Assumption { role_arn: "deployer".into(), ..assumption() };
    let fault = aws.assume_role("account \"shop\"", &keys(), "eu-west-1", &wish).await.expect_err("no role");
    assert_says(&fault, Reason::InvalidArgument, &["account \"shop\", \"deployer\", is no ARN"]);
    let wish = Assumption { duration: Duration::from_secs(60), ..assumption() };
    let fault = aws.assume_role("account \"shop\"", &keys(), "eu-west-1", &wish).await.expect_err("too short");
    assert_says(&fault, Reason::SessionDuration, &["last 1m: it must be 15m to 12h"]);
    assert_eq!(server.asked(), 0);
}

#[tokio::test]
async fn a_users_session_has_its_length() {
    let server = Server::new(&[session("GetSessionToken", "token")]);
    let aws = at(&server.listen().await);
    let session = aws.session_token("account \"shop\"", &keys(), "", 2 * HOUR).await.expect("a session");
    assert_eq!(session.value.session_token.as_str(), "token");
    assert!(server.last_body().contains("DurationSeconds=7200"), "{}", server.last_body());
}

#[tokio::test]
async fn a_web_identity_is_sent_unsigned_and_its_refusal_says_what_iam_needs() {
    let refusal = error("400 Bad Request", "InvalidIdentityToken", "No OpenIDConnect provider found");
    let server = Server::new(&[session("AssumeRoleWithWebIdentity", "token"), refusal]);
    let aws = at(&server.listen().await);
    let ask =
        || aws.assume_role_with_web_identity("account \"shop\"", "eu-west-1", "a.b.c", ROLE, "longshore-1", HOUR, "");
    assert_eq!(ask().await.expect("a session").value.access_key_id, "ASIAEXAMPLE");
    assert!(server.last_body().contains("WebIdentityToken=a.b.c"), "{}", server.last_body());
    let fault = ask().await.expect_err("refused");
    assert_says(
        &fault,
        Reason::WebIdentityRefused,
        &["account \"shop\"", ROLE, "issuer's exact URL", "No OpenIDConnect provider"],
    );
}

#[tokio::test]
async fn an_endpoint_where_nobody_listens_is_named() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    drop(listener);
    let fault = at(&url).caller("account \"shop\"", &keys(), "eu-west-1").await.expect_err("nobody listens");
    assert_says(&fault, Reason::AwsUnavailable, &[&url, "Connection refused", "the worker's host"]);
}

#[tokio::test]
async fn a_services_own_endpoint_wins() {
    let (general, own) = (Server::new(&[caller("")]), Server::new(&[caller("123456789012")]));
    let settings = Settings {
        endpoint_url: Some(general.listen().await),
        endpoints: [("sts".to_owned(), own.listen().await)].into(),
        ..Settings::default()
    };
    let aws = super::aws(settings);
    aws.caller("worker-role", &keys(), "eu-west-1").await.expect("an answer");
    assert_eq!((general.asked(), own.asked()), (0, 1));
    assert_eq!(aws.endpoint("s3"), aws.settings().endpoint_url.as_deref());
}
