//! What holds for the whole house and no compiler checks: who may depend on whom, which libraries may come in, that pages name what
//! is there, and that the contract says of every call what it does.

mod dependencies;
mod licences;
mod pages;
mod reasons;
mod tree;
mod wire_comments;
