//! Any text with any values is evaluated without panic, within the limits, and the same way twice.
#![no_main]

#[path = "../input.rs"]
mod input;

use libfuzzer_sys::fuzz_target;
use shared::{limits, template::Variables};

fuzz_target!(|input: &str| {
    let (text, variables) = input::read(input);
    let evaluated = variables.evaluate(text);
    if let Ok(evaluated) = &evaluated {
        assert!(evaluated.text.len() <= limits::EVALUATED_BYTES);
    }
    assert_eq!(evaluated, variables.evaluate(text));
});
