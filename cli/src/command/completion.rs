//! `longshore completion`.

use clap::{Args, CommandFactory, ValueEnum};
use clap_complete::Shell;

use super::Cli;
use crate::{
    failure::{Exit, Failure},
    screen::put,
};

/// Print what makes a shell complete this tool's commands
#[derive(Args, Debug)]
pub(super) struct Completion {
    /// Which shell
    #[arg(value_enum)]
    shell: Known,
}

/// The shells that are looked after.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Known {
    Bash,
    Zsh,
    Fish,
    #[value(name = "powershell")]
    PowerShell,
}

impl Completion {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let shell = match self.shell {
            Known::Bash => Shell::Bash,
            Known::Zsh => Shell::Zsh,
            Known::Fish => Shell::Fish,
            Known::PowerShell => Shell::PowerShell,
        };
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut Cli::command(), "longshore", &mut script);
        put(&String::from_utf8_lossy(&script))?;
        Ok(Exit::Ok)
    }
}
