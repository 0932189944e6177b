//! What may be built in, by its licence; the list is the one that cargo-deny reads, for machines that have no cargo-deny.

use std::{collections::BTreeSet, fs};

use serde::Deserialize;
use tests::parts::project;

use crate::tree;

#[derive(Deserialize)]
struct Deny {
    licenses: Licenses,
}

#[derive(Deserialize)]
struct Licenses {
    allow: BTreeSet<String>,
}

#[test]
fn every_library_has_a_licence_that_we_allow() {
    let text = fs::read_to_string(project().join("deny.toml")).expect("deny.toml is there");
    let allowed = toml::from_str::<Deny>(&text).expect("deny.toml lists licences").licenses.allow;
    let refused: Vec<String> = tree::foreign()
        .into_iter()
        .filter(|package| !allows(&package.license, &allowed))
        .map(|package| format!("{} {}: {:?}", package.name, package.version, package.license))
        .collect();
    assert!(refused.is_empty(), "licences that deny.toml does not allow:\n{}", refused.join("\n"));
}

#[test]
fn an_expression_is_read_as_its_standard_says() {
    let allowed = BTreeSet::from(["MIT".to_owned(), "ISC".to_owned(), "Apache-2.0 WITH LLVM-exception".to_owned()]);
    assert!(allows("MIT OR GPL-3.0", &allowed));
    assert!(allows("GPL-3.0/MIT", &allowed));
    assert!(!allows("MIT AND GPL-3.0", &allowed));
    assert!(allows("ISC AND (GPL-3.0 OR MIT)", &allowed));
    assert!(!allows("(ISC OR MIT) AND (GPL-3.0 OR AGPL-3.0)", &allowed));
    assert!(allows("Apache-2.0 WITH LLVM-exception", &allowed));
    assert!(!allows("Apache-2.0", &allowed));
}

/// Whether a licence expression can be met with the allowed ones. AND binds more tightly than OR.
fn allows(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let expression = expression.trim();
    if let Some(parts) = split(expression, &[" OR ", "/"]) {
        return parts.into_iter().any(|part| allows(part, allowed));
    }
    if let Some(parts) = split(expression, &[" AND "]) {
        return parts.into_iter().all(|part| allows(part, allowed));
    }
    match expression.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) {
        Some(inner) => allows(inner, allowed),
        None => allowed.contains(expression),
    }
}

/// The two sides of the first such word that is inside no parentheses.
fn split<'a>(expression: &'a str, words: &[&str]) -> Option<[&'a str; 2]> {
    let mut depth = 0;
    for (at, character) in expression.char_indices() {
        match character {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ if depth == 0 => {
                if let Some(word) = words.iter().find(|word| expression[at..].starts_with(**word)) {
                    return Some([&expression[..at], &expression[at + word.len()..]]);
                }
            }
            _ => {}
        }
    }
    None
}
