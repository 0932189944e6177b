//! The CloudFormation that does what a test says, asked by AWS's own client and call by call: what later stories rely on is true
//! of it.

mod clients;
mod endings;
mod nested;
mod refusals;
mod states;
mod tokens;

use std::process::Command;

use anyhow::{Context, Result};
use jiff::Timestamp;
use serde_json::Value;
use tests::{
    AccessKey, Stacks, http,
    parts::{host_path, part},
    sigv4,
};

/// Two resources, the second of which needs the first.
const SHOP: &str = r#"{"Resources": {
    "Assets": {"Type": "AWS::S3::Bucket"},
    "Feed": {"Type": "AWS::SNS::Topic", "Properties": {"DisplayName": {"Ref": "Assets"}}}}}"#;

/// Runs AWS's own client against it; answers its exit code and what it said.
fn aws(stacks: &Stacks, arguments: &[&str]) -> Result<(i32, String)> {
    let output = Command::new(part("aws")?)
        .args(["cloudformation", arguments[0], "--region", "eu-west-1", "--output", "json"])
        .args(&arguments[1..])
        .env_clear()
        .env("PATH", host_path())
        .env("AWS_ENDPOINT_URL_CLOUDFORMATION", stacks.url())
        .env("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
        .env("AWS_SECRET_ACCESS_KEY", "none")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .output()
        .context("the AWS CLI cannot be run")?;
    let said = [output.stdout, output.stderr].concat();
    Ok((output.status.code().unwrap_or(-1), String::from_utf8_lossy(&said).into_owned()))
}

fn aws_json(stacks: &Stacks, arguments: &[&str]) -> Result<Value> {
    let (code, said) = aws(stacks, arguments)?;
    serde_json::from_str(&said).with_context(|| format!("{arguments:?} ended with {code}: {said}"))
}

/// One call; answers the status and the XML.
fn call(stacks: &Stacks, action: &str, parameters: &[(&str, &str)]) -> Result<(u16, String)> {
    let key = AccessKey { id: "AKIAEXAMPLE".into(), secret: "none".into(), session_token: None, expiration: None };
    let host = stacks.url().trim_start_matches("http://").to_owned();
    let mut body = format!("Action={action}&Version=2010-05-15");
    for (name, value) in parameters {
        let encoded: String = value.bytes().map(|byte| format!("%{byte:02X}")).collect();
        body.push_str(&format!("&{name}={encoded}"));
    }
    let headers = sigv4::sign(&key, "cloudformation", "eu-west-1", &host, &body, Timestamp::now());
    let answer = http::send(&host, "POST", "/", &headers, &body)?;
    Ok((answer.status, answer.body))
}

/// The same that must not be refused.
fn ok(stacks: &Stacks, action: &str, parameters: &[(&str, &str)]) -> Result<String> {
    let (status, body) = call(stacks, action, parameters)?;
    anyhow::ensure!(status == 200, "{action} was refused with {status}: {body}");
    Ok(body)
}

/// Looks at a stack until its status is no longer in progress; answers that.
fn settled(stacks: &Stacks, stack: &str) -> Result<String> {
    for _ in 0..50 {
        let status = stacks.status(stack).with_context(|| format!("there is no {stack}"))?;
        if !status.ends_with("_IN_PROGRESS") {
            return Ok(status);
        }
        ok(stacks, "DescribeStackEvents", &[("StackName", stack)])?;
    }
    anyhow::bail!("{stack} does not settle: {:?}", stacks.events(stack))
}

/// The events of a stack as `Assets CREATE_COMPLETE`, oldest first.
fn told(stacks: &Stacks, stack: &str) -> Vec<String> {
    stacks.events(stack).into_iter().map(|(id, status, _)| format!("{id} {status}")).collect()
}

/// The texts of all elements of a name.
fn texts(xml: &str, name: &str) -> Vec<String> {
    let start = format!("<{name}>");
    let after = xml.split(&start).skip(1);
    after.map(|rest| rest.split('<').next().unwrap_or_default().to_owned()).collect()
}
