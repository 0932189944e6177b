//! (a) Steps a second, over 1, 2 and 8 real workers, against the raw rate of starting processes.

use std::time::Instant;

use anyhow::Result;

use super::{
    Size,
    admin::{self, Admin, project},
    raw,
    report::Report,
};

/// 400 steps at most in one deployment: within the limit of a process.
const STEPS_EACH: usize = 400;

pub(crate) async fn measure(report: &mut Report, size: Size) -> Result<()> {
    println!("steps through real workers");
    for workers in [1, 2, 8] {
        let (world, _hosts) = admin::world(workers, 8.max(16 / workers))?;
        let admin = Admin::of(world.coordinator())?;
        admin.environment().await?;
        admin.apply(project("warm", 8, "true")).await?;
        admin.succeeded(&admin.deploy("warm").await?).await?;
        let before = raw::spawn_rate(size.steps / 8);
        let rounds = size.steps.div_ceil(STEPS_EACH);
        let each = size.steps / rounds;
        for at in 0..rounds {
            admin.apply(project(&format!("steps-{at}"), each, "true")).await?;
        }
        let began = Instant::now();
        let mut started = Vec::new();
        for at in 0..rounds {
            started.push(admin.deploy(&format!("steps-{at}")).await?);
        }
        for id in &started {
            admin.succeeded(id).await?;
        }
        let rate = (rounds * each) as f64 / began.elapsed().as_secs_f64();
        let limit = f64::midpoint(before, raw::spawn_rate(size.steps / 8));
        report.add(
            format!("(a) no-op bash steps, {workers} worker(s)"),
            format!("{rate:.0} steps/s"),
            format!("{limit:.0} bash/s in two loops"),
            rate / limit,
            ">= 0.70",
        );
    }
    Ok(())
}
