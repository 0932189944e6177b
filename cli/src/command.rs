//! What people type: the tree of commands, and what each does. Every file below is one branch.

mod account;
mod artifact;
mod audit;
mod completion;
mod deploy;
mod deployment;
mod environment;
mod evaluate;
mod hold;
mod login;
mod pair;
mod pool;
mod project;
mod run;
mod variable;
mod worker;

use clap::{Parser, Subcommand};

use crate::{
    failure::{Exit, Failure},
    screen::Screen,
};

/// Hands deployment steps to workers on other hosts, each under the AWS identity it should have
///
/// Exit codes: 0 done · 1 the deployment or test failed, or it cannot be done as things stand · 2 wrong usage ·
/// 3 coordinator not reachable · 4 not allowed · 5 outcome unknown, needs a decision · 6 not found · 130 interrupted, the
/// deployment goes on.
#[derive(Parser, Debug)]
#[command(name = "longshore", version, max_term_width = 100, disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    screen: Screen,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    Login(login::Login),
    /// AWS accounts: access keys that the coordinator keeps, and roles that steps assume
    #[command(subcommand)]
    Account(account::Account),
    /// Environments: where deployments go to
    #[command(subcommand)]
    Environment(environment::Environment),
    /// Pools: groups of workers that steps name
    #[command(subcommand)]
    Pool(pool::Pool),
    /// Workers: the hosts that run steps
    #[command(subcommand)]
    Worker(worker::Worker),
    /// Projects: the steps of a process and the variables they use
    #[command(subcommand)]
    Project(project::Project),
    /// Values of a project's variables
    #[command(subcommand)]
    Variable(variable::Variable),
    Deploy(deploy::Deploy),
    /// Deployments: follow, read, cancel
    #[command(subcommand)]
    Deployment(deployment::Deployment),
    /// Files that steps left behind: list, download
    #[command(subcommand)]
    Artifact(artifact::Artifact),
    Run(run::Run),
    /// The hold: nothing is offered or granted after the coordinator's store may have gone back in time
    #[command(subcommand)]
    Hold(hold::Hold),
    /// Who did what, and what was refused
    #[command(subcommand)]
    Audit(audit::Audit),
    Evaluate(evaluate::Evaluate),
    Completion(completion::Completion),
}

impl Cli {
    /// Does what was typed.
    ///
    /// # Errors
    /// Why it was not done, with the exit code.
    pub(crate) async fn run(self) -> Result<Exit, Failure> {
        let screen = self.screen;
        match self.command {
            Command::Login(it) => it.run(screen).await,
            Command::Account(it) => it.run(screen).await,
            Command::Environment(it) => it.run(screen).await,
            Command::Pool(it) => it.run(screen).await,
            Command::Worker(it) => it.run(screen).await,
            Command::Project(it) => it.run(screen).await,
            Command::Variable(it) => it.run(screen).await,
            Command::Deploy(it) => it.run(screen).await,
            Command::Deployment(it) => it.run(screen).await,
            Command::Artifact(it) => it.run(screen).await,
            Command::Run(it) => it.run(screen).await,
            Command::Hold(it) => it.run(screen).await,
            Command::Audit(it) => it.run(screen).await,
            Command::Evaluate(it) => it.run(screen).await,
            Command::Completion(it) => it.run(),
        }
    }
}

/// Makes repeating a creating call safe.
fn request_id() -> String {
    uuid::Uuid::new_v4().to_string()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_tree_holds_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_help_of_every_command() {
        let mut root = Cli::command().term_width(100);
        root.build();
        let mut text = String::new();
        describe(&mut root, "longshore", &mut text);
        insta::assert_snapshot!(text);
    }

    fn describe(command: &mut clap::Command, name: &str, text: &mut String) {
        text.push_str(&format!("── {name}\n{}\n", command.render_help()));
        for below in command.get_subcommands_mut() {
            let name = format!("{name} {}", below.get_name());
            describe(below, &name, text);
        }
    }

    #[test]
    fn secrets_have_no_place_on_the_command_line() {
        let refused: [&[&str]; 3] = [
            &["longshore", "account", "create", "a", "aws", "--access-key-id", "AKIA", "--secret-key", "canary"],
            &["longshore", "login", "--coordinator", "https://h:7300", "--token", "canary"],
            &["longshore", "variable", "set", "p", "n", "canary", "--sensitive"],
        ];
        for line in refused {
            assert!(Cli::try_parse_from(line).is_err(), "{line:?} was taken");
        }
    }
}
