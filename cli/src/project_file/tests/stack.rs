//! CloudFormation stacks, as a project file writes them.

use proto::action::{self as a, deploy_stack as words};

use super::*;

/// A step whose `deploy:` begins in line 7, after `stack` and `template`.
pub(super) fn deploying(keys: &str) -> String {
    let keys: String = keys.lines().map(|line| format!("        {line}\n")).collect();
    cloudformation(&format!("      deploy:\n        stack: s\n        template: templates/network.yaml\n{keys}"))
}

fn cloudformation(below: &str) -> String {
    with_step(&format!("    aws: {{ identity: worker-role }}\n    cloudformation:\n{below}"))
}

pub(super) fn stack_of(draft: &Draft) -> &a::DeployStack {
    match &draft.project.steps[0].action {
        Some(Action::DeployStack(stack)) => stack,
        other => panic!("{other:?}"),
    }
}

fn deployed(keys: &str, folder: &Path) -> a::DeployStack {
    stack_of(&parse(&deploying(keys), folder).expect("no faults")).clone()
}

fn parameter(value: &str) -> a::StackParameter {
    a::StackParameter { value: value.into(), ..a::StackParameter::default() }
}

#[test]
fn every_key_of_a_stack_reaches_the_coordinator() {
    let folder = folder();
    let stack = deployed(
        r##"substitute: true
capabilities: [CAPABILITY_IAM, CAPABILITY_NAMED_IAM, CAPABILITY_AUTO_EXPAND]
tags: { team: shop, cost: 7 }
role_arn: arn:aws:iam::123456789012:role/cfn
stack_policy: '{"Statement": []}'
termination_protection: true
notification_arns: [arn:aws:sns:eu-west-1:123456789012:stacks]
rollback_triggers: { alarms: [arn:aws:cloudwatch:x], monitoring: 10m }
on_failure: do-nothing
creation_timeout: 30m
change_set: direct
replace_failed: false
continue_rollback: { skip: [A, Nested.B] }
sensitive_outputs: ["*Password*"]
staging: { bucket: "#{Bucket}", prefix: longshore/, create: true, kms_key: alias/s }
"##,
        folder.path(),
    );
    let expected = a::DeployStack {
        stack: "s".into(),
        template: Some(Template::File("templates/network.yaml".into())),
        parameters: [].into(),
        capabilities: ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"].map(Into::into).into(),
        tags: [("team".into(), "shop".into()), ("cost".into(), "7".into())].into(),
        substitute: true,
        role_arn: "arn:aws:iam::123456789012:role/cfn".into(),
        policy: Some(words::Policy::PolicyBody("{\"Statement\": []}".into())),
        termination_protection: Some(true),
        notification_arns: vec!["arn:aws:sns:eu-west-1:123456789012:stacks".into()],
        rollback_triggers: Some(a::RollbackTriggers {
            alarms: vec!["arn:aws:cloudwatch:x".into()],
            monitoring: Some(prost_types::Duration { seconds: 600, nanos: 0 }),
        }),
        on_failure: words::OnFailure::DoNothing.into(),
        creation_timeout: Some(prost_types::Duration { seconds: 1800, nanos: 0 }),
        change_set: words::ChangeSet::Direct.into(),
        replace_failed: Some(false),
        continue_rollback: Some(a::ContinueRollback { skip: vec!["A".into(), "Nested.B".into()] }),
        sensitive_outputs: vec!["*Password*".into()],
        staging: Some(a::Staging {
            bucket: "#{Bucket}".into(),
            prefix: "longshore/".into(),
            create: true,
            kms_key: "alias/s".into(),
        }),
        artifacts: vec![],
    };
    assert_eq!(stack, expected);
}

#[test]
fn a_stack_of_which_little_is_said_has_the_usual() {
    let stack = deployed("", folder().path());
    assert_eq!((stack.on_failure(), stack.change_set()), (words::OnFailure::Rollback, words::ChangeSet::Execute));
    assert_eq!((stack.replace_failed, stack.termination_protection, stack.creation_timeout), (None, None, None));
    assert!(!stack.substitute && stack.staging.is_none() && stack.policy.is_none());
}

#[test]
fn parameters_by_name_keep_their_spelling() {
    let stack = deployed(
        "parameters:\n  Text: 10.0.0.0/16\n  Number: 1.10\n  Account: 012345678901\n  Hex: 0x1F\n  Big: 1_000\n  Word: yes\n  Flag: True # said so\n  Quoted: \"true\"\n  Empty: \"\"\n  Tilde: \"~\"\n  Long: |\n    a\n    b\n  Size: { use_previous: true }\n  Password: { value: \"#{Db.Password}\", no_echo: true }\n  Flow: { value: 007 }\n",
        folder().path(),
    );
    for (name, value) in [
        ("Text", "10.0.0.0/16"),
        ("Number", "1.10"),
        ("Account", "012345678901"),
        ("Hex", "0x1F"),
        ("Big", "1_000"),
        ("Word", "yes"),
        ("Flag", "True"),
        ("Quoted", "true"),
        ("Empty", ""),
        ("Tilde", "~"),
        ("Long", "a\nb\n"),
        ("Flow", "007"),
    ] {
        assert_eq!(stack.parameters[name], parameter(value), "{name}");
    }
    assert_eq!(stack.parameters["Size"], a::StackParameter { use_previous: true, ..parameter("") });
    assert_eq!(stack.parameters["Password"], a::StackParameter { no_echo: true, ..parameter("#{Db.Password}") });
}

const LISTED: &str = r#"[
  {"ParameterKey": "VpcCidr", "ParameterValue": "10.0.0.0/16"},
  {"ParameterKey": "Count", "ParameterValue": 3},
  {"ParameterKey": "Size", "UsePreviousValue": true}
]"#;

fn expect_listed(stack: &a::DeployStack) {
    assert_eq!(stack.parameters.len(), 3, "{:?}", stack.parameters);
    assert_eq!(stack.parameters["VpcCidr"], parameter("10.0.0.0/16"));
    assert_eq!(stack.parameters["Count"], parameter("3"));
    assert_eq!(stack.parameters["Size"], a::StackParameter { use_previous: true, ..parameter("") });
}

#[test]
fn parameters_as_aws_lists_them_are_the_same() {
    expect_listed(&deployed(&format!("parameters: {}", LISTED.replace('\n', "")), folder().path()));
}

#[test]
fn parameters_of_a_file_are_read_in_each_of_its_forms() {
    for (name, content) in [
        ("aws.json", LISTED),
        ("pipeline.json", r#"{"Parameters": {"VpcCidr": "10.0.0.0/16", "Count": 3, "Size": {"use_previous": true}}}"#),
        (
            "flat.json",
            "{\n\t\"VpcCidr\": \"10.0.0.0\\/16\",\n\t\"Count\": \"3\",\n\t\"Size\": {\"use_previous\": true}\n}",
        ),
        ("flat.yaml", "VpcCidr: 10.0.0.0/16\nCount: 3\nSize: { use_previous: true }\n"),
        (
            "aws.yaml",
            "- { ParameterKey: VpcCidr, ParameterValue: 10.0.0.0/16 }\n- ParameterKey: Count\n  ParameterValue: 3\n- { ParameterKey: Size, UsePreviousValue: true }\n",
        ),
    ] {
        let folder = folder();
        fs::write(folder.path().join(name), content).expect("written");
        let draft = parse(&deploying(&format!("parameters: {name}")), folder.path()).expect(name);
        expect_listed(stack_of(&draft));
        assert!(draft.attachments.iter().all(|it| it.file.path != name), "its values travel, not the file");
    }
}

#[test]
fn a_parameter_may_be_called_like_a_section() {
    let folder = folder();
    fs::write(folder.path().join("p.json"), r#"{"Parameters": "a", "Tags": "b", "Emoji": "😀 \ud83d\ude00"}"#)
        .expect("written");
    let stack = deployed("parameters: p.json", folder.path());
    assert_eq!((&stack.parameters["Parameters"], &stack.parameters["Tags"]), (&parameter("a"), &parameter("b")));
    assert_eq!(stack.parameters["Emoji"], parameter("😀 😀"));
}

#[test]
fn what_is_wrong_in_a_file_of_parameters_has_its_place_in_both_files() {
    for (content, words) in [
        ("A: 1\nA: 2\n", &["p.yaml:2:1: ", "`A` stands here twice"][..]),
        ("A: 1\nB: { valu: x }\n", &["p.yaml:2:6: ", "did you mean `value`?"]),
        ("A: [1]\n", &["p.yaml:1:1: ", "a value, or `value`"]),
        ("3\n", &["p.yaml: ", "values by name, AWS's list of them"]),
        ("Parameters: { A: x }\nTags: { team: shop }\n", &["p.yaml:2:7: ", "the step's `tags`"]),
        (
            "- { ParameterKey: A, ParameterValue: x }\n- { ParameterKey: A, ParameterValue: y }\n",
            &["p.yaml:2:19, ", "line 1"],
        ),
        ("- { ParameterKey: A }\n", &["p.yaml:1:19, ", "\"A\" has no value"]),
        ("{\n", &["p.yaml:"]),
    ] {
        let folder = folder();
        fs::write(folder.path().join("p.yaml"), content).expect("written");
        let faults = parse(&deploying("parameters: p.yaml"), folder.path()).expect_err(content);
        let [fault] = faults.as_slice() else { panic!("{faults:#?}") };
        assert_eq!(fault.place, Some(Place { line: 9, column: 21 }), "{fault:?}");
        assert!(words.iter().all(|word| fault.sentence.contains(word)), "{words:?} in {}", fault.sentence);
    }
    expect_fault(&deploying("parameters: none.json"), "9:21", &["There is no file \"none.json\""]);
    expect_fault(&deploying("parameters: ../p.json"), "9:21", &["leads out"]);
}

#[test]
fn what_is_wrong_with_a_parameter_has_its_place() {
    for (keys, place, words) in [
        ("parameters:\n  A: 1\n  A: 2", "11:11", &["`A`", "twice"][..]),
        ("parameters:\n  A: { use: true }", "10:16", &["Unknown key `use`"]),
        ("parameters:\n  A: {}", "10:11", &["Parameter \"A\" has no value"]),
        ("parameters:\n  A:", "10:11", &["Here stands", "a value, or `value`"]),
        ("parameters:\n  A: [1]", "10:11", &["Here stands", "a value, or `value`"]),
        ("parameters:\n  - { ParameterKey: A, Value: 1 }", "10:32", &["Unknown key `Value`", "ParameterValue"]),
        (
            "parameters:\n  - { ParameterKey: A, ParameterValue: 1 }\n  - { ParameterKey: A, ParameterValue: 1 }",
            "11:29",
            &["line 10"],
        ),
        ("parameters: 3", "9:9", &["values by name"]),
    ] {
        expect_fault(&deploying(keys), place, words);
    }
    let both = deploying("parameters:\n  A: { value: x, use_previous: true }");
    expect_fault(&both, "3:11", &["parameter \"A\" has a value and `use_previous`"]);
}

#[test]
fn a_secret_that_stands_in_the_file_is_a_warning_that_does_not_repeat_it() {
    let text = deploying(
        "parameters:\n  P: { value: canary, no_echo: true }\n  Q: { value: \"#{Db.Password}\", no_echo: true }",
    );
    let draft = parse(&text, folder().path()).expect("no faults");
    let [warning] = draft.warnings.as_slice() else { panic!("{:?}", draft.warnings) };
    assert!(warning.contains("longshore.yaml:10:11: Parameter \"P\"") && !warning.contains("canary"), "{warning}");
}

#[test]
fn tags_as_aws_lists_them_are_the_same() {
    let stack = deployed("tags: [{ Key: team, Value: shop }, { Key: cost, Value: 7 }]", folder().path());
    assert_eq!((stack.tags["team"].as_str(), stack.tags["cost"].as_str()), ("shop", "7"));
    expect_fault(&deploying("tags: [{ Key: a, Value: b }, { Key: a, Value: c }]"), "9:45", &["tag \"a\"", "line 9"]);
    expect_fault(&deploying("tags: [{ Key: a, Valeu: b }]"), "9:26", &["did you mean `Value`?"]);
    expect_fault(&deploying("tags: team"), "9:9", &["tags by key or AWS's list"]);
}

#[test]
fn a_template_is_a_path_a_text_or_an_address() {
    for (written, template) in [
        ("https://s3.amazonaws.com/b/k.yaml", Template::Url("https://s3.amazonaws.com/b/k.yaml".into())),
        ("s3://b/k.yaml", Template::Url("s3://b/k.yaml".into())),
        ("\"#{Template.Url}\"", Template::Url("#{Template.Url}".into())),
        ("templates/network.yaml", Template::File("templates/network.yaml".into())),
        ("\"Resources: {}\\n\"", Template::Body("Resources: {}\n".into())),
    ] {
        let text = cloudformation(&format!("      deploy: {{ stack: s, template: {written} }}\n"));
        assert_eq!(stack_of(&parse(&text, folder().path()).expect(written)).template, Some(template));
    }
}

#[test]
fn words_and_keys_that_are_nearly_right_are_corrected() {
    for (keys, place, words) in [
        ("capabilities: [CAPABILITY_IAMS]", "9:24", &["did you mean `CAPABILITY_IAM`?"][..]),
        ("capabilities: [capability_iam]", "9:24", &["did you mean `CAPABILITY_IAM`?"]),
        ("capabilities: [ADMIN]", "9:24", &["CAPABILITY_AUTO_EXPAND"]),
        ("on_failure: do_nothing", "9:21", &["did you mean `do-nothing`?"]),
        ("change_set: reviewed", "9:21", &["did you mean `review`?"]),
        ("chnage_set: review", "9:9", &["did you mean `change_set`?"]),
        ("staging: { bukcet: b }", "9:20", &["did you mean `bucket`?"]),
        ("rollback_triggers: { alarm: [a] }", "9:30", &["did you mean `alarms`?"]),
    ] {
        expect_fault(&deploying(keys), place, words);
    }
}

#[test]
fn lengths_of_time_that_aws_counts_in_minutes_are_whole_ones() {
    expect_fault(&deploying("creation_timeout: 90s"), "9:27", &["`creation_timeout` is 1m 30s", "write e.g. 2m"]);
    let watched = deploying("rollback_triggers: { alarms: [a], monitoring: 1m 1s }");
    expect_fault(&watched, "9:55", &["`monitoring` is 1m 1s", "whole minutes"]);
}

#[test]
fn a_stack_policy_is_checked_wherever_it_stands() {
    let folder = folder();
    fs::write(folder.path().join("stack.json"), "{\"Statement\": []}").expect("written");
    let stack = deployed("stack_policy: stack.json", folder.path());
    assert_eq!(stack.policy, Some(words::Policy::PolicyFile("stack.json".into())));
    expect_fault(&deploying("stack_policy: '{\"Statement\": [}'"), "9:23", &["The stack policy is not JSON"]);
    expect_fault(&deploying("stack_policy: '{}'"), "9:23", &["no `Statement`"]);
    expect_fault(&deploying("stack_policy: none.json"), "9:23", &["There is no file \"none.json\""]);
    let reviewed = deploying("stack_policy: '{\"Statement\": []}'\nchange_set: review");
    expect_fault(&reviewed, "3:11", &["`stack_policy` is set when the change set is applied"]);
}

#[test]
fn a_change_set_is_applied_and_a_stack_deleted() {
    let apply = cloudformation(
        "      apply_change_set: { stack: s, change_set: \"#{A}\", digest: \"#{B}\", sensitive_outputs: [P] }\n",
    );
    let draft = parse(&apply, folder().path()).expect("no faults");
    let Some(Action::ApplyChangeSet(it)) = &draft.project.steps[0].action else { panic!("no change set") };
    assert_eq!((it.change_set.as_str(), it.digest.as_str(), it.sensitive_outputs.len()), ("#{A}", "#{B}", 1));
    let delete = cloudformation("      delete: { stack: s, retain: [Bucket], role_arn: arn }\n");
    let draft = parse(&delete, folder().path()).expect("no faults");
    let Some(Action::DeleteStack(it)) = &draft.project.steps[0].action else { panic!("no deletion") };
    assert_eq!((it.retain.as_slice(), it.role_arn.as_str()), (&["Bucket".to_owned()][..], "arn"));
    expect_fault(
        &cloudformation("      apply_change_set: { stack: s, change_set: x }\n"),
        "6:37",
        &["`digest` is missing"],
    );
}

#[test]
fn a_step_does_exactly_one_thing() {
    let delete = "      delete: { stack: s }\n      apply_change_set: { stack: s, change_set: x, digest: y }\n";
    expect_fault(&cloudformation(delete), "3:11", &["more than one of `deploy`, `apply_change_set` and `delete`"]);
    expect_fault(&cloudformation("      {}\n"), "3:11", &["`cloudformation` does nothing"]);
    let both = "    script: { shell: bash, body: x }\n    s3_upload: { bucket: shop-site, source: templates/* }\n";
    expect_fault(&with_step(both), "3:11", &["more than one of `script`, `cloudformation` and `s3_upload`"]);
}

#[test]
fn the_schema_describes_every_form_of_a_stack() {
    let schema = serde_json::to_value(schema()).expect("json");
    let defs = &schema["$defs"];
    let shown: Vec<_> = [
        "CloudFormation",
        "DeployStack",
        "ParametersForm",
        "ValueForm",
        "Detailed",
        "Listed",
        "TagsForm",
        "Capability",
    ]
    .map(|name| (name, &defs[name]))
    .into();
    assert!(shown.iter().all(|(_, schema)| schema.is_object()), "{shown:#?}");
    insta::assert_snapshot!(serde_json::to_string_pretty(&shown).expect("json"));
}
