//! What people see before they say yes.

use aws_sdk_cloudformation::types::{ResourceChangeDetail, ResourceTargetDefinition};

use super::*;
use crate::change_set::tests::{change, nest, removal, replacement};

const BUCKET: &str = "AWS::S3::Bucket";
const QUEUE: &str = "AWS::SNS::Topic";

fn changes() -> Vec<Change> {
    vec![
        change(ChangeAction::Add, "Topic", QUEUE),
        change(ChangeAction::Remove, "Assets", BUCKET),
        change(ChangeAction::Remove, "OldTopic", QUEUE),
        removal(PolicyAction::Retain, "Kept", BUCKET),
        removal(PolicyAction::Snapshot, "Volume", "AWS::EC2::Volume"),
        replacement(Replacement::True, None, "Orders", "AWS::DynamoDB::Table"),
        replacement(Replacement::True, None, "Alarm", QUEUE),
        replacement(Replacement::Conditional, None, "Users", "AWS::DynamoDB::Table"),
        replacement(Replacement::True, Some(PolicyAction::ReplaceAndRetain), "Logs", BUCKET),
        replacement(Replacement::True, Some(PolicyAction::ReplaceAndSnapshot), "Db", "AWS::RDS::DBInstance"),
        replacement(Replacement::False, None, "Name", QUEUE),
        change(ChangeAction::Dynamic, "Later", QUEUE),
        nest(
            "Storage",
            vec![
                change(ChangeAction::Remove, "Files", BUCKET),
                nest("Deep", vec![change(ChangeAction::Import, "In", BUCKET)]),
            ],
        ),
    ]
}

#[test]
fn a_change_set_is_a_table_with_the_fate_of_data_in_words() {
    insta::assert_snapshot!(lines(&changes()).join("\n"));
}

#[test]
fn data_in_danger_is_named_with_the_way_to_it() {
    assert_eq!(
        dangers(&changes()),
        ["Assets is deleted", "Orders is replaced", "Users may be replaced", "Storage/Files is deleted"]
    );
    assert_eq!(dangers(&[change(ChangeAction::Add, "Assets", BUCKET)]), [""; 0]);
}

#[test]
fn no_more_properties_are_named_than_one_reads() {
    let mut builder = ResourceChange::builder().action(ChangeAction::Modify).resource_type(QUEUE);
    for name in ["A", "B", "A", "C", "D", "E", "F", "G", "H"] {
        let target = ResourceTargetDefinition::builder().name(name).build();
        builder = builder.details(ResourceChangeDetail::builder().target(target).build());
    }
    assert_eq!(remark(&builder.build()), "A, B, C, D, E, F and 2 more");
}
