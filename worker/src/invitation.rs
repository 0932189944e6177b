//! Where a join string comes from: a file, standard input, the environment. Never the command line, which everybody sees.

use std::{
    fs,
    io::{self, BufRead, IsTerminal, Read, Write},
    path::{Path, PathBuf},
};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use secrecy::SecretString;
use tracing::warn;

use crate::failure::{Exit, Failure};

/// 4096 bytes: many times a join string, and as much as a terminal takes in one line.
const LONGEST: u64 = 4096;

/// A join string and the file it came from.
#[derive(Debug)]
pub struct Invitation {
    text: SecretString,
    file: Option<PathBuf>,
}

/// Reads it from the file (`-` is one line of standard input), else takes the one of the environment; none when there is neither.
///
/// # Errors
/// With exit code 64, when the file cannot be read or is too long for a join string.
pub fn read(file: Option<&Path>, environment: Option<SecretString>) -> Result<Option<Invitation>, Failure> {
    let Some(path) = file else {
        return Ok(environment.map(|text| Invitation { text, file: None }));
    };
    let is_stdin = path == Path::new("-");
    let read = if is_stdin { typed_or_piped() } else { fs::File::open(path).and_then(whole) };
    let text = read.map_err(|error| {
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

/// One line, which a terminal does not show.
fn typed_or_piped() -> io::Result<String> {
    if !io::stdin().is_terminal() {
        return first_line(io::stdin().lock());
    }
    // Nobody to ask when stderr is closed; the line is read all the same.
    let _ = writeln!(io::stderr(), "Paste the join string and press Enter; it is not shown.");
    let _silence = Silence::begin();
    first_line(io::stdin().lock())
}

/// Reads no further than the first newline: whoever pastes a join string does not end the input.
fn first_line(source: impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    source.take(LONGEST + 1).read_line(&mut line)?;
    not_too_long(line)
}

fn whole(source: impl Read) -> io::Result<String> {
    let mut text = String::new();
    source.take(LONGEST + 1).read_to_string(&mut text)?;
    not_too_long(text)
}

fn not_too_long(text: String) -> io::Result<String> {
    if text.len() as u64 > LONGEST {
        let why = format!("it is longer than the {LONGEST} bytes that a join string may have");
        return Err(io::Error::new(io::ErrorKind::InvalidData, why));
    }
    Ok(text)
}

/// The terminal's echo is off as long as this lives.
struct Silence(Option<Termios>);

impl Silence {
    fn begin() -> Self {
        let Ok(before) = tcgetattr(io::stdin()) else { return Self(None) };
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        silent.local_modes.insert(LocalModes::ECHONL);
        let silenced = tcsetattr(io::stdin(), OptionalActions::Flush, &silent);
        Self(silenced.is_ok().then_some(before))
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            // Nothing can be done about a terminal that has gone.
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, before);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Input whose end never comes.
    struct Open;

    impl Read for Open {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("more than the first line was read"))
        }
    }

    #[test]
    fn a_pasted_join_string_ends_with_its_line() {
        let pasted = io::BufReader::new("a join string\n".as_bytes().chain(Open));
        assert_eq!(first_line(pasted).expect("a line"), "a join string\n");
    }

    #[test]
    fn a_piped_join_string_needs_no_newline() {
        assert_eq!(first_line("a join string".as_bytes()).expect("a line"), "a join string");
    }

    #[test]
    fn more_than_a_join_string_may_have_is_refused() {
        let fits = "x".repeat(4096);
        assert_eq!(first_line(fits.as_bytes()).expect("a line"), fits);
        assert_eq!(whole(fits.as_bytes()).expect("a text"), fits);
        let long = "x".repeat(4097);
        for refused in [first_line(long.as_bytes()), whole(long.as_bytes())] {
            assert!(refused.expect_err("too long").to_string().contains("4096 bytes"));
        }
    }
}
