//! What every task of the agent shares: folders, identity, AWS, the kernel's boot id.

use std::{fs, sync::Arc};

use crate::{
    config::Config, credentials::Aws, environment::RoleVariables, failure::Failure, home::Home,
    identity::WorkerIdentity, isolation::Isolation, step_users::UserPool,
};

/// One host with one agent.
#[derive(Debug)]
pub struct Host {
    /// Folders.
    pub home: Home,
    /// Who this worker is.
    pub identity: WorkerIdentity,
    /// What the agent knows of AWS.
    pub aws: Aws,
    /// Steps at once.
    pub slots: u32,
    /// Users that steps run as; none when they run as the agent's own.
    pub step_users: Option<UserPool>,
    /// Whether steps are kept apart and from the instance's metadata, as it was found at the start.
    pub isolation: Isolation,
    /// Of the kernel; another one means every process of before is dead.
    pub boot_id: String,
}

impl Host {
    /// Puts them together.
    ///
    /// # Errors
    /// As [`Aws::new`].
    pub fn new(
        home: Home,
        identity: WorkerIdentity,
        config: &Config,
        role: RoleVariables,
        step_users: Option<UserPool>,
        isolation: Isolation,
    ) -> Result<Arc<Self>, Failure> {
        let aws = Aws::new(config, role, &home)?;
        let slots = config.slots;
        Ok(Arc::new(Self { home, identity, aws, slots, step_users, isolation, boot_id: boot_id() }))
    }
}

/// The kernel's id of this boot; empty where /proc is not mounted.
#[must_use]
pub fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().into()
}
