//! Roles that steps assume, as a project file writes them.

use super::*;

const HUB: &str = "arn:aws:iam::123456789012:role/hub";

/// A step whose `assume_role` begins in line 6.
fn assuming(roles: &str) -> String {
    with_step(&format!(
        "    script: {{ shell: bash, body: x }}\n    aws:\n      identity: worker-role\n      assume_role:\n{roles}"
    ))
}

#[test]
fn one_role_stands_for_a_list_of_one() {
    let text = assuming(&format!(
        "        arn: {HUB}\n        session_name: shop-#{{Octopus.Environment.Name}}\n        duration: 30m\n        external_id: x-1\n        session_tags: false\n      require_isolation: true\n"
    ));
    let draft = parse(&text, folder().path()).expect("no faults");
    let aws = draft.project.steps[0].aws.as_ref().expect("an identity");
    let [role] = aws.assume_roles.as_slice() else { panic!("{aws:?}") };
    assert_eq!((role.role_arn.as_str(), role.external_id.as_str()), (HUB, "x-1"));
    assert_eq!(role.session_name, "shop-#{Octopus.Environment.Name}");
    assert_eq!((role.duration.map(|time| time.seconds), role.omit_session_tags), (Some(1800), true));
    assert!(aws.require_isolation);
}

#[test]
fn roles_of_a_list_keep_their_order() {
    let text = assuming(&format!("        - arn: {HUB}\n        - {{ arn: \"#{{Deployer}}\" }}\n"));
    let draft = parse(&text, folder().path()).expect("no faults");
    let aws = draft.project.steps[0].aws.as_ref().expect("an identity");
    let arns: Vec<_> = aws.assume_roles.iter().map(|role| role.role_arn.as_str()).collect();
    assert_eq!(arns, [HUB, "#{Deployer}"]);
    assert_eq!(aws.assume_roles[0].duration.map(|time| time.seconds), Some(3600));
    assert!(!aws.assume_roles[0].omit_session_tags && !aws.require_isolation);
    assert!(draft.warnings.is_empty(), "{:?}", draft.warnings);
}

#[test]
fn an_unknown_key_of_a_role_is_named_with_its_line() {
    let one = assuming(&format!("        arn: {HUB}\n        externalid: x-1\n"));
    expect_fault(&one, "9:9", &["Unknown key `externalid`", "did you mean `external_id`?"]);
    let list = assuming(&format!("        - arn: {HUB}\n        - {{ role: {HUB} }}\n"));
    expect_fault(&list, "9:13", &["Unknown key `role`", "arn"]);
}

#[test]
fn a_role_without_an_arn_and_a_word_for_a_role_are_refused() {
    let faults = faults(&assuming("        duration: 1h\n"));
    assert!(faults[0].contains("The key `arn` is missing."), "{faults:?}");
    expect_fault(&with_step("    aws: { identity: worker-role, assume_role: hub }\n"), "4:35", &["\"hub\"", "`arn`"]);
}

#[test]
fn a_role_that_aws_would_not_take_is_told_at_its_step() {
    for (role, words) in [
        ("arn: hub", &["\"hub\"", "no ARN of a role"][..]),
        ("arn: arn:aws:iam::1234:role/hub", &["not 12 digits"]),
        ("arn: arn:aws:iam::123456789012:role/hub\n        duration: 5m", &["`assume_role.duration`", "15 minutes"]),
        ("arn: arn:aws:iam::123456789012:role/hub\n        duration: 13h", &["`assume_role.duration`", "12 hours"]),
        ("arn: arn:aws:iam::123456789012:role/hub\n        policy: '{}'", &["`assume_role.policy`", "no `Statement`"]),
        ("arn: arn:aws:iam::123456789012:role/hub\n        external_id: a b", &["`assume_role.external_id`"]),
    ] {
        expect_fault(&assuming(&format!("        {role}\n")), "3:11", words);
    }
}

#[test]
fn roles_of_two_partitions_are_refused() {
    let mixed = assuming(&format!("        - arn: {HUB}\n        - arn: arn:aws-cn:iam::123456789012:role/deployer\n"));
    expect_fault(&mixed, "3:11", &["partition aws-cn", HUB]);
}

#[test]
fn a_role_on_top_of_nothing_is_refused() {
    let text = with_step(&format!(
        "    script: {{ shell: bash, body: x }}\n    aws: {{ assume_role: {{ arn: \"{HUB}\" }} }}\n"
    ));
    expect_fault(&text, "3:11", &["without credentials", "`aws.identity`"]);
}

#[test]
fn a_session_that_will_be_shorter_than_it_says_is_a_warning_at_its_step() {
    let text = assuming(&format!("        arn: {HUB}\n        duration: 2h\n"));
    let draft = parse(&text, folder().path()).expect("no faults");
    let [warning] = draft.warnings.as_slice() else { panic!("{:?}", draft.warnings) };
    assert!(warning.contains("longshore.yaml:3:11: Step \"S\": ") && warning.contains("it will last 1h"), "{warning}");
}
