mod artifacts;
mod roles;
mod stack;
mod upload;

use std::{fs, os::unix::fs::symlink};

use proto::{
    action::deploy_stack::Template,
    deployment::{script::Source, step::Action},
};

use super::{fault::Place, *};
use crate::failure::Exit;

const WHOLE: &str = r##"
project: web-shop
description: Sells things.
variables:
  - { name: Region, value: eu-west-1 }
  - { name: Port, value: 8080 }
  - { name: AWS Account, type: aws-account, value: shop-staging, environments: [staging] }
  - { name: AWS Account, type: aws-account, value: shop-production, environments: [production] }
  - { name: Db.Password, type: sensitive }
steps:
  - name: Who am I
    aws: { identity: account, account: AWS Account, region: "#{Region}" }
    script:
      shell: bash
      body: |
        aws sts get-caller-identity
  - name: Network
    pool: production-workers
    requires: { zone: a }
    start: with-previous
    environments: [staging, production]
    aws: { identity: worker-role, expect: { account: "123456789012", role: shop-deployer } }
    cloudformation:
      deploy:
        stack: shop-network-#{Octopus.Environment.Name}
        template: templates/network.yaml
        parameters: { VpcCidr: 10.0.0.0/16, Count: 3, Public: true }
        capabilities: [CAPABILITY_IAM]
        tags: { team: shop }
    timeout: 45m
    retries: { count: 2, backoff: 30s }
    retry_safe: true
    locks: ["network-#{Region}"]
  - name: Tell someone
    condition: always
    script: { shell: python, file: scripts/notify.py }
"##;

/// A folder with the files that [`WHOLE`] uses.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir_all(folder.path().join("templates")).expect("made");
    fs::create_dir_all(folder.path().join("scripts")).expect("made");
    fs::write(folder.path().join("templates/network.yaml"), "Resources: {}\n").expect("written");
    fs::write(folder.path().join("scripts/notify.py"), "print('done')\n").expect("written");
    folder
}

fn parse(text: &str, folder: &Path) -> Result<Draft, Vec<Fault>> {
    Draft::parse(text, &folder.join("longshore.yaml"))
}

fn faults(text: &str) -> Vec<String> {
    let faults = parse(text, folder().path()).expect_err("there should be a fault");
    faults.iter().map(|fault| fault.in_file(Path::new("longshore.yaml"))).collect()
}

/// One fault, that begins with this place and holds these words.
fn expect_fault(text: &str, place: &str, words: &[&str]) {
    let faults = faults(text);
    assert_eq!(faults.len(), 1, "{faults:#?}");
    assert!(faults[0].starts_with(&format!("longshore.yaml:{place}: ")), "{}", faults[0]);
    for word in words {
        assert!(faults[0].contains(word), "no {word:?} in {}", faults[0]);
    }
}

fn with_step(step: &str) -> String {
    format!("project: p\nsteps:\n  - name: S\n{step}")
}

#[test]
fn a_whole_project_file_becomes_what_the_coordinator_takes() {
    let draft = parse(WHOLE, folder().path()).expect("no faults");
    let project = &draft.project;
    assert_eq!((project.name.as_str(), project.steps.len(), project.variables.len()), ("web-shop", 3, 5));
    assert_eq!(project.variables[1].value.as_deref(), Some("8080"));
    assert_eq!(project.variables[4].value, None);
    assert_eq!(project.steps[0].pool, "default");
    let network = &project.steps[1];
    assert_eq!(network.timeout.map(|timeout| timeout.seconds), Some(2700));
    assert_eq!(network.retries.as_ref().map(|retries| retries.count), Some(2));
    let Some(Action::DeployStack(stack)) = &network.action else { panic!("{:?}", network.action) };
    assert_eq!(stack.template, Some(Template::File("templates/network.yaml".into())));
    let value = |name: &str| stack.parameters[name].value.as_str();
    assert_eq!((value("Count"), value("Public"), value("VpcCidr")), ("3", "true", "10.0.0.0/16"));
    let Some(Action::Script(script)) = &project.steps[2].action else { panic!("{:?}", project.steps[2].action) };
    assert_eq!(script.source, Some(Source::File("scripts/notify.py".into())));
    let paths: Vec<_> = project.files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(paths, ["scripts/notify.py", "templates/network.yaml"]);
    assert_eq!(draft.attachments[1].file.size, 14);
}

#[test]
fn an_unknown_key_is_named_with_its_place_and_what_was_meant() {
    let text = with_step("    scirpt: { shell: bash, body: x }\n");
    expect_fault(&text, "4:5", &["Unknown key `scirpt`", "did you mean `script`?"]);
}

#[test]
fn an_unknown_key_that_resembles_nothing_gets_the_list() {
    expect_fault(&with_step("    banana: 1\n"), "4:5", &["Unknown key `banana`", "script", "cloudformation"]);
}

#[test]
fn what_comes_with_a_later_version_is_no_typing_error() {
    expect_fault(&with_step("    run_as: nobody\n"), "4:5", &["not supported by this version"]);
}

#[test]
fn an_unknown_word_is_corrected() {
    expect_fault(
        &with_step("    aws: { identity: worker-roll }\n    script: { shell: bash, body: x }\n"),
        "4:22",
        &["did you mean `worker-role`?"],
    );
}

#[test]
fn a_missing_key_is_named() {
    let faults = faults("steps: []\n");
    assert!(faults[0].contains("The key `project` is missing."), "{faults:?}");
}

#[test]
fn a_key_that_stands_there_twice_is_named() {
    expect_fault("project: p\nproject: q\nsteps: []\n", "2:1", &["`project`", "twice"]);
}

#[test]
fn a_duplicate_step_is_refused_with_both_lines() {
    let text = "project: p\nsteps:\n  - name: Build\n    script: { shell: bash, body: x }\n  - name: build\n    script: { shell: bash, body: x }\n";
    expect_fault(text, "5:11", &["\"build\"", "line 3", "unique"]);
}

#[test]
fn a_duration_without_units_is_refused_in_its_place() {
    let text = with_step("    timeout: 45\n    script: { shell: bash, body: x }\n");
    expect_fault(&text, "4:14", &["45", "units"]);
}

#[test]
fn a_missing_file_is_named_with_the_place_that_names_it() {
    let text = with_step("    script: { shell: bash, file: scripts/none.sh }\n");
    expect_fault(&text, "4:34", &["There is no file \"scripts/none.sh\""]);
}

#[test]
fn a_file_must_stay_beside_the_project_file() {
    for path in ["../secret", "/etc/passwd", "scripts/../../secret"] {
        let text = with_step(&format!("    script: {{ shell: bash, file: {path} }}\n"));
        expect_fault(&text, "4:34", &[path, "leads out of the project's folder"]);
    }
}

#[test]
fn a_symbolic_link_does_not_lead_out_either() {
    let folder = folder();
    symlink("/etc/hostname", folder.path().join("scripts/link.sh")).expect("linked");
    let text = with_step("    script: { shell: bash, file: scripts/link.sh }\n");
    let faults = parse(&text, folder.path()).expect_err("it leads out");
    assert!(faults[0].sentence.contains("leads out"), "{faults:?}");
}

#[test]
fn a_script_that_is_no_text_is_refused_by_path_and_byte() {
    let folder = folder();
    fs::write(folder.path().join("scripts/raw.sh"), b"echo \xff\n").expect("written");
    let text = with_step("    script: { shell: bash, file: scripts/raw.sh }\n");
    let faults = parse(&text, folder.path()).expect_err("it is no text");
    assert!(faults[0].sentence.contains("\"scripts/raw.sh\" is not UTF-8 text: byte 6"), "{faults:?}");
}

#[test]
fn a_template_of_10_mb_is_refused_with_its_path_and_the_limit() {
    let folder = folder();
    let file = fs::File::create(folder.path().join("templates/huge.yaml")).expect("made");
    file.set_len(10 << 20).expect("grown");
    let text = with_step(
        "    aws: { identity: worker-role }\n    cloudformation: { deploy: { stack: s, template: templates/huge.yaml } }\n",
    );
    let faults = parse(&text, folder.path()).expect_err("it is too large");
    let fault = &faults[0];
    assert_eq!(fault.place, Some(Place { line: 5, column: 53 }));
    for word in ["templates/huge.yaml", "10485760", "1000000"] {
        assert!(fault.sentence.contains(word), "{}", fault.sentence);
    }
}

#[test]
fn a_template_of_more_than_one_line_is_the_template_itself() {
    let text = with_step(
        "    aws: { identity: worker-role }\n    cloudformation:\n      deploy:\n        stack: s\n        template: |\n          Resources: {}\n          Outputs: {}\n",
    );
    let draft = parse(&text, folder().path()).expect("no faults");
    let Some(Action::DeployStack(stack)) = &draft.project.steps[0].action else { panic!("no stack") };
    assert_eq!(stack.template, Some(Template::Body("Resources: {}\nOutputs: {}\n".into())));
}

#[test]
fn a_sensitive_value_must_not_stand_in_the_file_and_is_not_repeated() {
    let text = "project: p\nvariables:\n  - { name: P, type: sensitive, value: canary }\nsteps:\n  - name: S\n    script: { shell: bash, body: x }\n";
    let faults = faults(text);
    assert!(faults[0].starts_with("longshore.yaml:3:40: ") && !faults[0].contains("canary"), "{faults:?}");
}

#[test]
fn two_values_for_one_environment_are_refused_with_both_lines() {
    let text = "project: p\nvariables:\n  - { name: A, value: x, environments: [staging] }\n  - { name: a, value: y, environments: [production, staging] }\nsteps:\n  - name: S\n    script: { shell: bash, body: x }\n";
    expect_fault(text, "4:13", &["environment staging", "line 3"]);
    let text = "project: p\nvariables:\n  - { name: A, value: x, steps: [S] }\n  - { name: A, value: y, pools: [default] }\n  - { name: A, value: z, steps: [s], environments: [test] }\n  - { name: A, value: u, steps: [S] }\nsteps:\n  - name: S\n    script: { shell: bash, body: x }\n";
    expect_fault(text, "6:13", &["step S", "line 3"]);
}

#[test]
fn a_value_for_a_step_that_is_not_there_is_refused() {
    let text = "project: p\nvariables:\n  - { name: A, value: x, steps: [Biuld] }\nsteps:\n  - name: Build\n    script: { shell: bash, body: x }\n";
    expect_fault(text, "3:13", &["step \"Biuld\", which the project does not have"]);
}

#[test]
fn a_circle_of_variables_is_told_once_with_its_chain() {
    let text = "project: p\nvariables:\n  - { name: A, value: \"#{B}\" }\n  - { name: B, value: b }\n  - { name: B, value: \"x #{A}\", environments: [staging] }\nsteps:\n  - name: S\n    script: { shell: bash, body: x }\n";
    expect_fault(text, "3:13", &["circle", "A → B → A"]);
}

#[test]
fn an_account_that_would_not_be_used_is_refused() {
    let text =
        with_step("    aws: { identity: worker-role, account: AWS Account }\n    script: { shell: bash, body: x }\n");
    expect_fault(&text, "4:44", &["identity: account"]);
}

#[test]
fn several_faults_are_all_reported() {
    let text = "project: p\nsteps:\n  - name: A\n  - name: B\n    script: { shell: bash }\n  - name: C\n    aws: { identity: account }\n    script: { shell: bash, body: x }\n";
    let faults = faults(text);
    assert_eq!(faults.len(), 3, "{faults:#?}");
    assert!(faults[0].contains("does nothing") && faults[1].contains("no text") && faults[2].contains("aws.account"));
}

#[test]
fn what_the_plan_finds_is_told_at_its_step() {
    let text = with_step("    timeout: 8d\n    script: { shell: bash, body: x }\n");
    expect_fault(&text, "3:11", &["`timeout`", "7d"]);
}

#[test]
fn what_the_coordinator_would_refuse_about_a_variable_is_told_at_its_place() {
    let text = "project: p\nvariables:\n  - { name: \"A|B\", value: x }\nsteps:\n  - name: S\n    script: { shell: bash, body: x }\n";
    expect_fault(text, "3:13", &["\"A|B\""]);
}

#[test]
fn a_value_where_keys_are_needed_is_said_in_words() {
    expect_fault(&with_step("    script: hello\n"), "4:13", &["Keys with values are needed here."]);
    expect_fault("project: p\nsteps: 3\n", "2:8", &["A list is needed here."]);
}

#[test]
fn a_fault_in_the_yaml_itself_has_its_place() {
    let faults = faults("project: p\nsteps:\n  - name: [\n");
    assert!(faults[0].starts_with("longshore.yaml:"), "{faults:?}");
    let place = faults[0].split(':').nth(1).and_then(|line| line.parse::<u32>().ok());
    assert!(place.is_some(), "{faults:?}");
}

#[test]
fn a_folder_without_a_project_file_says_so() {
    let empty = tempfile::tempdir().expect("a folder");
    let failure = Draft::read(empty.path()).expect_err("nothing there");
    assert_eq!(failure.exit, Exit::Usage);
    assert!(failure.sentence.contains("no longshore.yaml"), "{}", failure.sentence);
}

#[test]
fn a_project_file_that_is_no_text_names_the_line() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("longshore.yaml"), b"project: p\nsteps: \xff\n").expect("written");
    let failure = Draft::read(folder.path()).expect_err("no text");
    assert!(failure.sentence.contains("longshore.yaml:2: "), "{}", failure.sentence);
}

#[test]
fn the_schema_knows_every_key_and_refuses_others() {
    let schema = serde_json::to_value(schema()).expect("json");
    assert_eq!(schema["additionalProperties"], false);
    let step = &schema["$defs"]["Step"]["properties"];
    for key in ["name", "pool", "script", "cloudformation", "retry_safe", "aws", "timeout"] {
        assert!(step.get(key).is_some(), "no {key} in {step}");
    }
    let aws = &schema["$defs"]["Aws"]["properties"];
    assert_eq!(aws["require_isolation"]["type"], "boolean");
    let roles = [&aws["assume_role"], &schema["$defs"]["OneOrMore"], &schema["$defs"]["AssumeRole"]];
    insta::assert_snapshot!(serde_json::to_string_pretty(&roles).expect("json"));
}
