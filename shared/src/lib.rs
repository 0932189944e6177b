//! The words both sides must agree on: ids, plans, attempts and how they end, reasons, limits, templates, masking.
//! Knows nothing of I/O, clocks, randomness, async or the wire.

pub mod attempt;
pub mod aws;
pub mod bug;
pub mod id;
pub mod limits;
pub mod mask;
pub mod outcome;
pub mod plan;
pub mod reason;
pub mod scope;
pub mod size;
pub mod template;
pub mod tool;
