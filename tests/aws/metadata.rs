//! The metadata service that stands in for EC2's, asked by the real AWS CLI: if it were laxer than EC2, the tests that rest
//! on it would prove nothing.

use std::process::{Command, Output};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tests::{
    Emulator, Imds, Instance, Mode, http,
    network::Bridge,
    parts::{host_path, part},
    skip,
    world::{self, EVERYTHING},
};

#[test]
fn the_aws_cli_on_two_instances_is_two_roles() -> Result<()> {
    let folder = world::folder()?;
    let aws = Emulator::start(folder.path())?;
    for role in ["first-role", "second-role"] {
        aws.client().create_instance_role(role, EVERYTHING)?;
        let imds = Imds::start(Instance::with_role(role), aws.client().clone())?;
        let caller = caller_identity(&imds, &aws)?;
        let expected = format!("arn:aws:sts::123456789012:assumed-role/{role}/{}", imds.instance().id);
        assert_eq!(caller["Arn"], expected.as_str());
        assert_eq!(imds.requests()[0], "PUT /latest/api/token", "version 2 is asked for a token first");
    }
    Ok(())
}

#[test]
fn an_instance_without_a_role_or_with_metadata_switched_off_has_no_credentials() -> Result<()> {
    let folder = world::folder()?;
    let aws = Emulator::start(folder.path())?;
    let imds = Imds::start(Instance::without_role(), aws.client().clone())?;
    assert!(said(&ask(&imds, &aws)?).contains("Unable to locate credentials"));
    imds.set_role(Some("some-role"));
    imds.set_mode(Mode::Disabled);
    assert!(said(&ask(&imds, &aws)?).contains("Unable to locate credentials"));
    imds.set_mode(Mode::RoleRefused);
    assert!(!ask(&imds, &aws)?.status.success());
    // A role that AWS does not know is refused by STS itself, not by a switch of ours.
    imds.set_mode(Mode::Normal);
    assert!(!ask(&imds, &aws)?.status.success());
    Ok(())
}

#[test]
fn metadata_is_given_only_for_a_token_that_was_asked_for_directly() -> Result<()> {
    let folder = world::folder()?;
    let aws = Emulator::start(folder.path())?;
    let imds = Imds::start(Instance::without_role(), aws.client().clone())?;
    let address = imds.url().trim_start_matches("http://").to_owned();
    let send = |method: &str, path: &str, headers: &[(&str, &str)]| {
        let headers: Vec<(String, String)> =
            headers.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        http::send(&address, method, path, &headers, "")
    };
    let ttl = "X-aws-ec2-metadata-token-ttl-seconds";
    let token = "X-aws-ec2-metadata-token";
    assert_eq!(send("GET", "/latest/meta-data/instance-id", &[])?.status, 401, "version 1 is off");
    assert_eq!(send("GET", "/latest/meta-data/instance-id", &[(token, "made-up")])?.status, 401);
    assert_eq!(send("PUT", "/latest/api/token", &[])?.status, 400, "a token needs a lifetime");
    assert_eq!(send("PUT", "/latest/api/token", &[(ttl, "0")])?.status, 400);
    assert_eq!(send("PUT", "/latest/api/token", &[(ttl, "21601")])?.status, 400);
    assert_eq!(send("PUT", "/latest/api/token", &[(ttl, "60"), ("X-Forwarded-For", "10.0.0.1")])?.status, 403);
    let handed = send("PUT", "/latest/api/token", &[(ttl, "60")])?;
    assert_eq!(handed.status, 200);
    let known = [(token, handed.body.as_str())];
    assert_eq!(send("GET", "/latest/meta-data/instance-id", &known)?.body, imds.instance().id);
    assert_eq!(send("GET", "/latest/meta-data/placement/region", &known)?.body, "eu-west-1");
    assert_eq!(send("GET", "/latest/meta-data/iam/security-credentials/", &known)?.status, 404, "no role is attached");
    let document = send("GET", "/latest/dynamic/instance-identity/document", &known)?;
    let document: Value = serde_json::from_str(&document.body)?;
    assert_eq!(document["instanceId"], imds.instance().id.as_str());
    Ok(())
}

#[test]
fn the_aws_cli_on_a_host_of_its_own_finds_metadata_at_the_real_address() -> Result<()> {
    let bridge = match Bridge::make()? {
        Ok(bridge) => bridge,
        Err(reason) => {
            skip(&reason);
            return Ok(());
        }
    };
    let folder = world::folder()?;
    let aws = Emulator::start_at(folder.path(), &bridge.address())?;
    for role in ["first-role", "second-role"] {
        aws.client().create_instance_role(role, EVERYTHING)?;
        let host = bridge.add_host()?;
        let imds = Imds::start_on(host.listen_for_metadata()?, Instance::with_role(role), aws.client().clone())?;
        let output = get_caller_identity(host.command(&part("aws")?), &aws)?;
        assert!(String::from_utf8_lossy(&output.stdout).contains(&imds.instance().id), "{}", said(&output));
    }
    Ok(())
}

fn caller_identity(imds: &Imds, aws: &Emulator) -> Result<Value> {
    let output = ask(imds, aws)?;
    ensure!(output.status.success(), "the AWS CLI failed: {}", said(&output));
    serde_json::from_slice(&output.stdout).context("the AWS CLI did not answer JSON")
}

fn ask(imds: &Imds, aws: &Emulator) -> Result<Output> {
    let mut command = Command::new(part("aws")?);
    command.env_clear().env("AWS_EC2_METADATA_SERVICE_ENDPOINT", imds.url());
    get_caller_identity(command, aws)
}

fn get_caller_identity(mut command: Command, aws: &Emulator) -> Result<Output> {
    command
        .args(["sts", "get-caller-identity", "--output", "json"])
        .env("PATH", host_path())
        .env("HOME", "/nonexistent")
        .env("AWS_REGION", "eu-west-1")
        .env("AWS_DEFAULT_REGION", "eu-west-1")
        .env("AWS_ENDPOINT_URL", aws.client().url())
        .output()
        .context("the AWS CLI cannot be run")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
