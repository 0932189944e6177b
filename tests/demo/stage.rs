//! What is shown: headings, commands with their output, and checks.

use std::{
    io::IsTerminal,
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use tests::Cli;

/// 2 minutes: how long a followed command may stay silent.
const SILENCE: Duration = Duration::from_secs(120);

/// Prints, and remembers what was checked.
pub(crate) struct Stage {
    started: Instant,
    colour: bool,
    passed: usize,
    failed: Vec<String>,
}

impl Stage {
    pub(crate) fn new() -> Self {
        let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self { started: Instant::now(), colour, passed: 0, failed: Vec::new() }
    }

    pub(crate) fn heading(&self, text: &str) {
        println!("\n{}", self.paint("1", &format!("== {text}")));
    }

    pub(crate) fn say(&self, text: &str) {
        println!("   {text}");
    }

    /// Shows a command and its output; it must succeed.
    pub(crate) fn run(&self, cli: &Cli, arguments: &[&str]) -> Result<String> {
        self.run_with_input(cli, arguments, None)
    }

    /// The same with a secret on its standard input, of which only the name is shown.
    pub(crate) fn run_with_input(&self, cli: &Cli, arguments: &[&str], secret: Option<(&str, &str)>) -> Result<String> {
        let (name, input) = secret.map_or((String::new(), ""), |(name, value)| (format!("   < {name}"), value));
        self.show_command(arguments, &name);
        let answer = cli.run_with_input(arguments, input)?;
        self.show(&answer.stderr);
        self.show(&answer.stdout);
        ensure!(
            answer.code == 0,
            "`longshore {}` ended with exit code {}: {}",
            arguments.join(" "),
            answer.code,
            answer.stderr.trim()
        );
        Ok(answer.stdout)
    }

    /// Shows a command and its output while it comes; answers its exit code and what it said.
    pub(crate) fn follow(&self, cli: &Cli, arguments: &[&str]) -> Result<(i32, String)> {
        self.show_command(arguments, "");
        let mut watch = cli.start(arguments, "")?;
        while let Some(line) = watch.next_line(SILENCE)? {
            self.show(&line);
        }
        let answer = watch.finish(SILENCE)?;
        self.show(&answer.stderr);
        Ok((answer.code, answer.stdout))
    }

    /// Shows a command that is not the CLI's.
    pub(crate) fn show_command_line(&self, line: &str) {
        println!("   {}", self.paint("36", &format!("$ {line}")));
    }

    pub(crate) fn show(&self, output: &str) {
        for line in output.lines() {
            println!("     {line}");
        }
    }

    /// Checks a promise.
    pub(crate) fn check(&mut self, promise: &str, expected: &str, seen: &str) {
        if expected == seen {
            self.pass(promise)
        } else {
            self.fail(promise, &format!("expected {expected}, saw {seen}"))
        }
    }

    /// Checks a promise by a fact; `seen` is told when it does not hold.
    pub(crate) fn check_that(&mut self, promise: &str, holds: bool, seen: &str) {
        if holds { self.pass(promise) } else { self.fail(promise, seen) }
    }

    pub(crate) fn fail(&mut self, promise: &str, seen: &str) {
        println!("   {} {promise}: {seen}", self.paint("31", "✗"));
        self.failed.push(promise.to_owned());
    }

    pub(crate) fn has_failures(&self) -> bool {
        !self.failed.is_empty()
    }

    /// The last word, and the exit code.
    pub(crate) fn verdict(&self) -> ExitCode {
        let seconds = self.started.elapsed().as_secs();
        self.heading("Verdict");
        if self.failed.is_empty() {
            self.say(&format!("{} all {} checks passed in {seconds} s", self.paint("32", "✓"), self.passed));
            return ExitCode::SUCCESS;
        }
        self.say(&format!(
            "{} {} of {} checks failed in {seconds} s:",
            self.paint("31", "✗"),
            self.failed.len(),
            self.failed.len() + self.passed
        ));
        for promise in &self.failed {
            self.say(&format!("  {promise}"));
        }
        ExitCode::FAILURE
    }

    fn pass(&mut self, promise: &str) {
        println!("   {} {promise}", self.paint("32", "✓"));
        self.passed += 1;
    }

    fn show_command(&self, arguments: &[&str], after: &str) {
        let words: Vec<String> = arguments.iter().map(|word| quoted(word)).collect();
        self.show_command_line(&format!("longshore {}{after}", words.join(" ")));
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

fn quoted(word: &str) -> String {
    if word.is_empty() || word.contains([' ', '#', '$', '*', '"']) { format!("'{word}'") } else { word.to_owned() }
}
