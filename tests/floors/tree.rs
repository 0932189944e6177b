//! The packages of this workspace and everything below them, as Cargo resolves them for Linux.

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    process::Command,
    sync::LazyLock,
};

use serde::Deserialize;
use tests::parts::project;

/// Read once: Cargo takes a second.
pub(crate) static TREE: LazyLock<Tree> = LazyLock::new(Tree::read);

/// A resolved dependency tree.
pub(crate) struct Tree {
    pub(crate) packages: BTreeMap<String, Package>,
    members: BTreeSet<String>,
    edges: BTreeMap<String, Vec<Edge>>,
}

#[derive(Deserialize)]
pub(crate) struct Package {
    id: String,
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) license: Option<String>,
}

struct Edge {
    to: String,
    is_normal: bool,
}

impl Tree {
    fn read() -> Self {
        let output = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            .args(["metadata", "--format-version", "1", "--offline", "--filter-platform", "x86_64-unknown-linux-gnu"])
            .current_dir(project())
            .output()
            .expect("cargo can be run");
        assert!(output.status.success(), "cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr));
        let metadata: Metadata = serde_json::from_slice(&output.stdout).expect("cargo metadata answers JSON");
        let edges = metadata.resolve.nodes.into_iter().map(|node| (node.id, node.deps.into_iter().map(Dep::edge).collect()));
        Self {
            edges: edges.collect(),
            packages: metadata.packages.into_iter().map(|package| (package.id.clone(), package)).collect(),
            members: metadata.workspace_members.into_iter().collect(),
        }
    }

    /// Names of our own packages.
    pub(crate) fn own(&self) -> BTreeSet<&str> {
        self.members.iter().map(|id| self.name(id)).collect()
    }

    /// Which of our own packages one of ours names directly; what it needs only for its own tests does not count.
    pub(crate) fn own_dependencies(&self, name: &str) -> BTreeSet<&str> {
        self.normal(self.member(name)).filter(|id| self.members.contains(*id)).map(|id| self.name(id)).collect()
    }

    /// Everything that is compiled into one of our packages.
    pub(crate) fn everything_below(&self, name: &str) -> BTreeSet<&str> {
        let mut found = BTreeSet::new();
        let mut waiting = vec![self.member(name)];
        while let Some(id) = waiting.pop() {
            for below in self.normal(id) {
                if found.insert(below) {
                    waiting.push(below);
                }
            }
        }
        found.into_iter().map(|id| self.name(id)).collect()
    }

    /// Every package that is not ours.
    pub(crate) fn foreign(&self) -> impl Iterator<Item = &Package> {
        self.edges.keys().filter(|id| !self.members.contains(*id)).filter_map(|id| self.packages.get(id))
    }

    fn normal<'a>(&'a self, id: &str) -> impl Iterator<Item = &'a str> {
        self.edges.get(id).into_iter().flatten().filter(|edge| edge.is_normal).map(|edge| edge.to.as_str())
    }

    fn member(&self, name: &str) -> &str {
        self.members.iter().find(|id| self.name(id) == name).unwrap_or_else(|| panic!("{name} is no member of the workspace"))
    }

    fn name(&self, id: &str) -> &str {
        &self.packages[id].name
    }
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_members: Vec<String>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dep>,
}

#[derive(Deserialize)]
struct Dep {
    pkg: String,
    dep_kinds: Vec<Kind>,
}

/// `kind` is absent for a normal dependency.
#[derive(Deserialize)]
struct Kind {
    kind: Option<String>,
}

impl Dep {
    fn edge(self) -> Edge {
        Edge { to: self.pkg, is_normal: self.dep_kinds.iter().any(|kind| kind.kind.is_none()) }
    }
}
