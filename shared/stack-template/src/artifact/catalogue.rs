//! Which properties take a local path, and what CloudFormation takes in its place.

use super::ArtifactKind::{self, Code, File, Snippet, Template};

/// A property that takes a local path.
pub(super) struct Property {
    pub(super) resource_type: &'static str,
    /// Below the resource's properties.
    pub(super) path: &'static str,
    pub(super) kind: ArtifactKind,
    pub(super) form: Form,
}

/// How a property names an object in S3.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Form {
    /// A mapping with these keys for bucket, key and version.
    Mapping { bucket: &'static str, key: &'static str, version: Option<&'static str> },
    /// `s3://bucket/key`.
    S3Url,
    /// `https://…`.
    HttpsUrl,
}

const LAMBDA: Form = Form::Mapping { bucket: "S3Bucket", key: "S3Key", version: Some("S3ObjectVersion") };
const LOCATION: Form = Form::Mapping { bucket: "Bucket", key: "Key", version: Some("Version") };
const REPOSITORY: Form = Form::Mapping { bucket: "Bucket", key: "Key", version: Some("ObjectVersion") };
const BUNDLE: Form = Form::Mapping { bucket: "S3Bucket", key: "S3Key", version: None };

/// Properties of resources.
pub(super) const RESOURCES: &[Property] = &[
    row("AWS::ApiGateway::RestApi", "BodyS3Location", File, LOCATION),
    row("AWS::AppSync::FunctionConfiguration", "CodeS3Location", File, Form::S3Url),
    row("AWS::AppSync::FunctionConfiguration", "RequestMappingTemplateS3Location", File, Form::S3Url),
    row("AWS::AppSync::FunctionConfiguration", "ResponseMappingTemplateS3Location", File, Form::S3Url),
    row("AWS::AppSync::GraphQLSchema", "DefinitionS3Location", File, Form::S3Url),
    row("AWS::AppSync::Resolver", "CodeS3Location", File, Form::S3Url),
    row("AWS::AppSync::Resolver", "RequestMappingTemplateS3Location", File, Form::S3Url),
    row("AWS::AppSync::Resolver", "ResponseMappingTemplateS3Location", File, Form::S3Url),
    row("AWS::CloudFormation::ModuleVersion", "ModulePackage", File, Form::S3Url),
    row("AWS::CloudFormation::ResourceVersion", "SchemaHandlerPackage", File, Form::S3Url),
    row("AWS::CloudFormation::Stack", "TemplateURL", Template, Form::HttpsUrl),
    row("AWS::CodeCommit::Repository", "Code.S3", Code, REPOSITORY),
    row("AWS::ElasticBeanstalk::ApplicationVersion", "SourceBundle", File, BUNDLE),
    row("AWS::Glue::Job", "Command.ScriptLocation", File, Form::S3Url),
    row("AWS::Lambda::Function", "Code", Code, LAMBDA),
    row("AWS::Lambda::LayerVersion", "Content", Code, LAMBDA),
    row("AWS::Serverless::Api", "DefinitionUri", File, LOCATION),
    row("AWS::Serverless::Application", "Location", Template, Form::HttpsUrl),
    row("AWS::Serverless::Function", "CodeUri", Code, LOCATION),
    row("AWS::Serverless::HttpApi", "DefinitionUri", File, LOCATION),
    row("AWS::Serverless::LayerVersion", "ContentUri", Code, LOCATION),
    row("AWS::Serverless::StateMachine", "DefinitionUri", File, LOCATION),
    row("AWS::StepFunctions::StateMachine", "DefinitionS3Location", File, LOCATION),
];

/// Properties in SAM's `Globals`, by the type that takes them.
pub(super) const GLOBALS: &[Property] = &[
    row("AWS::Serverless::Api", "DefinitionUri", File, LOCATION),
    row("AWS::Serverless::Function", "CodeUri", Code, LOCATION),
];

/// Keys of `Metadata`.
pub(super) const METADATA: &[Property] = &[
    row("AWS::ServerlessRepo::Application", "LicenseUrl", File, Form::S3Url),
    row("AWS::ServerlessRepo::Application", "ReadmeUrl", File, Form::S3Url),
];

/// A parameter of the macro.
pub(super) const INCLUDE: Property = row("AWS::Include", "Location", Snippet, Form::S3Url);

const fn row(resource_type: &'static str, path: &'static str, kind: ArtifactKind, form: Form) -> Property {
    Property { resource_type, path, kind, form }
}
