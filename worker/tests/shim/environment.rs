//! What a step's process finds around it.

use std::collections::BTreeMap;

use proto::deployment::log_frame::Level;
use shared::outcome::OutcomeKind;

use crate::stage::{Stage, keys, session};

fn environment(stage: Stage) -> BTreeMap<String, String> {
    let left = stage.run();
    assert_eq!(left.outcome.kind, OutcomeKind::Succeeded, "{}", left.at(Level::Error));
    let lines = left.stdout();
    lines.lines().filter_map(|line| line.split_once('=')).map(|(name, value)| (name.into(), value.into())).collect()
}

/// Prints its environment, and which of the AWS files it could read.
fn printing() -> Stage {
    Stage::bash("env")
        .agent_has("AWS_ACCESS_KEY_ID", "AKIASTALE")
        .agent_has("AWS_SESSION_TOKEN", "stale")
        .agent_has("AWS_PROFILE", "stale")
        .agent_has("AWS_ROLE_ARN", "stale")
        .agent_has("LD_LIBRARY_PATH", "/stale")
        .agent_has("LONGSHORE_JOIN_STRING", "stale")
        .agent_has("BASH_ENV", "/stale")
        .agent_has("TZ", "Europe/Berlin")
        .agent_has("AWS_CA_BUNDLE", "/stale")
        .agent_has("HTTPS_PROXY", "http://stale")
}

fn aws_names(environment: &BTreeMap<String, String>) -> Vec<&str> {
    environment.keys().map(String::as_str).filter(|name| name.starts_with("AWS_")).collect()
}

#[test]
fn a_step_without_aws_finds_nothing_of_aws() {
    let found = environment(printing());
    assert_eq!(aws_names(&found), ["AWS_CONFIG_FILE", "AWS_EC2_METADATA_DISABLED", "AWS_SHARED_CREDENTIALS_FILE"]);
    assert_eq!(found["AWS_CONFIG_FILE"], "/dev/null");
    assert_eq!(found["AWS_EC2_METADATA_DISABLED"], "true");
    assert!(!found.values().any(|value| value.contains("stale")), "{found:?}");
    assert_eq!(found["TZ"], "Europe/Berlin");
    assert_eq!((found["LONGSHORE_ATTEMPT"].as_str(), found["LONGSHORE_STEP_KEY"].len()), ("3", 64));
    assert!(found["HOME"].starts_with("/dev/shm/") && found["TMPDIR"].ends_with("work/.tmp"));
}

#[test]
fn a_session_is_found_through_the_endpoint_only() {
    let mut stage = printing().aws(&session());
    stage.order.aws_endpoint_url = "http://127.0.0.1:4566".into();
    stage.order.aws_endpoints = [("cloudwatch_logs".to_owned(), "https://logs.internal".to_owned())].into();
    stage.order.aws_ca_bundle = "/data/aws-ca-bundle.pem".into();
    let found = environment(stage);
    assert_eq!(
        aws_names(&found),
        [
            "AWS_CA_BUNDLE",
            "AWS_CONFIG_FILE",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
            "AWS_CONTAINER_CREDENTIALS_FULL_URI",
            "AWS_DEFAULT_REGION",
            "AWS_EC2_METADATA_DISABLED",
            "AWS_ENDPOINT_URL",
            "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS",
            "AWS_REGION",
            "AWS_SHARED_CREDENTIALS_FILE"
        ]
    );
    assert!(found["AWS_CONTAINER_CREDENTIALS_FULL_URI"].starts_with("http://127.0.0.1:"));
    assert_eq!(found["AWS_CONFIG_FILE"], "/dev/null");
    assert_eq!(found["AWS_REGION"], "eu-west-1");
    assert_eq!(found["AWS_CA_BUNDLE"], "/data/aws-ca-bundle.pem");
    assert_eq!(found["AWS_ENDPOINT_URL_CLOUDWATCH_LOGS"], "https://logs.internal");
}

#[test]
fn every_step_is_told_the_proxy_and_its_password_is_masked() {
    let mut stage = printing();
    stage.order.https_proxy = "http://ada:canary-password@proxy.internal:3128".into();
    stage.order.no_proxy = vec!["internal.example".into()];
    stage.order.aws_endpoint_url = "http://127.0.0.1:4566".into();
    stage.order.aws_ca_bundle = "/data/aws-ca-bundle.pem".into();
    let found = environment(stage);
    assert_eq!(aws_names(&found), ["AWS_CONFIG_FILE", "AWS_EC2_METADATA_DISABLED", "AWS_SHARED_CREDENTIALS_FILE"]);
    for name in ["HTTPS_PROXY", "https_proxy"] {
        assert!(found[name].ends_with("@proxy.internal:3128") && !found[name].contains("canary"), "{found:?}");
    }
    assert!(
        found["NO_PROXY"].starts_with("internal.example,") && found["NO_PROXY"].contains("169.254.169.254"),
        "{found:?}"
    );
    assert!(!found.contains_key("HTTP_PROXY"), "{found:?}");
}

#[test]
fn long_lived_keys_are_found_through_the_helper_only() {
    let found = environment(printing().aws(&keys()));
    assert_eq!(
        aws_names(&found),
        [
            "AWS_CONFIG_FILE",
            "AWS_DEFAULT_REGION",
            "AWS_EC2_METADATA_DISABLED",
            "AWS_REGION",
            "AWS_SHARED_CREDENTIALS_FILE"
        ]
    );
    assert!(found["AWS_CONFIG_FILE"].starts_with("/dev/shm/"));
}

#[test]
fn the_first_line_says_as_whom_the_step_runs() {
    let left = Stage::bash("true").aws(&session()).run();
    assert_eq!(
        left.system(),
        "Runs in AWS account 123456789012 as arn:aws:iam::123456789012:user/deployer (region eu-west-1, from account shop, until 2096-10-02T07:06:40Z)\n"
    );
    assert!(matches!(left.frames[1].body, Some(proto::worker::frame::Body::Identity(_))));
    assert!(Stage::bash("true").aws(&keys()).run().system().contains("long-lived keys"));
}

#[test]
fn a_step_cannot_gain_rights_and_leaves_no_core() {
    let left =
        Stage::bash("grep NoNewPrivs /proc/self/status; ulimit -c; umask; ps -o sid= $$ | tr -d ' '; echo $$").run();
    let text = left.stdout();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!((lines[0], lines[1], lines[2]), ("NoNewPrivs:\t1", "0", "0077"));
    assert_eq!(lines[3], lines[4], "it leads a session of its own");
}
