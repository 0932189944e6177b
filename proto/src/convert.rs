//! Wire ⇄ domain, one file per message family; a `TryFrom` into the domain checks everything.

pub mod project;
