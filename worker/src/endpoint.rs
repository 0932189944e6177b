//! The loopback credential endpoint of a step: how the step's process gets its AWS credentials, and fresh ones while it
//! runs. SDKs know it as a container credential provider; [`print_credentials`] is for those that read
//! `credential_process`; our own actions use [`fetch`].
//!
//! It answers only the step's own user, who shows the step's token, and ends with the step.

mod client;
mod credentials;
mod expiry;
mod peer;
mod request;
mod server;

use std::{
    fs, io,
    io::Write,
    net::SocketAddrV4,
    path::{Path, PathBuf},
    process::ExitCode,
};

use aws_lc_rs::rand;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

pub use self::{
    client::fetch,
    server::{Notice, Notices, Server},
};
use crate::exec_dir::StepDir;

/// What a client must know; written to a file that only the step's user may read.
#[derive(Clone)]
pub struct Address {
    /// Where the endpoint listens.
    pub socket: SocketAddrV4,
    /// Path of its one resource.
    pub path: String,
    /// What a request must show.
    pub token: String,
}

/// 32 bytes: what nobody guesses.
const TOKEN_BYTES: usize = 32;

impl Address {
    /// With a fresh token.
    ///
    /// # Errors
    /// When the kernel has no randomness.
    pub fn new(socket: SocketAddrV4, execution_id: &str) -> io::Result<Self> {
        let mut token = [0; TOKEN_BYTES];
        rand::fill(&mut token).map_err(|_| io::Error::other("no randomness"))?;
        Ok(Self { socket, path: format!("/v1/credentials/{execution_id}"), token: URL_SAFE_NO_PAD.encode(token) })
    }

    /// As SDKs want it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}{}", self.socket, self.path)
    }

    /// Writes the files that clients read: the token alone for SDKs, which take every byte of it, and all of it for ours.
    ///
    /// # Errors
    /// Whatever the file system says.
    pub fn write(&self, step: &StepDir) -> io::Result<()> {
        step.write_private("token", self.token.as_bytes())?;
        step.write_private("endpoint", format!("{}\n{}\n{}\n", self.socket, self.path, self.token).as_bytes())
    }

    /// Reads the file that [`Self::write`] made for us.
    ///
    /// # Errors
    /// `InvalidData` when it is none; otherwise whatever the file system says.
    pub fn read(file: &Path) -> io::Result<Self> {
        let text = fs::read_to_string(file)?;
        let mut lines = text.lines();
        let mut next = || lines.next().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData));
        Ok(Self {
            socket: next()?.parse().map_err(io::Error::other)?,
            path: next()?.to_owned(),
            token: next()?.to_owned(),
        })
    }

    /// Where SDKs find the token.
    #[must_use]
    pub fn token_file(step: &StepDir) -> PathBuf {
        step.path().join("token")
    }

    /// Where our own clients find everything.
    #[must_use]
    pub fn file(step: &StepDir) -> PathBuf {
        step.path().join("endpoint")
    }
}

/// Prints the step's credentials as `credential_process` wants them; `file` is what [`Address::write`] made.
#[must_use]
pub fn print_credentials(file: &Path) -> ExitCode {
    let printed = Address::read(file).and_then(|address| fetch(&address)).and_then(|credentials| {
        let json = credentials::for_process(&credentials);
        io::stdout().write_all(json.as_bytes())
    });
    match printed {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let sentence = format!("The step's AWS credentials cannot be had from its worker: {error}.\n");
            // With standard error gone there is nobody to tell; the exit code still says it.
            let _ = io::stderr().write_all(sentence.as_bytes());
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests;
