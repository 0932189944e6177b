//! The proof: a whole fleet as one value, of the same cores that are shipped, under every fault there is a name for; and the
//! promises, as checks with names.
//!
//! [`fleet::Fleet`] is what can happen and what comes of it. [`model`] tries everything that can happen, in every order, within
//! a budget of faults. [`promise`] looks at a fleet and says what is broken.

pub mod event;
pub mod fleet;
pub mod ledger;
pub mod model;
pub mod promise;
pub mod scenario;
pub mod seeded;
pub mod walk;

use std::io::Write;

/// Tells whoever waits how far it is.
pub fn say(text: &str) {
    // Without stderr there is nobody to tell.
    let _ = writeln!(std::io::stderr(), "{text}");
}
