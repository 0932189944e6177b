//! Against a small server that speaks version 2, token by PUT and then GET with it, and fails in every way that is known.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::Metadata;
use crate::credentials::stand_in::{Reply, Request, StandIn, answer, in_seconds};

const TOKEN: &str = "the-session-token";
const ROLE: &str = "get /latest/meta-data/iam/security-credentials/";
const SHOP: &str = "get /latest/meta-data/iam/security-credentials/shop";

/// A service that hands out tokens and answers whoever shows one.
async fn service(read: impl Fn(&str) -> Reply + Send + Sync + 'static) -> (StandIn, Metadata) {
    any(move |request| match request.line.as_str() {
        "put /latest/api/token" if request.head.contains("x-aws-ec2-metadata-token-ttl-seconds: 21600") => {
            answer(200, TOKEN)
        }
        line if request.head.contains(&format!("x-aws-ec2-metadata-token: {TOKEN}")) => read(line),
        _ => answer(401, ""),
    })
    .await
}

async fn any(reply: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> (StandIn, Metadata) {
    let server = StandIn::start(reply).await;
    let metadata = Metadata::new(Some(&server.url()));
    (server, metadata)
}

fn document(role: &str, ends_in: i64) -> Reply {
    let ends = in_seconds(ends_in);
    answer(
        200,
        format!(
            r#"{{"Code":"Success","AccessKeyId":"ASIA-{role}","SecretAccessKey":"canary-secret","Token":"canary-token","Expiration":"{ends}"}}"#
        ),
    )
}

#[tokio::test]
async fn a_role_gives_a_session_and_the_instance_its_region_and_id() {
    let (server, metadata) = service(|line| match line {
        ROLE => answer(200, "shop\n"),
        SHOP => document("shop", 3600),
        "get /latest/meta-data/placement/region" => answer(200, "eu-west-1"),
        "get /latest/meta-data/services/partition" => answer(200, "aws"),
        "get /latest/meta-data/instance-id" => answer(200, "i-0abc"),
        _ => answer(404, ""),
    })
    .await;
    let session = metadata.role().await.expect("a session");
    assert_eq!((session.role.as_str(), session.credentials.access_key_id.as_str()), ("shop", "ASIA-shop"));
    assert!(session.credentials.expires_at > jiff::Timestamp::now().as_second() + 3500);
    assert_eq!(metadata.region().await.expect("a region"), "eu-west-1");
    let instance = metadata.instance().await.expect("an instance");
    assert_eq!((instance.id.as_str(), instance.partition.as_str()), ("i-0abc", "aws"));
    let tokens = server.requests().iter().filter(|line| line.starts_with("put")).count();
    assert_eq!(tokens, 1, "one token serves them all");
}

#[tokio::test]
async fn every_failure_has_its_own_code_and_sentence() {
    type Service = fn(&Request) -> Reply;
    let table: [(Service, &str, &str); 13] = [
        (|_| Reply::Nothing, "IMDS_HOP_LIMIT", "HttpPutResponseHopLimit"),
        (|_| answer(403, "Forbidden"), "IMDS_DISABLED", "HttpEndpoint"),
        (|_| answer(500, ""), "IMDS_ANSWER", "status 500"),
        (|_| answer(404, ""), "IMDS_ANSWER", "status 404"),
        (|_| Reply::Noise, "IMDS_ANSWER", "breaks off"),
        (|asked| told(asked, |_| answer(404, "")), "NO_INSTANCE_ROLE", "Attach an instance profile"),
        (|asked| told(asked, |_| answer(200, " \n")), "NO_INSTANCE_ROLE", "Attach an instance profile"),
        (|asked| told(asked, |_| answer(200, "<html><body>Login</body></html>")), "IMDS_ANSWER", "no role's name"),
        (
            |asked| told(asked, |line| with_role(line, || answer(200, "<html>canary-secret</html>"))),
            "IMDS_ANSWER",
            "no credentials",
        ),
        (
            |asked| {
                told(asked, |line| {
                    with_role(line, || {
                        answer(
                            200,
                            r#"{"Code":"Success","SecretAccessKey":"canary-secret","Expiration":"2096-01-01T00:00:00Z"}"#,
                        )
                    })
                })
            },
            "IMDS_ANSWER",
            "parts are missing",
        ),
        (|asked| told(asked, |line| with_role(line, || document("shop", -5))), "IMDS_ANSWER", "have ended"),
        (
            |asked| told(asked, |line| with_role(line, || answer(404, ""))),
            "IMDS_ANSWER",
            "the role \"shop\", and has no",
        ),
        (
            |asked| {
                told(asked, |line| {
                    let refused =
                        r#"{"Code":"AssumeRoleUnauthorizedAccess","Message":"EC2 cannot assume the role shop."}"#;
                    with_role(line, || answer(200, refused))
                })
            },
            "INSTANCE_ROLE_REFUSED",
            "AssumeRoleUnauthorizedAccess: EC2 cannot assume the role shop.",
        ),
    ];
    for (reply, reason, part) in table {
        let (_server, metadata) = any(reply).await;
        let missing = metadata.role().await.expect_err(reason);
        let detail = missing.refusal.detail;
        assert_eq!(missing.refusal.reason, reason, "{detail}");
        assert!(detail.contains(part) && !detail.contains("canary") && detail.ends_with('.'), "{detail}");
        let is_definite = ["NO_INSTANCE_ROLE", "INSTANCE_ROLE_REFUSED", "IMDS_DISABLED"].contains(&reason);
        assert_eq!(missing.is_passing, !is_definite, "{detail}");
    }
}

/// Version 2 up to the token.
fn told(request: &Request, read: impl Fn(&str) -> Reply) -> Reply {
    if request.line.starts_with("put ") { answer(200, TOKEN) } else { read(&request.line) }
}

fn with_role(line: &str, credentials: impl Fn() -> Reply) -> Reply {
    if line == ROLE { answer(200, "shop") } else { credentials() }
}

#[tokio::test]
async fn a_host_without_metadata_is_not_on_ec2() {
    let nowhere = Metadata::new(Some("http://127.0.0.1:1"));
    let refusal = nowhere.role().await.expect_err("refused").refusal;
    assert_eq!(refusal.reason, "NOT_ON_EC2");
    assert!(
        refusal.detail.contains("http://127.0.0.1:1") && refusal.detail.contains("--role-source"),
        "{}",
        refusal.detail
    );
    assert_eq!(nowhere.region().await.expect_err("refused").reason, "NO_REGION");
}

#[tokio::test]
async fn a_service_that_gives_a_token_and_then_is_silent_has_no_hop_limit() {
    let (_server, metadata) = any(|request| told(request, |_| Reply::Nothing)).await;
    let refusal = metadata.role().await.expect_err("refused").refusal;
    assert_eq!(refusal.reason, "IMDS_ANSWER");
    assert!(refusal.detail.contains("gives a token"), "{}", refusal.detail);
}

#[tokio::test]
async fn what_fails_twice_and_then_answers_is_asked_three_times() {
    let failures = AtomicUsize::new(0);
    let (server, metadata) = service(move |line| match line {
        ROLE if failures.fetch_add(1, Ordering::Relaxed) < 2 => answer(500, "busy"),
        ROLE => answer(200, "shop"),
        _ => document("shop", 3600),
    })
    .await;
    assert_eq!(metadata.role().await.expect("a session").role, "shop");
    assert_eq!(server.requests().iter().filter(|line| *line == ROLE).count(), 3);
}

#[tokio::test]
async fn a_role_that_is_exchanged_while_it_is_read_is_read_anew() {
    let asked = AtomicUsize::new(0);
    let (_server, metadata) = service(move |line| match line {
        ROLE if asked.fetch_add(1, Ordering::Relaxed) == 0 => answer(200, "old"),
        ROLE => answer(200, "shop"),
        SHOP => document("shop", 3600),
        _ => answer(404, ""),
    })
    .await;
    let session = metadata.role().await.expect("a session");
    assert_eq!((session.role.as_str(), session.credentials.access_key_id.as_str()), ("shop", "ASIA-shop"));
}

#[tokio::test]
async fn a_token_that_ended_early_is_exchanged_once() {
    let tokens = AtomicUsize::new(0);
    let (server, metadata) = any(move |request| match request.line.as_str() {
        "put /latest/api/token" => answer(200, format!("token-{}", tokens.fetch_add(1, Ordering::Relaxed))),
        _ if request.head.contains("token-0") => answer(401, ""),
        ROLE => answer(200, "shop"),
        _ => document("shop", 3600),
    })
    .await;
    metadata.role().await.expect("a session");
    assert_eq!(server.requests().iter().filter(|line| line.starts_with("put")).count(), 2);
}
