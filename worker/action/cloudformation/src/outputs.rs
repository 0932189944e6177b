//! What a stack gives to the steps after it.

use action::Speech;
use aws_sdk_cloudformation::types::Stack;

use crate::stacks;

/// Sets outputs as `AwsOutputs[Key]`, exports as `AwsExports[Name]`, and the stack's id and state. `sensitive`: names of outputs that
/// are secrets, with `*` and `?` for any characters.
pub(crate) fn tell(stack: &Stack, sensitive: &[String], speech: &mut Speech) {
    for output in stack.outputs() {
        let (Some(key), value) = (output.output_key(), output.output_value().unwrap_or_default()) else { continue };
        let is_secret = sensitive.iter().any(|pattern| matches(pattern, key));
        set(&format!("AwsOutputs[{key}]"), value, is_secret, speech);
        // A short secret is masked nowhere, so it is not shown at all.
        speech.line(&format!("AwsOutputs[{key}] = {}", if is_secret { "********" } else { value }));
        if let Some(name) = output.export_name().filter(|name| !name.is_empty()) {
            let is_secret = is_secret || sensitive.iter().any(|pattern| matches(pattern, name));
            set(&format!("AwsExports[{name}]"), value, is_secret, speech);
        }
    }
    set("AwsOutputs[StackId]", stacks::id(stack), false, speech);
    let status = stack.stack_status().map(|status| status.as_str()).unwrap_or_default();
    set("AwsOutputs[StackStatus]", status, false, speech);
}

/// Sets one output variable.
pub(crate) fn set(name: &str, value: &str, is_secret: bool, speech: &mut Speech) {
    match is_secret {
        true => speech.secret_output(name, value),
        false => speech.output(name, value),
    }
}

/// Whether a name is one that a pattern stands for; case does not matter.
fn matches(pattern: &str, name: &str) -> bool {
    let pattern: Vec<char> = pattern.to_lowercase().chars().collect();
    let name: Vec<char> = name.to_lowercase().chars().collect();
    let (mut at, mut from) = (0, 0);
    // Where the last `*` was, and how much of the name it took: only that one needs to be tried again.
    let mut star: Option<(usize, usize)> = None;
    while from < name.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, from));
                at += 1;
            }
            Some(letter) if *letter == '?' || *letter == name[from] => (at, from) = (at + 1, from + 1),
            _ => {
                let Some((begin, taken)) = star else { return false };
                star = Some((begin, taken + 1));
                (at, from) = (begin + 1, taken + 1);
            }
        }
    }
    pattern[at..].iter().all(|letter| *letter == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_characters_and_a_question_mark_for_one() {
        for (pattern, name) in [
            ("DbPassword", "dbpassword"),
            ("*password", "DbPassword"),
            ("*", ""),
            ("*", "Anything"),
            ("Db*Word", "DbPassWord"),
            ("D?Password", "DbPassword"),
            ("*a*b*", "xaxxbx"),
            ("*ab", "aab"),
        ] {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [("Password", "DbPassword"), ("D?", "D"), ("", "x"), ("*ab", "abx"), ("a*b*c", "acb")] {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }
}
