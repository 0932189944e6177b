//! The journey of a project over the wire, and what its faults are called.

use std::time::Duration;

use proptest::{collection::vec, option, prelude::*};

use shared::plan::{
    AssumeRole, Aws, Expect, Identity,
    stack::{
        ApplyChangeSet, ChangeSetMode, ContinueRollback, DeleteStack, DeployStack, OnFailure, RollbackTriggers,
        StackParameter, StackTemplate, Staging,
    },
    upload::{DeleteExtraneous, ObjectRule, ObjectSettings, UploadToS3},
};

use super::*;

fn word() -> impl Strategy<Value = String> {
    "[A-Za-z][A-Za-z0-9 _-]{0,10}[a-z]"
}

fn action() -> impl Strategy<Value = Action> {
    let shell = prop_oneof![Just(Shell::Bash), Just(Shell::Python), Just(Shell::PowerShell)];
    let script = (word(), shell, any::<bool>()).prop_map(|(body, shell, strict)| {
        Action::Script(Script { shell, source: Source::Body(body), substitute: true, strict })
    });
    prop_oneof![script, deploy_stack(), others()]
}

fn map() -> impl Strategy<Value = BTreeMap<String, String>> {
    proptest::collection::btree_map(word(), word(), 0..3)
}

fn deploy_stack() -> impl Strategy<Value = Action> {
    let parameter = (word(), any::<bool>(), any::<bool>()).prop_map(|(value, use_previous, no_echo)| StackParameter {
        value: if use_previous { String::new() } else { value },
        use_previous,
        no_echo,
    });
    let words = (stack_name(), word(), word(), map(), vec(word(), 0..3));
    let choices = (0..3usize, 0..3usize, option::of(any::<bool>()), option::of(any::<bool>()), 1..60u64, any::<bool>());
    let parameters = proptest::collection::btree_map(word(), parameter, 0..3);
    (words, choices, parameters).prop_map(|((stack, text, arn, tags, list), choices, parameters)| {
        let (on_failure, mode, protected, replace, minutes, is_there) = choices;
        let minutes = Duration::from_secs(minutes * 60);
        Action::DeployStack(Box::new(DeployStack {
            stack,
            template: if is_there {
                StackTemplate::Url(format!("https://{text}"))
            } else {
                StackTemplate::Body(text.clone())
            },
            substitute: !is_there,
            parameters,
            capabilities: list.clone(),
            tags,
            role_arn: arn.clone(),
            policy: (mode != 1).then(|| Source::Body(text.clone())),
            termination_protection: protected,
            notification_arns: list.clone(),
            rollback: is_there.then(|| RollbackTriggers { alarms: list.clone(), monitoring: minutes }),
            on_failure: [OnFailure::Rollback, OnFailure::Delete, OnFailure::DoNothing][on_failure],
            creation_timeout: is_there.then_some(minutes),
            change_set: [ChangeSetMode::Execute, ChangeSetMode::Review, ChangeSetMode::Direct][mode],
            replace_failed: replace,
            continue_rollback: is_there.then(|| ContinueRollback { skip: list.clone() }),
            sensitive_outputs: list,
            staging: is_there.then(|| Staging { bucket: text, prefix: arn.clone(), create: is_there, kms_key: arn }),
            artifacts: Vec::new(),
        }))
    })
}

fn others() -> impl Strategy<Value = Action> {
    (stack_name(), word(), word(), map(), vec("[a-z]{1,5}", 1..3), 0..3usize).prop_map(
        |(stack, a, b, metadata, list, kind)| match kind {
            0 => Action::ApplyChangeSet(ApplyChangeSet { stack, change_set: a, digest: b, sensitive_outputs: list }),
            1 => Action::DeleteStack(DeleteStack { stack, retain: list, role_arn: a }),
            _ => {
                let settings = ObjectSettings { content_type: a, metadata, acl: b, ..ObjectSettings::default() };
                let rules = vec![ObjectRule { files: list.clone(), settings: settings.clone() }];
                let delete_extraneous = Some(DeleteExtraneous { at_most: 7 });
                let (source, key_prefix) = (vec!["dist/**".into()], "web/".into());
                Action::UploadToS3(Box::new(UploadToS3 {
                    bucket: "shop-site".into(),
                    source,
                    key_prefix,
                    settings,
                    rules,
                    delete_extraneous,
                    ..UploadToS3::default()
                }))
            }
        },
    )
}

fn stack_name() -> impl Strategy<Value = String> {
    "[A-Za-z][A-Za-z0-9-]{0,10}"
}

fn aws() -> impl Strategy<Value = Aws> {
    let identity = prop_oneof![word().prop_map(Identity::Account), Just(Identity::WorkerRole)];
    let rest = (vec(assume_role(), 0..3), any::<bool>());
    (identity, option::of(("[0-9]{12}", "[A-Za-z]{1,9}")), rest).prop_map(
        |(identity, expect, (assume, require_isolation))| {
            let expect = expect.map(|(account, role)| Expect { account, role, region: String::new() });
            Aws { identity, region: "eu-west-1".into(), expect: expect.unwrap_or_default(), assume, require_isolation }
        },
    )
}

fn assume_role() -> impl Strategy<Value = AssumeRole> {
    ("[a-z]{1,9}", "[a-z]{2,9}", 900..43_200u64, any::<bool>(), any::<bool>()).prop_map(
        |(role, word, seconds, has_policy, session_tags)| AssumeRole {
            role_arn: format!("arn:aws:iam::123456789012:role/{role}"),
            session_name: word.clone(),
            external_id: word,
            duration: Duration::from_secs(seconds),
            policy: if has_policy { r#"{"Statement":[]}"#.into() } else { String::new() },
            session_tags,
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    let condition = prop_oneof![
        Just(Condition::Success),
        Just(Condition::Failure),
        Just(Condition::Always),
        word().prop_map(|name| Condition::Expression(format!("#{{{name}}}")))
    ];
    let span = || option::of((1..1000u64).prop_map(Duration::from_secs));
    let waits = (span(), span(), span());
    let asks = (option::of("[a-z]{1,9}"), any::<bool>(), span());
    let exit_codes = proptest::collection::btree_set(1..256i32, 0..4);
    let numbers = (1000..2000u64, 0..10u32, 0..3600u64, any::<bool>(), any::<bool>(), (waits, asks), exit_codes);
    let lists = (vec(word(), 0..3), vec(word(), 0..3), proptest::collection::btree_map(word(), word(), 0..3));
    (word(), word(), condition, numbers, lists, aws(), action()).prop_map(
        |(
            name,
            pool,
            condition,
            (timeout, count, backoff, retry_safe, parallel, (waits, asks), exit_codes),
            (environments, locks, requires),
            aws,
            action,
        )| Step {
            name,
            pool,
            requires,
            condition,
            start: if parallel { Start::WithPrevious } else { Start::AfterPrevious },
            environments,
            timeout: Duration::from_secs(timeout),
            waits: Waits {
                queue_timeout: waits.0,
                no_output_timeout: waits.1,
                cancel_grace: waits.2.filter(|_| matches!(action, Action::Script(_))),
            },
            asks: Asks {
                timeout: asks.2.filter(|_| asks.0.is_some() || asks.1),
                approval: asks.0,
                on_failure: if asks.1 { shared::plan::OnFailure::Ask } else { shared::plan::OnFailure::Fail },
            },
            retries: Retries { count, backoff: Duration::from_secs(backoff), exit_codes },
            retry_safe,
            locks,
            aws,
            action,
        },
    )
}

fn described() -> impl Strategy<Value = Described> {
    let words = || proptest::collection::btree_set(word(), 0..3);
    let declared = (word(), words(), words(), option::of(word()), option::of(word())).prop_map(
        |(name, environments, pools, value, prompt)| Declared {
            prompt: prompt.filter(|_| environments.is_empty() && pools.is_empty()).unwrap_or_default(),
            key: VariableKey {
                name,
                kind: VariableKind::Text,
                scope: Scope { environments, pools, ..Scope::default() },
            },
            value,
        },
    );
    (word(), word(), vec(step(), 1..4), vec(declared, 0..4)).prop_map(
        |(name, description, mut steps, mut variables)| {
            for (at, step) in steps.iter_mut().enumerate() {
                step.name = format!("{} {at}", step.name);
            }
            for (at, variable) in variables.iter_mut().enumerate() {
                variable.key.name = format!("{}.{at}", variable.key.name);
            }
            let file = File { path: "dist/a".into(), sha256: "0".repeat(64), size: 1, executable: false };
            Described {
                name,
                description,
                process: Process { steps, files: vec![file] },
                variables,
                variables_from: vec!["shared".into()],
            }
        },
    )
}

proptest! {
    #[test]
    fn a_project_is_the_same_after_a_journey(described in described()) {
        let wire = wire::Project::from(&described);
        prop_assert_eq!(Described::try_from(&wire).expect("valid"), described);
    }
}

fn bare() -> wire::Project {
    let script = wire::Script { shell: 1, source: Some(wire::script::Source::Body("true".into())), strict: None };
    let step =
        wire::Step { name: "One".into(), action: Some(wire::step::Action::Script(script)), ..wire::Step::default() };
    wire::Project { name: "shop".into(), steps: vec![step], ..wire::Project::default() }
}

#[test]
fn what_is_left_out_has_its_default() {
    let described = Described::try_from(&bare()).expect("valid");
    let step = &described.process.steps[0];
    assert_eq!(
        (step.timeout, &step.condition, step.retries.clone()),
        (limits::DEFAULT_TIMEOUT, &Condition::Success, Retries::default())
    );
    assert_eq!(step.aws.identity, Identity::None);
}

#[test]
fn every_fault_is_told_at_once() {
    let mut project = bare();
    project.name = " ".into();
    project.steps.push(wire::Step { name: "Two".into(), ..wire::Step::default() });
    project.variables.push(wire::Variable {
        name: "Password".into(),
        r#type: 2,
        value: Some("canary".into()),
        ..wire::Variable::default()
    });
    let fault = Described::try_from(&project).expect_err("three faults");
    assert_eq!(fault.reason, Reason::InvalidProject);
    for part in ["project's name is empty", "Step \"Two\": it does nothing", "\"Password\" is sensitive"] {
        assert!(fault.sentence.contains(part), "{part}: {fault}");
    }
    assert!(!fault.sentence.contains("canary"), "{fault}");
}

#[test]
fn an_account_beside_another_identity_is_a_fault() {
    let mut project = bare();
    project.steps[0].aws = Some(wire::Aws { identity: 3, account: "AWS Account".into(), ..wire::Aws::default() });
    let fault = Described::try_from(&project).expect_err("ambiguous");
    assert!(fault.sentence.contains("`aws.identity` is not account"), "{fault}");
}
