//! How an action speaks: lines on standard output, and service messages as every script's.

use std::io::{self, Stdout, Write};

use base64::{Engine, engine::general_purpose::STANDARD};

/// Standard output and error of an action. With nobody listening the words are lost and the action goes on: what it does
/// in AWS matters more.
pub(super) struct Speech {
    out: Stdout,
}

impl Speech {
    pub(super) fn new() -> Self {
        Self { out: io::stdout() }
    }

    /// A line of the log.
    pub(super) fn line(&mut self, text: &str) {
        let _ = writeln!(self.out, "{text}").and_then(|()| self.out.flush());
    }

    /// A line that says that the action waits.
    pub(super) fn wait(&mut self, text: &str) {
        self.line(&format!("##octopus[stdout-wait]\n{text}\n##octopus[stdout-default]"));
    }

    /// An output variable.
    pub(super) fn output(&mut self, name: &str, value: &str) {
        let (name, value) = (STANDARD.encode(name), STANDARD.encode(value));
        self.line(&format!("##octopus[setVariable name='{name}' value='{value}']"));
    }

    /// The last words of a failed action: the last line of its log, and the reason of its outcome.
    pub(super) fn failure(&mut self, sentence: &str) {
        self.line(&format!("##octopus[resultMessage message='{}']", STANDARD.encode(sentence)));
        let _ = writeln!(io::stderr(), "{sentence}");
    }
}
