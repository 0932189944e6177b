//! Arrows go down only, never sideways.

use std::collections::BTreeSet;

use crate::tree;

/// Each of our packages, and which others of ours it may name.
const MAY_NAME: &[(&str, &[&str])] = &[
    ("shared", &[]),
    ("service", &["shared"]),
    ("aws", &["shared"]),
    ("stack-template", &[]),
    // What steps do in AWS, each on what all of them share.
    ("action", &["shared", "aws"]),
    ("action-s3", &["shared", "aws", "action"]),
    ("action-cloudformation", &["shared", "aws", "action", "action-s3", "stack-template"]),
    ("proto", &["shared"]),
    ("coordinator-core", &["shared"]),
    ("worker-core", &["shared"]),
    ("coordinator", &["shared", "service", "aws", "proto", "coordinator-core"]),
    ("worker", &["shared", "service", "aws", "proto", "worker-core", "action", "action-s3", "action-cloudformation"]),
    ("longshore", &["shared", "service", "proto", "stack-template"]),
    // Both cores in one value, and nothing of the shells.
    ("proof", &["shared", "coordinator-core", "worker-core"]),
    // The benchmark registers its simulated workers in the coordinator's own store and times scripts as the worker lays them out, and
    // tokens are verified where no call hands them out; nothing else here looks inside a shell.
    ("tests", &["shared", "service", "proto", "coordinator", "worker", "stack-template"]),
];

/// Packages that decide: what they may not contain, not even through something else.
const PURE: &[&str] = &["shared", "stack-template", "coordinator-core", "worker-core"];
const IMPURE: &[&str] = &[
    "tokio",
    "tonic",
    "hyper",
    "rusqlite",
    "rustls",
    "aws-config",
    "rustix",
    "mio",
    "socket2",
    "rand",
    "tracing-subscriber",
];

#[test]
fn no_package_names_one_beside_or_above_it() {
    let own = tree::own();
    for (name, allowed) in MAY_NAME {
        for named in &own[*name] {
            assert!(
                allowed.contains(&named.as_str()),
                "{name} depends on {named}, which is beside or above it: it may depend on {allowed:?} only"
            );
        }
    }
}

#[test]
fn every_package_of_ours_has_its_floor() {
    let listed: BTreeSet<String> = MAY_NAME.iter().map(|(name, _)| (*name).to_owned()).collect();
    let own: BTreeSet<String> = tree::own().into_keys().collect();
    assert_eq!(own, listed, "a package without a line in MAY_NAME, or a line without a package");
}

#[test]
fn what_decides_has_no_clock_disk_or_network_in_it() {
    for name in PURE {
        let below = tree::everything_below(name);
        for impure in IMPURE {
            assert!(
                !below.contains(*impure),
                "{name} contains {impure}: what decides takes facts and answers wishes, nothing else"
            );
        }
    }
}

#[test]
fn one_library_does_all_cryptography() {
    let names: BTreeSet<String> = tree::foreign().into_iter().map(|package| package.name).collect();
    assert!(names.contains("aws-lc-rs"), "aws-lc-rs is the one we use");
    for other in ["ring", "openssl", "openssl-sys", "native-tls", "boring", "mbedtls", "rustls-pemfile"] {
        assert!(
            !names.contains(other),
            "{other} came in; `cargo tree -i {other}` says through what. aws-lc-rs is the one we use"
        );
    }
}

#[test]
fn faults_are_put_into_nothing_that_is_shipped() {
    let with_bugs = cargo_files().into_iter().filter(|(_, text)| text.contains("bugs"));
    let names: Vec<String> = with_bugs.map(|(name, _)| name).collect();
    assert_eq!(names, ["shared", "tests/proof"], "who can put faults in");
}

/// The manifests of all packages of ours, by folder.
fn cargo_files() -> Vec<(String, String)> {
    let root = tests::parts::project();
    let workspace = std::fs::read_to_string(root.join("Cargo.toml")).expect("the workspace's manifest");
    let members = workspace.split_once("members = [").and_then(|(_, rest)| rest.split_once(']')).expect("members").0;
    let mut folders: Vec<String> = members
        .lines()
        .filter_map(|line| Some(line.trim().strip_prefix('"')?.strip_suffix("\",")?.to_owned()))
        .collect();
    folders.sort();
    let manifest = |folder: &String| std::fs::read_to_string(root.join(folder).join("Cargo.toml")).expect("a manifest");
    folders.iter().map(|folder| (folder.clone(), manifest(folder))).collect()
}
