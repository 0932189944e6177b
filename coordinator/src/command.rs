//! The subcommands: stdout is data, stderr is talk.

use std::io::{self, Write};

use clap::{Parser, Subcommand};
use coordinator::{
    config::{Config, LogFormat, Settings},
    data_dir::DataDir,
    exit::Exit,
    start,
    vault::{ADMIN_TOKEN, CA, Vault},
};
use service::{shutdown::Shutdown, telemetry};
use shared::reason::Reason;
use tokio::runtime;

mod admin_token;
mod backup;
mod oidc;
mod place;

/// Hands deployment steps to workers on other hosts, each under the right AWS identity.
#[derive(Parser)]
#[command(name = "longshore-coordinator", version, disable_help_subcommand = true)]
pub(crate) struct Program {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve; makes the data folder at the first start
    Serve {
        #[command(flatten)]
        settings: Settings,
        /// Show the configuration that results from flags, environment and file, and end
        #[arg(long)]
        print_config: bool,
    },
    /// Make the data folder with its keys and first admin token, and end
    Init {
        #[command(flatten)]
        settings: Settings,
    },
    /// Make, list and revoke API tokens, on the coordinator's own host
    AdminToken {
        #[command(subcommand)]
        command: admin_token::AdminToken,
    },
    /// Rotate the keys that sign tokens for AWS, on the coordinator's own host
    Oidc {
        #[command(subcommand)]
        command: oidc::Oidc,
    },
    Backup(backup::Backup),
    Restore(backup::Restore),
    /// Say what a reason code means
    Explain {
        /// E.g. JOIN_REFUSED; all of them when left out
        reason: Option<String>,
    },
}

impl Program {
    pub(crate) fn run(self) -> Result<(), Exit> {
        match self.command {
            Command::Serve { settings, print_config: true } => {
                say(Config::resolve(settings.in_environment())?.print()?.trim_end())
            }
            Command::Serve { settings, print_config: false } => serve(Config::resolve(settings.in_environment())?),
            Command::Init { settings } => init(&Config::resolve(settings.in_environment())?),
            Command::AdminToken { command } => command.run(),
            Command::Oidc { command } => command.run(),
            Command::Backup(it) => it.run(),
            Command::Restore(it) => it.run(),
            Command::Explain { reason } => explain(reason.as_deref()),
        }
    }
}

fn serve(config: Config) -> Result<(), Exit> {
    telemetry::init(
        match config.log_format {
            LogFormat::Text => telemetry::Format::Text,
            LogFormat::Json => telemetry::Format::Json,
        },
        "info",
    );
    let runtime = runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Exit::software(format!("The runtime could not be started: {error}.")))?;
    // A store operation that never returns must not keep the program from ending.
    let served = runtime.block_on(serve_until_asked(config));
    runtime.shutdown_background();
    served
}

async fn serve_until_asked(config: Config) -> Result<(), Exit> {
    let shutdown =
        Shutdown::on_signal().map_err(|error| Exit::software(format!("Signals cannot be received: {error}.")))?;
    let data_dir = config.data_dir.clone();
    let running = start(config, shutdown).await?;
    let admin = running.admin_urls.first().map_or("", String::as_str);
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        admin,
        join = running.urls.join.first(),
        worker = running.urls.worker.first(),
        oidc = running.oidc.map(tracing::field::display),
        "serving"
    );
    complain(&format!(
        "Log in:          longshore login --coordinator {admin} --token-file {} --ca-file {}\n\
         Invite a worker: longshore worker invite --pool default",
        data_dir.join(ADMIN_TOKEN).display(),
        data_dir.join(CA).display()
    ));
    if let (Some(url), Some(address)) = (running.issuer.url(), running.oidc) {
        complain(&format!("Issuer for AWS:  {url}; its documents are served on http://{address}{}", url.path()));
    }
    running.ended().await;
    tracing::info!("stopped");
    Ok(())
}

fn init(config: &Config) -> Result<(), Exit> {
    let data_dir = DataDir::hold(&config.data_dir)?;
    Vault::open(&data_dir, config)?;
    complain(&format!(
        "The data folder {} is ready. The first admin token is in {ADMIN_TOKEN} there; {CA} is what CLIs trust.",
        config.data_dir.display()
    ));
    Ok(())
}

fn explain(code: Option<&str>) -> Result<(), Exit> {
    let Some(code) = code else {
        let lines: Vec<_> =
            Reason::ALL.iter().map(|reason| format!("{}: {}", reason.code(), reason.explanation())).collect();
        return say(&lines.join("\n"));
    };
    let wanted = code.to_uppercase();
    let reason = Reason::ALL.iter().find(|reason| reason.code() == wanted).ok_or_else(|| {
        Exit::usage(format!("There is no reason \"{code}\": `longshore-coordinator explain` lists all there are."))
    })?;
    say(reason.explanation())
}

/// Writes data.
fn say(text: &str) -> Result<(), Exit> {
    match writeln!(io::stdout(), "{text}") {
        // Whoever reads only the first line closes the rest.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Exit::software(format!("The answer could not be written: {error}.")))
        }
        _ => Ok(()),
    }
}

/// Writes talk.
pub(crate) fn complain(text: &str) {
    // Without stderr there is nobody to talk to.
    let _ = writeln!(io::stderr(), "{text}");
}
