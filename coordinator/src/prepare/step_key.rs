//! One name for a step over all its attempts.

use aws_lc_rs::digest;
use shared::id::DeploymentId;

/// 64 hex digits, the same for every attempt of a step and for no other step: what clouds take as an idempotency key.
#[must_use]
pub fn step_key(deployment: DeploymentId, step: usize) -> String {
    let mut hash = digest::Context::new(&digest::SHA256);
    hash.update(b"longshore/step/v1");
    hash.update(deployment.0.as_bytes());
    hash.update(&(step as u64).to_be_bytes());
    hash.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What AWS is given as an idempotency key: the same for all attempts that go on with one another. `ended` is how many attempts of the
/// step before this one ended by themselves; what a further one does is another operation.
pub(super) fn operation(deployment: DeploymentId, step: usize, ended: u32) -> String {
    format!("longshore-{}-{ended:02}", &step_key(deployment, step)[..OPERATION_DIGITS])
}

/// 40 hex digits of a step's key: nobody meets another's by chance, and a person can still compare two.
const OPERATION_DIGITS: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_has_a_name_that_cloudformation_takes() {
        let name = operation(DeploymentId(uuid::Uuid::nil()), 3, 1);
        assert!(name.starts_with("longshore-") && name.ends_with("-01") && name.len() <= 80, "{name}");
        assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'), "{name}");
        assert_ne!(name, operation(DeploymentId(uuid::Uuid::nil()), 3, 0));
    }

    #[test]
    fn a_step_keeps_its_key_and_shares_it_with_no_other() {
        let deployment = DeploymentId(uuid::Uuid::nil());
        let key = step_key(deployment, 0);
        assert_eq!(key, step_key(deployment, 0));
        assert_eq!(key.len(), 64);
        assert_ne!(key, step_key(deployment, 1));
        assert_ne!(key, step_key(DeploymentId(uuid::Uuid::max()), 0));
    }
}
