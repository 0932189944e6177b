//! What a change set is, in one word: whoever approved it can tell that what is applied is what was shown. Pure.

use aws_lc_rs::digest::{Context, SHA256};

use crate::change_set::{Change, ChangeSet};

/// 8 hex digits of each part: enough to say which part differs, while the whole has all 64.
const PART_DIGITS: usize = 8;

/// The parts that are told apart, in the order of the digest.
const PARTS: [&str; 5] = ["the stack", "the template", "the parameters", "the options", "the changes"];

/// 64 hex digits of SHA-256 over everything, a dash, and 8 for each part.
pub(crate) fn digest(change_set: &ChangeSet) -> String {
    let parts = [
        vec![change_set.stack_id.clone()],
        vec![change_set.template.clone()],
        sorted(change_set.parameters.clone()),
        sorted(change_set.options.clone()),
        changes(&change_set.changes),
    ]
    .map(|texts| hex(texts.iter().map(String::as_str)));
    let whole = hex(parts.iter().map(String::as_str));
    let short: String = parts.iter().map(|part| &part[..PART_DIGITS]).collect();
    format!("{whole}-{short}")
}

/// Whether a change set is what was approved; otherwise, what differs. The 64 digits alone are enough.
pub(crate) fn difference(approved: &str, found: &str) -> Option<String> {
    let (approved, found) = (approved.trim(), found.trim());
    let (whole, parts) = approved.split_once('-').unwrap_or((approved, ""));
    let (found_whole, found_parts) = found.split_once('-').unwrap_or((found, ""));
    if whole == found_whole {
        return None;
    }
    let differing: Vec<_> =
        PARTS.iter().enumerate().filter(|(at, _)| part(parts, *at) != part(found_parts, *at)).collect();
    let is_comparable = parts.len() == found_parts.len() && !differing.is_empty();
    Some(match is_comparable {
        true => differing.into_iter().map(|(_, name)| *name).collect::<Vec<_>>().join(" and "),
        false => "the digest as a whole".into(),
    })
}

fn part(parts: &str, at: usize) -> Option<&str> {
    parts.get(at * PART_DIGITS..(at + 1) * PART_DIGITS)
}

fn sorted(mut texts: Vec<String>) -> Vec<String> {
    texts.sort();
    texts
}

/// AWS lists changes in no order that it promises.
fn changes(changes: &[Change]) -> Vec<String> {
    let one = |change: &Change| {
        let nested = self::changes(&change.nested);
        let texts = [change.json.to_string()].into_iter().chain(nested).collect::<Vec<_>>();
        hex(texts.iter().map(String::as_str))
    };
    sorted(changes.iter().map(one).collect())
}

/// Each text goes with its length before it, so that no two lists are one.
fn hex<'a>(texts: impl Iterator<Item = &'a str>) -> String {
    let mut context = Context::new(&SHA256);
    for text in texts {
        context.update(&(text.len() as u64).to_le_bytes());
        context.update(text.as_bytes());
    }
    context.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
