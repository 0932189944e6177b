//! What the emulator makes of the policies: who becomes the deployer, and whose sessions end.

use std::time::Duration;

use anyhow::{Context, Result};
use tests::{
    AccessKey, Emulator,
    emulator::{ACCOUNT, Client},
    world::EVERYTHING,
};

use super::policies;

const DEPLOYER: &str = "shop-deployer";
const EXTERNAL_ID: &[(&str, &str)] = &[("ExternalId", "EXTERNAL-ID-OF-THE-ACCOUNT")];
const WHO: &[(&str, &str)] = &[("SourceIdentity", "ada")];
/// When the policies that end sessions do so.
const MOMENT: &str = "2026-01-31T12:00:00Z";

#[test]
fn only_the_named_caller_becomes_the_deployer_and_only_with_the_external_id() -> Result<()> {
    for trust in ["trust-account-user.json", "trust-worker-role.json"] {
        let folder = tempfile::tempdir()?;
        let emulator = Emulator::start(folder.path())?;
        let aws = emulator.client();
        create_deployer(aws, &document(trust)?)?;
        let caller = if trust == "trust-worker-role.json" {
            aws.create_instance_role("longshore-worker", &statement("worker-instance-assume.json")?)?;
            aws.instance_session("longshore-worker", "i-0123456789abcdef0", Duration::from_secs(3600))?
        } else {
            aws.create_user("longshore-coordinator", &statement("coordinator-user-assume.json")?)?;
            aws.create_access_key("longshore-coordinator")?
        };
        aws.create_user("somebody", EVERYTHING)?;
        let somebody = aws.create_access_key("somebody")?;

        let project = tag("longshore:project", "web-shop");
        let whole = [EXTERNAL_ID, WHO, &project].concat();
        become_deployer(aws, &caller, &whole).with_context(|| format!("{trust}: as Longshore asks"))?;
        become_deployer(aws, &caller, EXTERNAL_ID).with_context(|| format!("{trust}: without session tags"))?;
        let foreign = [EXTERNAL_ID, &tag("department", "admin")].concat();
        for (key, parameters, part) in [
            (&caller, [WHO, &project].concat(), "sts:AssumeRole"),
            (&caller, [WHO, &[("ExternalId", "another")], &project].concat(), "sts:AssumeRole"),
            (&caller, foreign, "sts:TagSession"),
            (&somebody, whole, "sts:AssumeRole"),
        ] {
            let refused = become_deployer(aws, key, &parameters).expect_err("nobody else, and nothing else");
            assert!(refused.to_string().contains(part), "{trust}, {parameters:?}: {refused}");
        }
    }
    Ok(())
}

#[test]
fn sessions_from_before_a_moment_end_those_of_one_worker_or_all() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let emulator = Emulator::start(folder.path())?;
    let aws = emulator.client();
    create_deployer(aws, &document("trust-account-user.json")?)?;
    aws.create_user("longshore-coordinator", &statement("coordinator-user-assume.json")?)?;
    let key = aws.create_access_key("longshore-coordinator")?;
    let of_worker = |name| become_deployer(aws, &key, &[EXTERNAL_ID, &tag("longshore:worker", name)].concat());
    let sessions = [of_worker("NAME-OF-THE-WORKER")?, of_worker("another")?];
    let work = || sessions.each_ref().map(|session| aws.call(session, "iam", "ListUsers", &[]).is_ok());
    assert_eq!(work(), [true, true]);

    for (file, moment, work_on) in [
        ("deny-worker-sessions.json", "2099-01-31T12:00:00Z", [false, true]),
        ("deny-worker-sessions.json", MOMENT, [true, true]),
        ("deny-old-sessions.json", "2099-01-31T12:00:00Z", [false, false]),
        ("deny-old-sessions.json", MOMENT, [true, true]),
    ] {
        put_policy(aws, "revoked", &document(file)?.replace(MOMENT, moment))?;
        assert_eq!(work(), work_on, "{file} of {moment}");
    }
    Ok(())
}

fn create_deployer(aws: &Client, trust: &str) -> Result<()> {
    aws.as_root("iam", "CreateRole", &[("RoleName", DEPLOYER), ("AssumeRolePolicyDocument", trust)])?;
    put_policy(aws, "rights", &format!(r#"{{"Version":"2012-10-17","Statement":[{EVERYTHING}]}}"#))
}

fn put_policy(aws: &Client, name: &str, document: &str) -> Result<()> {
    let put = [("RoleName", DEPLOYER), ("PolicyName", name), ("PolicyDocument", document)];
    aws.as_root("iam", "PutRolePolicy", &put).map(drop)
}

fn tag<'a>(key: &'a str, value: &'a str) -> [(&'a str, &'a str); 3] {
    [("Tags.member.1.Key", key), ("Tags.member.1.Value", value), ("TransitiveTagKeys.member.1", key)]
}

fn become_deployer(aws: &Client, key: &AccessKey, parameters: &[(&str, &str)]) -> Result<AccessKey> {
    let arn = format!("arn:aws:iam::{ACCOUNT}:role/{DEPLOYER}");
    let role = [("RoleArn", arn.as_str()), ("RoleSessionName", "longshore-web-shop-1")];
    let answer = aws.call(key, "sts", "AssumeRole", &[parameters, &role].concat())?;
    let element = |name: &str| {
        let rest = answer.split_once(&format!("<{name}>")).map(|(_, rest)| rest);
        let text = rest.and_then(|rest| rest.split_once("</")).map(|(text, _)| text.to_owned());
        text.with_context(|| format!("there is no {name} in {answer}"))
    };
    Ok(AccessKey {
        id: element("AccessKeyId")?,
        secret: element("SecretAccessKey")?,
        session_token: Some(element("SessionToken")?),
        expiration: None,
    })
}

/// A policy, for the one account that the emulator has.
fn document(file: &str) -> Result<String> {
    let policy = policies()?.remove(file).with_context(|| format!("{file} is not there"))?;
    Ok(policy.to_string().replace("111122223333", ACCOUNT).replace("444455556666", ACCOUNT))
}

/// The one statement of a policy.
fn statement(file: &str) -> Result<String> {
    let policy: serde_json::Value = serde_json::from_str(&document(file)?)?;
    Ok(policy["Statement"][0].to_string())
}
