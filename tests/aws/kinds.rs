//! The kinds of accounts, each deployed with: who the step is, by what, and who else is refused.

mod keys;
mod releases;
mod roles;
mod tokens;

use std::path::Path;

use tests::World;

/// A line of the project file that binds the account variable `NAME` to an account.
fn account_variable(name: &str, account: &str) -> String {
    format!("  - {{ name: {name}, type: aws-account, value: {account} }}")
}

/// A line of a step that is who the account variable says.
fn by_account(variable: &str) -> String {
    format!("aws: {{ identity: account, account: {variable}, region: eu-west-1 }}")
}

/// A script that waits for a file.
fn wait_for(file: &Path) -> String {
    format!("until [ -e '{}' ]; do sleep 0.05; done", file.display())
}

/// Saves an account without a key.
fn account(world: &World, words: &[&str]) -> anyhow::Result<serde_json::Value> {
    world.cli().json(&[&["account", "create"], words].concat())
}
