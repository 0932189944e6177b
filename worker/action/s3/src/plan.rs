//! Which file becomes which object. Pure.

use std::collections::BTreeMap;

use action::Failure;
use shared::{
    limits,
    plan::upload::{ObjectRule, ObjectSettings, UploadToS3},
    reason::Reason,
};

use crate::{
    folder::{Found, Selection},
    multipart::OBJECT_BYTES,
    object::complete,
    pattern::Pattern,
};

/// A file and its object.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Planned {
    /// From the project's folder.
    pub(crate) path: String,
    pub(crate) key: String,
    /// Bytes.
    pub(crate) length: u64,
    /// Complete.
    pub(crate) settings: ObjectSettings,
}

/// The objects of the files found, in the order of their keys.
///
/// # Errors
/// `UPLOAD_INVALID` for files that cannot all become objects; all such are told at once.
pub(crate) fn plan(order: &UploadToS3, selection: &Selection, found: Vec<Found>) -> Result<Vec<Planned>, Failure> {
    if !order.key.is_empty() && found.len() > 1 {
        return Err(invalid(format!(
            "`key` names one object, and {} files match, {} and {} among them: leave `key` out, or name one file.",
            found.len(),
            found[0].path,
            found[1].path
        )));
    }
    let rules = rules(&order.rules)?;
    let objects = found.into_iter().map(|file| {
        let below = below(selection, &file.path);
        let name = if order.key.is_empty() { below } else { order.key.as_str() };
        let key = format!("{}{name}", order.key_prefix);
        let settings = complete(&settings(&order.settings, &rules, below), &key);
        Planned { key, length: file.length, settings, path: file.path }
    });
    let mut objects: Vec<_> = objects.collect();
    objects.sort_by(|one, other| one.key.cmp(&other.key));
    let faults = faults(&objects);
    if faults.is_empty() { Ok(objects) } else { Err(invalid(faults.join("\n"))) }
}

/// Of the globs that match, the first one counts.
fn below<'a>(selection: &Selection, path: &'a str) -> &'a str {
    selection.sources.iter().find(|pattern| pattern.is_match(path)).map_or(path, |pattern| pattern.below(path))
}

fn rules(rules: &[ObjectRule]) -> Result<Vec<(Vec<Pattern>, &ObjectSettings)>, Failure> {
    let read = |rule: &'_ ObjectRule| rule.files.iter().map(|glob| Pattern::new(glob)).collect::<Result<Vec<_>, _>>();
    rules.iter().map(|rule| Ok((read(rule)?, &rule.settings))).collect()
}

fn settings(general: &ObjectSettings, rules: &[(Vec<Pattern>, &ObjectSettings)], below: &str) -> ObjectSettings {
    let matching = rules.iter().filter(|(patterns, _)| patterns.iter().any(|pattern| pattern.is_match(below)));
    matching.fold(general.clone(), |settings, (_, over)| merged(settings, over))
}

/// What `over` says wins; maps are merged key by key.
fn merged(mut under: ObjectSettings, over: &ObjectSettings) -> ObjectSettings {
    for (text, over) in [
        (&mut under.content_type, &over.content_type),
        (&mut under.cache_control, &over.cache_control),
        (&mut under.content_disposition, &over.content_disposition),
        (&mut under.content_encoding, &over.content_encoding),
        (&mut under.content_language, &over.content_language),
        (&mut under.storage_class, &over.storage_class),
        (&mut under.acl, &over.acl),
    ] {
        if !over.is_empty() {
            text.clone_from(over);
        }
    }
    // A key belongs to its kind of encryption.
    if !over.encryption.is_empty() {
        under.encryption.clone_from(&over.encryption);
        under.kms_key.clone_from(&over.kms_key);
    }
    under.metadata.extend(over.metadata.clone());
    under.tags.extend(over.tags.clone());
    under
}

fn faults(objects: &[Planned]) -> Vec<String> {
    // More than a person mends at a time.
    const TOLD: usize = 20;
    let mut files: BTreeMap<&str, &str> = BTreeMap::new();
    let mut faults = Vec::new();
    for object in objects {
        faults.extend(fault(object));
        if let Some(other) = files.insert(&object.key, &object.path) {
            faults
                .push(format!("{other} and {} would both become the object {}: exclude one.", object.path, object.key));
        }
    }
    faults.truncate(TOLD);
    faults
}

fn fault(object: &Planned) -> Option<String> {
    let Planned { path, key, length, settings } = object;
    if key.is_empty() || key.ends_with('/') && *length > 0 {
        Some(format!("{path} would become an object with the key \"{key}\", which names a folder: mend `key`."))
    } else if key.len() > limits::OBJECT_KEY_BYTES {
        let bytes = (key.len(), limits::OBJECT_KEY_BYTES);
        Some(format!("The key of {path} has {} bytes, and S3 takes at most {}: {key}.", bytes.0, bytes.1))
    } else if key.split('/').any(|part| matches!(part, "." | "..")) {
        Some(format!(
            "The key of {path}, \"{key}\", has a part that is . or .., which most programs take for a folder above: mend `key_prefix` or `key`."
        ))
    } else if key.chars().any(char::is_control) {
        Some(format!("The key of {path}, {key:?}, holds control characters, which S3 cannot list: rename the file."))
    } else if *length > OBJECT_BYTES {
        Some(format!("{path} has {length} bytes; at most {OBJECT_BYTES} are uploaded."))
    } else if settings.tags.len() > limits::OBJECT_TAGS {
        let tags = (settings.tags.len(), limits::OBJECT_TAGS);
        Some(format!(
            "{path} would have {} tags, and S3 takes at most {}: the tags of all rules that match count.",
            tags.0, tags.1
        ))
    } else {
        None
    }
}

fn invalid(sentence: String) -> Failure {
    Failure::new(Reason::UploadInvalid, sentence)
}

#[cfg(test)]
mod tests;
