use proptest::prelude::*;

use super::*;

fn fault(text: &str) -> String {
    Template::parse(text).expect_err("it is refused").to_string()
}

#[test]
fn a_template_is_read_in_every_way_it_is_written() {
    let yaml = "Resources:\n  Topic:\n    Type: AWS::SNS::Topic\n";
    let json = r#"{"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}"#;
    for text in [
        yaml.to_owned(),
        format!("---\n{yaml}"),
        format!("%YAML 1.1\n---\n{yaml}...\n"),
        format!("\u{feff}{yaml}"),
        format!("# a comment\n\n{yaml}# the end"),
        yaml.replace('\n', "\r\n"),
        "Resources: {Topic: {Type: AWS::SNS::Topic}}".to_owned(),
        json.to_owned(),
        format!("\u{feff}\r\n{json}\r\n"),
        "{\r\n\t\"Resources\"\t:\t{\r\n\t\t\"Topic\": {\r\n\t\t\t\"Type\":\"AWS::SNS::Topic\"\r\n\t\t}\r\n\t}\r\n}\r\n"
            .to_owned(),
        "{\n\"Resources\"\n:\n{\"Topic\":{\"Type\"\n:\"AWS::SNS::Topic\"}}}".to_owned(),
    ] {
        let template = Template::parse(&text).unwrap_or_else(|fault| panic!("{text:?}: {fault}"));
        let resources = template.resources();
        assert_eq!((&*resources[0].logical_id, &*resources[0].r#type), ("Topic", "AWS::SNS::Topic"), "{text:?}");
        assert_eq!(template.text(), text);
        assert_eq!(template.is_json(), text.contains('"'), "{text:?}");
    }
}

#[test]
fn every_function_is_read_in_its_short_form() {
    let text = r#"
Conditions:
  Same: !And [!Equals [!Ref Stage, prod], !Not [!Condition Other], !Or [!Condition A, !Condition B]]
Resources:
  All:
    Type: Custom::All
    Condition: Same
    Properties:
      Ref: !Ref Stage
      Dotted: !GetAtt Bucket.Arn
      Listed: !GetAtt [Bucket, Arn]
      Inline: !Sub '${AWS::StackName}-x'
      Long: !Sub
        - ${A}-${B}
        - A: 1
          B: !Ref Two
      Block: !Sub |
        #!/bin/bash
        echo ${AWS::Region}
      Joined: !Join ['', [arn, !Ref 'AWS::Partition']]
      Picked: !Select [0, !GetAZs '']
      Zones: !GetAZs {Ref: 'AWS::Region'}
      Pieces: !Split [',', !ImportValue list]
      Chosen: !If [Same, !Ref 'AWS::NoValue', x]
      Found: !FindInMap [Map, !Ref 'AWS::Region', ami]
      Coded: !Base64 text
      Nets: !Cidr [10.0.0.0/16, 4, 8]
      Macro: !Transform {Name: Mine, Parameters: {A: 1}}
      Text: !ToJsonString {a: 1}
      Count: !Length [1, 2]
"#;
    let template = Template::parse(text).expect("a template");
    let properties = template.root().find("Resources.All.Properties").expect("properties");
    let tags: Vec<_> = properties.entries().iter().filter_map(|(_, value)| value.tag.as_deref()).collect();
    assert_eq!(
        tags.join(" "),
        "Ref GetAtt GetAtt Sub Sub Sub Join Select GetAZs Split If FindInMap Base64 Cidr Transform ToJsonString Length"
    );
}

#[test]
fn what_is_no_template_says_where_and_why() {
    for (text, expected) in [
        ("", "Line 1, column 1 of the template: it is empty."),
        ("# nothing", "Line 1, column 1 of the template: it is empty."),
        (
            "just text",
            "Line 1, column 1 of the template: it is text, and a template is a mapping of sections, of which it needs Resources.",
        ),
        (
            "- Resources",
            "Line 1, column 1 of the template: it is a list, and a template is a mapping of sections, of which it needs Resources.",
        ),
        (
            "Description: x\nOutputs: {}\n",
            "Line 1, column 1 of the template: it has no Resources: found Description, Outputs.",
        ),
        ("{}", "Line 1, column 1 of the template: it has no Resources: the mapping is empty."),
        (
            "Resources:\n  - Type: x\n",
            "Line 2, column 3 of the template: Resources is a list, and must be a mapping of logical ids to resources.",
        ),
        (
            "Resources:\nOutputs: {}\n",
            "Line 1, column 10 of the template: Resources is empty, and must be a mapping of logical ids to resources.",
        ),
        (
            "Resources:\n  A: {Type: x}\n  B: {Type: y}\n  A: {Type: z}\n",
            "Line 4, column 3 of the template: key \"A\" is there twice, in lines 2 and 4: keep one of them.",
        ),
        (
            "{\"Resources\": {\"A\": {\"Type\": \"x\",\n\"Type\": \"y\"}}}",
            "Line 2, column 1 of the template: key \"Type\" is there twice, in lines 1 and 2: keep one of them.",
        ),
        (
            "Resources:\n  A: &a {Type: x}\n  B: *a\n",
            "Line 3, column 6 of the template: it has an alias (`*…`), which CloudFormation does not support: write the value out.",
        ),
        (
            "Resources:\n  B: *nobody\n",
            "Line 2, column 6 of the template: it has an alias (`*…`), which CloudFormation does not support: write the value out.",
        ),
        (
            "Resources:\n  A:\n    <<: {Type: x}\n",
            "Line 3, column 5 of the template: it has a merge key (`<<`), which CloudFormation does not support: write the keys out.",
        ),
        (
            "Resources: {}\n---\nResources: {}\n",
            "Line 2, column 1 of the template: a second document starts here (`---`): a template is one document.",
        ),
        (
            "Resources:\n  A:\n    Metadata: !!set {x}\n",
            "Line 3, column 15 of the template: it has the tag !!set, which CloudFormation does not support: write a text, list or mapping.",
        ),
        (
            "Resources:\n  ? [a, b]\n  : x\n",
            "Line 2, column 5 of the template: a list is used as a key: keys are text.",
        ),
    ] {
        assert_eq!(fault(text), expected, "{text:?}");
    }
}

#[test]
fn what_is_not_well_formed_has_a_place() {
    let place = "of the template: it is not well-formed";
    assert_eq!(fault("Resources:\n  A: [\n"), format!("Line 2, column 6 {place} YAML: unclosed bracket '['."));
    assert!(fault("Resources:\n  A: *\n").starts_with(&format!("Line 2, column 6 {place} YAML: ")));
    assert!(fault("Resources:\n\tA: x\n").contains("YAML: tabs disallowed"));
    assert!(fault("Resources:\n  A: x\n B: y\n").starts_with("Line 3"));
    assert!(fault("{\"Resources\": {\"A\": ]}}").contains("not well-formed JSON: mismatched bracket"));
}

#[test]
fn nesting_has_a_bound_in_lists_and_mappings_written_either_way() {
    let json = |depth: usize| format!("{{\"Resources\": {{\"A\": {}{}}}}}", "[".repeat(depth), "]".repeat(depth));
    assert!(Template::parse(&json(98)).is_ok());
    assert!(fault(&json(99)).ends_with("lists and mappings are nested more than 100 deep."));
    assert!(fault(&json(100_000)).ends_with("lists and mappings are nested more than 100 deep."));
    let mut yaml = String::from("Resources:\n");
    (1..200).for_each(|depth| yaml.push_str(&format!("{}k:\n", " ".repeat(depth))));
    assert!(fault(&yaml).starts_with("Line 101, "));
}

#[test]
fn sections_that_nobody_knows_are_told_and_let_through() {
    let template = Template::parse("Resource: {}\nResources: {}\nTransform: X\nNotes: {}\n").expect("a template");
    assert_eq!(template.unknown_sections(), ["Resource", "Notes"]);
}

#[test]
fn a_template_of_a_macro_needs_no_resources_of_its_own() {
    assert!(Template::parse("Transform: {Name: AWS::Include, Parameters: {Location: s3://b/k}}").is_ok());
    assert!(Template::parse("Fn::Transform: {Name: Mine}").is_ok());
}

#[test]
fn long_keys_of_json_are_read() {
    let key = "k".repeat(5000);
    assert!(Template::parse(&format!("{{\"Resources\": {{\"{key}\": {{\"{key}\" : 1}}}}}}")).is_ok());
}

/// JSON with white space of all kinds between its parts.
fn json(value: &serde_json::Value, space: &str) -> String {
    let text = |value: &str| serde_json::Value::from(value).to_string();
    match value {
        serde_json::Value::Array(elements) => {
            let elements: Vec<_> = elements.iter().map(|element| json(element, space)).collect();
            format!("[{space}{}{space}]", elements.join(&format!("{space},{space}")))
        }
        serde_json::Value::Object(entries) => {
            let entry = |(key, value): (&String, _)| format!("{}{space}:{space}{}", text(key), json(value, space));
            let entries: Vec<_> = entries.iter().map(entry).collect();
            format!("{{{space}{}{space}}}", entries.join(&format!("{space},{space}")))
        }
        scalar => scalar.to_string(),
    }
}

fn same(node: &Node, value: &serde_json::Value) -> bool {
    match (&node.content, value) {
        (Content::Scalar { text, plain: false }, serde_json::Value::String(value)) => text == value,
        (Content::Scalar { text, plain: true }, value) => text.eq(&value.to_string()),
        (Content::Sequence(elements), serde_json::Value::Array(values)) => {
            elements.len() == values.len() && elements.iter().zip(values).all(|(node, value)| same(node, value))
        }
        (Content::Mapping(entries), serde_json::Value::Object(values)) => {
            entries.len() == values.len()
                && entries.iter().all(|(key, node)| values.get(key.key()).is_some_and(|value| same(node, value)))
        }
        _ => false,
    }
}

fn any_json() -> impl Strategy<Value = serde_json::Value> {
    let text = "\\PC{0,12}|[ -~]{0,12}|[\\n\\t\\\\\"/:#,{}\\[\\]&*!|>'%@`-]{0,6}|[\u{10000}-\u{1f9ff}]{0,3}";
    let scalar = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(serde_json::Value::from),
        any::<i64>().prop_map(serde_json::Value::from),
        text.prop_map(serde_json::Value::from),
    ];
    scalar.prop_recursive(5, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(serde_json::Value::from),
            prop::collection::btree_map(text, inner, 0..6)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn every_json_is_read_as_it_was_meant(value in any_json(), space in "[ \\t\\n]{0,3}|\\r\\n\\t") {
        let text = format!("{{\"Resources\": {{}},{space}\"Metadata\":{space}{}}}", json(&value, &space));
        let template = Template::parse(&text).unwrap_or_else(|fault| panic!("{text}: {fault}"));
        prop_assert!(same(template.root().get("Metadata").expect("metadata"), &value), "{text}");
    }

    #[test]
    fn no_text_makes_it_panic(text in any::<String>().prop_map(|text| text.chars().take(4096).collect::<String>())) {
        let _ = Template::parse(&text);
    }

    #[test]
    fn no_text_that_looks_like_a_template_makes_it_panic(
        pieces in prop::collection::vec(prop::sample::select(PIECES), 0..120),
    ) {
        let text = pieces.concat();
        if let Ok(template) = Template::parse(&text) {
            let _ = (template.parameters(), template.resources(), template.outputs(), template.transforms());
            let _ = (template.required_capabilities(), template.local_artifacts(), template.unknown_sections());
        }
    }
}

const PIECES: &[&str] = &[
    "Resources",
    "Parameters",
    "Transform",
    "Type",
    "Properties",
    "Code",
    "AWS::Lambda::Function",
    "./src",
    ":",
    ": ",
    "\n",
    "\n  ",
    "\n    ",
    "\n      ",
    "\r\n",
    "- ",
    "[",
    "]",
    "{",
    "}",
    ", ",
    "\"",
    "'",
    "!Ref ",
    "!Sub ",
    "!!str ",
    "&a ",
    "*a",
    "<<",
    "|",
    ">-",
    "# x",
    "\t",
    "---",
    "...",
    "? ",
    "~",
    "\u{feff}",
    "ä",
    "🙂",
    "%",
    "\\",
    "Fn::Transform",
    "Fn::ForEach::X",
    "Name",
    "AWS::Include",
];
