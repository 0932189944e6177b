//! Everything that is wrong is told at once, and how to mend it.

use super::*;

fn declared(name: &str, has_default: bool) -> Declared {
    Declared { name: name.into(), has_default, ..Declared::default() }
}

fn asked() -> Asked {
    let size = Declared { allowed: vec!["small".into(), "large".into()], ..declared("Size", true) };
    let password = Declared { no_echo: true, allowed: vec!["a".into()], ..declared("Password", true) };
    Asked { parameters: vec![declared("VpcCidr", false), declared("Name", false), size, password], ..Asked::default() }
}

fn given(values: &[(&str, &str)]) -> BTreeMap<String, StackParameter> {
    let value = |value: &str| match value {
        "(previous)" => StackParameter { use_previous: true, ..StackParameter::default() },
        value => StackParameter { value: value.into(), ..StackParameter::default() },
    };
    values.iter().map(|(name, text)| ((*name).to_owned(), value(text))).collect()
}

#[test]
fn what_fits_has_no_faults() {
    let given = given(&[("VpcCidr", "10.0.0.0/16"), ("Name", "(previous)"), ("Size", "large")]);
    let previous = BTreeSet::from(["Name".to_owned()]);
    assert_eq!(parameters(&asked(), &given, Some(&previous)), [""; 0]);
    assert_eq!(parameters(&asked(), &given, None), [""; 0]);
}

#[test]
fn missing_unknown_and_unfit_parameters_are_named_together() {
    let given = given(&[("VpcCird", "10.0.0.0/16"), ("Color", "red"), ("Size", "huge"), ("Password", "hunter2")]);
    let previous = BTreeSet::from(["Name".to_owned()]);
    let told = parameters(&asked(), &given, Some(&previous)).join("\n");
    insta::assert_snapshot!(told);
    assert!(!told.contains("hunter2"));
}

#[test]
fn a_value_cannot_be_kept_that_the_stack_does_not_have() {
    let given = given(&[("VpcCidr", "(previous)"), ("Name", "shop")]);
    let told = parameters(&asked(), &given, Some(&BTreeSet::new()));
    assert_eq!(
        told,
        ["parameter \"VpcCidr\" has `use_previous`, and the stack has no such parameter yet: give it a value."]
    );
}

#[test]
fn capabilities_that_are_needed_and_not_given_are_named_with_why() {
    let asked = Asked {
        capabilities: ["CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"].map(str::to_owned).into(),
        why: "it has Role (AWS::IAM::Role)".into(),
        macros: vec!["AWS::Include".into()],
        ..Asked::default()
    };
    let told = |given: &[&str], is_direct| {
        let given: Vec<_> = given.iter().map(|&name| name.to_owned()).collect();
        capabilities(&asked, &given, is_direct)
    };
    assert_eq!(
        told(&["CAPABILITY_IAM"], false),
        [
            "the template changes permissions (it has Role (AWS::IAM::Role)): acknowledge that with CAPABILITY_NAMED_IAM in `capabilities`."
        ]
    );
    assert_eq!(told(&["capability_named_iam"], false), [""; 0]);
    let both = told(&[], true);
    assert!(both.len() == 2 && both[0].contains("macros (AWS::Include)"), "{both:?}");
    assert_eq!(told(&["CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"], true), [""; 0]);
}

#[test]
fn named_iam_includes_iam() {
    let asked = Asked { capabilities: ["CAPABILITY_IAM".to_owned()].into(), ..Asked::default() };
    assert_eq!(capabilities(&asked, &["CAPABILITY_NAMED_IAM".to_owned()], false), [""; 0]);
    assert_eq!(capabilities(&asked, &[], false).len(), 1);
}

#[test]
fn what_aws_tells_completes_what_the_text_says() {
    let local = Asked {
        parameters: vec![Declared { no_echo: true, allowed: vec!["a".into()], ..declared("Password", false) }],
        capabilities: ["CAPABILITY_IAM".to_owned()].into(),
        why: "local".into(),
        macros: vec!["Local".into()],
    };
    let told = Asked {
        parameters: vec![declared("Password", true), declared("Included", false)],
        capabilities: ["CAPABILITY_NAMED_IAM".to_owned()].into(),
        why: "AWS's words".into(),
        macros: vec![],
    };
    let all = local.clone().completed_by(told);
    let password = Declared { no_echo: true, allowed: vec!["a".into()], ..declared("Password", true) };
    assert_eq!(all.parameters, [password, declared("Included", false)]);
    assert_eq!(all.capabilities, ["CAPABILITY_NAMED_IAM".to_owned()].into());
    assert_eq!((all.why.as_str(), all.macros.len()), ("AWS's words", 1));
    let silent = local.clone().completed_by(Asked::default());
    assert_eq!(silent, local);
}

#[test]
fn each_value_of_a_list_must_be_allowed_and_not_the_list_itself() {
    let zones = Declared { allowed: vec!["a".into(), "b".into()], is_list: true, ..declared("Zones", true) };
    let asked = Asked { parameters: vec![zones], ..Asked::default() };
    let faults = |value: &str| {
        let given = StackParameter { value: value.into(), ..StackParameter::default() };
        parameters(&asked, &[("Zones".to_owned(), given)].into(), None)
    };
    assert_eq!(faults("a, b"), [""; 0]);
    assert_eq!(faults("a"), [""; 0]);
    assert_eq!(faults("a,c").len(), 1);
}
