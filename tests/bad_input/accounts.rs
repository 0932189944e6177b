//! Accounts and identities that cannot be: each gets a sentence that names the thing and says what to do, and nothing is saved.

use anyhow::Result;
use serde_json::json;
use tests::World;

const ROLE: &str = "arn:aws:iam::123456789012:role/deployer";
const CHINA: &str = "arn:aws-cn:iam::123456789012:role/deployer";
const SECRET: &str = "canary-secret-key-that-nobody-may-repeat";
const KEY: &[&str] = &["aws", "--access-key-id", "AKIAIOSFODNN7EXAMPLE", "--secret-key-stdin"];

#[test]
fn an_account_that_cannot_be_is_refused_by_name_and_nothing_is_saved() -> Result<()> {
    let world = World::without_aws()?;
    let with_key = |flags: &[&'static str]| [KEY, flags].concat();
    let faulty = [
        (
            "an ARN of nothing",
            vec!["aws-role", "--role-arn", "deployer"],
            2,
            &["'deployer'", "--role-arn", "arn:aws:iam::"][..],
        ),
        (
            "an ARN of a user",
            vec!["aws-role", "--role-arn", "arn:aws:iam::123456789012:user/ada"],
            2,
            &["--role-arn", "user/ada"],
        ),
        (
            "an ARN without an account",
            vec!["aws-oidc", "--role-arn", "arn:aws:iam::1234:role/x"],
            2,
            &["--role-arn", "12 digits"],
        ),
        ("no role", vec!["aws-role"], 2, &["--role-arn"]),
        (
            "too short a session",
            vec!["aws-role", "--role-arn", ROLE, "--session-duration", "5m"],
            2,
            &["--session-duration", "15 minutes"],
        ),
        ("too long a session", with_key(&["--session-duration", "13h"]), 2, &["--session-duration", "12 hours"]),
        (
            "a length without a unit",
            with_key(&["--session-duration", "3600"]),
            2,
            &["--session-duration", "units", "1h"],
        ),
        (
            "two partitions",
            vec!["aws-role", "--role-arn", CHINA, "--region", "eu-west-1"],
            2,
            &[CHINA, "partition aws-cn", "eu-west-1 is in aws"],
        ),
        ("a region that is none", with_key(&["--region", "EU West"]), 2, &["\"EU West\"", "eu-west-1"]),
        (
            "an id for a token",
            vec!["aws-oidc", "--role-arn", ROLE, "--external-id", "x-1"],
            2,
            &["aws-oidc", "--external-id", "aws-role"],
        ),
        (
            "a base for a token",
            vec!["aws-oidc", "--role-arn", ROLE, "--base-account", "hub"],
            2,
            &["aws-oidc", "--base-account"],
        ),
        ("an id for nothing", with_key(&["--external-id", "x-1"]), 2, &["--role-arn"]),
        (
            "a raw key with a role",
            with_key(&["--role-arn", ROLE, "--delivery", "raw"]),
            2,
            &["raw", "role", "leave out one"],
        ),
        (
            "a temporary key",
            vec!["aws", "--access-key-id", "ASIAIOSFODNN7EXAMPLE", "--secret-key-stdin"],
            2,
            &["ASIAIOSFODNN7EXAMPLE", "session token", "AKIA"],
        ),
        ("a base that is not there", vec!["aws-role", "--role-arn", ROLE, "--base-account", "hub"], 6, &["\"hub\""]),
        (
            "a worker's role that is tested from elsewhere",
            vec!["aws-role", "--role-arn", ROLE, "--test"],
            2,
            &["Only a worker", "account test faulty --pool POOL"],
        ),
        (
            "an id that no role can know yet",
            with_key(&["--role-arn", ROLE, "--test"]),
            1,
            &["external id", "without --test", "\"faulty\" was not saved"],
        ),
    ];
    for (what, flags, code, parts) in faulty {
        let words = [&["account", "create", "faulty"], &flags[..]].concat();
        let answer = world.cli().run_with_input(&words, SECRET)?;
        assert_eq!(answer.code, code, "{what}: {answer}");
        for part in parts {
            assert!(answer.stderr.contains(part), "{what}: the sentence has no {part:?}: {answer}");
        }
        assert!(!answer.to_string().contains(SECRET), "{what}: {answer}");
    }
    assert_eq!(world.cli().json(&["account", "list"])?, json!([]));
    Ok(())
}

#[test]
fn a_change_that_cannot_be_leaves_an_account_as_it_was() -> Result<()> {
    let world = World::without_aws()?;
    let create = |name: &str, words: &[&str]| {
        world.cli().ok_with_input(&[&["account", "create", name], words].concat(), SECRET).map(drop)
    };
    create("hub", KEY)?;
    create("on-hub", &["aws-role", "--role-arn", ROLE, "--base-account", "hub"])?;
    create("token", &["aws-oidc", "--role-arn", ROLE])?;
    let before = world.cli().json(&["account", "list"])?;
    for (words, code, parts) in [
        (&["update", "on-hub", "--region", "cn-north-1"][..], 2, &["partition aws", "cn-north-1"][..]),
        (
            &["update", "on-hub", "--access-key-id", "AKIAIOSFODNN7EXAMPLE", "--secret-key-stdin"],
            2,
            &["access key", "aws-role"],
        ),
        (&["update", "on-hub", "--no-role"], 2, &["on-hub", "aws-role", "has a role"]),
        (&["update", "token", "--external-id", "x-1"], 2, &["external id", "aws-oidc"]),
        (&["update", "hub", "--external-id", "x-1"], 2, &["Without a role", "--role-arn"]),
        (&["update", "hub", "--access-key-id", "AKIAIOSFODNN7EXAMPLE"], 2, &["secret key", "--secret-key-stdin"]),
        (&["update", "hub"], 2, &["Nothing to change"]),
        (&["update", "nobody", "--region", "eu-west-1"], 6, &["\"nobody\""]),
        (&["delete", "hub"], 1, &["\"hub\"", "in use", "\"on-hub\"", "Delete that one first"]),
        (&["delete", "nobody"], 6, &["\"nobody\""]),
        (&["test", "nobody"], 6, &["\"nobody\""]),
        (&["test", "hub", "--pool", "nowhere"], 6, &["\"nowhere\""]),
        (&["test", "hub", "--worker", "nobody"], 6, &["\"nobody\""]),
    ] {
        let answer = world.cli().run_with_input(&[&["account"], words].concat(), SECRET)?;
        assert_eq!(answer.code, code, "{words:?}: {answer}");
        for part in parts {
            assert!(answer.stderr.contains(part), "{words:?}: the sentence has no {part:?}: {answer}");
        }
        assert!(!answer.to_string().contains(SECRET), "{words:?}: {answer}");
    }
    assert_eq!(world.cli().json(&["account", "list"])?, before);
    Ok(())
}

#[test]
fn a_deployment_whose_account_cannot_be_told_is_not_made() -> Result<()> {
    let world = World::without_aws()?;
    for environment in ["staging", "production"] {
        world.cli().ok(&["environment", "create", environment])?;
    }
    world.cli().ok_with_input(&[&["account", "create", "shop"], KEY].concat(), SECRET)?;
    for (what, variable, parts) in [
        (
            "an unknown account",
            "type: aws-account, value: shopp",
            &["\"AWS Account\"", "\"shopp\"", "does not exist", "longshore account create"][..],
        ),
        (
            "an account of another environment",
            "type: aws-account, value: shop, environments: [staging]",
            &["\"AWS Account\"", "production", "give it one there"],
        ),
        ("no account variable at all", "value: shop", &["\"AWS Account\"", "type: aws-account"]),
    ] {
        let yaml = format!(
            "project: shop\nvariables:\n  - {{ name: AWS Account, {variable} }}\nsteps:\n  - name: Who\n    \
             aws: {{ identity: account, account: AWS Account, region: eu-west-1 }}\n    script: {{ shell: bash, body: \"true\" }}\n"
        );
        let folder = world.project("shop", &yaml)?;
        let applied = world.cli().run(&["project", "apply", "-f", &folder.to_string_lossy()])?;
        let refused = match applied.code {
            0 => world.cli().refused(1, &["deploy", "shop", "--environment", "production"])?,
            _ => applied,
        };
        for part in parts {
            assert!(refused.stderr.contains(part), "{what}: the sentence has no {part:?}: {refused}");
        }
        assert_eq!(world.cli().json(&["deployment", "list"])?, json!([]), "{what}");
    }
    Ok(())
}

#[test]
fn a_project_with_an_identity_that_cannot_be_is_refused_at_its_place() -> Result<()> {
    let world = World::without_aws()?;
    for (aws, parts) in [
        (
            format!("{{ identity: worker-role, region: eu-west-1, assume_role: {{ arn: \"{CHINA}\" }} }}"),
            &["aws-cn", "eu-west-1"][..],
        ),
        ("{ identity: worker-role, assume_role: { arn: deployer } }".into(), &["\"deployer\"", "no ARN of a role"]),
        (
            format!("{{ identity: worker-role, assume_role: {{ arn: \"{ROLE}\", duration: 5m }} }}"),
            &["duration", "15 minutes"],
        ),
        (
            format!("{{ identity: none, assume_role: {{ arn: \"{ROLE}\" }} }}"),
            &["without credentials", "`aws.identity`"],
        ),
        ("{ identity: account }".into(), &["`aws.account`"]),
        ("{ identity: worker-role, account: AWS Account }".into(), &["`aws.account`", "`identity: account`"]),
        ("{ identity: instance }".into(), &["instance", "worker-role"]),
    ] {
        let yaml = format!(
            "project: shop\nsteps:\n  - name: Who\n    aws: {aws}\n    script: {{ shell: bash, body: \"true\" }}\n"
        );
        let folder = world.project("shop", &yaml)?;
        let refused = world.cli().refused(2, &["project", "apply", "-f", &folder.to_string_lossy()])?;
        for part in parts {
            assert!(refused.stderr.contains(part), "{aws}: the sentence has no {part:?}: {refused}");
        }
        assert!(refused.stderr.contains("longshore.yaml:"), "{aws}: it has no place: {refused}");
    }
    assert_eq!(world.cli().json(&["project", "list"])?, json!([]));
    Ok(())
}
