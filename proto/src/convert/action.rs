//! What steps do in AWS. The same messages travel in a project, with `#{…}` in their texts, and to a worker, evaluated.
//!
//! A fault is the end of a sentence that begins with the step.

mod stack;
mod upload;
