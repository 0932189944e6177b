//! The `longshore-coordinator` program.

fn main() {}
