//! (d) Resident memory: of the coordinator with idle workers, and of an idle worker.

use std::time::Duration;

use anyhow::Result;
use tests::World;

use super::{
    Size,
    admin::{self, Admin, resident_kib, until_connected},
    report::Report,
    simulated,
};

pub(crate) async fn measure(report: &mut Report, size: Size) -> Result<()> {
    println!("memory");
    let mut world = World::without_aws()?;
    let workers = simulated::register(world.coordinator_mut(), size.workers)?;
    let admin = Admin::of(world.coordinator())?;
    admin.connected().await?;
    let process = world.coordinator().id();
    let idle = resident_kib(process)?;
    report.note("(d) coordinator, no worker connected", mib(idle), "<= 40 MiB");
    let mut sessions = tokio::task::JoinSet::new();
    let mut connected = 0;
    for wanted in [100, 1000] {
        if wanted > size.workers {
            break;
        }
        for worker in &workers[connected..wanted] {
            sessions.spawn(worker.connect(&world, 4).await?.play());
        }
        connected = wanted;
        until_connected(&admin, connected).await?;
        let now = resident_kib(process)?;
        let each = now.saturating_sub(idle) as f64 / connected as f64;
        report.note(
            format!("(d) coordinator, {connected} workers connected"),
            format!("{}, {each:.0} KiB each", mib(now)),
            "<= 64 KiB each",
        );
    }
    drop(sessions);
    let (_world, hosts) = admin::world(1, 4)?;
    if let Some(worker) = hosts[0].id() {
        // One heartbeat: what an agent needs to be idle, it has by then.
        tokio::time::sleep(Duration::from_secs(6)).await;
        report.note("(d) idle worker", mib(resident_kib(worker)?), "<= 12 MiB");
    }
    Ok(())
}

fn mib(kib: u64) -> String {
    format!("{:.1} MiB", kib as f64 / 1024.0)
}
