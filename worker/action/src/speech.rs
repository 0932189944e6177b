//! How an action speaks: lines on standard output, and service messages as every script's.

use std::{
    borrow::Cow,
    fmt,
    io::{self, Write},
};

use base64::{Engine, engine::general_purpose::STANDARD};

use crate::Failure;

/// Standard output and error of an action. With nobody listening the words are lost and the action goes on: what it does
/// in AWS matters more.
pub struct Speech {
    out: Box<dyn Write + Send>,
    err: Box<dyn Write + Send>,
}

impl Speech {
    /// To this process's own standard output and error.
    #[must_use]
    pub fn standard() -> Self {
        Self::to(io::stdout(), io::stderr())
    }

    /// To whatever takes it.
    pub fn to(out: impl Write + Send + 'static, err: impl Write + Send + 'static) -> Self {
        Self { out: Box::new(out), err: Box::new(err) }
    }

    /// A line of the log.
    pub fn line(&mut self, text: &str) {
        self.write(&plain(text));
    }

    /// A line for those who look closely.
    pub fn verbose(&mut self, text: &str) {
        self.leveled("verbose", text);
    }

    /// A line that stands out.
    pub fn highlight(&mut self, text: &str) {
        self.leveled("highlight", text);
    }

    /// A line that says that the action waits.
    pub fn wait(&mut self, text: &str) {
        self.leveled("wait", text);
    }

    /// A line about what goes on and should not be overlooked.
    pub fn warning(&mut self, text: &str) {
        self.leveled("warning", text);
    }

    /// How far it is, 0 to 100.
    pub fn progress(&mut self, percentage: u8, message: &str) {
        let message = STANDARD.encode(message);
        let percentage = STANDARD.encode(percentage.to_string());
        self.write(&format!("##octopus[progress percentage='{percentage}' message='{message}']"));
    }

    /// An output variable.
    pub fn output(&mut self, name: &str, value: &str) {
        let (name, value) = (STANDARD.encode(name), STANDARD.encode(value));
        self.write(&format!("##octopus[setVariable name='{name}' value='{value}']"));
    }

    /// An output variable that is a secret, which from now on is masked in the log.
    pub fn secret_output(&mut self, name: &str, value: &str) {
        let (name, value, yes) = (STANDARD.encode(name), STANDARD.encode(value), STANDARD.encode("True"));
        self.write(&format!("##octopus[setVariable name='{name}' value='{value}' sensitive='{yes}']"));
    }

    /// A value that is masked from now on.
    pub fn mask(&mut self, value: &str) {
        if !value.is_empty() {
            self.write(&format!("##octopus[mask value='{}']", STANDARD.encode(value)));
        }
    }

    /// The last words of a failed action: the last line of its log, and the reason of its outcome.
    pub fn failure(&mut self, failure: &Failure) {
        let (reason, sentence) = (STANDARD.encode(failure.reason.code()), STANDARD.encode(&failure.sentence));
        self.write(&format!("##octopus[resultMessage message='{sentence}' reason='{reason}']"));
        let _ = writeln!(self.err, "{}", plain(&failure.sentence)).and_then(|()| self.err.flush());
    }

    fn leveled(&mut self, level: &str, text: &str) {
        let text = plain(text);
        self.write(&format!("##octopus[stdout-{level}]\n{text}\n##octopus[stdout-default]"));
    }

    fn write(&mut self, text: &str) {
        let _ = writeln!(self.out, "{text}").and_then(|()| self.out.flush());
    }
}

/// Text that is no service message, whoever wrote it: AWS hands on what resources and files are called and say of themselves.
fn plain(text: &str) -> Cow<'_, str> {
    match text.contains("##octopus[") {
        true => text.replace("##octopus[", "## octopus[").into(),
        false => text.into(),
    }
}

impl fmt::Debug for Speech {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Speech").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use shared::reason::Reason;

    use super::*;

    #[derive(Clone, Default)]
    struct Said(Arc<Mutex<Vec<u8>>>);

    impl Write for Said {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("nobody failed").write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_others_wrote_is_never_a_service_message() {
        let said = Said::default();
        let mut speech = Speech::to(said.clone(), said.clone());
        let forged = "why\n##octopus[setVariable name='YQ==' value='Yg==']";
        speech.line(forged);
        speech.warning(forged);
        speech.failure(&Failure::new(Reason::StackFailed, forged));
        let said = String::from_utf8(said.0.lock().expect("nobody failed").clone()).expect("text");
        assert!(!said.contains("##octopus[setVariable"), "{said}");
        assert_eq!(said.matches("why\n## octopus[setVariable").count(), 3, "{said}");
    }
}
