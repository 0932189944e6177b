//! What an input of the fuzzer means: up to the first U+0001 the text, then the values of A, B (a secret) and A[B].

use super::Variables;

/// The text, and the variables.
pub(crate) fn read(input: &str) -> (&str, Variables) {
    let mut parts = input.split('\u{1}');
    let text = parts.next().unwrap_or_default();
    let mut variables = Variables::new();
    for (name, value) in ["A", "B", "A[B]"].iter().zip(parts) {
        variables.insert(*name, value, *name == "B");
    }
    (text, variables)
}
