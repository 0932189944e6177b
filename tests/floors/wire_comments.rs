//! The contract says of every call what it does, who may make it, and whether repeating it is safe.

use std::{
    fs,
    path::{Path, PathBuf},
};

use tests::parts::project;

#[test]
fn every_call_says_who_may_make_it_and_whether_it_may_be_repeated() {
    let mut calls = 0;
    let mut silent = Vec::new();
    for path in proto_files(&project().join("proto/longshore")) {
        let text = fs::read_to_string(&path).expect("a proto file can be read");
        let mut comment = String::new();
        for line in text.lines().map(str::trim) {
            if let Some(words) = line.strip_prefix("//") {
                comment.push_str(words);
            } else if let Some(call) = line.strip_prefix("rpc ") {
                calls += 1;
                let says = |word: &str| comment.to_lowercase().contains(word);
                if !says("caller") || !(says("repeat") || says("again") || says("each call") || says("session")) {
                    silent.push(format!("{}: {call}", path.display()));
                }
                comment.clear();
            } else {
                comment.clear();
            }
        }
    }
    assert!(calls > 40, "only {calls} calls were found: the check looks in the wrong place");
    assert!(
        silent.is_empty(),
        "these calls do not say who may make them, or whether repeating is safe:\n{}",
        silent.join("\n")
    );
}

fn proto_files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a proto folder can be read");
    entries
        .map(|entry| entry.expect("an entry can be read").path())
        .flat_map(|path| if path.is_dir() { proto_files(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|extension| extension == "proto"))
        .collect()
}
