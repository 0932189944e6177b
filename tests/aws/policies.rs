//! The IAM policies of `deploy/iam`: a linter that knows AWS's actions, resources and condition keys reads each of them, and
//! the emulator does what they say.

mod effect;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Write,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::{Value, json};
use tests::parts::{part, project};

/// A finding that is meant.
struct Intended {
    file: &'static str,
    issue: &'static str,
    /// Part of what the linter says of it, or the one action that it names.
    part: &'static str,
    #[allow(dead_code, reason = "for whoever reads this list")]
    why: &'static str,
}

/// Part of what the linter says of the ARN of AWS's macros, which have no account.
const MACROS: &str = "Account expected to be of form like";

const INTENDED: &[Intended] = &[
    intended("coordinator-user-assume.json", "CREDENTIALS_EXPOSURE", "sts:assumerole", "it is there to get sessions"),
    intended("worker-instance-assume.json", "CREDENTIALS_EXPOSURE", "sts:assumerole", "it is there to get sessions"),
    intended("trust-account-user.json", "CREDENTIALS_EXPOSURE", "sts:assumerole", "it is there to give sessions"),
    intended("trust-worker-role.json", "CREDENTIALS_EXPOSURE", "sts:assumerole", "it is there to give sessions"),
    intended("trust-instance-profile.json", "CREDENTIALS_EXPOSURE", "sts:assumerole", "it is there to give sessions"),
    intended(
        "trust-oidc.json",
        "CREDENTIALS_EXPOSURE",
        "sts:assumerolewithwebidentity",
        "it is there to give sessions",
    ),
    intended("trust-oidc.json", "UNKNOWN_FEDERATION_SOURCE", "longshore.example.com", "no linter knows your issuer"),
    intended("trust-oidc.json", "UNKNOWN_CONDITION_FOR_ACTION", "longshore.example.com:aud", "the issuer's own key"),
    intended("trust-oidc.json", "UNKNOWN_CONDITION_FOR_ACTION", "longshore.example.com:sub", "the issuer's own key"),
    intended(
        "cloudformation-deploy-example.json",
        "PERMISSIONS_MANAGEMENT_ACTIONS",
        "sns:createtopic",
        "the template has a topic, and whoever creates one may give it a policy",
    ),
    intended("trust-cloudformation.json", "CREDENTIALS_EXPOSURE", "sts:assumerole", "it is there to give sessions"),
    intended(
        "s3-uploader.json",
        "PERMISSIONS_MANAGEMENT_ACTIONS",
        "s3:putobjectacl",
        "whoever sets `acl` wants that; the statement is left out without it",
    ),
    intended("stack-deployer.json", "INVALID_ARN", MACROS, "macros of AWS are in no account"),
    intended("stack-deployer-with-role.json", "INVALID_ARN", MACROS, "macros of AWS are in no account"),
];

const fn intended(file: &'static str, issue: &'static str, part: &'static str, why: &'static str) -> Intended {
    Intended { file, issue, part, why }
}

/// What the linter says; one line of its output.
#[derive(Deserialize, Debug)]
struct Finding {
    issue: String,
    detail: Value,
    location: Value,
}

impl Finding {
    fn is(&self, file: &str, intended: &Intended) -> bool {
        // Where the linter lists actions, it must be this one alone.
        let is_meant = match self.location.get("actions") {
            Some(actions) => *actions == json!([intended.part]),
            None => self.detail.to_string().contains(intended.part),
        };
        intended.file == file && intended.issue == self.issue && is_meant
    }
}

#[test]
fn every_policy_is_one_that_aws_understands_and_no_wider_than_it_says() -> Result<()> {
    let mut met = BTreeSet::new();
    for (file, policy) in policies()? {
        for finding in lint(&policy)? {
            let found = INTENDED.iter().position(|intended| finding.is(&file, intended));
            ensure!(found.is_some(), "{file}: {finding:?}");
            met.extend(found);
        }
    }
    let stale: Vec<_> = (0..INTENDED.len()).filter(|at| !met.contains(at)).map(|at| INTENDED[at].part).collect();
    assert!(stale.is_empty(), "allowed, and found nowhere any more: {stale:?}");
    Ok(())
}

#[test]
fn a_fault_planted_into_any_policy_is_found() -> Result<()> {
    for (file, policy) in policies()? {
        let first = policy.pointer("/Statement/0").context("a statement")?;
        let mut faults = vec![
            ("UNKNOWN_ACTION", "/Statement/0/Action", json!("sts:AssumRole")),
            ("MALFORMED", "/Statement/0/Effect", json!("Permit")),
            ("UNKNOWN_OPERATOR", "/Statement/0/Condition", json!({ "StringEquall": { "aws:PrincipalArn": "x" } })),
        ];
        faults.push(match first.get("Principal") {
            Some(_) => ("UNKNOWN_PRINCIPAL", "/Statement/0/Principal", json!({ "AWS": "arn:aws:iam::1234:user/x" })),
            None => ("INVALID_ARN", "/Statement/0/Resource", json!("arn:aws:iam::1234:role/x")),
        });
        for (issue, place, value) in faults {
            let mut planted = policy.clone();
            let (parent, name) = place.rsplit_once('/').context("a place")?;
            planted.pointer_mut(parent).context("a statement")?[name] = value;
            let found = lint(&planted)?;
            assert!(found.iter().any(|finding| finding.issue == issue), "{file}: {issue} was not found in {found:?}");
        }
    }
    Ok(())
}

#[test]
fn a_trust_policy_names_its_caller_and_what_that_must_prove() -> Result<()> {
    let mut seen = 0;
    for (file, policy) in policies()?.iter().filter(|(file, _)| file.starts_with("trust-")) {
        assert_eq!(open_doors(policy), Vec::<String>::new(), "{file}");
        for statement in 0..policy["Statement"].as_array().map_or(0, Vec::len) {
            let mut open = policy.clone();
            open["Statement"][statement]["Principal"] = json!({ "AWS": "*" });
            assert!(!open_doors(&open).is_empty(), "{file}: anybody may come in");
        }
        if policy["Statement"][0].get("Condition").is_some() {
            let mut open = policy.clone();
            open["Statement"][0]["Condition"] = json!({});
            assert!(!open_doors(&open).is_empty(), "{file}: nothing has to be proved");
            seen += 1;
        }
    }
    assert_eq!(seen, 3, "two of accounts and one of a web identity");
    Ok(())
}

/// Where a trust policy lets in more than it should.
fn open_doors(trust: &Value) -> Vec<String> {
    let statements = trust["Statement"].as_array().into_iter().flatten();
    statements.filter_map(|statement| open_door(statement).map(|why| format!("{}: {why}", statement["Sid"]))).collect()
}

fn open_door(statement: &Value) -> Option<String> {
    if statement["Principal"].to_string().contains('*') {
        return Some("its principal is a pattern".into());
    }
    let equal = &statement["Condition"]["StringEquals"];
    let by_key = |end: &str| {
        let keys = equal.as_object().into_iter().flatten();
        keys.filter(|(key, _)| key.ends_with(end)).map(|(_, value)| value.to_string()).next()
    };
    match (statement["Action"].as_str(), statement["Principal"].get("AWS")) {
        (Some("sts:AssumeRole"), Some(_)) => by_key("sts:ExternalId").is_none().then(|| "no external id".into()),
        (Some("sts:AssumeRoleWithWebIdentity"), _) => {
            let is_bound = by_key(":aud").is_some_and(|aud| aud == "\"sts.amazonaws.com\"")
                && by_key(":sub").is_some_and(|sub| !sub.contains('*'));
            (!is_bound).then(|| "audience and subject are not both fixed".into())
        }
        _ => None,
    }
}

/// The policies, by the names of their files.
fn policies() -> Result<BTreeMap<String, Value>> {
    let mut policies = BTreeMap::new();
    for entry in fs::read_dir(project().join("deploy/iam"))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.ends_with(".json") {
            let text = fs::read_to_string(&path)?;
            let policy = serde_json::from_str(&text).with_context(|| format!("{name} is not JSON"))?;
            policies.insert(name, policy);
        }
    }
    ensure!(policies.len() >= 9, "there are only {} policies", policies.len());
    Ok(policies)
}

fn lint(policy: &Value) -> Result<Vec<Finding>> {
    let mut linter = Command::new(part("parliament")?)
        .args(["--json", "--minimum_severity", "INFO", "--include-community-auditors"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("the linter cannot be started")?;
    linter.stdin.take().context("it reads")?.write_all(with_resource(policy).to_string().as_bytes())?;
    let output = linter.wait_with_output()?;
    // 1 when it found something.
    let is_fit = matches!(output.status.code(), Some(0 | 1)) && output.stderr.is_empty();
    ensure!(is_fit, "the linter ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    let findings = String::from_utf8(output.stdout)?;
    findings.lines().map(|line| serde_json::from_str(line).with_context(|| line.to_owned())).collect()
}

/// A trust policy names no resource, because it is part of one; the linter wants to hear which.
fn with_resource(policy: &Value) -> Value {
    let mut policy = policy.clone();
    for statement in policy["Statement"].as_array_mut().into_iter().flatten() {
        if statement.get("Principal").is_some() {
            statement["Resource"] = json!("arn:aws:iam::444455556666:role/shop-deployer");
        }
    }
    policy
}
