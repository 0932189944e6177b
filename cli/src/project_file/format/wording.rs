//! What the parser finds, in sentences.

use serde_saphyr::Error;

use super::super::suggest::nearest;

/// Keys and words of the format that this version does not know yet: not typing errors.
const NOT_YET: [&str; 1] = ["run_as"];

/// The sentence for an error.
pub(super) fn sentence(error: &Error) -> String {
    match error {
        Error::SerdeUnknownField { field, expected, .. } => unknown("key", field, expected),
        Error::SerdeUnknownVariant { variant, expected, .. } => unknown("word", variant, expected),
        Error::SerdeMissingField { field, .. } => format!("The key `{field}` is missing."),
        Error::DuplicateMappingKey { key: Some(key), .. } => {
            format!("The key `{key}` stands here twice: remove one of them.")
        }
        Error::NullIntoString { .. } => {
            "There is no value here; write \"\" for an empty text, or quote the word.".to_owned()
        }
        Error::SerdeInvalidType { unexpected, expected, .. }
        | Error::SerdeInvalidValue { unexpected, expected, .. } => {
            format!("Here stands {unexpected}, where {expected} is needed.")
        }
        Error::Unexpected { expected: "mapping start", .. } => "Keys with values are needed here.".to_owned(),
        Error::Unexpected { expected: "sequence start", .. } => "A list is needed here.".to_owned(),
        Error::Unexpected { expected: "string scalar", .. } => "A single value is needed here.".to_owned(),
        Error::Message { msg, .. } => capital(msg),
        other => capital(&without_place(&other.to_string())),
    }
}

fn unknown(what: &str, written: &str, expected: &[&'static str]) -> String {
    if NOT_YET.contains(&written) {
        return format!("`{written}` is not supported by this version.");
    }
    match nearest(written, expected) {
        Some(near) => format!("Unknown {what} `{written}`: did you mean `{near}`?"),
        None => format!("Unknown {what} `{written}`: here may stand {}.", expected.join(", ")),
    }
}

/// The parser says the place at the end of its messages; it stands at their beginning already.
fn without_place(message: &str) -> String {
    let cut = message.find(" at line ").unwrap_or(message.len());
    message[..cut].to_owned()
}

/// A sentence: begins with a capital and ends with a full stop.
fn capital(message: &str) -> String {
    let mut chars = message.trim().chars();
    let first = chars.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    let end = if message.trim_end().ends_with(['.', '?', '!']) { "" } else { "." };
    format!("{first}{}{end}", chars.as_str())
}
