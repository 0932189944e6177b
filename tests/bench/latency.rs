//! (b) From submitting to started, against one sync and one bare call.

use std::time::Instant;

use anyhow::Result;

use super::{
    Size,
    admin::{self, Admin},
    raw,
    report::{Report, percentile},
};

pub(crate) async fn measure(report: &mut Report, size: Size) -> Result<()> {
    println!("from submitting to started");
    let (world, _hosts) = admin::world(1, 4)?;
    let admin = Admin::of(world.coordinator())?;
    for _ in 0..5 {
        admin.succeeded(&admin.run_true().await?).await?;
    }
    let limit = raw::sync_ms(world.folder(), size.samples) + admin.round_trip_ms(size.samples).await?;
    let (mut started, mut ended) = (Vec::new(), Vec::new());
    for _ in 0..size.samples {
        let began = Instant::now();
        let id = admin.run_true().await?;
        admin.until(&id, "attempt_started").await?;
        started.push(began.elapsed().as_secs_f64() * 1000.0);
        admin.until(&id, "deployment_ended").await?;
        ended.push(began.elapsed().as_secs_f64() * 1000.0);
    }
    for (what, samples) in [("started", &mut started), ("ended", &mut ended)] {
        for (name, share) in [("p50", 0.5), ("p99", 0.99)] {
            let ms = percentile(samples, share);
            report.add(
                format!("(b) submit to {what}, {name}"),
                format!("{ms:.1} ms"),
                format!("{limit:.2} ms (1 sync + 1 call)"),
                ms / limit,
                "",
            );
        }
    }
    Ok(())
}
