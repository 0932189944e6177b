//! Against a small server that stands in for the agent of ECS or EKS.

use std::fs;

use super::{Container, may_be_asked};
use crate::{
    credentials::stand_in::{Reply, StandIn, answer, in_seconds},
    environment::RoleVariables,
};

const CANARY: &str = "canary-token";

fn document(ends_in: i64) -> String {
    format!(
        r#"{{"AccessKeyId":"ASIATASK","SecretAccessKey":"canary-secret","Token":"canary-session","Expiration":"{}","RoleArn":"arn:aws:iam::123456789012:role/teams/task-role"}}"#,
        in_seconds(ends_in)
    )
}

fn with(server: &StandIn) -> RoleVariables {
    RoleVariables { container_full_uri: Some(format!("{}/v1/credentials", server.url())), ..RoleVariables::default() }
}

fn container(variables: RoleVariables) -> Container {
    service::tls::install_provider();
    Container::new(variables, aws::Aws::new(&aws::Settings::default()).expect("sound"))
}

#[tokio::test]
async fn the_token_is_read_from_its_file_at_each_question() {
    let server = StandIn::start(|request| {
        let is_right = request.line == "get /v1/credentials" && request.head.contains("authorization: second\r\n");
        if is_right { answer(200, document(3600)) } else { answer(401, "") }
    })
    .await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("token");
    fs::write(&file, "first\n").expect("written");
    let variables = RoleVariables {
        container_token_file: Some(file.display().to_string()),
        container_token: Some("ignored".to_owned().into()),
        ..with(&server)
    };
    let source = container(variables);
    let missing = source.role().await.expect_err("refused");
    assert!(missing.refusal.detail.contains("status 401") && !missing.is_passing, "{}", missing.refusal.detail);
    // Whoever writes it may end it with a newline; a header may not.
    fs::write(&file, "second\n").expect("written");
    let session = source.role().await.expect("a session");
    assert_eq!((session.role.as_str(), session.credentials.access_key_id.as_str()), ("task-role", "ASIATASK"));
    fs::remove_file(&file).expect("removed");
    let missing = source.role().await.expect_err("refused");
    assert!(missing.refusal.detail.contains("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"), "{}", missing.refusal.detail);
}

#[tokio::test]
async fn what_the_service_does_wrong_is_said_and_no_token_is() {
    type Service = fn() -> Reply;
    let table: [(Service, &str); 6] = [
        (|| answer(404, ""), "status 404. The task or pod has no role"),
        (|| answer(500, "canary-secret"), "status 500"),
        (|| answer(200, "<html>canary-secret"), "no credentials"),
        (|| answer(200, document(-1)), "have ended"),
        (|| Reply::Noise, "breaks off"),
        (
            || {
                answer(
                    200,
                    r#"{"AccessKeyId":"","SecretAccessKey":"canary-secret","Token":"","Expiration":"2096-01-01T00:00:00Z"}"#,
                )
            },
            "parts are missing",
        ),
    ];
    for (reply, part) in table {
        let server = StandIn::start(move |_| reply()).await;
        let variables = RoleVariables { container_token: Some(CANARY.to_owned().into()), ..with(&server) };
        let shown = format!("{variables:?}");
        let refusal = container(variables).role().await.expect_err(part).refusal;
        assert_eq!(refusal.reason, "ROLE_SOURCE");
        assert!(refusal.detail.contains(part) && !refusal.detail.contains("canary"), "{}", refusal.detail);
        assert!(!shown.contains(CANARY), "{shown}");
    }
}

#[tokio::test]
async fn a_service_that_is_not_there_and_variables_that_are_missing_or_wrong_are_named() {
    let named = |variables: RoleVariables| async move {
        let missing = container(variables).role().await.expect_err("refused");
        assert_eq!(missing.refusal.reason, "ROLE_SOURCE");
        missing.refusal.detail
    };
    let full = |uri: &str| RoleVariables { container_full_uri: Some(uri.into()), ..RoleVariables::default() };
    let gone = named(full("http://127.0.0.1:1/x")).await;
    assert!(gone.contains("http://127.0.0.1:1 is not there"), "{gone}");
    let nothing = named(RoleVariables::default()).await;
    assert!(nothing.contains("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") && nothing.contains("FULL_URI"), "{nothing}");
    let relative = RoleVariables { container_relative_uri: Some("no/path".into()), ..full("http://127.0.0.1:1/x") };
    assert!(named(relative).await.contains("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"));
    for uri in ["http://10.0.0.1/x", "http://evil.example/x", "ftp://127.0.0.1/x", "nonsense"] {
        let refused = named(full(uri)).await;
        assert!(
            refused.contains("AWS_CONTAINER_CREDENTIALS_FULL_URI") && refused.contains("169.254.170.2"),
            "{refused}"
        );
    }
    for token in ["", "two\nlines", " \n"] {
        let variables =
            RoleVariables { container_token: Some(token.to_owned().into()), ..full("http://127.0.0.1:1/x") };
        let refused = named(variables).await;
        assert!(refused.contains("AWS_CONTAINER_AUTHORIZATION_TOKEN is empty"), "{refused}");
    }
}

#[test]
fn without_tls_only_this_host_is_asked() {
    for (uri, may) in [
        ("http://127.0.0.1:80/x", true),
        ("http://127.9.9.9/x", true),
        ("http://[::1]:80/x", true),
        ("http://169.254.170.2/x", true),
        ("http://169.254.170.23/v1/credentials", true),
        ("http://[fd00:ec2::23]/v1/credentials", true),
        ("https://anywhere.example/x", true),
        ("http://localhost/x", false),
        ("http://169.254.170.3/x", false),
        ("http://169.254.169.254/x", false),
        ("http://[fd00:ec2::24]/x", false),
        ("http://127.0.0.1.evil.example/x", false),
        ("http://anywhere.example/x", false),
        ("http://127.0.0.1@evil.example/x", false),
    ] {
        assert_eq!(may_be_asked(&uri.parse().expect("an address")), may, "{uri}");
    }
}
