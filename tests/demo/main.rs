//! Shows the main job on real parts.
fn main() {}
