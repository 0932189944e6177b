//! Regular expressions. Matching takes time in proportion to the text, so what needs going back is not known: `\1` and look-around.

use regex::{Captures, Regex, RegexBuilder};

use super::{Answer, Call, Refused, fault};
use crate::limits;

pub(super) fn matches(call: &Call<'_>) -> Answer {
    let (text, pattern) = call.with_one("a regular expression")?;
    Ok(compiled(pattern)?.is_match(text).to_string())
}

/// `Replace pattern replacement`; without a replacement, what matches is removed.
pub(super) fn replace(call: &Call<'_>) -> Answer {
    call.at_most(2)?;
    let pattern = call.argument(0).ok_or_else(|| fault("takes a regular expression and what to put in its place"))?;
    let (text, replacement) = (call.text()?, call.argument(1).unwrap_or_default());
    let regex = compiled(pattern)?;
    let (mut replaced, mut after) = (String::with_capacity(text.len()), 0);
    for captures in regex.captures_iter(text) {
        let Some(whole) = captures.get(0) else { continue };
        replaced.push_str(&text[after..whole.start()]);
        put(&mut replaced, replacement, &captures);
        after = whole.end();
        if replaced.len() > limits::EVALUATED_BYTES {
            return Err(Refused::TooLong);
        }
    }
    replaced.push_str(&text[after..]);
    Ok(replaced)
}

/// As .NET reads it: `$1`, `${name}`, `$&` and `$$`; any other `$` is itself.
fn put(replaced: &mut String, replacement: &str, captures: &Captures<'_>) {
    let mut rest = replacement;
    while let Some(at) = rest.find('$') {
        replaced.push_str(&rest[..at]);
        rest = &rest[at..];
        let (length, text) = reference(rest, captures);
        replaced.push_str(text);
        rest = &rest[length..];
    }
    replaced.push_str(rest);
}

/// How long a reference is, and what it stands for.
fn reference<'r>(rest: &'r str, captures: &Captures<'r>) -> (usize, &'r str) {
    let after = &rest[1..];
    if after.starts_with('$') {
        return (2, "$");
    }
    if after.starts_with('&') {
        return (2, captures.get(0).map_or("", |found| found.as_str()));
    }
    let digits = after.len() - after.trim_start_matches(|sign: char| sign.is_ascii_digit()).len();
    let (name, length) = match after.strip_prefix('{').and_then(|name| name.split_once('}')) {
        Some((name, _)) => (name, name.len() + 3),
        None => (&after[..digits], digits + 1),
    };
    let group = match name.parse::<usize>() {
        Ok(number) if number < captures.len() => Some(captures.get(number)),
        Ok(_) => None,
        Err(_) => captures.name(name).map(Some),
    };
    match group {
        Some(found) => (length, found.map_or("", |found| found.as_str())),
        None => (1, "$"),
    }
}

fn compiled(pattern: &str) -> Result<Regex, Refused> {
    let built =
        RegexBuilder::new(pattern).size_limit(limits::PATTERN_BYTES).dfa_size_limit(limits::PATTERN_BYTES).build();
    built.map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => {
            fault("has a regular expression that takes too much memory: repeat less in it")
        }
        _ => fault("has a regular expression that is not one, or needs back-references or look-around"),
    })
}
