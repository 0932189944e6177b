//! Who may do what, over real TLS on loopback: joining, certificates, tokens, accounts, projects, and how a start fails.

#![allow(clippy::unwrap_used)]

mod accounts;
mod certificates;
mod issuer;
mod joining;
mod projects;
mod starting;
mod tokens;
mod world;
