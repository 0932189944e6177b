//! A secret key on its way in: never from the command line.

use std::path::PathBuf;

use clap::Args;

use crate::{failure::Failure, secret::Secret};

/// Where a secret key comes from.
#[derive(Args, Debug)]
#[group(id = "secret-key", multiple = false)]
pub(super) struct Key {
    /// Read the secret key from stdin
    #[arg(long, help_heading = "Access key")]
    pub(super) secret_key_stdin: bool,
    /// Read the secret key from a file
    #[arg(long, value_name = "FILE", help_heading = "Access key")]
    pub(super) secret_key_file: Option<PathBuf>,
}

impl Key {
    /// The key, when one is given.
    pub(super) fn read(self) -> Result<Option<Secret>, Failure> {
        let key = match self.secret_key_file {
            Some(file) => Some(Secret::from_file("secret key", &file)?),
            None if self.secret_key_stdin => Some(Secret::from_stdin("secret key")?),
            None => None,
        };
        Ok(key.map(Secret::trimmed))
    }
}
