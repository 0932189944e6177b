//! Trust policies of roles: who may become them.

use serde_json::{Value, json};

use crate::emulator::ACCOUNT;

/// Anybody whose ARN is one of these, as long as this external id comes along.
#[must_use]
pub fn callers(arns: &[&str], external_id: Option<&str>) -> String {
    let condition = external_id.map_or(json!({}), |id| json!({ "StringEquals": { "sts:ExternalId": id } }));
    let enter = json!({
        "Effect": "Allow",
        "Principal": { "AWS": arns },
        "Action": "sts:AssumeRole",
        "Condition": condition,
    });
    let tell = json!({
        "Effect": "Allow",
        "Principal": { "AWS": arns },
        "Action": ["sts:TagSession", "sts:SetSourceIdentity"],
    });
    policy(&[enter, tell])
}

/// Whom an issuer's tokens speak for, when they have one of these subjects. The issuer is named without `https://`.
#[must_use]
pub fn subjects(issuer: &str, subjects: &[&str]) -> String {
    policy(&[json!({
        "Effect": "Allow",
        "Principal": { "Federated": format!("arn:aws:iam::{ACCOUNT}:oidc-provider/{issuer}") },
        "Action": ["sts:AssumeRoleWithWebIdentity", "sts:TagSession", "sts:SetSourceIdentity"],
        "Condition": {
            "StringEquals": { format!("{issuer}:aud"): "sts.amazonaws.com", format!("{issuer}:sub"): subjects },
        },
    })])
}

/// ARN of a role of the emulator's account.
#[must_use]
pub fn role(name: &str) -> String {
    format!("arn:aws:iam::{ACCOUNT}:role/{name}")
}

/// ARN of a user of the emulator's account.
#[must_use]
pub fn user(name: &str) -> String {
    format!("arn:aws:iam::{ACCOUNT}:user/{name}")
}

fn policy(statements: &[Value]) -> String {
    json!({ "Version": "2012-10-17", "Statement": statements }).to_string()
}
