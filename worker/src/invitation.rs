//! Where a join string comes from: a file, standard input, the environment. Never the command line, which everybody sees.

use std::{
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
};

use secrecy::SecretString;
use tracing::warn;

use crate::failure::{Exit, Failure};

/// 64 KiB: many times a join string.
const LONGEST: u64 = 64 << 10;

/// A join string and the file it came from.
#[derive(Debug)]
pub struct Invitation {
    text: SecretString,
    file: Option<PathBuf>,
}

/// Reads it from the file (`-` is standard input), else takes the one of the environment; none when there is neither.
///
/// # Errors
/// With exit code 64, when the file cannot be read.
pub fn read(file: Option<&Path>, environment: Option<SecretString>) -> Result<Option<Invitation>, Failure> {
    let Some(path) = file else {
        return Ok(environment.map(|text| Invitation { text, file: None }));
    };
    let is_stdin = path == Path::new("-");
    let mut text = String::new();
    let read = if is_stdin {
        io::stdin().take(LONGEST).read_to_string(&mut text)
    } else {
        fs::File::open(path).and_then(|file| file.take(LONGEST).read_to_string(&mut text))
    };
    read.map_err(|error| {
        Failure::new(Exit::Usage, format!("The join string file {} cannot be read: {error}.", path.display()))
    })?;
    Ok(Some(Invitation { text: text.into(), file: (!is_stdin).then(|| path.into()) }))
}

impl Invitation {
    /// The join string.
    #[must_use]
    pub fn text(&self) -> &SecretString {
        &self.text
    }

    /// It was used and is worth nothing any more: its file goes.
    pub fn spend(self) {
        if let Some(path) = self.file
            && let Err(error) = fs::remove_file(&path)
        {
            warn!(file = %path.display(), %error, "used join string cannot be removed");
        }
    }
}
