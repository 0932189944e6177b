//! The packages of this workspace and everything below them, as Cargo builds them for Linux.

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    process::Command,
};

use serde::Deserialize;
use tests::parts::project;

/// A package that is not ours.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    /// SPDX expression; empty when it states none.
    pub(crate) license: String,
}

/// Our own packages, and which of ours each names. What one needs only for its own tests does not count.
pub(crate) fn own() -> BTreeMap<String, BTreeSet<String>> {
    let metadata = cargo(&["metadata", "--format-version", "1", "--no-deps"]);
    let metadata: Metadata = serde_json::from_str(&metadata).expect("cargo metadata answers JSON");
    let named = |member: Member| {
        let ours = |dependency: &Dependency| dependency.path.is_some() && dependency.kind.is_none();
        let names = member.dependencies.into_iter().filter(ours).map(|dependency| dependency.name);
        (member.name, names.collect())
    };
    metadata.packages.into_iter().map(named).collect()
}

/// Names of everything that is compiled into one of our packages.
pub(crate) fn everything_below(name: &str) -> BTreeSet<String> {
    let tree = cargo(&["tree", "--package", name, "--edges", "normal", "--prefix", "none", "--format", "{p}"]);
    tree.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

/// Every package that is not ours and that is built, be it only for a test or by a build script.
///
/// `cargo metadata` would also list what optional features might bring; `cargo tree` knows which are on.
pub(crate) fn foreign() -> BTreeSet<Package> {
    let tree =
        cargo(&["tree", "--workspace", "--edges", "normal,build,dev", "--prefix", "none", "--format", "{p}\t{l}"]);
    tree.lines().filter(|line| !line.contains("(/")).filter_map(package).collect()
}

fn package(line: &str) -> Option<Package> {
    let (name, license) = line.split_once('\t')?;
    let mut words = name.split(' ');
    Some(Package {
        name: words.next()?.into(),
        version: words.next()?.into(),
        license: license.trim_end_matches(" (*)").trim().into(),
    })
}

fn cargo(arguments: &[&str]) -> String {
    let output = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(arguments)
        .arg("--offline")
        .current_dir(project())
        .output()
        .expect("cargo can be run");
    assert!(output.status.success(), "cargo {arguments:?} failed: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("cargo answers text")
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Member>,
}

#[derive(Deserialize)]
struct Member {
    name: String,
    dependencies: Vec<Dependency>,
}

/// `path` is there for our own packages, `kind` for what only tests or build scripts need.
#[derive(Deserialize)]
struct Dependency {
    name: String,
    path: Option<String>,
    kind: Option<String>,
}
