use super::*;

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

    let own = with_identity(bash("env"), Identity::Account("AWS Account".into()));
    let owns = bench.spec_of(own, vec![aws_account()]).await.expect("rendered");
    assert_eq!(value(&owns, "AWS Account.SecretKey"), Some((SECRET, true)));
}

#[tokio::test]
async fn a_key_that_arrives_by_another_name_is_masked_all_the_same() {
    let bench = Bench::new().await;
    let variables = vec![aws_account(), text("Login", "user:#{AWS Account.SecretKey}")];
    let spec = bench.spec_of(bash("login #{Login}"), variables).await.expect("rendered");
    assert_eq!(value(&spec, "Login"), Some((format!("user:{SECRET}").as_str(), true)));
    assert_eq!(spec.mask_values, [SECRET]);
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
