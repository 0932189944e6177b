//! Places that are taken, and data of another version.

use std::{fs, net::TcpListener, process::Command, time::Duration};

use anyhow::{Context, Result};
use tests::{Process, World, coordinator::Settings, parts::part, port::free_port, world};

/// Bad configuration.
const USAGE: i32 = 64;
/// Data that this program cannot read.
const SOFTWARE: i32 = 70;
/// A folder that somebody else holds.
const HELD: i32 = 73;

#[test]
fn a_port_that_is_taken_is_named_before_anything_is_served() -> Result<()> {
    let folder = world::folder()?;
    let mut settings = Settings::loopback(&folder.path().join("data"));
    let taken = TcpListener::bind("127.0.0.1:0")?;
    settings.join = taken.local_addr()?.port();
    let (code, said) = serve_to_its_end(&settings)?;
    assert_eq!(code, USAGE, "{said}");
    assert!(said.contains(&settings.join.to_string()) && said.contains("join"), "it names port and flag: {said}");
    Ok(())
}

#[test]
fn a_data_folder_that_another_coordinator_holds_is_left_alone() -> Result<()> {
    let world = World::without_aws()?;
    let mut settings = Settings::loopback(world.coordinator().data_dir());
    settings.data_dir = world.coordinator().data_dir().into();
    let (code, said) = serve_to_its_end(&settings)?;
    assert_eq!(code, HELD, "{said}");
    assert!(said.contains(&world.coordinator().id().to_string()), "it names who holds it: {said}");
    world.cli().ok(&["pool", "list"])?;
    Ok(())
}

#[test]
fn a_store_newer_than_the_program_is_not_touched() -> Result<()> {
    let mut world = World::without_aws()?;
    world.pool("kept")?;
    world.coordinator_mut().stop()?;
    let store = store_file(&world)?;
    sqlite(&store, "UPDATE store_meta SET schema_version = 9999")?;
    let before = fs::read(&store)?;
    let (code, said) = serve_to_its_end(world.coordinator().settings())?;
    assert_eq!(code, SOFTWARE, "{said}");
    assert!(said.contains("9999"), "it names both versions: {said}");
    assert!(fs::read(&store)? == before, "not a byte of it is different");
    Ok(())
}

#[test]
fn a_data_folder_that_another_agent_holds_is_left_alone() -> Result<()> {
    let world = World::without_aws()?;
    let first = world.host("one")?;
    let mut second = tests::WorkerHost::new(
        world.folder(),
        "two",
        tests::worker_host::Settings { data_dir: Some(first.data_dir().into()), ..Default::default() },
    )?;
    second.start()?;
    assert_eq!(second.ended(Duration::from_secs(20))?, HELD, "{}", second.log());
    assert!(second.log().contains(&first.data_dir().to_string_lossy().into_owned()), "{}", second.log());
    assert_eq!(world.run_script("hello", "echo hello")?["state"], "succeeded");
    Ok(())
}

#[test]
fn a_coordinator_that_is_not_there_is_named() -> Result<()> {
    let world = World::without_aws()?;
    let address = format!("https://127.0.0.1:{}", free_port());
    let token = fs::read_to_string(world.coordinator().token_file())?;
    let elsewhere = world.cli().with_env("LONGSHORE_COORDINATOR", &address).with_env("LONGSHORE_TOKEN", token.trim());
    let answer = elsewhere.refused(3, &["pool", "list"])?;
    assert!(
        answer.stderr.contains(address.trim_start_matches("https://")) && answer.stderr.contains("Nothing listens"),
        "{answer}"
    );
    let answer = world.cli().with_env("LONGSHORE_TOKEN", "lst_nobody_nothing_0").refused(4, &["pool", "list"])?;
    assert!(!answer.stderr.contains("lst_nobody_nothing_0"), "a token is a secret: {answer}");
    Ok(())
}

fn serve_to_its_end(settings: &Settings) -> Result<(i32, String)> {
    let folder = world::folder()?;
    let mut process =
        Process::start("a coordinator that cannot", &mut settings.command()?, &folder.path().join("log"))?;
    let status = process.wait(Duration::from_secs(30))?;
    Ok((status.code().unwrap_or(-1), process.log()))
}

fn store_file(world: &World) -> Result<std::path::PathBuf> {
    let entries = fs::read_dir(world.coordinator().data_dir())?.filter_map(Result::ok).map(|entry| entry.path());
    let is_store = |path: &std::path::PathBuf| fs::read(path).is_ok_and(|bytes| bytes.starts_with(b"SQLite format 3"));
    entries
        .into_iter()
        .filter(|path| path.is_file())
        .find(is_store)
        .context("there is no SQLite file in the data folder")
}

/// Any SQLite that is not ours: the one inside Python.
fn sqlite(file: &std::path::Path, statement: &str) -> Result<()> {
    let script = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute(sys.argv[2]); c.commit(); c.execute('PRAGMA wal_checkpoint(TRUNCATE)'); c.close()";
    let status = Command::new(part("python3")?).args(["-c", script]).arg(file).arg(statement).status()?;
    anyhow::ensure!(status.success(), "{statement} was refused");
    Ok(())
}
