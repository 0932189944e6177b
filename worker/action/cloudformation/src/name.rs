//! Which stack is meant: whatever its variables came to, it must be the name of one. AWS would take an empty name for all stacks.

use action::Failure;
use shared::{limits, plan::stack::is_stack_name, reason::Reason};

/// Whether it is the name of a stack, or a stack's ARN.
///
/// # Errors
/// `STACK_INPUT` with what it is.
pub(crate) fn check(stack: &str) -> Result<(), Failure> {
    if is_stack_name(stack) || is_arn(stack) {
        return Ok(());
    }
    let why = if stack.trim().is_empty() {
        "`stack` is empty after its variables were filled in: check their values.".into()
    } else {
        format!(
            "`stack` is \"{stack}\" after its variables were filled in, and CloudFormation takes letters, digits and dashes, a letter \
             first, at most {} in all.",
            limits::STACK_NAME_CHARS
        )
    };
    Err(Failure::new(Reason::StackInput, format!("{why} Nothing was changed.")))
}

/// `arn:aws:cloudformation:eu-west-1:123456789012:stack/shop/…`.
pub(crate) fn is_arn(stack: &str) -> bool {
    let parts: Vec<_> = stack.splitn(6, ':').collect();
    matches!(parts[..], ["arn", _, "cloudformation", _, _, resource] if resource.starts_with("stack/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stack_is_known_by_its_name_or_its_arn_and_by_nothing_else() {
        for good in ["shop", "Shop-2", "arn:aws:cloudformation:eu-west-1:123456789012:stack/shop/1"] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for bad in
            ["", " ", "shop ", "2shop", "shop_network", "arn:aws:s3:::shop", "arn:aws:cloudformation:x:1:changeSet/a/1"]
        {
            let refused = check(bad).expect_err(bad);
            assert_eq!(refused.reason, Reason::StackInput);
            assert!(refused.sentence.contains("after its variables were filled in"), "{}", refused.sentence);
        }
    }
}
