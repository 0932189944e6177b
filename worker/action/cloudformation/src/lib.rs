//! CloudFormation stacks: created, updated and deleted so that nothing healthy is lost by surprise, everything that happens is told
//! once and in order, and a step finds its own operation again after any crash.
//!
//! Every operation carries a ClientRequestToken made of the step's stable operation, and so do all its events (AWS CloudFormation
//! API, CreateStack, ClientRequestToken): they, and not what AWS answered to a call, say whether it was begun and how it ended.
//! Knows nothing of plans' templates, which are substituted before, and of Longshore's wire.

mod apply;
mod cancel;
mod cause;
mod change_set;
mod delete;
mod deploy;
mod digest;
mod direct;
mod drift;
mod ending;
mod errors;
mod event;
mod execution;
mod faults;
mod follow;
mod input;
mod json;
mod name;
mod nested;
mod outputs;
mod own;
mod package;
mod patience;
mod policy;
mod proposal;
mod record;
mod refusal;
mod removal;
mod request;
mod resume;
mod review;
mod rollback;
mod stacks;
mod staging;
mod state;
mod table;
mod tell;
mod wait;

pub use apply::apply_change_set;
pub use delete::delete;
pub use deploy::deploy;
