//! What AWS knows of changes that were made beside CloudFormation. It is only told: AWS updates such a stack all the same.

use aws_sdk_cloudformation::{
    primitives::DateTimeFormat,
    types::{Stack, StackDriftStatus},
};

/// A warning, if the last detection found the stack drifted (AWS CloudFormation User Guide, "Detect unmanaged configuration
/// changes to stacks and resources with drift detection").
pub(crate) fn warning(stack: &Stack) -> Option<String> {
    let drift =
        stack.drift_information().filter(|drift| drift.stack_drift_status() == Some(&StackDriftStatus::Drifted))?;
    let checked = drift.last_check_timestamp().and_then(|at| at.fmt(DateTimeFormat::DateTime).ok());
    let when = checked.map(|at| format!(" at {at}")).unwrap_or_default();
    Some(format!(
        "AWS found{when} that resources of stack \"{}\" differ from its template, since somebody changed them beside CloudFormation. \
         What the template changes may undo that; `aws cloudformation describe-stack-resource-drifts` has the differences.",
        stack.stack_name().unwrap_or_default()
    ))
}

#[cfg(test)]
mod tests {
    use aws_sdk_cloudformation::{primitives::DateTime, types::StackDriftInformation};

    use super::*;

    fn stack(status: StackDriftStatus) -> Stack {
        let drift = StackDriftInformation::builder()
            .stack_drift_status(status)
            .last_check_timestamp(DateTime::from_secs(43_201))
            .build();
        Stack::builder().stack_name("shop").drift_information(drift).build()
    }

    #[test]
    fn only_a_drift_that_aws_found_is_told() {
        let told = warning(&stack(StackDriftStatus::Drifted)).expect("a warning");
        assert!(told.contains("1970-01-01T12:00:01Z") && told.contains("\"shop\""), "{told}");
        for status in [StackDriftStatus::InSync, StackDriftStatus::NotChecked] {
            assert_eq!(warning(&stack(status)), None);
        }
        assert_eq!(warning(&Stack::builder().build()), None);
    }
}
