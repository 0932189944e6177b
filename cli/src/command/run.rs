//! `longshore run`.

use std::time::Duration;

use clap::{ArgGroup, Args, ValueEnum};
use proto::deployment as d;

use super::{
    account::{external_id, role_arn},
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
#[command(group(ArgGroup::new("identity").args(["account", "worker_role"])))]
pub(super) struct Run {
    /// Pool whose workers may run it
    #[arg(long)]
    pool: String,
    /// Label a worker must carry; may be given several times
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = pair)]
    labels: Vec<(String, String)>,
    /// Run with the credentials of this account
    #[arg(long)]
    account: Option<String>,
    /// Run with the worker's own instance role
    #[arg(long)]
    worker_role: bool,
    /// Role to assume on top of that; may be given several times, each with the credentials of the one before
    #[arg(long = "assume-role", value_name = "ARN", value_parser = role_arn, requires = "identity")]
    assume_roles: Vec<String>,
    /// What the last role's trust policy demands as sts:ExternalId
    #[arg(long, value_name = "ID", value_parser = external_id, requires = "assume_roles")]
    external_id: Option<String>,
    /// Only on a worker whose steps cannot reach the instance's metadata
    #[arg(long)]
    require_isolation: bool,
    /// AWS region
    #[arg(long, default_value = "", hide_default_value = true)]
    region: String,
    /// Which program reads it
    #[arg(long, value_enum, default_value_t = Shell::Bash)]
    shell: Shell,
    /// End at the first command that fails
    #[arg(long)]
    strict: bool,
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
    /// PowerShell 7
    Powershell,
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
            Shell::Powershell => d::script::Shell::Powershell,
        };
        Ok(d::RunCommandRequest {
            request_id: request_id(),
            pool: self.pool,
            requires: map(self.labels).map_err(|key| Failure::usage(format!("The label \"{key}\" is given twice.")))?,
            aws: Some(d::Aws {
                identity: identity.into(),
                account,
                region: self.region,
                expect: None,
                assume_roles: assumed(self.assume_roles, self.external_id),
                require_isolation: self.require_isolation,
            }),
            script: Some(d::Script {
                shell: shell.into(),
                source: Some(d::script::Source::Body(script(self.shell, &self.command)?)),
                strict: Some(self.strict),
            }),
            timeout: Some(
                prost_types::Duration::try_from(self.timeout)
                    .map_err(|_| Failure::usage("--timeout is longer than any step may run: at most 7d."))?,
            ),
        })
    }
}

/// In order; the external id is the last one's.
fn assumed(arns: Vec<String>, external_id: Option<String>) -> Vec<d::AssumeRole> {
    let mut roles: Vec<_> =
        arns.into_iter().map(|role_arn| d::AssumeRole { role_arn, ..d::AssumeRole::default() }).collect();
    if let (Some(last), Some(external_id)) = (roles.last_mut(), external_id) {
        last.external_id = external_id;
    }
    roles
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
        (Shell::Powershell, _) => {
            Err(Failure::usage("A PowerShell command must be one word: put it in quotes, like -- 'Get-Date'."))
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
    use clap::Parser;

    use super::*;

    #[derive(Parser, Debug)]
    struct Typed {
        #[command(flatten)]
        run: Run,
    }

    const HUB: &str = "arn:aws:iam::123456789012:role/hub";
    const DEPLOYER: &str = "arn:aws:iam::210987654321:role/deployer";

    fn request(words: &[&str]) -> Result<d::RunCommandRequest, String> {
        let line = [&["run", "--pool", "p"], words, &["--", "id"]].concat();
        let typed = Typed::try_parse_from(line).map_err(|error| error.to_string())?;
        typed.run.request().map_err(|failure| failure.sentence)
    }

    #[test]
    fn roles_are_assumed_in_the_order_they_are_typed() {
        let words = ["--worker-role", "--assume-role", HUB, "--assume-role", DEPLOYER, "--external-id", "x-1"];
        let aws = request(&words).expect("taken").aws.expect("an identity");
        let roles: Vec<_> =
            aws.assume_roles.iter().map(|role| (role.role_arn.as_str(), role.external_id.as_str())).collect();
        assert_eq!(roles, [(HUB, ""), (DEPLOYER, "x-1")]);
        assert!(!aws.require_isolation && !aws.assume_roles[1].omit_session_tags);
    }

    #[test]
    fn isolation_can_be_demanded_of_any_identity() {
        for words in [&["--require-isolation"][..], &["--account", "shop", "--require-isolation"]] {
            assert!(request(words).expect("taken").aws.expect("an identity").require_isolation);
        }
    }

    #[test]
    fn a_role_is_assumed_on_top_of_something() {
        for (words, part) in [
            (&["--assume-role", HUB][..], "--worker-role"),
            (&["--worker-role", "--external-id", "x-1"], "--assume-role"),
            (&["--worker-role", "--account", "shop"], "cannot be used with"),
            (&["--worker-role", "--assume-role", "hub"], "no ARN of a role"),
        ] {
            let refusal = request(words).expect_err(part);
            assert!(refusal.contains(part), "{words:?}: {refusal}");
        }
    }

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
