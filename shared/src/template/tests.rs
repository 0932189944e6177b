use proptest::{collection::vec, prelude::*};

use super::*;

mod blocks;
#[path = "../../fuzz/input.rs"]
mod input;
mod page;

fn variables(pairs: &[(&str, &str)]) -> Variables {
    let mut variables = Variables::new();
    for (name, value) in pairs {
        variables.insert(*name, *value, false);
    }
    variables
}

fn text(variables: &Variables, template: &str) -> String {
    variables.evaluate(template).expect(template).text
}

/// What stays as it is, and what is reported of it.
fn assert_echoed(variables: &Variables, template: &str, reported: &[&str]) {
    let evaluated = variables.evaluate(template).expect(template);
    assert_eq!(evaluated.text, template);
    assert_eq!(evaluated.undefined, reported, "{template}");
}

#[test]
fn a_name_becomes_its_value() {
    let variables = variables(&[("Region", "eu-west-1"), ("AWS Account.AccessKey", "AKIA"), ("empty", "")]);
    assert_eq!(text(&variables, "#{Region}"), "eu-west-1");
    assert_eq!(text(&variables, "in #{ region }, as #{AWS Account.AccessKey}#{empty}."), "in eu-west-1, as AKIA.");
    assert_eq!(text(&variables, "é#{Region}é"), "éeu-west-1é");
}

#[test]
fn an_output_of_a_step_is_named_with_brackets() {
    let mut variables = variables(&[("Step", "Who am I"), ("Plain", "no")]);
    variables.insert_literal("Octopus.Action[Who am I].Output.Caller", "arn", false);
    variables.insert_literal("Octopus.Action[a|b}].Output.X", "never", false);
    assert_eq!(text(&variables, "#{Octopus.Action[Who am I].Output.Caller}"), "arn");
    assert_eq!(text(&variables, "#{Octopus.Action[#{Step}].Output.Caller}"), "arn");
}

#[test]
fn a_step_may_have_a_bar_in_its_name() {
    let variables = variables(&[("Octopus.Action[build | test].Output.X", "1")]);
    assert_eq!(text(&variables, "#{Octopus.Action[build | test].Output.X}"), "1");
}

#[test]
fn names_nest_and_values_refer_on() {
    let variables = variables(&[
        ("Host", "#{Name}.#{Zone[#{Env}]}"),
        ("Name", "web"),
        ("Env", "test"),
        ("Zone[test]", "t.example"),
        ("Which", "Env"),
        ("Zone[Env]", "wrong level"),
    ]);
    assert_eq!(text(&variables, "https://#{Host}/"), "https://web.t.example/");
    assert_eq!(text(&variables, "#{Zone[#{#{Which}}]}"), "t.example");
}

#[test]
fn the_escape_is_the_sign_itself_and_is_not_read_again() {
    let variables = variables(&[("A", "##{B}"), ("B", "b")]);
    assert_eq!(text(&variables, "##{B} #{A} ###{B} # { } #x"), "#{B} #{B} ##{B} # { } #x");
}

#[test]
fn what_is_undefined_stays_and_is_reported_once() {
    let variables = variables(&[("A", "[#{Missing}]")]);
    let evaluated = variables.evaluate("#{Missing} #{A} #{A} #{ Also missing }").expect("no circle");
    assert_eq!(evaluated.text, "#{Missing} [#{Missing}] [#{Missing}] #{ Also missing }");
    assert_eq!(evaluated.undefined, ["Missing", "Also missing"]);
}

#[test]
fn an_expression_with_an_undefined_one_within_stays_whole() {
    assert_echoed(&variables(&[("A", "a")]), "#{B[#{Missing}].#{A}}", &["Missing"]);
    assert_echoed(&variables(&[("A", "a")]), "#{B[#{A}]}", &["B[#{A}]"]);
}

#[test]
fn a_word_of_a_directive_alone_is_a_name() {
    let variables = variables(&[("If", "1"), ("Each.Thing", "2"), ("Each one", "3"), ("calc", "4")]);
    assert_eq!(text(&variables, "#{if}#{Each.Thing}#{each one}#{calc}"), "1234");
}

#[test]
fn other_languages_that_use_the_sign_do_not_swallow_what_follows() {
    let variables = variables(&[("Region", "eu-west-1")]);
    let evaluated = variables.evaluate("a #{ never closed\nregion=#{Region}").expect("no circle");
    assert_eq!(evaluated.text, "a #{ never closed\nregion=eu-west-1");
    assert_eq!(evaluated.undefined, ["never closed"]);

    let evaluated = variables.evaluate("#{\n  #{Region}\n}").expect("no circle");
    assert_eq!(evaluated.text, "#{\n  eu-west-1\n}");
    assert_echoed(&variables, "#{}", &["}"]);
}

#[test]
fn what_is_too_long_for_a_name_is_text() {
    let mut variables = variables(&[("A", "a")]);
    let long = "x".repeat(limits::EXPRESSION_BYTES + 1);
    variables.insert(long.as_str(), "never", false);
    assert_echoed(&variables, &format!("#{{{long}}}"), &[&long[..40]]);
    assert_eq!(text(&variables, &format!("#{{{long}#{{A}}}}")), format!("#{{{long}a}}"));
}

#[test]
fn a_circle_is_told_as_a_chain() {
    let variables = variables(&[("Start", "#{A}"), ("A", "x #{b}"), ("B", "#{C}"), ("C", "#{a}")]);
    let error = variables.evaluate("#{Start}").expect_err("a circle");
    assert_eq!(error, TemplateError::Cycle(["A", "B", "C", "A"].map(String::from).into()));
    assert_eq!(
        error.to_string(),
        "Variables refer to each other in a circle: A → B → C → A. Change one of them so that the chain ends."
    );
}

#[test]
fn a_variable_that_names_itself_is_a_circle() {
    let variables = variables(&[("A", "#{A}"), ("B", "#{B[#{B}]}")]);
    assert_eq!(variables.evaluate("#{A}").expect_err("a circle"), TemplateError::Cycle(vec!["A".into(), "A".into()]));
    assert!(matches!(variables.evaluate_variable("b"), Some(Err(TemplateError::Cycle(_)))));
}

#[test]
fn a_circle_that_nobody_enters_does_no_harm() {
    assert_eq!(text(&variables(&[("A", "#{A}"), ("B", "b")]), "#{B}"), "b");
}

#[test]
fn what_a_step_put_out_is_never_evaluated() {
    let mut variables = variables(&[("Secret", "s3cret")]);
    variables.insert_literal("Octopus.Action[S].Output.X", "#{Secret} ##{", false);
    let evaluated = variables.evaluate("<#{Octopus.Action[S].Output.X}>").expect("no circle");
    assert_eq!(evaluated.text, "<#{Secret} ##{>");
    assert!(evaluated.undefined.is_empty());
    assert!(!evaluated.sensitive);
}

#[test]
fn a_text_is_sensitive_when_a_sensitive_variable_took_part_however_far_away() {
    let mut variables = variables(&[("Url", "https://u:#{Password}@h"), ("Plain", "p"), ("At[x]", "there")]);
    variables.insert("Password", "hunter2", true);
    variables.insert("Index", "x", true);
    let sensitive = |template: &str| variables.evaluate(template).expect(template).sensitive;
    assert!(sensitive("#{Password}"));
    assert!(sensitive("see #{Url}"));
    assert!(sensitive("#{At[#{Index}]}"));
    assert!(!sensitive("#{Plain} #{At[x]}"));
    assert!(variables.evaluate_variable("Url").expect("is there").expect("no circle").sensitive);
}

#[test]
fn no_report_and_no_debug_output_holds_a_secret() {
    let mut variables = Variables::new();
    variables.insert("Password", "hun#{ter2}", true);
    let evaluated = variables.evaluate("#{Password} #{A[#{Password}]}").expect("no circle");
    assert_eq!(evaluated.text, "hun#{ter2} #{A[#{Password}]}");
    assert_eq!(evaluated.undefined, ["Password", "A[#{Password}]"]);
    assert!(!format!("{variables:?} {evaluated:?}").contains("hun"));
}

#[test]
fn case_does_not_matter_and_the_last_value_counts() {
    let mut variables = variables(&[("b", "1"), ("A", "2"), ("C", "3")]);
    variables.insert("B", "4", true);
    assert_eq!(variables.len(), 3);
    assert_eq!(variables.get_raw("b"), Some("4"));
    assert_eq!(variables.get_raw("d"), None);
    assert_eq!(variables.iter().map(|variable| variable.name.as_str()).collect::<Vec<_>>(), ["A", "B", "C"]);
}

#[test]
fn a_variable_is_evaluated_by_name() {
    let variables = variables(&[("A", "a#{B}"), ("B", "b")]);
    assert_eq!(variables.get_raw("A"), Some("a#{B}"));
    assert_eq!(variables.evaluate_variable("a").expect("is there").expect("no circle").text, "ab");
    assert_eq!(variables.evaluate_variable("Z"), None);
}

#[test]
fn a_result_beyond_the_limit_is_refused_and_names_the_variable() {
    let mut variables = variables(&[("Huge", "#{Big}#{Big}")]);
    variables.insert_literal("Big", "x".repeat(limits::EVALUATED_BYTES / 2 + 1), false);
    let error = variables.evaluate("#{Huge}").expect_err("too long");
    assert_eq!(error, TemplateError::TooLong(vec!["Huge".into()]));
    assert!(error.to_string().starts_with("Variable \"Huge\" grows to more than 1048576 bytes"), "{error}");
    assert!(variables.evaluate("#{Big}").is_ok());
}

#[test]
fn values_that_double_each_other_cost_no_more_than_their_text() {
    // 2^60 ways lead to an empty text; each variable is evaluated once.
    let mut variables = variables(&[("V0", "")]);
    for level in 1..=60 {
        variables.insert(format!("V{level}"), format!("#{{V{}}}#{{V{}}}", level - 1, level - 1), false);
    }
    assert_eq!(text(&variables, "#{V60}"), "");
}

#[test]
fn large_values_passed_on_and_on_are_refused() {
    let mut variables = Variables::new();
    variables.insert("V0", "x".repeat(limits::EVALUATED_BYTES), false);
    for level in 1..=20 {
        variables.insert(format!("V{level}"), format!("#{{V{}}}", level - 1), false);
    }
    assert!(matches!(variables.evaluate("#{V20}"), Err(TemplateError::TooLong(_))));
}

#[test]
fn nesting_beyond_the_limit_is_refused() {
    let mut variables = variables(&[("V0", "end")]);
    for level in 1..=limits::EXPRESSION_DEPTH {
        variables.insert(format!("V{level}"), format!("#{{V{}}}", level - 1), false);
    }
    assert_eq!(text(&variables, &format!("#{{V{}}}", limits::EXPRESSION_DEPTH - 1)), "end");
    let error = variables.evaluate(&format!("#{{V{}}}", limits::EXPRESSION_DEPTH)).expect_err("too deep");
    assert!(matches!(&error, TemplateError::TooDeep(path) if path[0] == "V64"), "{error}");

    let nested = "#{".repeat(100) + "V0" + &"}".repeat(100);
    let error = variables.evaluate(&nested).expect_err("too deep");
    assert_eq!(error, TemplateError::TooDeep(Vec::new()));
    assert!(error.to_string().starts_with("The text is nested"), "{error}");
}

#[test]
fn hostile_texts_take_no_longer_than_others_of_their_size() {
    // At quadratic cost each of these would take hours.
    let size = 500_000;
    let hostile = [
        "#{".repeat(size),
        "#{".repeat(size / 2) + &"}".repeat(size / 2),
        "#{\n".repeat(size / 4) + &"}".repeat(size / 4),
        "#{".repeat(size / 2) + "\n" + &"}".repeat(size / 2),
        "#".repeat(size),
        "##{".repeat(size / 3),
        "}".repeat(size),
        "#{a[".repeat(size / 4),
        "#{".to_owned() + &"é".repeat(size / 4) + "}",
    ];
    for text in &hostile {
        match Variables::new().evaluate(text) {
            Ok(evaluated) => assert!(evaluated.undefined.len() <= limits::UNDEFINED),
            Err(error) => assert_eq!(error, TemplateError::TooDeep(Vec::new())),
        }
    }
}

#[test]
fn what_fuzzing_began_with_and_found_is_evaluated_within_the_limits() {
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus/template");
    let mut inputs = 0;
    for entry in std::fs::read_dir(corpus).expect("the corpus") {
        let bytes = std::fs::read(entry.expect("an entry").path()).expect("an input");
        let input = String::from_utf8_lossy(&bytes);
        let (text, variables) = input::read(&input);
        let evaluated = variables.evaluate(text);
        assert!(evaluated.as_ref().map_or(0, |evaluated| evaluated.text.len()) <= limits::EVALUATED_BYTES);
        assert_eq!(evaluated, variables.evaluate(text));
        inputs += 1;
    }
    assert!(inputs >= 5);
}

proptest! {
    #[test]
    fn a_text_without_the_sign_is_unchanged(template in "[^#]*|(#?[^{#])*") {
        let evaluated = variables(&[("A", "a")]).evaluate(&template).expect("nothing to evaluate");
        prop_assert_eq!(evaluated.text, template);
        prop_assert!(evaluated.undefined.is_empty() && evaluated.faults.is_empty() && evaluated.used.is_empty());
    }

    #[test]
    fn without_variables_a_text_is_unchanged(pieces in vec(piece(), 0..12)) {
        let template = pieces.concat();
        let has_block = ["#{if ", "#{unless ", "#{each "].iter().any(|tag| template.contains(tag));
        prop_assume!(!template.contains("##{") && !has_block);
        prop_assert_eq!(text(&Variables::new(), &template), template);
    }

    #[test]
    fn any_text_is_evaluated_without_panic(
        template in vec(piece(), 0..30),
        values in vec(vec(piece(), 0..6), 3),
    ) {
        let mut variables = Variables::new();
        for (name, value) in ["A", "B", "A[B]"].iter().zip(values) {
            variables.insert(*name, value.concat(), false);
        }
        let _ = variables.evaluate(&template.concat());
    }

    #[test]
    fn escaping_a_text_brings_it_back(template in vec(piece(), 0..20)) {
        let template = template.concat();
        prop_assume!(!template.contains("##{"));
        let escaped = template.replace("#{", "##{");
        prop_assert_eq!(text(&variables(&[("A", "a")]), &escaped), template);
    }
}

/// What templates are made of, and what might upset a parser.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("#{".to_owned()),
        Just("}".to_owned()),
        Just("##{".to_owned()),
        Just("A".to_owned()),
        Just("B".to_owned()),
        Just("#{A}".to_owned()),
        Just("#{A[#{B}]}".to_owned()),
        Just("[".to_owned()),
        Just("]".to_owned()),
        Just("|".to_owned()),
        Just("\n".to_owned()),
        Just("é".to_owned()),
        Just("#".to_owned()),
        Just("if ".to_owned()),
        Just("#{if A}".to_owned()),
        Just("#{unless A == B}".to_owned()),
        Just("#{elseif A != \"".to_owned()),
        Just("#{else}".to_owned()),
        Just("#{/if}".to_owned()),
        Just("#{each i in A}#{i}#{/each}".to_owned()),
        Just("#{each i in ".to_owned()),
        Just("#{/each}".to_owned()),
        Just("#{calc A * (B - 1)}".to_owned()),
        Just("#{A | Replace \"A\" \"$0".to_owned()),
        Just("#{A | ToBase64 | Substring 2 4}".to_owned()),
        Just("\"".to_owned()),
        Just("\\\"".to_owned()),
        Just(",".to_owned()),
        Just("{\"k\": [1, {\"A\": null}]}".to_owned()),
        "[ -~]{0,4}",
    ]
}
