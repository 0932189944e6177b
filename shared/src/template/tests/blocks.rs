//! Conditions, loops, calculations, filters and JSON.

use super::*;

fn faults(variables: &Variables, template: &str) -> Vec<String> {
    let evaluated = variables.evaluate(template).expect(template);
    assert_eq!(evaluated.text, template, "it stays as it is");
    evaluated.faults.iter().map(ToString::to_string).collect()
}

#[test]
fn a_condition_asks_and_never_complains_of_what_has_no_value() {
    let variables =
        variables(&[("Yes", "1"), ("Off", " False "), ("Env", "prod"), ("Same", "prod"), ("Hole", "#{Gone}")]);
    for (template, expected) in [
        ("#{if Yes}a#{else}b#{/if}", "a"),
        ("#{if Off}a#{else}b#{/if}", "b"),
        ("#{if Nobody}a#{/if}", ""),
        ("#{unless Nobody}a#{else}b#{/unless}", "a"),
        ("#{IF Nobody}1#{ElseIf Off}2#{elseif Yes}3#{else}4#{/If}", "3"),
        ("#{if Env == \"prod\"}a#{/if}#{if Env==\\\"prod\\\"}b#{/if}", "ab"),
        ("#{if Env != \"test\"}a#{/if}#{if Env == Same}b#{/if}#{if Env == Yes}c#{/if}", "ab"),
        ("#{if Nobody == \"\"}empty#{/if}", "empty"),
        ("#{if Env | StartsWith p}a#{/if}#{if Env | ToUpper == \"PROD\"}b#{/if}", "ab"),
        ("#{if Nobody | ToUpper}a#{/if}", ""),
        ("#{if Yes}#{if Off}x#{else}y#{/if}#{/if}", "y"),
        ("#{if Env == \"a } b\"}x#{else}y#{/if}", "y"),
    ] {
        let evaluated = variables.evaluate(template).expect(template);
        assert_eq!((evaluated.text.as_str(), evaluated.undefined.len()), (expected, 0), "{template}");
    }
    assert_eq!(
        variables.evaluate("#{if Hole}x#{/if}").expect("evaluated").undefined,
        ["Gone"],
        "a hole in a value is told"
    );
}

#[test]
fn a_loop_goes_through_indexes_parts_and_json() {
    let mut all = variables(&[
        ("Host[10].Name", "ten"),
        ("Host[2].Name", "two"),
        ("Host[b].Name", "bee"),
        ("Host[b].Port[a]", "1"),
        ("Host[b].Port[c]", "2"),
        ("List", "x,y, z"),
        ("Empty", ""),
        ("Line", "<#{h.Name}>"),
        ("Json", r#"{"z": {"n": 1}, "a": [true, null]}"#),
        ("Rows", r#"[{"id": 1, "tags": ["p", "q"]}, {"id": 2, "tags": []}]"#),
    ]);
    for (template, expected) in [
        ("#{each h in Host}#{h}=#{h.Name};#{/each}", "2=two;10=ten;b=bee;"),
        ("#{each H in host}#{each p in h.Port}#{h.Name}:#{p};#{/each}#{/each}", "bee:1;bee:2;"),
        ("#{each h in Host}#{Line}#{/each}", "<two><ten><bee>"),
        ("#{each i in List}[#{i}]#{/each}", "[x][y][ z]"),
        ("#{each i in Empty}x#{/each}#{each i in Nobody}y#{/each}", ""),
        ("#{each m in Json}#{m.Key}:#{m.Value};#{/each}", "z:{\"n\":1};a:[true,null];"),
        ("#{each m in Json}#{m.Value.n | Append !}#{/each}", "1!#{m.Value.n | Append !}"),
        ("#{each r in Rows}#{r.id}#{each t in r.tags}-#{t}#{/each} #{/each}", "1-p-q 2 "),
        (
            "#{each i in List}#{Octopus.Template.Each.Index}#{unless Octopus.Template.Each.Last},#{/unless}#{/each}",
            "0,1,2",
        ),
        ("#{each i in List}#{if Octopus.Template.Each.First}#{i}#{/if}#{/each}", "x"),
    ] {
        assert_eq!(text(&all, template), expected, "{template}");
    }
    all.insert("Host[2]", "itself", false);
    assert_eq!(text(&all, "#{each h in Host}#{h} #{/each}"), "itself 10 b ");
}

#[test]
fn an_items_name_means_the_item_only_within_its_loop() {
    let variables = variables(&[("i", "outside"), ("List", "a,b"), ("Other", "c")]);
    assert_eq!(text(&variables, "#{each i in List}#{each i in Other}#{i}#{/each}#{i}#{/each}#{i}"), "cacboutside");
    let evaluated = variables.evaluate("#{Octopus.Template.Each.Index}").expect("evaluated");
    assert_eq!(evaluated.undefined, ["Octopus.Template.Each.Index"]);
}

#[test]
fn what_is_in_json_is_named_like_a_variable_and_a_variable_comes_first() {
    let variables = variables(&[
        ("App", r#"{"Db": {"Host": "h#{N}", "Ports": [1, 2]}, "Name": "json"}"#),
        ("App.Name", "variable"),
        ("N", "1"),
        ("Index", "1"),
        ("Octopus.Action[My.Step].Output.Json", r#"{"a": "b"}"#),
    ]);
    assert_eq!(text(&variables, "#{App.Db.Host} #{app[Db].Ports[#{Index}]} #{App.Name}"), "h1 2 variable");
    assert_eq!(text(&variables, "#{Octopus.Action[My.Step].Output.Json.a}"), "b");
    assert_eq!(text(&variables, "#{App.Db.Ports}"), "[1,2]");
    assert_echoed(&variables, "#{App.Db.User}", &["App.Db.User"]);
}

#[test]
fn a_filter_that_cannot_be_applied_leaves_its_expression_and_says_why() {
    let variables = variables(&[("A", "abc"), ("Text", "#{A | Nope}")]);
    assert_eq!(faults(&variables, "#{A | Nope 1}"), ["A | Nope: there is no filter \"Nope\""]);
    assert_eq!(
        faults(&variables, "#{A | Substring 2 9}"),
        ["A | Substring: Substring takes a length, or a start and a length, within the text"]
    );
    assert_eq!(faults(&variables, "#{A | NowDate}"), ["A | NowDate: NowDate takes no value before the |"]);
    assert_eq!(faults(&variables, "#{ | ToUpper}"), ["| ToUpper: ToUpper needs a value before the |"]);
    assert_eq!(
        faults(&variables, "#{A | Match \"(\\w)\\1\"}"),
        ["A | Match: Match has a regular expression that is not one, or needs back-references or look-around"]
    );
    let evaluated = variables.evaluate("#{Text}").expect("evaluated");
    assert_eq!(evaluated.faults[0].to_string(), "A | Nope in Text: there is no filter \"Nope\"");
    assert_echoed(&variables, "#{B | ToUpper}", &["B"]);
    assert_echoed(&variables, "#{A | Append #{B}}", &["B"]);
}

#[test]
fn a_block_that_is_not_whole_leaves_the_whole_text() {
    let variables = variables(&[("A", "a"), ("Bad", "#{A} #{if A}")]);
    for (template, why) in [
        ("#{A}\n#{if A}x", "line 2: #{if A} has no #{/if}"),
        ("#{A}#{/if}", "line 1: #{/if} closes no #{if}"),
        ("#{if A}#{/unless}", "line 1: #{/unless} closes no #{unless}"),
        ("#{else}", "line 1: #{else} stands in no #{if} or #{unless}"),
        ("#{if A}#{else}#{else}#{/if}", "line 1: #{else} stands after #{else}"),
        ("#{each i in A}", "line 1: #{each i in A} has no #{/each}"),
    ] {
        assert_eq!(faults(&variables, template), [why], "{template}");
    }
    let evaluated = variables.evaluate("<#{Bad}>").expect("evaluated");
    assert_eq!(evaluated.text, "<#{A} #{if A}>", "the variable's value as it is");
    assert_eq!(evaluated.faults[0].to_string(), "Bad: line 1: #{if A} has no #{/if}");
}

#[test]
fn blocks_within_blocks_and_values_within_values_have_an_end() {
    let deep = "#{if A}".repeat(10_000) + &"#{/if}".repeat(10_000);
    assert_eq!(faults(&variables(&[]), &deep), ["line 1: #{if A} is within 64 other blocks"]);
    let half = "#{if A}".repeat(140_000);
    assert_eq!(faults(&variables(&[]), &half).len(), 1);

    let mut chain = variables(&[("V0", "end")]);
    for level in 1..=10_000 {
        chain.insert(format!("V{level}"), format!("#{{V{}}}", level - 1), false);
    }
    assert!(matches!(chain.evaluate("#{V10000}"), Err(TemplateError::TooDeep(_))));
}

#[test]
fn loops_in_loops_and_growing_filters_end_in_a_sentence() {
    let mut all = variables(&[("L", &"x,".repeat(1000)), ("Tower", &"#{each a in L}".repeat(6))]);
    let towers = "#{each a in L}".repeat(6) + &"#{/each}".repeat(6);
    let error = all.evaluate(&towers).expect_err("too much");
    assert!(error.to_string().starts_with("The text takes more than 10000000 steps"), "{error}");

    all.insert("Big", "x".repeat(500_000), false);
    all.insert("Rows", "\n".repeat(10_000), false);
    for grows in ["#{Big | Replace x 12345678}", "#{Rows | Indent 200}", "#{Big | HtmlEscape | Append #{Big} #{Big}}"] {
        assert!(matches!(all.evaluate(grows), Err(TemplateError::TooLong(_))), "{grows}");
    }
    let digests = "#{Big | Md5}".repeat(1000);
    assert!(matches!(all.evaluate(&digests), Err(TemplateError::TooLong(_))));
    assert_eq!(
        faults(&variables(&[("A", "a")]), "#{A | Match \"(((a{100}){100}){100}){100}\"}"),
        ["A | Match: Match has a regular expression that takes too much memory: repeat less in it"]
    );
    let bomb = variables(&[("A", &"a".repeat(100_000))]);
    assert_eq!(text(&bomb, "#{A | Match \"^(a+)+$b\"}"), "false", "time in proportion to the text");
}

#[test]
fn what_a_secret_took_part_in_is_a_secret_and_what_it_only_decided_is_not() {
    let mut all = variables(&[("Plain", "p"), ("Url", "#{Password | UriDataEscape}"), ("List", "#{Password},x")]);
    all.insert("Password", "hunter2", true);
    all.insert("Number", "41", true);
    all.insert("Json", r#"{"k": "v"}"#, true);
    let sensitive = |template: &str| all.evaluate(template).expect(template).sensitive;
    for secret in [
        "#{Password | ToUpper}",
        "#{Url}",
        "#{Plain | Append #{Password}}",
        "#{calc Number + 1}",
        "#{Json.k}",
        "#{each i in List}#{i}#{/each}",
        "#{each m in Json}#{m.Key}#{/each}",
    ] {
        assert!(sensitive(secret), "{secret}");
    }
    assert!(!sensitive("#{if Password}set#{else}missing#{/if}"));
    assert!(!sensitive("#{if Password == \"x\"}a#{/if}#{Plain}"));
}

#[test]
fn no_fault_holds_a_secret() {
    let mut variables = Variables::new();
    variables.insert("Password", "hunter2 #{A | Nope} #{if B}", true);
    variables.insert("Other", "x #{hunter2 | Nope}", true);
    for template in ["#{Password}", "#{Other}", "#{Password | FromBase64}", "#{Other | Format 0}"] {
        let evaluated = variables.evaluate(template).expect("evaluated");
        let told = format!("{:?} {:?}", evaluated.faults, evaluated.undefined);
        assert!(told.contains("Password") || told.contains("Other"), "{template}: {told}");
        assert!(!told.contains("hunter2"), "{template}: {told}");
    }
}

#[test]
fn null_makes_the_whole_value_nothing() {
    let variables = variables(&[("N", "a#{ | null}b"), ("M", "x#{N}")]);
    assert_eq!(text(&variables, "#{ | null}"), "");
    assert_echoed(&variables, "<#{N}>", &["N"]);
    assert_eq!(text(&variables, "#{if N}a#{else}b#{/if}"), "b");
}

#[test]
fn it_is_told_which_variables_took_part() {
    let variables = variables(&[("A", "#{B}"), ("B", "b"), ("C", "c"), ("D", "d"), ("J", "{\"x\": 1}")]);
    let used = |template: &str| variables.evaluate(template).expect(template).used;
    assert_eq!(used("#{a}"), ["A", "B"]);
    assert_eq!(used("#{if C}#{D}#{else}#{A}#{/if}#{J.x}"), ["C", "D", "J"]);
    assert_eq!(variables.evaluate_variable("A").expect("is there").expect("evaluated").used, ["A", "B"]);
}
