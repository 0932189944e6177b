//! What the pages name is there: the files they link to, the reasons they explain, the policies they list.

use std::{
    fs,
    path::{Path, PathBuf},
};

use shared::reason::Reason;
use tests::parts::project;

/// Pages that lead a reader to other files.
const PAGES: [&str; 16] = [
    "README.md",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "docs/artifacts.md",
    "docs/identities.md",
    "docs/cloudformation.md",
    "docs/correctness.md",
    "docs/doubt.md",
    "docs/masking.md",
    "docs/moving-from-octopus.md",
    "docs/s3.md",
    "docs/scripts.md",
    "docs/steps.md",
    "docs/templates.md",
    "docs/variables.md",
    "deploy/iam/README.md",
];
/// Pages that explain reasons, and how many each explains at least.
const EXPLAINING: [(&str, usize); 4] =
    [("docs/identities.md", 16), ("docs/cloudformation.md", 12), ("docs/s3.md", 5), ("docs/doubt.md", 5)];

#[test]
fn every_link_leads_somewhere() {
    let mut links = 0;
    for page in PAGES {
        let folder = PathBuf::from(page).parent().map(Path::to_path_buf).unwrap_or_default();
        for link in read(page).split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = link.split('#').next().unwrap_or_default();
            if !file.is_empty() && !file.contains("://") {
                links += 1;
                assert!(project().join(&folder).join(file).exists(), "{page} links to {link}, which is not there");
            }
        }
    }
    assert!(links > 10, "only {links} links were found: the check looks in the wrong place");
}

#[test]
fn every_reason_that_is_explained_is_one() {
    for (page, least) in EXPLAINING {
        let text = read(page);
        let table = text.lines().skip_while(|line| !line.starts_with("| code |"));
        let rows = table.take_while(|line| line.starts_with('|')).filter_map(|line| line.strip_prefix("| `"));
        let codes: Vec<&str> =
            rows.flat_map(|row| row.split('|').next()).flat_map(|cell| cell.split('`')).filter(is_code).collect();
        assert!(codes.len() >= least, "{page}: only {codes:?} were found: the check looks in the wrong place");
        for code in codes {
            assert!(Reason::ALL.iter().any(|reason| reason.code() == code), "{code} is no reason of shared::reason");
        }
    }
}

fn is_code(word: &&str) -> bool {
    word.len() > 5 && word.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
}

#[test]
fn every_tool_that_workers_look_for_is_named() {
    let page = read("docs/steps.md");
    let unnamed: Vec<&str> =
        shared::tool::TOOLS.iter().map(|tool| tool.name).filter(|name| !page.contains(&format!("`{name}`"))).collect();
    assert!(unnamed.is_empty(), "docs/steps.md does not name {unnamed:?}");
}

#[test]
fn every_policy_has_its_line() {
    let list = read("deploy/iam/README.md");
    for entry in fs::read_dir(project().join("deploy/iam")).expect("the folder is there") {
        let name = entry.expect("an entry can be read").file_name().to_string_lossy().into_owned();
        let is_listed = list.lines().filter(|line| line.contains(&format!("`{name}`"))).count() == 1;
        assert!(name == "README.md" || is_listed, "deploy/iam/README.md does not have one line for {name}");
    }
}

fn read(page: &str) -> String {
    fs::read_to_string(project().join(page)).unwrap_or_else(|error| panic!("{page} cannot be read: {error}"))
}
