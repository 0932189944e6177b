use super::*;

fn required(text: &str) -> String {
    let template = Template::parse(text).unwrap_or_else(|fault| panic!("{text}: {fault}"));
    template.required_capabilities().into_iter().collect::<Vec<_>>().join(" ")
}

fn of(resource: &str) -> String {
    required(&format!("Resources:\n  Topic: {{Type: AWS::SNS::Topic}}\n  It: {resource}\n"))
}

#[test]
fn permissions_must_be_acknowledged_and_names_of_ones_own_more_so() {
    for (resource, expected) in [
        ("{Type: AWS::S3::Bucket, Properties: {BucketName: x}}", ""),
        ("{Type: AWS::S3::BucketPolicy}", ""),
        ("{Type: AWS::IAM::ServiceLinkedRole}", ""),
        ("{Type: AWS::CloudFormation::Stack, Properties: {TemplateURL: ./x.yaml}}", ""),
        ("{Type: AWS::IAM::AccessKey}", IAM),
        ("{Type: AWS::IAM::Group}", IAM),
        ("{Type: AWS::IAM::InstanceProfile, Properties: {Roles: [x]}}", IAM),
        ("{Type: AWS::IAM::ManagedPolicy}", IAM),
        ("{Type: AWS::IAM::Policy, Properties: {PolicyName: x}}", IAM),
        ("{Type: AWS::IAM::Role}", IAM),
        ("{Type: AWS::IAM::Role, Properties: {RoleName: !Ref AWS::NoValue}}", IAM),
        ("{Type: AWS::IAM::Role, Properties: {RoleName: {Ref: AWS::NoValue}}}", IAM),
        ("{Type: AWS::IAM::User}", IAM),
        ("{Type: AWS::IAM::UserToGroupAddition, Properties: {GroupName: x}}", IAM),
        ("{Type: AWS::IAM::Group, Properties: {GroupName: x}}", NAMED_IAM),
        ("{Type: AWS::IAM::InstanceProfile, Properties: {InstanceProfileName: x}}", NAMED_IAM),
        ("{Type: AWS::IAM::ManagedPolicy, Properties: {ManagedPolicyName: x}}", NAMED_IAM),
        ("{Type: AWS::IAM::Role, Properties: {RoleName: !Ref Name}}", NAMED_IAM),
        ("{Type: AWS::IAM::Role, Properties: {RoleName: !If [A, x, !Ref AWS::NoValue]}}", NAMED_IAM),
        ("{Type: AWS::IAM::User, Properties: {UserName: x}}", NAMED_IAM),
    ] {
        assert_eq!(of(resource), expected, "{resource}");
    }
}

#[test]
fn one_named_resource_is_enough() {
    let text = "Resources:\n  A: {Type: AWS::IAM::Role}\n  B: {Type: AWS::IAM::User, Properties: {UserName: x}}\n  C: {Type: AWS::IAM::Role}\n";
    assert_eq!(required(text), NAMED_IAM);
}

#[test]
fn every_macro_must_be_acknowledged_those_of_aws_too() {
    assert_eq!(required("Transform: AWS::LanguageExtensions\nResources: {}"), AUTO_EXPAND);
    assert_eq!(
        required("Transform: Mine\nResources: {A: {Type: AWS::IAM::Role}}"),
        "CAPABILITY_AUTO_EXPAND CAPABILITY_IAM"
    );
    assert_eq!(of("{Fn::Transform: {Name: AWS::Include, Parameters: {Location: s3://b/k}}}"), AUTO_EXPAND);
}

#[test]
fn sam_makes_roles_unless_it_is_given_one() {
    let sam = |globals: &str, resource: &str| {
        required(&format!("Transform: AWS::Serverless-2016-10-31\nGlobals: {globals}\nResources: {{A: {resource}}}"))
    };
    let both = "CAPABILITY_AUTO_EXPAND CAPABILITY_IAM";
    for (globals, resource, expected) in [
        ("{}", "{Type: AWS::Serverless::Function}", both),
        ("{}", "{Type: AWS::Serverless::Function, Properties: {Role: arn}}", AUTO_EXPAND),
        ("{Function: {Role: arn}}", "{Type: AWS::Serverless::Function, Properties: {CodeUri: s3://b/k}}", AUTO_EXPAND),
        ("{Function: {Role: arn}}", "{Type: AWS::Serverless::StateMachine}", both),
        ("{}", "{Type: AWS::Serverless::StateMachine, Properties: {Role: !GetAtt R.Arn}}", AUTO_EXPAND),
        ("{}", "{Type: AWS::Serverless::Connector}", both),
        ("{}", "{Type: AWS::Serverless::SimpleTable}", AUTO_EXPAND),
        ("{}", "{Type: AWS::Serverless::Function, Properties: {Role: arn}, Connectors: {C: {}}}", both),
    ] {
        assert_eq!(sam(globals, resource), expected, "{globals} {resource}");
    }
}
