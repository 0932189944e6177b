//! What people type: `run`, `join`, `status`, `reset`.

mod reset;
mod status;

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use clap::{Args, Parser, Subcommand};
use secrecy::SecretString;
use service::{shutdown::Shutdown, telemetry, tls};

use crate::{
    agent,
    config::{Config, DataDir, Options},
    environment::{self, Taken},
    failure::{Exit, Failure},
    home::HomeLock,
    invitation, join,
};

/// Runs deployment steps on this host.
#[derive(Parser, Debug)]
#[command(name = "longshore-worker", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Run the agent: hold a session with the coordinator and run the steps it hands out.
    Run(Box<Run>),
    /// Join a coordinator with a join string.
    Join(Join),
    /// Say who this worker is and whether its agent runs.
    Status(Status),
    /// Remove this worker's identity and journal, so that it can join anew.
    Reset(Reset),
}

#[derive(Args, Debug)]
struct Run {
    #[command(flatten)]
    options: Options,
    /// Print the configuration as a TOML file, and end.
    #[arg(long)]
    print_config: bool,
}

#[derive(Args, Debug)]
struct Join {
    #[command(flatten)]
    data: DataDir,
    /// File with the join string; `-` is standard input. Without it, LONGSHORE_JOIN_STRING is used. The file is removed
    /// when it was used.
    #[arg(long, env = "LONGSHORE_WORKER_JOIN_STRING_FILE", value_name = "FILE")]
    join_string_file: Option<PathBuf>,
}

#[derive(Args, Debug)]
struct Status {
    #[command(flatten)]
    data: DataDir,
    /// One JSON object instead of text.
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
struct Reset {
    #[command(flatten)]
    data: DataDir,
    /// Yes, remove them.
    #[arg(long)]
    yes: bool,
}

/// Runs the command of the arguments.
#[must_use]
pub fn main() -> ExitCode {
    let taken = environment::take();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(wrong) => {
            // To stdout for --help and --version, else to stderr.
            let _ = wrong.print();
            return if wrong.use_stderr() { ExitCode::from(Exit::Usage as u8) } else { ExitCode::SUCCESS };
        }
    };
    match obey(cli.command, taken) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let _ = writeln!(io::stderr(), "longshore-worker: {}", failure.sentence);
            ExitCode::from(failure.exit as u8)
        }
    }
}

fn obey(command: Command, taken: Taken) -> Result<(), Failure> {
    match command {
        Command::Run(run) => run_agent(*run, taken),
        Command::Join(wish) => join_now(&wish, taken.join_string),
        Command::Status(wish) => status::show(&wish.data.data_dir, wish.json),
        Command::Reset(wish) => reset::reset(&wish.data.data_dir, wish.yes),
    }
}

fn run_agent(run: Run, taken: Taken) -> Result<(), Failure> {
    let config = Config::resolve(run.options, taken.surroundings)?;
    if run.print_config {
        return print(&config.to_toml()?);
    }
    let format = if config.log_json { telemetry::Format::Json } else { telemetry::Format::Text };
    telemetry::init(format, "info");
    runtime()?.block_on(async {
        let shutdown = Shutdown::on_signal()
            .map_err(|error| Failure::new(Exit::Internal, format!("Signals cannot be handled: {error}.")))?;
        agent::run(config, taken.role, taken.join_string, shutdown).await
    })
}

fn join_now(wish: &Join, join_string: Option<SecretString>) -> Result<(), Failure> {
    tls::install_provider();
    let invitation = invitation::read(wish.join_string_file.as_deref(), join_string)?.ok_or_else(|| {
        Failure::new(
            Exit::Usage,
            format!(
                "There is no join string: give --join-string-file, or {} in the environment.",
                environment::JOIN_STRING
            ),
        )
    })?;
    let data = &wish.data.data_dir;
    make_data_dir(data)?;
    let _lock = HomeLock::take(data)?;
    let membership = runtime()?.block_on(join::join(&data.join("id"), invitation.text()))?;
    invitation.spend();
    print(&format!(
        "Joined as \"{}\" in pool \"{}\". Start the agent with: longshore-worker run --data-dir {}\n",
        membership.worker_name,
        membership.pool,
        data.display()
    ))
}

fn make_data_dir(data: &std::path::Path) -> Result<(), Failure> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(data).map_err(|error| Failure::data(data, &error))
}

/// Two threads: one may wait for a disk while the other talks to the coordinator. The steps need the cores.
fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("agent")
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::Internal, format!("No threads can be started: {error}.")))
}

fn print(text: &str) -> Result<(), Failure> {
    io::stdout()
        .write_all(text.as_bytes())
        .map_err(|error| Failure::new(Exit::Internal, format!("Standard output cannot be written: {error}.")))
}
