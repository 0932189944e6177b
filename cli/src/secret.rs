//! Secrets on their way in: from stdin or a file, never from the command line, where every process on the host sees them.

use std::{
    fmt, fs,
    io::{self, IsTerminal, Read},
    path::Path,
};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use shared::limits;

use crate::{failure::Failure, screen::talk};

/// A secret that does not show itself.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(String);

impl Secret {
    /// Reads stdin: one line without echo from a terminal, all of it from a pipe; one newline at its end does not count.
    pub(crate) fn from_stdin(what: &str) -> Result<Self, Failure> {
        let text = if io::stdin().is_terminal() { typed(what)? } else { piped(what)? };
        let text = text.strip_suffix('\n').unwrap_or(&text);
        let text = text.strip_suffix('\r').unwrap_or(text);
        if text.is_empty() {
            return Err(Failure::usage(format!(
                "No {what} came from stdin: pipe it in, or name a file that holds it."
            )));
        }
        Ok(Self(text.to_owned()))
    }

    /// Reads a whole file, every byte of it.
    pub(crate) fn from_file(what: &str, path: &Path) -> Result<Self, Failure> {
        let named = path.display();
        let file = fs::File::open(path)
            .map_err(|error| Failure::usage(format!("The {what} file {named} cannot be read: {error}.")))?;
        let text =
            bounded(file, what).map_err(|failure| Failure::usage(format!("File {named}: {}", failure.sentence)))?;
        if text.trim().is_empty() {
            return Err(Failure::usage(format!("The {what} file {named} is empty.")));
        }
        Ok(Self(text))
    }

    /// The same without blanks around it: keys and tokens hold none.
    pub(crate) fn trimmed(self) -> Self {
        Self(self.0.trim().to_owned())
    }

    /// A secret that somebody else kept.
    pub(crate) fn kept(text: String) -> Self {
        Self(text)
    }

    /// The secret itself.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

fn typed(what: &str) -> Result<String, Failure> {
    talk(&format!("Type or paste the {what} and press Enter; it is not shown."));
    let _silence = Silence::begin();
    let mut line = String::new();
    io::stdin().read_line(&mut line).map_err(|error| unreadable(what, &error))?;
    Ok(line)
}

fn piped(what: &str) -> Result<String, Failure> {
    bounded(io::stdin().lock(), what)
}

fn bounded(source: impl Read, what: &str) -> Result<String, Failure> {
    let mut text = String::new();
    let max = limits::VARIABLE_BYTES as u64;
    source.take(max + 1).read_to_string(&mut text).map_err(|error| unreadable(what, &error))?;
    if text.len() as u64 > max {
        return Err(Failure::usage(format!("The {what} is longer than {max} bytes.")));
    }
    Ok(text)
}

fn unreadable(what: &str, error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::InvalidData => Failure::usage(format!("The {what} is not UTF-8 text.")),
        _ => Failure::usage(format!("The {what} cannot be read: {error}.")),
    }
}

/// The terminal's echo is off as long as this lives.
struct Silence(Option<Termios>);

impl Silence {
    fn begin() -> Self {
        let Ok(before) = tcgetattr(io::stdin()) else { return Self(None) };
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        silent.local_modes.insert(LocalModes::ECHONL);
        match tcsetattr(io::stdin(), OptionalActions::Flush, &silent) {
            Ok(()) => Self(Some(before)),
            Err(_) => Self(None),
        }
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

    #[test]
    fn a_secret_does_not_show_itself() {
        assert_eq!(format!("{:?}", Secret::kept("canary".into())), "Secret(…)");
    }

    #[test]
    fn a_file_is_read_to_its_last_byte() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("key.pem");
        fs::write(&path, "-----BEGIN-----\n").expect("a file");
        assert_eq!(Secret::from_file("value", &path).expect("a secret").expose(), "-----BEGIN-----\n");
    }

    #[test]
    fn a_missing_file_is_named() {
        let failure = Secret::from_file("token", Path::new("/nonexistent/token")).expect_err("no such file");
        assert!(failure.sentence.contains("/nonexistent/token"), "{}", failure.sentence);
    }
}
