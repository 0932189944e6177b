//! Any text with any values is evaluated without panic, within the limits, and the same way twice.
#![no_main]

use libfuzzer_sys::fuzz_target;
use shared::{limits, template::Variables};

// Up to the first U+0001 the text, then the values of A, B and A[B].
fuzz_target!(|input: &str| {
    let mut parts = input.split('\u{1}');
    let text = parts.next().unwrap_or_default();
    let mut variables = Variables::new();
    for (name, value) in ["A", "B", "A[B]"].iter().zip(parts) {
        variables.insert(*name, value, *name == "B");
    }
    let evaluated = variables.evaluate(text);
    if let Ok(evaluated) = &evaluated {
        assert!(evaluated.text.len() <= limits::EVALUATED_BYTES);
    }
    assert_eq!(evaluated, variables.evaluate(text));
});
