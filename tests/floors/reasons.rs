//! Every stable code that a person can meet is one that `longshore-coordinator explain` knows.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use shared::reason::Reason;
use tests::parts::project;

/// Where codes are given to outcomes, refusals and waiting steps.
const SOURCES: [&str; 5] = ["worker/src", "worker/core/src", "coordinator/src", "coordinator/core/src", "shared/src"];
/// What stands before a code.
const GIVEN_TO: [&str; 9] = [
    "refusal(",
    "refused(",
    "NotStarted::new(",
    "Self::new(",
    "reason(",
    "reason:",
    "Some((",
    "step, end,",
    "Reason::IsolationRequired.code() } else {",
];
/// What stands before a code beside the kind of an end.
const KINDS: [&str; 2] = ["OutcomeKind::", "StepEnd::"];
/// How every step ends with which all is well.
const NO_REASON: &str = "EXIT_ZERO";

#[test]
fn every_code_that_is_given_is_explained() {
    let mut given = BTreeMap::new();
    for source in SOURCES {
        for file in sources(&project().join(source)) {
            for code in codes(&fs::read_to_string(&file).expect("a source file is text")) {
                given.entry(code).or_insert_with(|| file.clone());
            }
        }
    }
    for known in ["WORKER_DISK", "NOT_PREPARED", "EXIT_CODE", "TIMED_OUT", "DECIDED", "BUSY", "IDENTITY_MISSING"] {
        assert!(given.contains_key(known), "{known} was not found: the check looks in the wrong place: {given:?}");
    }
    for (code, file) in given {
        let is_explained = code == NO_REASON || Reason::named(&code).is_some();
        assert!(is_explained, "{} gives {code}, which is no reason of shared::reason", file.display());
    }
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("the folder is there").map(|entry| entry.expect("an entry").path());
    let (folders, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    let is_source = |path: &PathBuf| path.extension().is_some_and(|end| end == "rs") && !path.ends_with("tests.rs");
    let below = folders.into_iter().filter(|folder| !folder.ends_with("tests")).flat_map(|folder| sources(&folder));
    files.into_iter().filter(is_source).chain(below).collect()
}

/// The codes in a file that are given to somebody; not in its tests.
fn codes(text: &str) -> Vec<String> {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let quoted = text.match_indices('"').filter_map(|(at, _)| {
        let (code, _) = text[at + 1..].split_once('"')?;
        let is_code = code.len() > 3 && code.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
        (is_code && is_given(text[..at].trim_end())).then(|| code.to_owned())
    });
    quoted.collect()
}

fn is_given(before: &str) -> bool {
    let last = before.rsplit([' ', '(']).next().unwrap_or_default();
    GIVEN_TO.iter().any(|end| before.ends_with(end)) || KINDS.iter().any(|kind| last.starts_with(kind))
}
