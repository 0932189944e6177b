//! What every task of the agent shares: folders, identity, AWS, the kernel's boot id.

use std::{fs, sync::Arc};

use crate::{
    config::Config, credentials::Aws, environment::RoleVariables, failure::Failure, home::Home, identity::WorkerIdentity,
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
    ) -> Result<Arc<Self>, Failure> {
        let aws = Aws::new(config, role, &home)?;
        Ok(Arc::new(Self { home, identity, aws, slots: config.slots, boot_id: boot_id() }))
    }
}

/// The kernel's id of this boot; empty where /proc is not mounted.
#[must_use]
pub fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().into()
}
