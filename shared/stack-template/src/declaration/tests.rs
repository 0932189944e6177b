use super::*;

fn template(text: &str) -> Template {
    Template::parse(text).expect("a template")
}

#[test]
fn parameters_are_read_in_order_with_all_that_is_known_of_them() {
    let template = template(
        "
Parameters:
  Size: {Type: Number, Default: 0, AllowedValues: [1, 2.5, '3'], Description: How many}
  Password:
    Type: String
    NoEcho: true
  Empty: {Type: String, Default: ''}
  Bare: {Type: 'AWS::SSM::Parameter::Value<String>', NoEcho: 'false'}
  Nothing: {Default: }
Resources: {}
",
    );
    let read = |parameter: Parameter| {
        (parameter.name, parameter.r#type, parameter.has_default, parameter.no_echo, parameter.description)
    };
    let parameter = |name: &str, r#type: &str, has_default, no_echo, description: Option<&str>| {
        (name.to_owned(), r#type.to_owned(), has_default, no_echo, description.map(str::to_owned))
    };
    assert_eq!(template.parameters()[0].allowed_values, ["1", "2.5", "3"]);
    assert_eq!(
        template.parameters().into_iter().map(read).collect::<Vec<_>>(),
        [
            parameter("Size", "Number", true, false, Some("How many")),
            parameter("Password", "String", false, true, None),
            parameter("Empty", "String", true, false, None),
            parameter("Bare", "AWS::SSM::Parameter::Value<String>", false, false, None),
            parameter("Nothing", "", false, false, None),
        ]
    );
}

#[test]
fn no_echo_is_said_in_every_way_yaml_1_1_knows() {
    for (written, expected) in [
        ("true", true),
        ("True", true),
        ("TRUE", true),
        ("'true'", true),
        ("\"true\"", true),
        ("yes", true),
        ("on", true),
        ("false", false),
        ("no", false),
        ("off", false),
        ("''", false),
        ("~", false),
        ("!Ref X", false),
        ("[true]", false),
    ] {
        let text = format!("Parameters: {{P: {{Type: String, NoEcho: {written}}}}}\nResources: {{}}");
        assert_eq!(template(&text).parameters()[0].no_echo, expected, "{written}");
    }
}

#[test]
fn resources_are_read_in_order_with_what_becomes_of_them() {
    let template = template(
        "
Resources:
  Table:
    Type: AWS::DynamoDB::Table
    DeletionPolicy: Retain
    UpdateReplacePolicy: !If [Production, Retain, Delete]
  Fn::ForEach::Buckets:
    - Name
    - [A, B]
    - 'Bucket${Name}':
        Type: AWS::S3::Bucket
        UpdateReplacePolicy: Snapshot
      Fn::ForEach::Inner: [X, [1], {'Topic${X}': {Type: AWS::SNS::Topic}}]
  Fn::Transform: {Name: AWS::Include, Parameters: {Location: s3://b/k}}
  Typeless: {}
  Wrong: text
",
    );
    let read: Vec<_> = template
        .resources()
        .into_iter()
        .map(|resource| {
            let policy = |policy: Option<String>| policy.unwrap_or_else(|| "-".into());
            let policies = (policy(resource.deletion_policy), policy(resource.update_replace_policy));
            format!("{} {} {} {} {}", resource.line, resource.logical_id, resource.r#type, policies.0, policies.1)
        })
        .collect();
    assert_eq!(
        read,
        [
            "3 Table AWS::DynamoDB::Table Retain -",
            "10 Bucket${Name} AWS::S3::Bucket - Snapshot",
            "13 Topic${X} AWS::SNS::Topic - -",
            "15 Typeless  - -",
            "16 Wrong  - -",
        ]
    );
}

#[test]
fn outputs_are_read_in_order_with_whether_others_import_them() {
    let template = template(
        "
Resources: {}
Outputs:
  Url: {Value: x}
  Arn: {Value: x, Export: {Name: !Sub '${AWS::StackName}-arn'}}
  Not: {Value: x, Export: !Ref AWS::NoValue}
  Fn::ForEach::All: [X, [1], {'Out${X}': {Value: 1}}]
",
    );
    let read: Vec<_> = template.outputs().into_iter().map(|output| (output.key, output.export)).collect();
    assert_eq!(read, [("Url".into(), false), ("Arn".into(), true), ("Not".into(), false)]);
}

#[test]
fn json_declares_the_same() {
    let text = r#"{"Parameters": {"P": {"Type": "String", "NoEcho": true, "Default": null}},
        "Resources": {"R": {"Type": "AWS::S3::Bucket"}}, "Outputs": {"O": {"Value": {"Ref": "R"}, "Export": {"Name": "n"}}}}"#;
    let template = template(text);
    assert!(template.parameters()[0].no_echo && !template.parameters()[0].has_default);
    assert_eq!(template.resources()[0].line, 2);
    assert!(template.outputs()[0].export);
}
