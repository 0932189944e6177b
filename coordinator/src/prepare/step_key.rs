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

#[cfg(test)]
mod tests {
    use super::*;

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
