//! Which value a deployment begins with, and what stops it before it begins.

use shared::plan::{Action, Asks, Aws, Condition, Retries, Start, Step, Waits};

use super::*;

fn declared(name: &str, kind: VariableKind, environments: &[&str], value: Option<&str>) -> Declared {
    Declared {
        name: name.into(),
        kind,
        scope: Scope::of_environments(environments.iter().copied()),
        value: value.map(|value| Zeroizing::new(value.to_owned())),
        prompt: String::new(),
    }
}

fn text(name: &str, environments: &[&str], value: &str) -> Declared {
    declared(name, VariableKind::Text, environments, Some(value))
}

fn step_with_account(variable: &str, environments: &[&str]) -> Process {
    let step = Step {
        name: "Who am I".into(),
        pool: String::new(),
        requires: BTreeMap::new(),
        condition: Condition::Success,
        start: Start::AfterPrevious,
        environments: environments.iter().map(|name| (*name).to_owned()).collect(),
        timeout: std::time::Duration::from_secs(1),
        waits: Waits::default(),
        asks: Asks::default(),
        retries: Retries::default(),
        retry_safe: false,
        locks: Vec::new(),
        aws: Aws { identity: Identity::Account(variable.into()), ..Aws::default() },
        action: Action::CheckIdentity,
    };
    Process { steps: vec![step], files: Vec::new() }
}

fn resolve_in(environment: &str, declared: Vec<Declared>, prompted: &[(&str, &str)]) -> Result<Snapshot, Fault> {
    resolve_for(environment, &Process::default(), declared, prompted)
}

fn resolve_for(
    environment: &str,
    process: &Process,
    declared: Vec<Declared>,
    prompted: &[(&str, &str)],
) -> Result<Snapshot, Fault> {
    Snapshot::resolve(Target { project: "shop", environment, process }, declared, &given(prompted, &[]))
}

fn given(open: &[(&str, &str)], secret: &[(&str, &str)]) -> Given {
    let map = |pairs: &[(&str, &str)]| pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    let (variables, secret_variables) = (map(open), map(secret));
    Given::of(&CreateDeploymentRequest { variables, secret_variables, ..Default::default() })
}

fn asked(name: &str, kind: VariableKind, value: Option<&str>) -> Declared {
    Declared { prompt: format!("Which {name}?"), ..declared(name, kind, &[], value) }
}

fn value(snapshot: &Snapshot, name: &str) -> Option<String> {
    snapshot.find(name).map(|variable| variable.value.clone())
}

/// A snapshot has no Debug, since it is full of secrets.
fn refused(result: Result<Snapshot, Fault>) -> Fault {
    result.err().expect("it must be refused")
}

#[test]
fn a_value_for_the_environment_wins_over_the_one_for_all_others() {
    let all = || vec![text("Region", &[], "eu-west-1"), text("Region", &["production"], "us-east-1")];
    assert_eq!(value(&resolve_in("production", all(), &[]).expect("resolved"), "region").as_deref(), Some("us-east-1"));
    assert_eq!(value(&resolve_in("staging", all(), &[]).expect("resolved"), "Region").as_deref(), Some("eu-west-1"));
}

#[test]
fn a_variable_of_other_environments_is_not_there_and_stops_nothing() {
    let only = vec![declared("Key", VariableKind::Sensitive, &["production"], None)];
    assert_eq!(value(&resolve_in("staging", only, &[]).expect("resolved"), "Key"), None);
}

#[test]
fn all_variables_without_a_value_are_named_at_once() {
    let unset = vec![
        declared("Db.Password", VariableKind::Sensitive, &[], None),
        declared("Token", VariableKind::Sensitive, &["staging"], None),
        text("Region", &[], "eu-west-1"),
    ];
    let fault = refused(resolve_in("staging", unset, &[]));
    assert_eq!(fault.reason, Reason::VariableUnset);
    for part in ["\"Db.Password\"", "\"Token\"", "\"staging\"", "\"shop\"", "longshore variable set shop"] {
        assert!(fault.sentence.contains(part), "{part} is not in: {fault}");
    }
    assert!(!fault.sentence.contains("Region"), "{fault}");
}

#[test]
fn what_is_asked_for_with_the_deployment_wins_whatever_the_case() {
    let snapshot =
        resolve_in("staging", vec![text("Region", &["staging"], "eu-west-1")], &[("REGION", "ca-central-1")]);
    assert_eq!(value(&snapshot.expect("resolved"), "Region").as_deref(), Some("ca-central-1"));
}

#[test]
fn a_prompt_that_names_nothing_a_secret_or_an_account_is_refused() {
    let all = || {
        vec![
            declared("Password", VariableKind::Sensitive, &[], Some("canary")),
            declared("AWS Account", VariableKind::AwsAccount, &[], Some("shop-staging")),
        ]
    };
    for (name, part) in [("Typo", "no variable \"Typo\""), ("password", "sensitive"), ("aws account", "account")] {
        let fault = refused(resolve_in("staging", all(), &[(name, "x")]));
        assert_eq!(fault.reason, Reason::InvalidArgument, "{name}");
        assert!(fault.sentence.contains(part) && !fault.sentence.contains("canary"), "{fault}");
    }
    let twice = refused(resolve_in("staging", vec![text("A", &[], "1")], &[("A", "1"), ("a", "2")]));
    assert!(twice.sentence.contains("twice"), "{twice}");
}

#[test]
fn a_circle_is_refused_with_its_chain() {
    let circle = vec![text("A", &[], "#{B}"), text("B", &[], "#{C}"), text("C", &[], "#{A}")];
    let fault = refused(resolve_in("staging", circle, &[]));
    assert_eq!(fault.reason, Reason::VariableCycle);
    assert!(fault.sentence.contains("A → B → C → A"), "{fault}");
}

#[test]
fn a_circle_that_a_prompt_closes_is_refused_as_well() {
    let fault = refused(resolve_in("staging", vec![text("A", &[], "#{B}"), text("B", &[], "1")], &[("B", "#{A}")]));
    assert_eq!(fault.reason, Reason::VariableCycle);
}

#[test]
fn an_account_that_a_step_needs_and_the_environment_lacks_stops_the_deployment_before_it_begins() {
    let only_production =
        || vec![declared("AWS Account", VariableKind::AwsAccount, &["production"], Some("shop-production"))];
    let process = step_with_account("AWS Account", &[]);
    let fault = refused(resolve_for("staging", &process, only_production(), &[]));
    assert_eq!(fault.reason, Reason::AccountUnresolved);
    for part in ["\"Who am I\"", "\"AWS Account\"", "\"staging\"", "give it one there", "never falls back"] {
        assert!(fault.sentence.contains(part), "{part} is not in: {fault}");
    }
    let no_account = vec![text("AWS Account", &[], "shop-staging")];
    let fault = refused(resolve_for("staging", &process, no_account, &[]));
    assert_eq!(fault.reason, Reason::AccountUnresolved);
    assert!(fault.sentence.contains("`type: aws-account`"), "it has a value, of another kind: {fault}");
    assert!(resolve_for("production", &process, only_production(), &[]).is_ok());
    let elsewhere = step_with_account("AWS Account", &["production"]);
    assert!(resolve_for("staging", &elsewhere, only_production(), &[]).is_ok(), "the step is not for this environment");
}

#[test]
fn a_text_that_poses_as_an_account_is_none() {
    let process = step_with_account("#{AWS Account}", &[]);
    let fault = refused(resolve_for("staging", &process, vec![text("AWS Account", &[], "shop")], &[]));
    assert!(fault.sentence.contains("\"AWS Account\", which is no account variable"), "{fault}");
    let account = vec![declared("AWS Account", VariableKind::AwsAccount, &[], Some("shop"))];
    assert!(resolve_for("staging", &process, account, &[]).is_ok(), "the name may be written as an expression");
}

#[test]
fn a_sealed_snapshot_opens_for_its_own_deployment_only() {
    let folder = tempfile::tempdir().expect("a folder");
    let seal = Seal::make(&folder.path().join("master.key"), "store").expect("a key");
    let snapshot = resolve_in("staging", vec![declared("P", VariableKind::Sensitive, &[], Some("canary"))], &[]);
    let snapshot = snapshot.expect("resolved");
    let id = DeploymentId(uuid::Uuid::now_v7());
    let sealed = snapshot.seal(&seal, id).expect("sealed");
    assert!(!sealed.windows(6).any(|window| window == b"canary"), "the secret is in clear");
    assert!(Snapshot::open(&seal, id, &sealed).is_ok_and(|opened| opened == snapshot));
    assert!(Snapshot::open(&seal, DeploymentId(uuid::Uuid::now_v7()), &sealed).is_err());
}

#[test]
fn values_for_steps_and_pools_travel_with_the_deployment_and_must_be_set() {
    let scoped = |steps: &[&str], value: Option<&str>| Declared {
        scope: Scope { steps: steps.iter().map(|name| (*name).to_owned()).collect(), ..Scope::default() },
        ..declared("Region", VariableKind::Text, &[], value)
    };
    let all = || declared("Region", VariableKind::Text, &[], Some("all"));
    let here = || declared("Region", VariableKind::Text, &["staging"], Some("here"));
    let snapshot = resolve_in("staging", vec![all(), here(), scoped(&["Who am I"], Some("step"))], &[]);
    let snapshot = snapshot.unwrap_or_else(|fault| panic!("{fault}"));
    let seen = |step| value(&snapshot.seen_from(Where { environment: "staging", step, pool: None }), "region");
    assert_eq!((seen("who AM i"), seen("Other")), (Some("step".into()), Some("here".into())));
    assert_eq!(snapshot.variables.len(), 2, "what the environment's value hides everywhere is left out");

    let fault = refused(resolve_in("staging", vec![all(), scoped(&["Who am I"], None)], &[]));
    assert_eq!(fault.reason, Reason::VariableUnset);
    let prompted = resolve_in("staging", vec![all(), scoped(&["Who am I"], Some("step"))], &[("region", "asked")]);
    let prompted = prompted.unwrap_or_else(|fault| panic!("{fault}"));
    let seen = prompted.seen_from(Where { environment: "staging", step: "Who am I", pool: None });
    assert_eq!(value(&seen, "Region"), Some("asked".into()), "what was asked for wins over all");
}

#[test]
fn what_must_be_said_is_asked_for_and_a_default_counts_when_nothing_is_said() {
    let all = || {
        vec![
            asked("Version", VariableKind::Text, None),
            asked("Key", VariableKind::Sensitive, None),
            asked("Size", VariableKind::Text, Some("small")),
        ]
    };
    let fault = refused(resolve_in("staging", all(), &[]));
    assert_eq!(fault.reason, Reason::VariableNotGiven);
    assert!(fault.sentence.contains("\"Version\" (Which Version?)") && fault.sentence.contains("\"Key\""), "{fault}");
    let target = Target { project: "shop", environment: "staging", process: &Process::default() };
    let resolve = |given: &Given| Snapshot::resolve(target, all(), given);
    let typed = refused(resolve(&given(&[("Version", "1"), ("key", "canary")], &[])));
    assert!(typed.sentence.contains("--variable-file") && !typed.sentence.contains("canary"), "{typed}");
    let snapshot = resolve(&given(&[("Version", "1")], &[("key", "canary")])).unwrap_or_else(|fault| panic!("{fault}"));
    assert_eq!(value(&snapshot, "Size").as_deref(), Some("small"));
    assert!(snapshot.find("Key").is_some_and(|key| key.kind == VariableKind::Sensitive && key.value == "canary"));
    // What goes on from here is given the same.
    let again = resolve(&snapshot.given()).unwrap_or_else(|fault| panic!("{fault}"));
    assert!(again == snapshot);
}

#[test]
fn of_equally_specific_values_the_last_counts_and_a_more_specific_one_wins_over_it() {
    let shared = vec![
        text("Region", &[], "shared"),
        text("Region", &["production"], "shared in production"),
        text("Region", &[], "shared by another"),
        text("Region", &[], "own"),
    ];
    let found = resolve_in("staging", shared, &[]).unwrap_or_else(|fault| panic!("{fault}"));
    assert_eq!(value(&found, "Region").as_deref(), Some("own"));
    let shared = vec![text("Region", &["production"], "shared in production"), text("Region", &[], "own")];
    let found = resolve_in("production", shared, &[]).unwrap_or_else(|fault| panic!("{fault}"));
    assert_eq!(value(&found, "Region").as_deref(), Some("shared in production"));
    let for_step = |value| Declared {
        scope: Scope { steps: ["Who am I".to_owned()].into(), ..Scope::default() },
        ..text("Region", &[], value)
    };
    let found = resolve_in("staging", vec![for_step("shared"), for_step("own")], &[]);
    let found = found.unwrap_or_else(|fault| panic!("{fault}"));
    let seen = found.seen_from(Where { environment: "staging", step: "Who am I", pool: None });
    assert_eq!(value(&seen, "Region").as_deref(), Some("own"));
}
