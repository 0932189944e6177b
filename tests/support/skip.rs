//! Tests that this machine cannot run.

/// Says why a test proves nothing here. The test then ends well: what is missing is the machine's, not Longshore's.
#[allow(clippy::print_stderr, reason = "a test that proved nothing must not look like one that did")]
pub fn skip(reason: &str) {
    eprintln!("skipped: {reason}");
}
