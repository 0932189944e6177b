//! The admin's tool: says what people want to a coordinator over gRPC, and shows what it answers.

mod command;
mod connection;
mod failure;
mod live;
mod patience;
mod profile;
mod progress;
mod project_file;
mod sanitise;
mod screen;
mod secret;
mod view;

use std::process::ExitCode;

use clap::Parser;

use crate::{
    command::Cli,
    failure::{Exit, Failure},
    screen::talk,
};

fn main() -> ExitCode {
    let cli = Cli::parse();
    service::tls::install_provider();
    match start(cli) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            if !failure.sentence.is_empty() {
                talk(&failure.sentence);
            }
            failure.exit.into()
        }
    }
}

fn start(cli: Cli) -> Result<Exit, Failure> {
    // One thread: the tool waits for one coordinator and one terminal.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let answer = runtime.block_on(cli.run());
    // A log stream that hangs in the network must not keep the tool from ending.
    runtime.shutdown_background();
    answer
}
