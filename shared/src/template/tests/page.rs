//! The page about templates is true: its examples are evaluated, and every filter has one.

use super::*;
use crate::template::filter;

const PAGE: &str = include_str!("../../../../docs/templates.md");

#[test]
fn every_example_of_the_page_comes_out_as_it_says() {
    let mut variables = Variables::new();
    variables.set_now("2026-11-26T14:05:09.5+01:00[+01:00]".parse().expect("a time"));
    let (mut examples, mut wrong) = (0, Vec::new());
    for block in blocks("variables") {
        for line in block.lines() {
            let (name, value) = line.split_once(" = ").expect(line);
            variables.insert(name, value.replace("\\n", "\n"), false);
        }
    }
    for block in blocks("template") {
        let mut lines = block.lines().peekable();
        while let Some(template) = lines.next() {
            let mut result = Vec::new();
            while let Some(line) = lines.next_if(|line| line.starts_with('→')) {
                result.push(line.trim_start_matches('→').strip_prefix(' ').unwrap_or_default());
            }
            assert!(!result.is_empty(), "{template} has no result");
            let (found, expected) = (text(&variables, template), result.join("\n"));
            if found != expected {
                wrong.push(format!("{template} is {found:?} and not {expected:?}"));
            }
            examples += 1;
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
    assert!(examples > 60, "{examples} examples");
}

#[test]
fn every_filter_has_an_example() {
    let examples = blocks("template").concat().to_lowercase();
    for name in filter::names() {
        let used = [' ', '}'].iter().any(|after| examples.contains(&format!("| {}{after}", name.to_lowercase())));
        assert!(used, "docs/templates.md has no example of {name}");
    }
}

/// What stands in the page's blocks of a kind.
fn blocks(kind: &str) -> Vec<&'static str> {
    let begin = format!("```{kind}\n");
    PAGE.split(&begin).skip(1).map(|rest| rest.split("```").next().expect("a block")).collect()
}
