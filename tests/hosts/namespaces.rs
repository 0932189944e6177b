//! Two hosts with networks of their own, metadata at its real address, and a cable that is pulled.

use std::time::Duration;

use anyhow::Result;
use tests::{
    HostNetwork, Imds, Instance, WorkerHost, World, network::Bridge, skip, until, worker_host, world::EVERYTHING,
};

use crate::counting::Counting;

/// A host of a bridge: with metadata at 169.254.169.254, and a worker that asks there without being told where.
pub(crate) struct RemoteHost {
    pub(crate) host: WorkerHost,
    pub(crate) imds: Imds,
    pub(crate) network: HostNetwork,
}

#[test]
fn two_hosts_find_their_own_role_at_the_real_address_and_outlive_a_pulled_cable() -> Result<()> {
    let bridge = match Bridge::make()? {
        Ok(bridge) => bridge,
        Err(reason) => {
            skip(&reason);
            return Ok(());
        }
    };
    let world = World::start_at(&bridge.address())?;
    world.pool("second")?;
    let first = remote_host(&world, &bridge, "first", "default", |_| ())?;
    let second = remote_host(&world, &bridge, "second", "second", |_| ())?;
    for (pool, remote) in [("default", &first), ("second", &second)] {
        let ask =
            ["run", "--pool", pool, "--worker-role", "--", "aws", "sts", "get-caller-identity", "--output", "text"];
        let said = world.cli().ok(&ask)?;
        let role = format!("assumed-role/{}-role/{}", remote.host.name(), remote.imds.instance().id);
        assert!(said.contains(&role), "{said}");
    }

    let counting = Counting::in_the_middle(&world)?;
    first.network.cut()?;
    until("the step to end unheard", Duration::from_secs(60), || Ok(first.host.shims().is_empty().then_some(())))?;
    first.network.mend()?;
    let deployment = world.ended(&counting.id)?;
    counting.is_whole(&world, &deployment)
}

/// A host with a connected worker whose role may do everything; `change` says what else is different about it.
pub(crate) fn remote_host(
    world: &World,
    bridge: &Bridge,
    name: &str,
    pool: &str,
    change: impl FnOnce(&mut worker_host::Settings),
) -> Result<RemoteHost> {
    let role = format!("{name}-role");
    world.aws().create_instance_role(&role, EVERYTHING)?;
    let network = bridge.add_host()?;
    let imds = Imds::start_on(network.listen_for_metadata()?, Instance::with_role(&role), world.aws().clone())?;
    let mut settings = worker_host::Settings {
        aws_endpoint_url: Some(world.aws().url()),
        network: Some(network.clone()),
        ..worker_host::Settings::default()
    };
    change(&mut settings);
    let mut host = WorkerHost::new(world.folder(), name, settings)?;
    world.bring_up(&mut host, pool)?;
    Ok(RemoteHost { host, imds, network })
}
