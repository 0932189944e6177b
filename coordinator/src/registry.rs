//! The rows of everything an admin sets up, one file per kind. Functions take a connection, so that several of them and the
//! audit line make one transaction.

pub mod account;
pub mod artifact;
pub mod authority;
pub mod environment;
pub mod invitation;
pub mod oidc_key;
pub mod pool;
pub mod project;
pub mod request_id;
pub mod token;
pub mod variable;
pub mod worker;
