//! A change set as people read it: a table, with what becomes of data in words. Pure.

use aws_sdk_cloudformation::types::{ChangeAction, PolicyAction, Replacement, ResourceAttribute, ResourceChange};
use comfy_table::{Table, presets};
use stack_template::is_stateful;

use crate::change_set::Change;

/// 6 properties in a remark: more than that nobody reads.
const NAMED: usize = 6;

/// Lines of the table; nested stacks' changes are further to the right.
pub(crate) fn lines(changes: &[Change]) -> Vec<String> {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(["Action", "Logical id", "Type", "Replacement", "Remarks"]);
    rows(changes, 0, &mut table);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.lines().map(|line| line.trim_end().to_owned()).collect()
}

fn rows(changes: &[Change], depth: usize, table: &mut Table) {
    for Change { resource, nested, .. } in changes {
        let action = resource.action().map_or("?", ChangeAction::as_str);
        let replacement = resource.replacement().map_or("", Replacement::as_str);
        table.add_row([
            format!("{}{action}", "  ".repeat(depth)),
            resource.logical_resource_id().unwrap_or("?").to_owned(),
            resource.resource_type().unwrap_or("?").to_owned(),
            replacement.to_owned(),
            remark(resource),
        ]);
        rows(nested, depth + 1, table);
    }
}

/// What endangers data: `Assets is deleted`, with the path of nested stacks.
pub(crate) fn dangers(changes: &[Change]) -> Vec<String> {
    let mut dangers = vec![];
    collect_dangers(changes, &[], &mut dangers);
    dangers
}

fn collect_dangers(changes: &[Change], around: &[String], dangers: &mut Vec<String>) {
    for Change { resource, nested, .. } in changes {
        let id = resource.logical_resource_id().unwrap_or("?");
        let path = crate::event::path(around, id);
        match Fate::of(resource) {
            Fate::Deleted if holds_data(resource) => dangers.push(format!("{path} is deleted")),
            Fate::Replaced if holds_data(resource) => dangers.push(format!("{path} is replaced")),
            Fate::MaybeReplaced if holds_data(resource) => dangers.push(format!("{path} may be replaced")),
            _ => {}
        }
        let around: Vec<_> = around.iter().cloned().chain([id.to_owned()]).collect();
        collect_dangers(nested, &around, dangers);
    }
}

/// What becomes of a resource that is there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fate {
    Kept,
    Deleted,
    Left,
    DeletedWithSnapshot,
    Replaced,
    ReplacedAndLeft,
    ReplacedWithSnapshot,
    MaybeReplaced,
    Unknown,
}

impl Fate {
    fn of(change: &ResourceChange) -> Self {
        match (change.action(), change.policy_action(), change.replacement()) {
            (Some(ChangeAction::Remove), Some(PolicyAction::Retain), _) => Self::Left,
            (Some(ChangeAction::Remove), Some(PolicyAction::Snapshot), _) => Self::DeletedWithSnapshot,
            (Some(ChangeAction::Remove), ..) => Self::Deleted,
            (Some(ChangeAction::Dynamic), ..) => Self::Unknown,
            (Some(ChangeAction::Modify), Some(PolicyAction::ReplaceAndRetain), _) => Self::ReplacedAndLeft,
            (Some(ChangeAction::Modify), Some(PolicyAction::ReplaceAndSnapshot), _) => Self::ReplacedWithSnapshot,
            (Some(ChangeAction::Modify), _, Some(Replacement::True)) => Self::Replaced,
            (Some(ChangeAction::Modify), _, Some(Replacement::Conditional)) => Self::MaybeReplaced,
            _ => Self::Kept,
        }
    }
}

fn remark(change: &ResourceChange) -> String {
    let words = match (Fate::of(change), holds_data(change)) {
        (Fate::Deleted, true) => "DELETED — holds data",
        (Fate::Deleted, false) => "deleted",
        (Fate::Left, _) => "leaves the stack and is kept in AWS",
        (Fate::DeletedWithSnapshot, _) => "DELETED — a snapshot of it is kept",
        (Fate::Replaced, true) => "REPLACED — its data is lost unless it was copied before",
        (Fate::Replaced, false) => "replaced",
        (Fate::ReplacedAndLeft, _) => "replaced — the old one is kept in AWS, its data is not in the new one",
        (Fate::ReplacedWithSnapshot, _) => {
            "replaced — a snapshot of the old one is kept, its data is not in the new one"
        }
        (Fate::MaybeReplaced, true) => "may be replaced (Conditional) — its data would be lost",
        (Fate::MaybeReplaced, false) => "may be replaced (Conditional)",
        (Fate::Unknown, _) => "what happens is known only while it happens",
        (Fate::Kept, _) => "",
    };
    let changed = changed(change);
    match (words.is_empty(), changed.is_empty()) {
        (_, true) => words.to_owned(),
        (true, false) => changed,
        (false, false) => format!("{words} ({changed})"),
    }
}

fn holds_data(change: &ResourceChange) -> bool {
    change.resource_type().is_some_and(is_stateful)
}

/// `BucketName, Tags`.
fn changed(change: &ResourceChange) -> String {
    let targets = change.details().iter().filter_map(|detail| detail.target());
    let mut names: Vec<&str> = vec![];
    for target in targets {
        let attribute = target.attribute().map(ResourceAttribute::as_str);
        let name = target.name().filter(|name| !name.is_empty()).or(attribute).unwrap_or_default();
        if !name.is_empty() && !names.contains(&name) {
            names.push(name);
        }
    }
    let more = names.len().saturating_sub(NAMED);
    let mut text = names.into_iter().take(NAMED).collect::<Vec<_>>().join(", ");
    if more > 0 {
        text.push_str(&format!(" and {more} more"));
    }
    text
}

#[cfg(test)]
mod tests;
