//! Logs: constant messages with facts as fields, to stderr; stdout belongs to data.

use std::io::{self, IsTerminal};

use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt, util::SubscriberInitExt};

/// Environment variable that replaces the default filter, e.g. `debug` or `info,coordinator::rpc=debug`.
pub const FILTER_VARIABLE: &str = "LONGSHORE_LOG";

/// How a line looks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Format {
    /// For people; coloured on a terminal.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Starts logging for the whole process; a second call changes nothing.
pub fn init(format: Format, default_filter: &str) {
    let filter = EnvFilter::try_from_env(FILTER_VARIABLE).unwrap_or_else(|_| EnvFilter::new(default_filter));
    let registry = tracing_subscriber::registry().with(filter);
    // A second initialisation only happens in tests, where the first one serves all.
    let _ = match format {
        Format::Text => registry.with(fmt::layer().with_writer(io::stderr).with_ansi(is_colourful())).try_init(),
        Format::Json => registry.with(fmt::layer().json().with_writer(io::stderr)).try_init(),
    };
}

fn is_colourful() -> bool {
    io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
