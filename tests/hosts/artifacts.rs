//! Files that steps leave behind, from the script to the person who downloads them, whatever is killed on the way.

use std::{fs, path::Path, process::Command, time::Duration};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tests::{WorkerHost, World, until};

/// 60 seconds for what takes one or two.
const SOON: Duration = Duration::from_secs(60);

#[test]
fn what_steps_leave_behind_is_listed_and_downloaded_as_it_was() -> Result<()> {
    let world = World::without_aws()?;
    let host = world.host("one")?;
    let yaml = r#"project: shop
steps:
  - name: Build
    retries: { count: 1, backoff: 0s }
    script:
      shell: bash
      body: |
        echo "attempt $LONGSHORE_ATTEMPT" > 'build log.txt'
        new_octopusartifact 'build log.txt'
        head -c 3000000 /dev/urandom > app.bin; new_octopusartifact app.bin 'App für 🚀.bin'
        sha256sum < app.bin | cut -d' ' -f1
        [ "$LONGSHORE_ATTEMPT" = 2 ]
  - name: Test / unit
    script:
      shell: python
      body: |
        open("build log.txt", "w").write("tested")
        createartifact("build log.txt")
"#;
    world.apply("shop", yaml)?;
    let id = world.start_deployment("shop")?;
    ensure!(world.ended(&id)?["state"] == "succeeded");

    // At once: what is on its way is waited for.
    let all = world.folder().join("all");
    let downloaded = world.cli().ok(&["artifact", "download", &id, "--to", text(&all)])?;
    ensure!(downloaded.lines().count() == 4, "a head and three files: {downloaded}");
    ensure!(fs::read_to_string(all.join("Build/build log.txt"))? == "attempt 2\n", "the newest attempt's");
    ensure!(fs::read_to_string(all.join("Test - unit/build log.txt"))? == "tested");
    let printed = world.log(&id, "Build")?;
    let digest = sha256(&all.join("Build/App für 🚀.bin"))?;
    ensure!(printed.contains(&digest), "{digest}: {printed}");

    let listed = world.cli().json(&["artifact", "list", &id])?;
    let names = |listed: &Value| -> Vec<String> {
        let artifacts = listed.as_array().into_iter().flatten();
        artifacts.map(|one| format!("{} {} {} {}", one["step"], one["attempt"], one["name"], one["state"])).collect()
    };
    ensure!(
        names(&listed)
            == [
                r#""Build" 1 "build log.txt" "stored""#,
                r#""Build" 1 "App für 🚀.bin" "stored""#,
                r#""Build" 2 "build log.txt" "stored""#,
                r#""Build" 2 "App für 🚀.bin" "stored""#,
                r#""Test / unit" 1 "build log.txt" "stored""#,
            ],
        "{listed:#}"
    );

    let ambiguous = world.cli().run(&["artifact", "download", &id, "build log.txt"])?;
    ensure!(ambiguous.code == 2 && ambiguous.stderr.contains("--step"), "{ambiguous}");
    let single = world.folder().join("single.txt");
    let one = ["artifact", "download", &id, "build log.txt", "--step", "Test / unit", "--as", text(&single)];
    world.cli().ok(&one)?;
    world.cli().ok(&one).context("what is there already stays")?;
    fs::write(&single, "somebody's own")?;
    let other = world.cli().run(&one)?;
    ensure!(other.code == 1 && other.stderr.contains("is another file"), "{other}");
    ensure!(fs::read_to_string(&single)? == "somebody's own");
    fs::remove_file(&single)?;
    // What an interrupted download left, and what something else did.
    for left in ["tes", "something else that is longer", "xxx"] {
        fs::write(world.folder().join(".single.txt.part"), left)?;
        let answer = world.cli().run(&one)?;
        if left == "xxx" {
            ensure!(answer.code == 1 && answer.stderr.contains("download it again"), "{answer}");
            world.cli().ok(&one)?;
        }
        ensure!(fs::read_to_string(&single)? == "tested", "{left}: {answer}");
        fs::remove_file(&single)?;
    }
    let unknown = world.cli().run(&["artifact", "download", &id, "nothing"])?;
    ensure!(unknown.code == 6 && unknown.stderr.contains("\"App für 🚀.bin\""), "{unknown}");

    forgotten(&host)
}

#[test]
fn an_artifact_arrives_once_and_whole_though_both_ends_are_killed_on_the_way() -> Result<()> {
    let mut world = World::without_aws()?;
    let mut host = world.host("one")?;
    let script = "head -c 268435456 /dev/urandom > big; new_octopusartifact big; sha256sum < big | cut -d' ' -f1";
    let id = world.start_script("big", script)?;
    let artifacts = world.coordinator().data_dir().join("artifacts");
    let arriving = artifacts.join("arriving");
    let arrived = || -> u64 {
        let files = fs::read_dir(&arriving).into_iter().flatten().flatten();
        files.filter_map(|file| file.metadata().ok()).map(|found| found.len()).sum()
    };
    // Where it ends up has a folder beside that where it arrives.
    let has_arrived = || fs::read_dir(&artifacts).is_ok_and(|folders| folders.count() > 1);
    let mut before = 0;
    for is_agent in [true, false] {
        until("more of it to arrive", SOON, || Ok((arrived() > before || has_arrived()).then_some(())))?;
        if is_agent {
            host.kill9();
        } else {
            world.coordinator_mut().kill9();
        }
        let so_far = arrived();
        ensure!(so_far > before || has_arrived(), "{so_far} bytes after {before}");
        before = so_far;
        if is_agent {
            host.start()?;
        } else {
            world.coordinator_mut().restart()?;
        }
    }
    ensure!(world.ended(&id)?["state"] == "succeeded");
    let to = world.folder().join("big");
    world.cli().ok(&["artifact", "download", &id, "big", "--as", text(&to)])?;
    let printed = world.log(&id, "Step")?;
    ensure!(printed.contains(&sha256(&to)?), "{printed}");
    ensure!(fs::read_dir(&arriving)?.next().is_none(), "nothing is left of its way");
    forgotten(&host)
}

#[test]
fn what_the_quota_does_not_allow_fails_no_step_and_says_so() -> Result<()> {
    let world = World::without_aws_but(|settings| settings.flags = vec!["--artifact-quota".into(), "1 KiB".into()])?;
    let host = world.host("one")?;
    let script =
        "head -c 2000 /dev/zero > large; echo small > small; new_octopusartifact large; new_octopusartifact small";
    let id = world.start_script("shop", script)?;
    ensure!(world.ended(&id)?["state"] == "succeeded");
    let to = world.folder().join("to");
    world.cli().ok(&["artifact", "download", &id, "small", "--to", text(&to)])?;
    let refused = world.cli().run(&["artifact", "download", &id, "--to", text(&to)])?;
    for part in ["\"large\"", "has 2.0 KiB", "may have 1.0 KiB", "--artifact-quota"] {
        ensure!(refused.code == 1 && refused.stderr.contains(part), "{part}: {refused}");
    }
    let listed = world.cli().ok(&["artifact", "list", &id])?;
    ensure!(listed.contains("refused: ARTIFACT_QUOTA") && listed.contains("stored"), "{listed}");
    forgotten(&host)
}

#[test]
fn artifacts_that_were_kept_long_enough_go_and_what_is_known_of_them_stays() -> Result<()> {
    let mut world = World::without_aws()?;
    let _host = world.host("one")?;
    let id = world.start_script("shop", "echo old > old; new_octopusartifact old")?;
    world.ended(&id)?;
    let to = world.folder().join("old");
    world.cli().ok(&["artifact", "download", &id, "old", "--as", text(&to)])?;

    let coordinator = world.coordinator_mut();
    coordinator.stop()?;
    coordinator.settings_mut().flags = vec!["--artifact-retention".into(), "1ms".into()];
    coordinator.restart()?;
    until("it to be removed", SOON, || {
        Ok((world.cli().json(&["artifact", "list", &id])?[0]["state"] == "expired").then_some(()))
    })?;
    let gone = world.cli().run(&["artifact", "download", &id, "old", "--to", text(world.folder())])?;
    ensure!(gone.code == 1 && gone.stderr.contains("kept long enough"), "{gone}");
    Ok(())
}

/// The worker lets go of an attempt when all of it is stored.
fn forgotten(host: &WorkerHost) -> Result<()> {
    let folder = host.data_dir().join("exec");
    until("the worker to let go of its files", SOON, || Ok(fs::read_dir(&folder)?.next().is_none().then_some(())))
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap_or_default()
}

fn sha256(path: &Path) -> Result<String> {
    let output = Command::new("sha256sum").arg(path).output()?;
    let text = String::from_utf8(output.stdout)?;
    Ok(text.split(' ').next().context("a digest")?.trim_start_matches('\\').to_owned())
}
