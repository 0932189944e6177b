//! How a start fails: with a code and a sentence, before anything is served.

use std::{fs, net::TcpListener, path::Path, process::Command};

use coordinator::config::Settings;

use crate::world::{World, begin, files_with, settings};

async fn failure(settings: Settings) -> (u8, String) {
    match begin(settings).await {
        Ok(_) => panic!("it started"),
        Err(exit) => (exit.code, exit.sentence),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_port_is_named_with_the_flag_that_changes_it() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let (code, sentence) = failure(Settings { join_listen: Some(address), ..settings(folder.path()) }).await;
    assert_eq!(code, 64);
    assert!(sentence.contains(&address.port().to_string()) && sentence.contains("--join-listen"), "{sentence}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_folder_that_another_coordinator_holds_is_left_alone() {
    let world = World::start().await;
    let (code, sentence) = failure(settings(world.folder.path())).await;
    assert_eq!(code, 73);
    assert!(sentence.contains(&format!("process {}", std::process::id())), "{sentence}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_of_a_newer_longshore_is_not_touched() {
    let folder = tempfile::tempdir().unwrap();
    made(folder.path()).await;
    let connection = rusqlite::Connection::open(folder.path().join("data/longshore.db")).unwrap();
    connection.execute("UPDATE store_meta SET schema_version = 99", []).unwrap();
    drop(connection);
    let (code, sentence) = failure(settings(folder.path())).await;
    assert_eq!(code, 70);
    assert!(sentence.contains("99"), "{sentence}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_or_foreign_master_key_is_never_replaced_by_a_new_one() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    made(folder.path()).await;
    made(other.path()).await;
    let key = folder.path().join("data/master.key");
    fs::remove_file(&key).unwrap();
    let (code, sentence) = failure(settings(folder.path())).await;
    assert_eq!(code, 78);
    assert!(sentence.contains("master.key") && !key.exists(), "{sentence}");

    fs::copy(other.path().join("data/master.key"), &key).unwrap();
    let (code, sentence) = failure(settings(folder.path())).await;
    assert_eq!(code, 78);
    assert!(sentence.contains("another master key"), "{sentence}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_start_keeps_authority_and_tokens() {
    let world = World::start().await;
    let (ca, token) = (fs::read(world.data("ca.pem")).unwrap(), world.token());
    let (_, badge) = world.worker("shop-1").await;
    let world = world.restart().await;
    assert_eq!((fs::read(world.data("ca.pem")).unwrap(), world.token()), (ca, token));
    crate::world::knock(&mut world.session(&badge)).await.expect("the worker's certificate is still good");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_private_key_lies_open_in_the_data_folder() {
    let world = World::start().await;
    world.worker("shop-1").await;
    let data = world.folder.path().join("data");
    // How a PKCS #8 P-256 key begins, and how one looks in PEM.
    let pkcs8 = [
        0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01,
        0x07, 0x04,
    ];
    assert_eq!(files_with(&data, &pkcs8), Vec::<std::path::PathBuf>::new());
    assert_eq!(files_with(&data, b"PRIVATE KEY"), Vec::<std::path::PathBuf>::new());
}

#[test]
fn the_program_tells_its_configuration_and_what_is_wrong_with_it() {
    let program = || Command::new(env!("CARGO_BIN_EXE_longshore-coordinator"));
    let shown = program().args(["serve", "--print-config", "--admin-listen", "127.0.0.1:1"]).output().unwrap();
    assert!(shown.status.success());
    assert!(String::from_utf8_lossy(&shown.stdout).contains("admin_listen = \"127.0.0.1:1\""));
    let wrong = program().args(["serve", "--admin-listen", "everywhere"]).output().unwrap();
    assert_eq!(wrong.status.code(), Some(64));
    let explained = program().args(["explain", "join_refused"]).output().unwrap();
    assert!(String::from_utf8_lossy(&explained.stdout).contains("join string"));
    assert_eq!(program().args(["explain", "NO_SUCH"]).output().unwrap().status.code(), Some(64));
    let nowhere = program().args(["admin-token", "list", "--data-dir", "/nonexistent"]).output().unwrap();
    assert_eq!(nowhere.status.code(), Some(73));
}

#[test]
fn init_makes_a_data_folder_and_prints_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let run = |arguments: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_longshore-coordinator"))
            .args(arguments)
            .arg("--data-dir")
            .arg(&data)
            .output()
            .unwrap()
    };
    let made = run(&["init"]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let token = fs::read_to_string(data.join("admin.token")).unwrap();
    let talk = String::from_utf8_lossy(&made.stderr).into_owned() + &String::from_utf8_lossy(&made.stdout);
    assert!(token.starts_with("lst_") && !talk.contains(token.trim()), "{talk}");

    let second = run(&["admin-token", "create", "ci", "--role", "deployer"]);
    assert!(String::from_utf8_lossy(&second.stdout).starts_with("lst_"), "{}", String::from_utf8_lossy(&second.stderr));
    assert!(run(&["admin-token", "revoke", "ci"]).status.success());
    let listed = String::from_utf8_lossy(&run(&["admin-token", "list"]).stdout).into_owned();
    assert!(listed.contains("first-admin") && listed.contains("revoked"), "{listed}");
}

async fn made(folder: &Path) {
    let (running, shutdown) = begin(settings(folder)).await.expect("a first start");
    shutdown.request();
    running.ended().await;
}
