//! (e) What the coordinator dispatches by itself: durable steps over simulated workers.

use std::time::Instant;

use anyhow::Result;
use tests::World;

use super::{
    Size,
    admin::{Admin, project, until_connected},
    raw,
    report::Report,
    simulated,
};

/// 8 workers with 64 slots each: enough under way to share every commit.
const WORKERS: usize = 8;
const SLOTS: usize = 64;
/// 500 steps: what a process may have.
const STEPS_EACH: usize = 500;

pub(crate) async fn measure(report: &mut Report, size: Size) -> Result<()> {
    println!("dispatch to simulated workers");
    let mut world = World::without_aws()?;
    let workers = simulated::register(world.coordinator_mut(), WORKERS)?;
    let mut sessions = tokio::task::JoinSet::new();
    for worker in &workers {
        sessions.spawn(worker.connect(&world, SLOTS).await?.play());
    }
    let admin = Admin::of(world.coordinator())?;
    until_connected(&admin, WORKERS).await?;
    admin.environment().await?;
    let rounds = size.dispatched.div_ceil(STEPS_EACH);
    for at in 0..rounds {
        admin.apply(project(&format!("dispatch-{at}"), STEPS_EACH, "true")).await?;
    }
    let syncs = 1000.0 / raw::sync_ms(world.folder(), size.samples);
    let began = Instant::now();
    let mut started = Vec::with_capacity(rounds);
    for at in 0..rounds {
        started.push(admin.deploy(&format!("dispatch-{at}")).await?);
    }
    for id in &started {
        admin.succeeded(id).await?;
    }
    let rate = (rounds * STEPS_EACH) as f64 / began.elapsed().as_secs_f64();
    report.add(
        "(e) durable steps dispatched, simulated workers",
        format!("{rate:.0} steps/s"),
        format!("{syncs:.0} syncs/s of one page"),
        rate / syncs,
        ">= 2000 steps/s",
    );
    Ok(())
}
