//! Shows a change set to people, and gives it to the steps after this one.

use action::Speech;
use shared::limits;

use crate::{
    change_set::{Change, ChangeSet},
    digest, json, outputs, table,
};

/// Prints the table, and what endangers data.
pub(crate) fn show(change_set: &ChangeSet, speech: &mut Speech) {
    let name = &change_set.stack_name;
    match Change::count(&change_set.changes) {
        0 => speech.line(&format!(
            "Changes of stack \"{name}\": none of its resources; only outputs, tags or other settings."
        )),
        1 => speech.line(&format!("Changes of stack \"{name}\": 1 resource.")),
        count => speech.line(&format!("Changes of stack \"{name}\": {count} resources.")),
    }
    if !change_set.changes.is_empty() {
        table::lines(&change_set.changes).iter().for_each(|line| speech.line(line));
    }
    let dangers = table::dangers(&change_set.changes);
    if !dangers.is_empty() {
        speech.warning(&format!("Data is in danger: {}.", dangers.join(", ")));
    }
}

/// Sets the change set's outputs.
pub(crate) fn tell(change_set: &ChangeSet, speech: &mut Speech) {
    outputs::set("ChangesetName", &change_set.name, false, speech);
    outputs::set("AwsOutputs[ChangesetId]", &change_set.id, false, speech);
    outputs::set("AwsOutputs[StackId]", &change_set.stack_id, false, speech);
    outputs::set("AwsOutputs[ChangeCount]", &change_set.changes.len().to_string(), false, speech);
    outputs::set("AwsOutputs[ChangesDigest]", &digest::digest(change_set), false, speech);
    tell_changes(&change_set.changes, speech);
}

/// The same names, when there is nothing to change.
pub(crate) fn tell_none(speech: &mut Speech) {
    for (name, value) in [
        ("ChangesetName", ""),
        ("AwsOutputs[ChangesetId]", ""),
        ("AwsOutputs[ChangeCount]", "0"),
        ("AwsOutputs[ChangesDigest]", ""),
        ("AwsOutputs[Changes]", "[]"),
    ] {
        outputs::set(name, value, false, speech);
    }
}

/// As much of the changes as an output variable holds.
fn tell_changes(changes: &[Change], speech: &mut Speech) {
    let pretty = json::pretty(changes);
    let text = if pretty.len() <= limits::OUTPUT_BYTES { pretty } else { json::brief(changes) };
    if text.len() <= limits::OUTPUT_BYTES {
        outputs::set("AwsOutputs[Changes]", &text, false, speech);
    } else {
        let bytes = limits::OUTPUT_BYTES;
        speech.warning(&format!(
            "AwsOutputs[Changes] is not set: the changes are more than the {bytes} bytes that an output variable holds. They are in this log."
        ));
    }
}
