//! Turns what the child says into the attempt's event stream: masks it, takes service messages out and obeys them.
//!
//! Knows nothing of processes and pipes.

use std::{
    collections::BTreeSet,
    io,
    time::{Duration, Instant},
};

use proto::{
    deployment::log_frame::{Level, Source},
    worker::{Progress, StepIdentity, frame::Body},
};
use shared::{limits, size};

use super::{
    artifacts::Artifacts,
    log::Log,
    message::{Message, Piece, Scanner},
    output::{OutputError, Outputs},
    redactor::Redactor,
    text::Text,
};
use crate::exec_dir::ArtifactsDir;

/// What a child gave as the reason of its failure.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Summary {
    /// Stable code; empty for most scripts.
    pub(super) reason: String,
    /// In its own words, not masked.
    pub(super) message: String,
}

/// Everything that is written down about an attempt while it runs.
pub(super) struct Recorder {
    log: Log,
    redactor: Redactor,
    stdout: Text,
    stderr: Text,
    stdout_messages: Scanner,
    side_messages: Scanner,
    outputs: Outputs,
    artifacts: Artifacts,
    summary: Option<Summary>,
    output_error: Option<OutputError>,
    /// Messages that were warned about.
    left_out: BTreeSet<String>,
    /// Whether it was warned about something that only looks like a message.
    malformed: bool,
}

/// What Octopus does with these is its own infrastructure's.
const FOREIGN: [&str; 11] = [
    "calamari-deployment-metric",
    "calamari-found-package",
    "calamari-script-isolation-alert",
    "calamari-timed-operation",
    "create-awsaccount",
    "createsteppackagetarget",
    "delete-target",
    "deltaverification",
    "foundpackage",
    "k8s-manifest-applied",
    "set-environmentstate",
];

/// 20 kinds of messages that are warned about; more are no accident.
const WARNED: usize = 20;

impl Recorder {
    /// With the secrets known so far, the key that seals secret outputs, and what takes note of artifacts.
    pub(super) fn new(log: Log, redactor: Redactor, output_key: &[u8], artifacts: Artifacts) -> Self {
        let masker = redactor.masker();
        Self {
            log,
            stdout: Text::new(Source::Stdout, Level::Info, masker),
            stderr: Text::new(Source::Stderr, Level::Error, masker),
            redactor,
            stdout_messages: Scanner::default(),
            side_messages: Scanner::default(),
            outputs: Outputs::new(output_key),
            artifacts,
            summary: None,
            output_error: None,
            left_out: BTreeSet::new(),
            malformed: false,
        }
    }

    /// A line of our own.
    pub(super) fn line(&mut self, level: Level, text: &str) {
        let text = self.redactor.masker().mask_str(text);
        self.log.line(level, &text);
    }

    /// Who the step runs as.
    pub(super) fn identity(&mut self, identity: StepIdentity) {
        self.log.push(Body::Identity(identity));
    }

    /// Bytes of the child's standard output.
    pub(super) fn stdout(&mut self, bytes: &[u8]) {
        let mut scanner = std::mem::take(&mut self.stdout_messages);
        scanner.push(bytes, |piece| self.stdout_piece(piece));
        self.stdout_messages = scanner;
    }

    /// Bytes of the child's standard error.
    pub(super) fn stderr(&mut self, bytes: &[u8]) {
        self.stderr.push(bytes, &mut self.log);
    }

    /// Bytes of the side channel. To be called before the output that was written after them, since they may say what
    /// to mask in it.
    pub(super) fn side(&mut self, bytes: &[u8]) {
        let mut scanner = std::mem::take(&mut self.side_messages);
        scanner.push(bytes, |piece| self.side_piece(piece));
        self.side_messages = scanner;
    }

    /// Secrets that are to be masked from now on; answers how many are too short for that.
    pub(super) fn learn<'a>(&mut self, values: impl IntoIterator<Item = &'a str>) -> usize {
        let too_short = self.redactor.learn(values);
        self.stdout.set_masker(self.redactor.masker());
        self.stderr.set_masker(self.redactor.masker());
        too_short
    }

    /// The child's streams ended: nothing is held back any more.
    pub(super) fn finish(&mut self) {
        let mut scanner = std::mem::take(&mut self.stdout_messages);
        scanner.finish(|piece| self.stdout_piece(piece));
        let mut scanner = std::mem::take(&mut self.side_messages);
        scanner.finish(|piece| self.side_piece(piece));
        self.stdout.finish(&mut self.log);
        self.stderr.finish(&mut self.log);
    }

    /// Whether the script named files as artifacts.
    pub(super) fn names_artifacts(&self) -> bool {
        self.artifacts.is_named()
    }

    /// Copies what the script named as artifacts, and says of each what became of it. For when the script has ended. Nothing of that
    /// is written before the next [`Self::seal`]: the exit record that is there now knows of no more frames.
    pub(super) fn keep_artifacts(&mut self, into: &ArtifactsDir, is_stopped: &dyn Fn() -> bool) {
        let (wanted, too_many) = self.artifacts.take();
        let mut copier = self.artifacts.copier(into, is_stopped);
        for wanted in wanted {
            let name = self.masked(&wanted.name);
            match copier.copy(wanted, &name) {
                Ok(artifact) => {
                    let amount = size::shown(artifact.size);
                    self.line(Level::Info, &format!("Artifact \"{}\" is kept ({amount}).", artifact.name));
                }
                Err(why) => self.line(Level::Warning, &format!("Artifact \"{name}\" is left out. {why}")),
            }
        }
        if too_many > 0 {
            let most = limits::ARTIFACTS;
            let sentence = format!(
                "A step has at most {most} artifacts: {too_many} more are left out. Pack them into one, for example with tar."
            );
            self.line(Level::Warning, &sentence);
        }
    }

    /// Writes down what is due, see [`Log::commit`].
    pub(super) fn commit(&mut self) -> io::Result<()> {
        let now = Instant::now();
        // On a full disk half a line waits with the rest of it: the word about the disk would fall in between.
        if !self.is_full() {
            self.stdout.flush_idle(now, &mut self.log);
            self.stderr.flush_idle(now, &mut self.log);
        }
        self.log.commit(now)
    }

    /// Writes everything down, durably, see [`Log::seal`].
    pub(super) fn seal(&mut self) -> io::Result<()> {
        self.log.seal()
    }

    /// Whether the child's output must wait for space on the disk.
    pub(super) fn is_full(&self) -> bool {
        self.log.is_full()
    }

    /// How long [`Self::commit`] may wait when nothing comes; `None` means for ever.
    pub(super) fn patience(&self) -> Option<Duration> {
        let now = Instant::now();
        let retry = self.log.deadline(now);
        if self.is_full() {
            return retry.map(|deadline| deadline.saturating_duration_since(now));
        }
        let deadlines = [retry, self.stdout.idle_deadline(), self.stderr.idle_deadline()];
        deadlines.into_iter().flatten().min().map(|deadline| deadline.saturating_duration_since(now))
    }

    /// Frames, and the digest over them.
    pub(super) fn end(&self) -> (u64, String) {
        self.log.end()
    }

    /// What the child gave as the reason of its failure.
    pub(super) fn summary(&self) -> Option<&Summary> {
        self.summary.as_ref()
    }

    /// Why an output variable did not get through; fails the step.
    pub(super) fn output_error(&self) -> Option<&OutputError> {
        self.output_error.as_ref()
    }

    /// A text with its secrets hidden.
    pub(super) fn masked(&self, text: &str) -> String {
        self.redactor.masker().mask_str(text)
    }

    fn stdout_piece(&mut self, piece: Piece<'_>) {
        match piece {
            Piece::Text(text) => self.stdout.push(text, &mut self.log),
            Piece::Message(message) => {
                if !self.obey(&message) {
                    self.warn_about(&message);
                }
            }
            Piece::Malformed(text) => {
                self.stdout.push(text, &mut self.log);
                if !std::mem::replace(&mut self.malformed, true) {
                    self.line(
                        Level::Warning,
                        "The line above looks like a service message, and is not one: it is shown as it is, like others after it.",
                    );
                }
            }
            Piece::Oversized => self.refuse_output(OutputError::Unreadable),
        }
    }

    fn side_piece(&mut self, piece: Piece<'_>) {
        match piece {
            // What else a script writes to that descriptor is its output all the same.
            Piece::Text(text) | Piece::Malformed(text) => self.stdout.push(text, &mut self.log),
            other => self.stdout_piece(other),
        }
    }

    /// Does what a message says; answers whether it said something.
    fn obey(&mut self, message: &Message) -> bool {
        let given = |key| message.attribute(key);
        match message.name() {
            "setvariable" => {
                let Some(name) = given("name").filter(|name| !name.is_empty()) else { return false };
                let sensitive = given("sensitive").is_some_and(|text| text.eq_ignore_ascii_case("true"));
                self.set_output(name, given("value").unwrap_or_default(), sensitive);
            }
            "createartifact" => {
                let Some(path) = given("path").filter(|path| !path.is_empty()) else { return false };
                self.artifacts.want(path, given("name").filter(|name| !name.trim().is_empty()));
            }
            "mask" => {
                let Some(value) = given("value") else { return false };
                self.learn_at_run_time(value, "A value that the script wants to be masked");
            }
            "progress" => {
                let percentage = given("percentage").and_then(|text| text.trim().parse().ok()).unwrap_or(0);
                let message = self.masked(given("message").unwrap_or_default());
                self.log.push(Body::Progress(Progress { percentage: i32::clamp(percentage, 0, 100), message }));
            }
            "resultmessage" => {
                let reason = given("reason").unwrap_or_default().to_owned();
                self.summary = given("message").map(|message| Summary { reason, message: message.to_owned() });
            }
            other => {
                if let Some(level) = stdout_level(other) {
                    self.stdout.set_level(level, &mut self.log);
                } else if let Some(level) = stderr_level(other) {
                    self.stderr.set_level(level, &mut self.log);
                } else {
                    return false;
                }
            }
        }
        true
    }

    fn set_output(&mut self, name: &str, value: &str, sensitive: bool) {
        if sensitive {
            self.learn_at_run_time(value, &format!("The value of output variable \"{name}\""));
        }
        if self.redactor.reveals(name) {
            return self.refuse_output(OutputError::SecretName);
        }
        // A secret inside a plain output would reach the next step masked, or its log unmasked.
        let reveals = !sensitive && self.redactor.reveals(value);
        if reveals {
            self.line(
                Level::Warning,
                &format!(
                    "Output variable \"{name}\" contains a secret, so it is kept as a secret. Set it as sensitive to say so."
                ),
            );
        }
        match self.outputs.make(name, value, sensitive || reveals) {
            Ok(output) => self.log.push(Body::Output(output)),
            Err(error) => self.refuse_output(error),
        }
    }

    fn learn_at_run_time(&mut self, value: &str, what: &str) {
        if self.learn([value]) > 0 {
            self.line(Level::Warning, &format!("{what} is too short to be masked in the log."));
        }
    }

    fn refuse_output(&mut self, error: OutputError) {
        self.line(Level::Error, &error.to_string());
        self.output_error.get_or_insert(error);
    }

    fn warn_about(&mut self, message: &Message) {
        let name = message.name().chars().take(40).collect::<String>();
        if self.left_out.len() == WARNED || !self.left_out.insert(name.clone()) {
            return;
        }
        let why = match FOREIGN.contains(&message.name()) {
            true => "has no meaning in Longshore and is left out",
            false => "is left out: it is not known here, or lacks what it needs",
        };
        self.line(Level::Warning, &format!("Service message \"{name}\" {why}."));
    }
}

fn stdout_level(message: &str) -> Option<Level> {
    Some(match message {
        "stdout-default" => Level::Info,
        "stdout-verbose" | "stdout-ignore" => Level::Verbose,
        "stdout-highlight" => Level::Highlight,
        "stdout-wait" => Level::Wait,
        "stdout-warning" => Level::Warning,
        "stdout-error" => Level::Error,
        _ => return None,
    })
}

fn stderr_level(message: &str) -> Option<Level> {
    Some(match message {
        "stderr-default" | "stderr-error" => Level::Error,
        "stderr-progress" | "stderr-ignore" => Level::Verbose,
        _ => return None,
    })
}
