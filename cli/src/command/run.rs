//! `longshore run`.

use std::time::Duration;

use clap::{Args, ValueEnum};
use proto::deployment as d;

use super::{
    deploy::Follow,
    pair::{map, pair},
    request_id,
};
use crate::{
    connection::Connection,
    failure::{Exit, Failure},
    screen::Screen,
};

/// Run one command on a worker and follow it until it ends
///
/// Several words after -- are the command and its arguments, passed on exactly; a single word is a line for the shell.
#[derive(Args, Debug)]
pub(super) struct Run {
    /// Pool whose workers may run it
    #[arg(long)]
    pool: String,
    /// Label a worker must carry; may be given several times
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = pair)]
    labels: Vec<(String, String)>,
    /// Run with the credentials of this account
    #[arg(long, conflicts_with = "worker_role")]
    account: Option<String>,
    /// Run with the worker's own instance role
    #[arg(long)]
    worker_role: bool,
    /// AWS region
    #[arg(long, default_value = "", hide_default_value = true)]
    region: String,
    /// Which program reads it
    #[arg(long, value_enum, default_value_t = Shell::Bash)]
    shell: Shell,
    /// Longest run
    #[arg(long, default_value = "1h", value_parser = humantime::parse_duration)]
    timeout: Duration,
    #[command(flatten)]
    follow: Follow,
    /// What to run
    #[arg(last = true, required = true)]
    command: Vec<String>,
}

/// Which program reads the command.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Shell {
    /// GNU bash
    Bash,
    /// Python 3
    Python,
}

impl Run {
    pub(super) async fn run(self, screen: Screen) -> Result<Exit, Failure> {
        let follow = self.follow;
        let request = self.request()?;
        let connection = Connection::open()?;
        let mut client = connection.deployments();
        let deployment = connection.answer(client.run_command(request)).await?;
        follow.on(connection, deployment, screen).await
    }

    fn request(self) -> Result<d::RunCommandRequest, Failure> {
        let (identity, account) = match self.account {
            Some(account) => (d::aws::Identity::Account, account),
            None if self.worker_role => (d::aws::Identity::WorkerRole, String::new()),
            None => (d::aws::Identity::None, String::new()),
        };
        let shell = match self.shell {
            Shell::Bash => d::script::Shell::Bash,
            Shell::Python => d::script::Shell::Python,
        };
        Ok(d::RunCommandRequest {
            request_id: request_id(),
            pool: self.pool,
            requires: map(self.labels).map_err(|key| Failure::usage(format!("The label \"{key}\" is given twice.")))?,
            aws: Some(d::Aws { identity: identity.into(), account, region: self.region, expect: None }),
            script: Some(d::Script {
                shell: shell.into(),
                source: Some(d::script::Source::Body(script(self.shell, &self.command)?)),
            }),
            timeout: Some(
                prost_types::Duration::try_from(self.timeout)
                    .map_err(|_| Failure::usage("--timeout is longer than any step may run: at most 7d."))?,
            ),
        })
    }
}

fn script(shell: Shell, words: &[String]) -> Result<String, Failure> {
    match (shell, words) {
        (_, [line]) => Ok(format!("{line}\n")),
        (Shell::Bash, words) => {
            Ok(format!("{}\n", words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")))
        }
        (Shell::Python, _) => {
            Err(Failure::usage("Python code must be one word: put it in quotes, like -- 'print(1)'."))
        }
    }
}

/// As bash reads it back unchanged.
fn quoted(word: &str) -> String {
    let plain =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/' | ':' | '=' | ',' | '@' | '+' | '%');
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_words_reach_the_worker_unchanged() {
        let words = ["printf", "%s\n", "it's $HOME", ""].map(str::to_owned);
        assert_eq!(script(Shell::Bash, &words), Ok("printf '%s\n' 'it'\\''s $HOME' ''\n".to_owned()));
    }

    #[test]
    fn a_single_word_is_a_line_for_the_shell() {
        assert_eq!(script(Shell::Bash, &["a | b; c".to_owned()]), Ok("a | b; c\n".to_owned()));
        assert_eq!(script(Shell::Python, &["print(1)".to_owned()]), Ok("print(1)\n".to_owned()));
    }

    #[test]
    fn python_in_several_words_is_refused() {
        assert!(script(Shell::Python, &["print".to_owned(), "1".to_owned()]).is_err());
    }
}
