//! The admin's tool, run as a person runs it.

use std::{
    fmt,
    io::{BufRead, BufReader, Read, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::parts;

/// 2 minutes: longer than any command here should take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// The CLI with one person's profile.
#[derive(Clone, Debug)]
pub struct Cli {
    program: PathBuf,
    home: PathBuf,
    env: Vec<(String, String)>,
}

/// What a command said.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    /// Exit code; -1 when a signal ended it.
    pub code: i32,
    /// Data.
    pub stdout: String,
    /// Talk.
    pub stderr: String,
}

/// A command that is still running, read line by line.
#[derive(Debug)]
pub struct Watch {
    child: Child,
    lines: Receiver<String>,
    seen: Vec<String>,
    stderr: Option<JoinHandle<String>>,
}

impl Cli {
    /// A person whose home is this folder: nothing of the caller's own profile or AWS settings is seen.
    ///
    /// # Errors
    /// When the program is not built.
    pub fn new(home: &Path) -> Result<Self> {
        std::fs::create_dir_all(home).with_context(|| format!("{} cannot be made", home.display()))?;
        Ok(Self { program: parts::program("longshore")?, home: home.into(), env: Vec::new() })
    }

    /// The same person with one more environment variable.
    #[must_use]
    pub fn with_env(&self, name: &str, value: &str) -> Self {
        let mut other = self.clone();
        other.env.push((name.into(), value.into()));
        other
    }

    /// Runs a command to its end.
    ///
    /// # Errors
    /// When it cannot be run, or takes longer than [`PATIENCE`].
    pub fn run(&self, arguments: &[&str]) -> Result<Answer> {
        self.run_with_input(arguments, "")
    }

    /// Runs a command with a text on its standard input: how secrets come in.
    ///
    /// # Errors
    /// When it cannot be run, or takes longer than [`PATIENCE`].
    pub fn run_with_input(&self, arguments: &[&str], input: &str) -> Result<Answer> {
        self.start(arguments, input)?.finish(PATIENCE)
    }

    /// Runs a command that must succeed; answers its data.
    ///
    /// # Errors
    /// When it ends with another code than 0; the sentence has what it said.
    pub fn ok(&self, arguments: &[&str]) -> Result<String> {
        self.ok_with_input(arguments, "")
    }

    /// Runs a command with a text on its standard input that must succeed; answers its data.
    ///
    /// # Errors
    /// When it ends with another code than 0; the sentence has what it said.
    pub fn ok_with_input(&self, arguments: &[&str], input: &str) -> Result<String> {
        let answer = self.run_with_input(arguments, input)?;
        ensure!(answer.code == 0, "`longshore {}` should have succeeded: {answer}", arguments.join(" "));
        Ok(answer.stdout)
    }

    /// Runs a command that must be refused with this exit code.
    ///
    /// # Errors
    /// When it ends with another code; the sentence has what it said.
    pub fn refused(&self, code: i32, arguments: &[&str]) -> Result<Answer> {
        let answer = self.run(arguments)?;
        ensure!(answer.code == code, "`longshore {}` should have ended with {code}: {answer}", arguments.join(" "));
        Ok(answer)
    }

    /// Runs a command that must succeed and answer JSON.
    ///
    /// # Errors
    /// When it fails or its data is not JSON.
    pub fn json(&self, arguments: &[&str]) -> Result<Value> {
        let text = self.ok(&[arguments, &["--output", "json"]].concat())?;
        serde_json::from_str(&text)
            .with_context(|| format!("`longshore {}` did not answer JSON: {text}", arguments.join(" ")))
    }

    /// Starts a command that is to be followed.
    ///
    /// # Errors
    /// When it cannot be run.
    pub fn start(&self, arguments: &[&str], input: &str) -> Result<Watch> {
        let mut child = Command::new(&self.program)
            .args(arguments)
            .env_clear()
            .env("PATH", parts::host_path())
            .env("HOME", &self.home)
            .env("LANG", "C.UTF-8")
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .current_dir(&self.home)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("{} cannot be run", self.program.display()))?;
        if let Some(mut stdin) = child.stdin.take() {
            // A command that does not read closes its end; that is no fault of the caller.
            let _ = stdin.write_all(input.as_bytes());
        }
        Watch::over(child)
    }
}

impl Watch {
    fn over(mut child: Child) -> Result<Self> {
        let stdout = child.stdout.take().context("a command has no standard output")?;
        let mut stderr = child.stderr.take().context("a command has no standard error")?;
        // Unbounded: a test keeps every line anyhow, and a reader that waits would stop the command.
        let (send, lines) = channel();
        thread::spawn(move || {
            let mut reader = BufReader::new(stdout);
            let mut line = Vec::new();
            while reader.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
                if send.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                    break;
                }
                line.clear();
            }
        });
        let stderr = thread::spawn(move || {
            let mut bytes = Vec::new();
            let _ = stderr.read_to_end(&mut bytes);
            String::from_utf8_lossy(&bytes).into_owned()
        });
        Ok(Self { child, lines, seen: Vec::new(), stderr: Some(stderr) })
    }

    /// Process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The next line of data, without its newline; none when there are no more.
    ///
    /// # Errors
    /// When none comes within `limit`.
    pub fn next_line(&mut self, limit: Duration) -> Result<Option<String>> {
        match self.lines.recv_timeout(limit) {
            Ok(line) => {
                let shown = line.trim_end_matches('\n').to_owned();
                self.seen.push(line);
                Ok(Some(shown))
            }
            Err(RecvTimeoutError::Disconnected) => Ok(None),
            Err(RecvTimeoutError::Timeout) => bail!("no line came for {limit:?}; so far:\n{}", self.seen.concat()),
        }
    }

    /// Reads until a line satisfies `wanted`, and answers it.
    ///
    /// # Errors
    /// When the command ends, or `limit` passes, before such a line came.
    pub fn until_line(&mut self, what: &str, limit: Duration, wanted: impl Fn(&str) -> bool) -> Result<String> {
        let deadline = Instant::now() + limit;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = self.next_line(left).with_context(|| format!("while waiting for {what}"))?;
            let Some(line) = line else {
                bail!("the command ended before {what}; it said:\n{}", self.seen.concat());
            };
            if wanted(&line) {
                return Ok(line);
            }
        }
    }

    /// Reads to the end.
    ///
    /// # Errors
    /// When it takes longer than `limit`.
    pub fn finish(mut self, limit: Duration) -> Result<Answer> {
        let deadline = Instant::now() + limit;
        while self.next_line(deadline.saturating_duration_since(Instant::now()))?.is_some() {}
        let status = self.child.wait().context("a command cannot be waited for")?;
        let stderr = self.stderr.take().and_then(|thread| thread.join().ok()).unwrap_or_default();
        Ok(Answer { code: status.code().unwrap_or(-1), stdout: self.seen.concat(), stderr })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // Ended already in the usual case; else nobody reads it any more.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "exit code {}\n--- stdout\n{}--- stderr\n{}", self.code, self.stdout, self.stderr)
    }
}
