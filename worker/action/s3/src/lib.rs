//! Files into S3 buckets: whole, in parts, in parallel, verified, and only where something changed.
//!
//! Every object goes with a checksum that S3 verifies, every request with the account that must own the bucket. Knows nothing of
//! plans' templates (they are substituted before), of stacks and of Longshore's wire.

mod bucket;
mod checksum;
mod compare;
mod content;
mod creation;
mod deletion;
mod folder;
mod listing;
mod media_type;
mod multipart;
mod object;
mod outputs;
mod patience;
mod pattern;
mod plan;
mod progress;
mod refusal;
mod report;
mod transfer;
mod upload;

pub use bucket::{Bucket, Stored};
pub use content::Source;
pub use upload::upload;
