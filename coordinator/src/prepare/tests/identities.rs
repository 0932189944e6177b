use super::*;
use crate::{
    accounts::{Minter, Release},
    audit,
    issuer::Issuer,
};

fn source(spec: &StepSpec) -> Option<(aws_spec::Source, &str, &str)> {
    spec.aws.as_ref().map(|aws| (aws.source(), aws.account_name.as_str(), aws.region.as_str()))
}

#[tokio::test]
async fn the_one_word_decides_whose_credentials_a_step_has() {
    let bench = Bench::new().await;
    for (identity, expected) in [
        (Identity::None, None),
        (Identity::WorkerRole, Some((aws_spec::Source::WorkerRole, "", ""))),
        (Identity::Account("aws account".into()), Some((aws_spec::Source::Account, "AWS Account", "eu-central-1"))),
        (Identity::Account("#{AWS Account}".into()), Some((aws_spec::Source::Account, "AWS Account", "eu-central-1"))),
        (
            Identity::NamedAccount("AWS Account".into()),
            Some((aws_spec::Source::Account, "AWS Account", "eu-central-1")),
        ),
    ] {
        let spec = bench.spec_of(with_identity(bash("true"), identity.clone()), vec![aws_account()]).await;
        assert_eq!(source(&spec.expect("rendered")), expected, "{identity:?}");
    }
}

#[tokio::test]
async fn a_step_names_the_region_before_its_account_does() {
    let bench = Bench::new().await;
    let aws = Aws {
        identity: Identity::Account("AWS Account".into()),
        region: "#{Region}".into(),
        expect: Expect {
            account: "123456789012".into(),
            role: "#{Octopus.Environment.Name}-deployer".into(),
            region: String::new(),
        },
        ..Aws::default()
    };
    let variables = vec![aws_account(), text("Region", " us-west-2 ")];
    let spec = bench.spec_of(Step { aws, ..bash("true") }, variables).await.expect("rendered");
    let aws = spec.aws.expect("credentials");
    assert_eq!(
        (aws.region.as_str(), aws.expect_account.as_str(), aws.expect_role.as_str()),
        ("us-west-2", "123456789012", "staging-deployer")
    );
}

#[tokio::test]
async fn an_account_that_does_not_resolve_is_refused_and_never_becomes_the_workers_role() {
    let bench = Bench::new().await;
    let needy = || with_identity(bash("true"), Identity::Account("AWS Account".into()));
    let missing = bench.refusal_of(needy(), Vec::new()).await;
    assert_eq!(missing.reason, "ACCOUNT_UNRESOLVED");
    assert_eq!(
        missing.detail,
        "Step \"Who am I\": account variable \"AWS Account\" has no value in environment \"staging\": give it one in the project \
         file; it never falls back to the worker's role."
    );
    let gone = vec![variable("AWS Account", VariableKind::AwsAccount, "deleted")];
    for variables in
        [gone, vec![text("AWS Account", "AWS Account")], vec![variable("AWS Account", VariableKind::AwsAccount, " ")]]
    {
        let refusal = bench.refusal_of(needy(), variables).await;
        assert_eq!(refusal.reason, "ACCOUNT_UNRESOLVED", "{}", refusal.detail);
    }
    let named =
        bench.refusal_of(with_identity(bash("true"), Identity::NamedAccount("nobody".into())), Vec::new()).await;
    assert_eq!(named.reason, "ACCOUNT_UNRESOLVED");
}

#[tokio::test]
async fn a_secret_key_goes_only_where_its_account_or_its_name_is_used() {
    let bench = Bench::new().await;
    let plain = bench.spec_of(bash("env"), vec![aws_account()]).await.expect("rendered");
    assert_eq!(value(&plain, "AWS Account.AccessKey"), Some(("AKIAIOSFODNN7EXAMPLE", false)));
    assert_eq!(value(&plain, "AWS Account.SecretKey"), None);
    assert!(!has_secret(&plain), "nothing in it is secret: it may ride in the offer");

    let reader = bash("get_octopusvariable \"AWS account.secretkey\"");
    let reads = bench.spec_of(reader, vec![aws_account()]).await.expect("rendered");
    assert_eq!(value(&reads, "AWS Account.SecretKey"), Some((SECRET, true)));
    assert!(has_secret(&reads));

    let changed = bench.store.write(|connection| {
        let row = account::get(connection, "AWS Account")?;
        account::update(connection, &account::Row { delivery: account::Delivery::Raw, ..row })
    });
    changed.await.expect("changed");
    let own = with_identity(bash("env"), Identity::Account("AWS Account".into()));
    let owns = bench.spec_of(own, vec![aws_account()]).await.expect("rendered");
    assert_eq!(value(&owns, "AWS Account.SecretKey"), Some((SECRET, true)), "it is handed out as it is");
}

#[tokio::test]
async fn a_key_that_arrives_by_another_name_is_masked_all_the_same() {
    let bench = Bench::new().await;
    let variables = vec![aws_account(), text("Login", "user:#{AWS Account.SecretKey}")];
    let spec = bench.spec_of(bash("login #{Login}"), variables).await.expect("rendered");
    assert_eq!(value(&spec, "Login"), Some((format!("user:{SECRET}").as_str(), true)));
    assert_eq!(spec.mask_values, [SECRET]);
}

/// It becomes a part of the host that gets our tokens: what it may hold is not left to whoever asks there.
#[tokio::test]
async fn a_region_that_is_no_label_of_a_host_is_refused_before_a_worker_is_asked() {
    let bench = Bench::new().await;
    for region in ["evil.example/#", "eu-west-1.evil.example", "x@evil.example", "EU-WEST-1", "eu west 1"] {
        let own = with_identity(bash("true"), Identity::Account("AWS Account".into()));
        let step = Step { aws: Aws { region: "#{Region}".into(), ..own.aws.clone() }, ..own };
        let refusal = bench.refusal_of(step, vec![aws_account(), text("Region", region)]).await;
        assert_eq!(refusal.reason, "INVALID_ARGUMENT", "{region}");
        assert!(refusal.detail.contains(region), "{}", refusal.detail);
    }
}

/// A key is released as well when a step's texts carry it.
#[tokio::test]
async fn a_key_that_a_step_reads_is_in_the_audit_log_before_it_is_sent() {
    let bench = Bench::new().await;
    let variables = || vec![aws_account(), text("Login", "user:#{AWS Account.SecretKey}")];
    let execution = ExecutionId(Uuid::nil());
    let mut keys = Vec::new();
    for script in ["env", "echo #{AWS Account.SecretKey}"] {
        // By its own name in the second one, by another variable's in both; without that, not at all.
        let id = bench.deploy(one(bash(script)), variables()).await;
        let out = bench.preparer.handed_out(id, 0, execution, 1, "red".into()).await.expect("rendered");
        keys.push((out.keys, out.purpose));
    }
    let id = bench.deploy(one(bash("env")), vec![aws_account()]).await;
    let none = bench.preparer.handed_out(id, 0, execution, 1, "red".into()).await.expect("rendered");
    assert_eq!(none.keys, Vec::<String>::new());

    let (names, purpose) = keys.pop().expect("two");
    assert_eq!((&keys[0].0, &names), (&vec!["AWS Account".to_owned()], &vec!["AWS Account".to_owned()]));
    let minter =
        Minter { aws: ::aws::Aws::new(&::aws::Settings::default()).expect("sound"), issuer: Issuer::disabled() };
    let release = Release { store: bench.store.clone(), seal: bench.seal.clone(), minter };
    release.note_keys(execution, &purpose, &names).await.expect("noted");
    let lines =
        bench.store.read(|connection| audit::list(connection, None, Some("AWS Account"), 9)).await.expect("read");
    let [line] = lines.as_slice() else { panic!("one line: {lines:?}") };
    assert_eq!((line.actor.as_str(), line.action.as_str(), line.allowed), ("worker red", "credentials.release", true));
    assert!(line.detail.contains("the access key itself") && !line.detail.contains(SECRET), "{}", line.detail);
}

#[tokio::test]
async fn an_account_step_is_never_sent_with_its_offer() {
    let bench = Bench::new().await;
    let check = with_identity(step(Action::CheckIdentity), Identity::NamedAccount("AWS Account".into()));
    let spec = bench.spec_of(check, Vec::new()).await.expect("rendered");
    assert!(has_secret(&spec));
    assert_eq!(spec.variables, []);
}

#[tokio::test]
async fn to_ask_who_somebody_is_no_region_must_be_known() {
    let bench = Bench::new().await;
    let role = with_identity(step(Action::CheckIdentity), Identity::WorkerRole);
    let spec = bench.spec_of(role, Vec::new()).await.expect("rendered");
    assert_eq!(source(&spec), Some((aws_spec::Source::WorkerRole, "", "us-east-1")));
    let account = with_identity(step(Action::CheckIdentity), Identity::NamedAccount("AWS Account".into()));
    let spec = bench.spec_of(account, Vec::new()).await.expect("rendered");
    assert_eq!(source(&spec).map(|(_, _, region)| region), Some("eu-central-1"), "the account's own, if it has one");
}

fn deployer() -> Vec<Variable> {
    vec![variable("Deployer", VariableKind::AwsAccount, "Deployer"), text("Region", "eu-west-1")]
}

fn as_deployer(region: &str, expect: Expect) -> Step {
    let aws = Aws { identity: Identity::Account("Deployer".into()), region: region.into(), expect, ..Aws::default() };
    Step { aws, ..bash("true") }
}

fn assume(role_arn: &str) -> AssumeRole {
    AssumeRole {
        role_arn: role_arn.into(),
        session_name: String::new(),
        external_id: String::new(),
        duration: Duration::from_secs(3600),
        policy: String::new(),
        session_tags: true,
    }
}

#[tokio::test]
async fn a_role_account_has_the_region_of_what_it_stands_on_and_names_of_its_own() {
    let bench = Bench::new().await;
    let step = Step { aws: as_deployer("", Expect::default()).aws, ..bash("echo #{Deployer.RoleArn}") };
    let spec = bench.spec_of(step, deployer()).await.expect("rendered");
    assert_eq!(spec.aws.as_ref().expect("an identity").region, "eu-central-1");
    assert_eq!(body(&spec), format!("echo {DEPLOYER}"));
    assert_eq!(value(&spec, "Deployer.SessionDuration"), Some(("3600", false)));
    assert_eq!(value(&spec, "Deployer.AccessKey"), None, "it has no key");
}

#[tokio::test]
async fn a_role_of_another_partition_than_the_region_is_refused_before_aws_is_asked() {
    let bench = Bench::new().await;
    let refusal = bench.refusal_of(as_deployer("cn-north-1", Expect::default()), deployer()).await;
    assert_eq!(refusal.reason, "PARTITION_MISMATCH");
    assert!(refusal.detail.contains(DEPLOYER) && refusal.detail.contains("cn-north-1"), "{}", refusal.detail);
}

#[tokio::test]
async fn an_expectation_that_the_account_cannot_meet_fails_before_any_worker_is_asked() {
    let bench = Bench::new().await;
    for (expect, is) in [
        (Expect { account: "123456789012".into(), ..Expect::default() }, "210987654321"),
        (Expect { role: "builder".into(), ..Expect::default() }, "deployer"),
        (Expect { region: "us-east-1".into(), ..Expect::default() }, "eu-west-1"),
    ] {
        let refusal = bench.refusal_of(as_deployer("#{Region}", expect.clone()), deployer()).await;
        assert_eq!(refusal.reason, "EXPECTATION_NOT_MET");
        assert!(refusal.detail.contains(is), "{expect:?}: {}", refusal.detail);
    }
    let met = Expect { account: "210987654321".into(), role: "deployer".into(), region: "eu-west-1".into() };
    bench.spec_of(as_deployer("#{Region}", met), deployer()).await.expect("it is met");
}

#[tokio::test]
async fn a_role_to_assume_is_looked_at_again_once_its_names_have_values() {
    let bench = Bench::new().await;
    let step = |role: AssumeRole| {
        let aws = Aws { identity: Identity::WorkerRole, assume: vec![role], ..Aws::default() };
        Step { aws, ..bash("true") }
    };
    let variables = || vec![text("Role", DEPLOYER), text("Nonsense", "deployer"), text("Id", "x")];
    let spec = bench.spec_of(step(assume("#{Role}")), variables()).await.expect("rendered");
    let aws = spec.aws.expect("an identity");
    assert_eq!(aws.source(), aws_spec::Source::RoleOnWorkerRole);
    assert!(aws.source != 1 && aws.source != 2, "an older worker would be its own role, or take a grant for a key");
    let nonsense = bench.refusal_of(step(assume("#{Nonsense}")), variables()).await;
    assert!(nonsense.detail.contains("\"deployer\" is no ARN of a role"), "{}", nonsense.detail);
    let role = AssumeRole { external_id: "#{Id}".into(), ..assume(DEPLOYER) };
    let id = bench.refusal_of(step(role), variables()).await;
    assert!(id.detail.contains("external_id") && !id.detail.contains("\"x\""), "{}", id.detail);
}

#[tokio::test]
async fn what_a_workers_own_role_must_be_decides_where_the_step_is_offered() {
    let bench = Bench::new().await;
    let expect = Expect { role: "shop".into(), region: "eu-west-1".into(), ..Expect::default() };
    let bare = Aws { identity: Identity::WorkerRole, expect, ..Aws::default() };
    let prepared = async |aws: Aws| {
        let id = bench.deploy(one(Step { aws, ..bash("true") }), vec![]).await;
        bench.preparer.prepare(id, 0).await.expect("prepared")
    };
    let expected = prepared(bare.clone()).await.expect;
    assert_eq!((expected.role.as_str(), expected.region.as_str()), ("shop", "eu-west-1"));
    let elsewhere = Aws { region: "eu-west-1".into(), ..bare.clone() };
    assert_eq!(prepared(elsewhere).await.expect.region, "", "the step's region counts, not its worker's");
    let on_top = Aws { assume: vec![assume(DEPLOYER)], expect: Expect::default(), ..bare };
    assert_eq!(prepared(on_top).await.expect, Default::default(), "the worker's own role is not what it runs as");
    let isolated = Aws { require_isolation: true, ..Aws::default() };
    assert_eq!(prepared(isolated).await.requires["aws.imds_isolated"], "true");
}

#[tokio::test]
async fn a_secret_key_leaves_the_coordinator_only_for_a_script_that_reads_it() {
    let bench = Bench::new().await;
    let account = |body: &str| with_identity(bash(body), Identity::Account("AWS Account".into()));
    let quiet = bench.spec_of(account("aws sts get-caller-identity"), vec![aws_account()]).await.expect("rendered");
    assert_eq!(value(&quiet, "AWS Account.SecretKey"), None);
    let reads = r#"get_octopusvariable "AWS Account.SecretKey""#;
    let read = bench.spec_of(account(reads), vec![aws_account()]).await.expect("rendered");
    assert_eq!(value(&read, "AWS Account.SecretKey"), Some((SECRET, true)));
    let put_together = bench.spec_of(account(r#"get_octopusvariable "$NAME.SecretKey""#), vec![aws_account()]).await;
    assert_eq!(value(&put_together.expect("rendered"), "AWS Account.SecretKey"), Some((SECRET, true)));
}

#[tokio::test]
async fn a_script_that_reads_a_forbidden_key_is_told_so_and_does_not_get_it() {
    let bench = Bench::new().await;
    let changed = bench.store.write(|connection| {
        let row = account::get(connection, "AWS Account")?;
        account::update(connection, &account::Row { expose_keys: false, ..row })
    });
    changed.await.expect("changed");
    let reads = with_identity(bash(r#"get_octopusvariable "AWS Account.SecretKey""#), Identity::WorkerRole);
    let spec = bench.spec_of(reads, vec![aws_account()]).await.expect("rendered");
    assert_eq!(value(&spec, "AWS Account.SecretKey"), None);
    let told: Vec<&str> = spec.preamble.iter().map(|line| line.text.as_str()).collect();
    assert!(told.iter().any(|line| line.starts_with("KEYS_NOT_EXPOSED") && line.contains("AWS Account")), "{told:?}");
}

#[tokio::test]
async fn a_pool_and_a_step_that_demand_two_values_of_one_label_are_refused() {
    let bench = Bench::new().await;
    let stored = bench.store.write(|connection| {
        let requires = [("aws.account".to_owned(), "123456789012".to_owned())].into();
        let row = pool::Row { name: "shop".into(), description: String::new(), requires, created_at: 0 };
        pool::insert(connection, &row)
    });
    stored.await.expect("stored");
    let in_shop = |requires: BTreeMap<String, String>| Step { pool: "shop".into(), requires, ..bash("true") };
    let id = bench.deploy(one(in_shop(BTreeMap::new())), vec![]).await;
    let prepared = bench.preparer.prepare(id, 0).await.expect("prepared");
    assert_eq!(prepared.requires["aws.account"], "123456789012");
    let stored = bench.store.write(|connection| {
        let requires = [("tool".to_owned(), "aws>=2".to_owned())].into();
        let row = pool::Row { name: "tools".into(), description: String::new(), requires, created_at: 0 };
        pool::insert(connection, &row)
    });
    stored.await.expect("stored");
    let requires = [("tool".to_owned(), "jq".to_owned())].into();
    let id = bench.deploy(one(Step { pool: "tools".into(), requires, ..bash("true") }), vec![]).await;
    let prepared = bench.preparer.prepare(id, 0).await.expect("prepared");
    assert_eq!(prepared.requires["tool"], "aws>=2, jq", "tools of both can be had together");

    let other = [("aws.account".to_owned(), "210987654321".to_owned())].into();
    let refusal = bench.refusal_of(in_shop(other), vec![]).await;
    assert!(refusal.detail.contains("no worker has both"), "{}", refusal.detail);
}
