//! Texts: case, parts, ends, base64.

use base64::{Engine, engine::general_purpose::STANDARD};

use super::{Answer, Call, Refused, fault};
use crate::limits;

pub(super) fn to_lower(call: &Call<'_>) -> Answer {
    call.only_text().map(str::to_lowercase)
}

pub(super) fn to_upper(call: &Call<'_>) -> Answer {
    call.only_text().map(str::to_uppercase)
}

pub(super) fn append(call: &Call<'_>) -> Answer {
    let input = call.text()?;
    if call.arguments.is_empty() {
        return Err(fault("takes what to append"));
    }
    Ok(input.to_owned() + &call.arguments.concat())
}

pub(super) fn prepend(call: &Call<'_>) -> Answer {
    let input = call.text()?;
    if call.arguments.is_empty() {
        return Err(fault("takes what to put before"));
    }
    Ok(call.arguments.concat() + input)
}

pub(super) fn contains(call: &Call<'_>) -> Answer {
    call.with_one("what is looked for").map(|(text, part)| text.contains(part).to_string())
}

pub(super) fn starts_with(call: &Call<'_>) -> Answer {
    call.with_one("a beginning").map(|(text, start)| text.starts_with(start).to_string())
}

pub(super) fn ends_with(call: &Call<'_>) -> Answer {
    call.with_one("an ending").map(|(text, end)| text.ends_with(end).to_string())
}

/// `Substring length` or `Substring start length`, in characters.
pub(super) fn substring(call: &Call<'_>) -> Answer {
    const NEEDS: &str = "takes a length, or a start and a length, within the text";
    let numbers: Option<Vec<usize>> = call.arguments.iter().map(|number| number.parse().ok()).collect();
    let (start, length) = match numbers.as_deref() {
        Some([length]) => (0, *length),
        Some([start, length]) => (*start, *length),
        _ => return Err(fault(NEEDS)),
    };
    let text = call.text()?;
    let begin = offset(text, start).ok_or_else(|| fault(NEEDS))?;
    let end = offset(&text[begin..], length).ok_or_else(|| fault(NEEDS))?;
    Ok(text[begin..begin + end].to_owned())
}

/// `Truncate length`, and what follows what was cut, `...` when nothing is said.
pub(super) fn truncate(call: &Call<'_>) -> Answer {
    call.at_most(2)?;
    let length = call.argument(0).and_then(|number| number.parse().ok());
    let length = length.ok_or_else(|| fault("takes a length: the most characters that are kept"))?;
    let (text, suffix) = (call.text()?, call.argument(1).unwrap_or("..."));
    Ok(match offset(text, length) {
        Some(end) if end < text.len() => format!("{}{suffix}", &text[..end]),
        _ => text.to_owned(),
    })
}

/// Where a character begins; the text's end is one too many for a character, and still a place.
fn offset(text: &str, chars: usize) -> Option<usize> {
    let places = text.char_indices().map(|(at, _)| at).chain([text.len()]);
    places.into_iter().nth(chars)
}

pub(super) fn trim(call: &Call<'_>) -> Answer {
    call.at_most(1)?;
    let text = call.text()?;
    Ok(match call.argument(0).map(str::to_lowercase).as_deref() {
        None => text.trim(),
        Some("start") => text.trim_start(),
        Some("end") => text.trim_end(),
        Some(_) => return Err(fault("takes `start`, `end` or nothing")),
    }
    .to_owned())
}

/// `Indent`, `Indent 2`, `Indent 2/4`, `Indent /4`, `Indent "> "`, `Indent "- " "  "`: what stands before the first line, and
/// before the others.
pub(super) fn indent(call: &Call<'_>) -> Answer {
    call.at_most(2)?;
    let text = call.text()?;
    let (first, others) = match call.arguments {
        [] => (blanks("4"), blanks("4")),
        [one] => match one.split_once('/') {
            Some((first, others)) if is_count(first) && is_count(others) => (blanks(first), blanks(others)),
            _ if is_count(one) => (blanks(one), blanks(one)),
            _ => (Some(one.clone()), Some(one.clone())),
        },
        [first, others, ..] => (Some(first.clone()), Some(others.clone())),
    };
    let (Some(first), Some(others)) = (first, others) else { return Err(fault("indents by 255 blanks at most")) };
    let breaks = text.matches('\n').count();
    if first.len() + text.len() + breaks * others.len() > limits::EVALUATED_BYTES {
        return Err(Refused::TooLong);
    }
    Ok(if text.is_empty() { String::new() } else { first + &text.replace('\n', &format!("\n{others}")) })
}

fn is_count(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

fn blanks(count: &str) -> Option<String> {
    let count: u8 = if count.is_empty() { 0 } else { count.parse().ok()? };
    Some(" ".repeat(count.into()))
}

pub(super) fn to_base64(call: &Call<'_>) -> Answer {
    call.at_most(1)?;
    Ok(STANDARD.encode(encoded(call.text()?, call.argument(0))?))
}

pub(super) fn from_base64(call: &Call<'_>) -> Answer {
    call.at_most(1)?;
    let bytes = STANDARD.decode(call.text()?.trim()).map_err(|_| fault("needs base64 before the |"))?;
    let text = match encoding(call.argument(0))? {
        Encoding::Utf8 => String::from_utf8(bytes).ok(),
        Encoding::Utf16 => {
            let (pairs, rest) = bytes.as_chunks::<2>();
            let units: Vec<u16> = pairs.iter().map(|pair| u16::from_le_bytes(*pair)).collect();
            rest.is_empty().then(|| String::from_utf16(&units).ok()).flatten()
        }
    };
    text.ok_or_else(|| fault("found no text in the base64"))
}

/// A text's bytes: UTF-8, or UTF-16 when `unicode` is asked for.
pub(super) fn encoded(text: &str, name: Option<&str>) -> Result<Vec<u8>, Refused> {
    Ok(match encoding(name)? {
        Encoding::Utf8 => text.as_bytes().to_vec(),
        Encoding::Utf16 => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
    })
}

enum Encoding {
    Utf8,
    Utf16,
}

fn encoding(name: Option<&str>) -> Result<Encoding, Refused> {
    match name.map(str::to_lowercase).as_deref() {
        None | Some("utf8" | "utf-8") => Ok(Encoding::Utf8),
        Some("unicode") => Ok(Encoding::Utf16),
        Some(_) => Err(fault("knows the encodings utf8 and unicode")),
    }
}
