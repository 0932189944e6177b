use super::*;

fn transforms(text: &str) -> Vec<String> {
    Template::parse(text).expect("a template").transforms()
}

#[test]
fn macros_are_found_wherever_they_are_named() {
    assert_eq!(transforms("Resources: {}"), [""; 0]);
    assert_eq!(transforms("Transform: AWS::LanguageExtensions\nResources: {}"), ["AWS::LanguageExtensions"]);
    let text = "
Resources:
  A:
    Type: Custom::A
    Properties:
      Fn::Transform: {Name: Mine, Parameters: {Deep: {Fn::Transform: [{Name: Inner}]}}}
      Other: !Transform {Name: AWS::Include, Parameters: {Location: s3://b/k}}
      Again: !Transform {Name: Mine}
      Computed: !Transform {Name: !Ref Macro}
Transform: [AWS::Serverless-2016-10-31, {Name: Last}]
";
    assert_eq!(transforms(text), ["AWS::Serverless-2016-10-31", "Last", "Mine", "Inner", "AWS::Include"]);
}

#[test]
fn sam_is_known_by_its_transform_over_the_whole_template() {
    let is_sam = |text: &str| Template::parse(text).expect("a template").is_sam();
    assert!(is_sam("Transform: AWS::Serverless-2016-10-31\nResources: {}"));
    assert!(is_sam("Transform: [Mine, AWS::Serverless-2016-10-31]\nResources: {}"));
    assert!(is_sam("{\"Transform\": \"AWS::Serverless-2016-10-31\", \"Resources\": {}}"));
    assert!(!is_sam("Transform: Mine\nResources: {}"));
    assert!(!is_sam("Resources: {A: {Fn::Transform: {Name: AWS::Serverless-2016-10-31}}}"));
}
