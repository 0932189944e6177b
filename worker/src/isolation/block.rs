//! Shutting a range of users out of some addresses, in two ways that complete each other. Policy routing refuses at once
//! and survives a firewall that is loaded anew, but a socket bound to a network device goes around it, which any user may
//! do. A packet filter sees every packet, but whoever loads a firewall may throw it away.

mod filter;
mod rules;

use std::net::IpAddr;

use crate::step_users::UidRange;

/// Blocks, and says in half a sentence what could not be done. Doing it again changes nothing.
pub(super) async fn block(range: UidRange, addresses: &[IpAddr]) -> Result<(), String> {
    rules::add(range, addresses).await?;
    filter::load(range, addresses).map_err(|error| {
        format!("the kernel takes no packet filter ({error}); let it have nf_tables, and the agent CAP_NET_ADMIN")
    })
}
