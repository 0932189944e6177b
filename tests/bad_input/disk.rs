//! Full disks. A small file system in memory stands for each; mounting one needs root.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use tests::{World, skip, until, world};

/// A file system of a given size; unmounted when dropped.
struct SmallDisk {
    folder: PathBuf,
}

#[test]
fn a_worker_with_a_full_disk_keeps_its_running_step_and_goes_on_when_there_is_room() -> Result<()> {
    let place = world::folder()?;
    let Some(disk) = SmallDisk::mount(&place.path().join("disk"), "160m")? else {
        return Ok(());
    };
    let world = World::without_aws()?;
    let mut host = tests::WorkerHost::new(
        world.folder(),
        "one",
        tests::worker_host::Settings { data_dir: Some(disk.folder.join("data")), ..Default::default() },
    )?;
    world.bring_up(&mut host, "default")?;
    // The marker is on the world's own disk: the script writes nothing to the full one itself.
    let marker = world.folder().join("go-on");
    let script =
        format!("echo started\nuntil [ -e '{}' ]; do sleep 0.05; done\nseq 1 20000\necho the end", marker.display());
    let id = world.start_script("writing", &script)?;
    let mut watch = world.cli().start(&["deployment", "watch", &id, "--plain"], "")?;
    watch.until_line("the script to run", Duration::from_secs(60), |line| line.ends_with("started"))?;
    disk.fill()?;
    fs::write(&marker, "")?;
    until("the worker to say that its disk is full", Duration::from_secs(30), || {
        let worker = world.cli().json(&["worker", "show", "one"])?;
        Ok(worker["disk_free_bytes"].as_i64().is_some_and(|free| free < 1 << 20).then_some(()))
    })?;
    disk.empty()?;
    let answer = watch.finish(Duration::from_secs(60))?;
    assert_eq!(answer.code, 0, "{answer}");
    let written = stdout_of(&world, &id)?;
    let numbers: Vec<u32> = written.lines().filter_map(|line| line.parse().ok()).collect();
    let missing: Vec<u32> = (1..=20_000).filter(|number| numbers.binary_search(number).is_err()).collect();
    assert!(
        numbers.is_sorted() && missing.is_empty() && numbers.len() == 20_000,
        "{} lines, without {missing:?}",
        numbers.len()
    );
    Ok(())
}

#[test]
fn a_coordinator_with_a_full_disk_refuses_changes_and_loses_nothing() -> Result<()> {
    let place = world::folder()?;
    let Some(disk) = SmallDisk::mount(&place.path().join("disk"), "32m")? else {
        return Ok(());
    };
    let data = disk.folder.join("data");
    let mut world = World::without_aws_but(|settings| settings.data_dir = data)?;
    world.pool("before")?;
    disk.fill()?;
    let mut refused = None;
    // What is already allocated may take a few more.
    for number in 0..200 {
        let answer = world.cli().run(&["pool", "create", &format!("full-{number}")])?;
        if answer.code != 0 {
            refused = Some(answer);
            break;
        }
    }
    let refused = refused.context("a full disk took 200 pools")?;
    ensure!(refused.stderr.to_lowercase().contains("disk") || refused.stderr.contains("space"), "{refused}");
    let during = world.cli().json(&["pool", "list"])?;
    disk.empty()?;
    world.pool("after")?;
    world.coordinator_mut().kill9();
    world.coordinator_mut().restart()?;
    let after = world.cli().json(&["pool", "list"])?;
    let names = |list: &serde_json::Value| -> Vec<String> {
        list.as_array().into_iter().flatten().filter_map(|pool| pool["name"].as_str().map(str::to_owned)).collect()
    };
    let mut expected = names(&during);
    expected.push("after".into());
    expected.sort();
    let mut kept = names(&after);
    kept.sort();
    assert_eq!(kept, expected, "what was answered is there, what was refused is not");
    Ok(())
}

/// What the script wrote, without the worker's own words about the disk, which may stand in the middle of a line.
fn stdout_of(world: &World, id: &str) -> Result<String> {
    let frames = world.cli().ok(&["deployment", "logs", id, "--step", "Step", "--output", "json"])?;
    let mut text = String::new();
    for frame in frames.lines() {
        let frame: serde_json::Value = serde_json::from_str(frame)?;
        if frame["source"] == "stdout" {
            text.push_str(frame["data"].as_str().unwrap_or_default());
        }
    }
    Ok(text)
}

impl SmallDisk {
    fn mount(folder: &Path, size: &str) -> Result<Option<Self>> {
        if !rustix::process::geteuid().is_root() {
            skip("mounting a small disk needs root");
            return Ok(None);
        }
        fs::create_dir_all(folder)?;
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]).arg(folder).output()?;
        if !mounted.status.success() {
            skip(&format!("a small disk cannot be mounted: {}", String::from_utf8_lossy(&mounted.stderr).trim()));
            return Ok(None);
        }
        Ok(Some(Self { folder: folder.into() }))
    }

    fn fill(&self) -> Result<()> {
        let mut file = fs::File::create(self.folder.join("ballast"))?;
        let block = vec![0_u8; 64 << 10];
        loop {
            if let Err(error) = std::io::Write::write_all(&mut file, &block) {
                ensure!(error.kind() == std::io::ErrorKind::StorageFull, "{error}");
                return Ok(());
            }
        }
    }

    fn empty(&self) -> Result<()> {
        fs::remove_file(self.folder.join("ballast")).context("the ballast cannot be dropped")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: what still has files open on it was killed already or ends with the test.
        let _ = Command::new("umount").arg("--lazy").arg(&self.folder).status();
    }
}
