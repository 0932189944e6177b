//! A clock that is an hour off, on either side.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tests::{World, skip};

#[test]
fn a_worker_whose_clock_is_an_hour_off_runs_steps_and_is_told_apart() -> Result<()> {
    let Some(library) = faketime() else {
        return Ok(());
    };
    for (offset, sign) in [("+3600", 1), ("-3600", -1)] {
        let world = World::without_aws()?;
        let mut host = world.plain_host("one")?;
        host.settings_mut().env = skewed(&library, offset);
        world.bring_up(&mut host, "default")?;
        let deployment = world.run_script("hello", "echo hello; exit 0")?;
        assert_eq!(deployment["state"], "succeeded", "{offset}: {deployment:#}");
        let worker = world.cli().json(&["worker", "show", "one"])?;
        let off = worker["clock_offset_ms"].as_i64().context("no clock offset")?;
        assert!((off * sign - 3_600_000).abs() < 60_000, "{offset}: the worker's clock is said to be {off} ms ahead");
        // Asked to end, it leaves nothing of the false time in memory.
        host.stop()?;
    }
    Ok(())
}

#[test]
fn a_coordinator_whose_clock_is_an_hour_off_runs_steps() -> Result<()> {
    let Some(library) = faketime() else {
        return Ok(());
    };
    for offset in ["+3600", "-3600"] {
        let mut world = World::without_aws_but(|settings| settings.env = skewed(&library, offset))?;
        let _host = world.host("one")?;
        let deployment = world.run_script("hello", "echo hello")?;
        assert_eq!(deployment["state"], "succeeded", "{offset}: {deployment:#}");
        world.coordinator_mut().stop()?;
    }
    Ok(())
}

/// Only the time of day is another: timers must not depend on it, and do not here.
fn skewed(library: &Path, offset: &str) -> Vec<(String, String)> {
    vec![
        ("LD_PRELOAD".into(), library.to_string_lossy().into_owned()),
        ("FAKETIME".into(), offset.into()),
        ("FAKETIME_DONT_FAKE_MONOTONIC".into(), "1".into()),
    ]
}

/// libfaketime, which Debian has.
fn faketime() -> Option<PathBuf> {
    let folders = ["/usr/lib/x86_64-linux-gnu/faketime", "/usr/lib/aarch64-linux-gnu/faketime", "/usr/lib/faketime"];
    let found = folders.iter().map(|folder| Path::new(folder).join("libfaketimeMT.so.1")).find(|path| path.exists());
    if found.is_none() {
        skip("libfaketime is not installed (Debian: apt-get install libfaketime)");
    }
    found
}
