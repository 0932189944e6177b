//! A full disk holds a step up and loses nothing of its log.

use std::{
    fs,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use proto::deployment::log_frame::{Level, Source};
use shared::outcome::OutcomeKind;
use tempfile::TempDir;

use crate::stage::{Stage, script_action, until, wait};

/// A file system of 3 MiB for as long as it is not dropped.
struct SmallDisk<'a>(&'a Path);

impl<'a> SmallDisk<'a> {
    /// `None` where the test may not mount.
    fn mount(at: &'a Path) -> Option<Self> {
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=3m", "tmpfs"]).arg(at).status();
        mounted.is_ok_and(|status| status.success()).then_some(Self(at))
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

#[test]
fn a_full_disk_holds_the_step_up_and_its_log_is_whole() {
    let data = TempDir::new().unwrap();
    let path = data.path().to_owned();
    let Some(_disk) = SmallDisk::mount(&path) else {
        eprintln!("Not tested: mounting a small disk needs root.");
        return;
    };
    let ballast = path.join("ballast");
    fs::write(&ballast, vec![1; 2 << 20]).unwrap();
    let body = "for i in $(seq 40000); do echo \"line $i of a log that is too long for this disk\"; done";
    let stage = Stage::in_folder(script_action("bash", body), data);
    let shim = stage.start();
    wait_until_stuck(&stage.exec.events_path());
    assert_eq!(stage.exec.read_exit().unwrap(), None);
    fs::remove_file(&ballast).unwrap();
    assert!(wait(shim).success());
    let left = stage.left();
    let text = left.text(Source::Stdout);
    assert_eq!(text.lines().count(), 40_000);
    assert!(text.ends_with("line 40000 of a log that is too long for this disk\n"));
    assert!(left.at(Level::Warning).contains("disk was full"), "{}", left.system());
    assert_eq!(left.outcome.kind, OutcomeKind::Succeeded);
}

/// The log of a step that writes all the time is stuck when it has not grown for much longer than the shim's pause
/// between two tries.
fn wait_until_stuck(log: &Path) {
    let (mut length, mut since) = (0, Instant::now());
    until(|| {
        let now = fs::metadata(log).map_or(0, |metadata| metadata.len());
        if now != length {
            (length, since) = (now, Instant::now());
        }
        length > 0 && since.elapsed() > Duration::from_secs(1)
    });
}
