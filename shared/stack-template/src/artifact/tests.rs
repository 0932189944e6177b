use proptest::prelude::*;

use super::{
    catalogue::{Form, RESOURCES},
    *,
};

fn template(text: &str) -> Template {
    Template::parse(text).unwrap_or_else(|fault| panic!("{text}: {fault}"))
}

fn object(version: Option<&str>) -> Replacement {
    Replacement::Object { bucket: "stage".into(), key: "pre/abc".into(), version: version.map(str::to_owned) }
}

fn replacement(artifact: &Artifact) -> Replacement {
    match artifact.kind {
        ArtifactKind::Template => Replacement::Url("https://stage.s3.amazonaws.com/pre/abc".into()),
        _ => object(Some("v1")),
    }
}

fn packaged(text: &str) -> String {
    let template = template(text);
    let edit = |artifact: Artifact| (artifact.clone(), replacement(&artifact));
    let edits: Vec<_> = template.local_artifacts().into_iter().map(edit).collect();
    template.replaced(&edits).expect("the text with edits")
}

/// A template with one property, given by its path.
fn with_property(r#type: &str, path: &str, value: &str) -> String {
    let property = path.rsplit('.').fold(value.to_owned(), |value, key| format!("{{{key}: {value}}}"));
    format!("Resources:\n  It:\n    Type: {type}\n    Properties: {property}\n")
}

#[test]
fn every_property_of_the_catalogue_is_found_and_takes_what_it_is_given() {
    for property in RESOURCES {
        let text = with_property(property.resource_type, property.path, "./src");
        let artifacts = template(&text).local_artifacts();
        assert_eq!(artifacts.len(), 1, "{text}");
        let Artifact { logical_id, property: path, line, .. } = &artifacts[0];
        assert_eq!((&**logical_id, &**path, *line), ("It", property.path, 4));
        let expected = match property.form {
            Form::Mapping { bucket, key, version: None } => format!(r#"{{"{bucket}": "stage", "{key}": "pre/abc"}}"#),
            Form::Mapping { bucket, key, version: Some(version) } => {
                format!(r#"{{"{bucket}": "stage", "{key}": "pre/abc", "{version}": "v1"}}"#)
            }
            Form::S3Url => r#""s3://stage/pre/abc""#.into(),
            Form::HttpsUrl => r#""https://stage.s3.amazonaws.com/pre/abc""#.into(),
        };
        let changed = packaged(&text);
        assert_eq!(changed, text.replace("./src", &expected));
        assert_eq!(template(&changed).local_artifacts(), []);
    }
}

#[test]
fn only_text_that_is_no_address_is_local() {
    for (written, local) in [
        ("./src", Some("./src")),
        ("src", Some("src")),
        ("/srv/src", Some("/srv/src")),
        ("'a b'", Some("a b")),
        ("\"\\u0061\"", Some("a")),
        ("!!str src", Some("src")),
        ("'null'", Some("null")),
        ("&anchor src", Some("src")),
        ("s3://b/k", None),
        ("https://b.s3.amazonaws.com/k", None),
        ("http://x/y", None),
        ("!Ref Path", None),
        ("!Sub './${X}'", None),
        ("{S3Bucket: b, S3Key: k}", None),
        ("{ZipFile: 'exports.x = 1'}", None),
        ("{ImageUri: x}", None),
        ("[src]", None),
        ("''", None),
        ("null", None),
        ("~", None),
        ("'{{resolve:ssm:path}}'", None),
        ("{Fn::Sub: src}", None),
    ] {
        let text = with_property("AWS::Lambda::Function", "Code", written);
        let found = template(&text).local_artifacts();
        assert_eq!(found.first().map(|artifact| &*artifact.path), local, "{written}");
    }
}

#[test]
fn values_are_replaced_in_every_notation_and_nothing_else_is() {
    let function = |value: &str| {
        format!(
            "# ä🙂\nResources:\r\n  F:\n    Properties:\n      Code: {value}Runtime: x   # kept\n    Type: 'AWS::Lambda::Function'\n"
        )
    };
    for (value, after) in [
        ("./src\n      ", "\n      "),
        ("'./src' # a comment\n      ", " # a comment\n      "),
        ("\"./src\"   \n\n      ", "   \n\n      "),
        ("!!str ./src\r\n      ", "\r\n      "),
        (">-\n        ./src\n      ", "\n      "),
        (">\n        ./src\n\n\n      ", "\n\n\n      "),
        ("|2-\n        ./src\n      # after\n      ", "\n      # after\n      "),
        ("./my\n        src\n      ", "\n      "),
        ("\"./my\n        src\"\n      ", "\n      "),
        ("\n        ./src\n      ", "\n      "),
    ] {
        let before = if value.starts_with('\n') { "\n        " } else { "" };
        let mapping = r#"{"S3Bucket": "stage", "S3Key": "pre/abc", "S3ObjectVersion": "v1"}"#;
        assert_eq!(packaged(&function(value)), function(&format!("{before}{mapping}{after}")), "{value:?}");
        assert_eq!(
            template(&packaged(&function(value))).root().find("Resources.F.Properties.Runtime").map(Node::key),
            Some("x")
        );
    }
}

#[test]
fn json_is_replaced_in_place() {
    let text = "{\"Resources\":{\"F\":{\"Type\":\"AWS::Lambda::Function\",\"Properties\":{\"Code\":\"./s\\u0072c\",\"Runtime\":\"x\"}}}}";
    let changed = packaged(text);
    assert_eq!(
        changed,
        text.replace("\"./s\\u0072c\"", r#"{"S3Bucket": "stage", "S3Key": "pre/abc", "S3ObjectVersion": "v1"}"#)
    );
    assert!(serde_json::from_str::<serde_json::Value>(&changed).is_ok());
}

#[test]
fn loops_globals_metadata_and_includes_name_files_too() {
    let text = "
Transform:
  - AWS::Serverless-2016-10-31
  - Name: AWS::Include
    Parameters: {Location: top.yaml}
Globals:
  Function: {CodeUri: shared/}
Metadata:
  AWS::ServerlessRepo::Application: {Name: x, LicenseUrl: LICENSE, ReadmeUrl: s3://b/README}
Resources:
  Fn::ForEach::F: [N, [A], {'F${N}': {Type: AWS::Serverless::Function, Properties: {CodeUri: loop/}}}]
  Fn::Transform: {Name: AWS::Include, Parameters: {Location: more.yaml}}
  Api:
    Type: AWS::Serverless::Api
    Properties:
      DefinitionBody: !Transform {Name: AWS::Include, Parameters: {Location: api.yaml}}
      Other: {Fn::Transform: {Name: Mine, Parameters: {Location: not-ours}}}
";
    let read: Vec<_> = template(text)
        .local_artifacts()
        .into_iter()
        .map(|it| {
            format!("{} {} {} {} {:?} {}", it.line, it.logical_id, it.resource_type, it.property, it.kind, it.path)
        })
        .collect();
    assert_eq!(
        read,
        [
            "5 Transform AWS::Include Location Snippet top.yaml",
            "7 Globals AWS::Serverless::Function CodeUri Code shared/",
            "9 Metadata AWS::ServerlessRepo::Application LicenseUrl File LICENSE",
            "11 F${N} AWS::Serverless::Function CodeUri Code loop/",
            "12 Fn::Transform AWS::Include Location Snippet more.yaml",
            "16 Api AWS::Include Location Snippet api.yaml",
        ]
    );
    assert_eq!(local_paths(text).expect("a template").len(), 6);
    assert_eq!(template(&packaged(text)).local_artifacts(), []);
}

#[test]
fn what_is_not_in_the_template_cannot_be_replaced() {
    let text = with_property("AWS::Lambda::Function", "Code", "./src");
    let artifact = template(&text).local_artifacts().remove(0);
    let twice = [(artifact.clone(), object(None)), (artifact.clone(), object(None))];
    assert_eq!(
        template(&text).replaced(&twice).expect_err("a fault").sentence,
        "Code of \"It\" cannot be replaced: it is not in this template, or was replaced already."
    );
    let other = with_property("AWS::Lambda::Function", "Code", "./other");
    assert!(template(&other).replaced(&[(artifact, object(None))]).is_err());
    let nested = template(&with_property("AWS::CloudFormation::Stack", "TemplateURL", "./n.yaml"));
    let artifact = nested.local_artifacts().remove(0);
    let fault = nested.replaced(&[(artifact, object(None))]).expect_err("a fault");
    assert_eq!(fault.to_string(), "Line 4, column 1 of the template: TemplateURL of \"It\" takes an https:// address.");
}

/// A path in one of the notations that fit into one line.
fn any_path() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z./][a-z0-9./ _-]{0,20}[a-z0-9/]", "'[a-zäöü🙂./ #:,{}-]{1,20}'", "\"[a-zäöü🙂./ #:,{}-]{1,20}\""]
}

proptest! {
    #[test]
    fn an_edit_leaves_all_other_bytes_and_the_rest_of_the_tree(
        paths in prop::collection::vec((any_path(), "[ ]{0,3}|[ ]{1,3}# \\PC{0,20}", prop::sample::select(&["\n", "\r\n"])), 1..8),
        first in "# \\PC{0,30}\n|",
    ) {
        let mut text = format!("{first}Resources:\n");
        for (index, (path, comment, line_break)) in paths.iter().enumerate() {
            text.push_str(&format!(
                "  F{index}:{line_break}    Type: AWS::Lambda::Function\n    Properties:\n      Code: {path}{comment}{line_break}      Role: r\n"
            ));
        }
        let Ok(before) = Template::parse(&text) else { return Ok(()) };
        let artifacts = before.local_artifacts();
        let changed = packaged(&text);
        let mut pieces = Vec::new();
        let mut done = 0;
        for artifact in &artifacts {
            pieces.push(&text[done..artifact.span.start]);
            done = artifact.span.end;
        }
        pieces.push(&text[done..]);
        let mapping = r#"{"S3Bucket": "stage", "S3Key": "pre/abc", "S3ObjectVersion": "v1"}"#;
        prop_assert_eq!(&changed, &pieces.join(mapping));
        let after = template(&changed);
        prop_assert_eq!(after.resources(), before.resources());
        prop_assert_eq!(after.local_artifacts(), []);
    }
}
