//! An orderly end: asked for once, by a signal or by the program itself, and heard by everybody who holds a [`Shutdown`].

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::task;

/// Asks for the end, and tells when it was asked for. Clones are the same wish.
#[derive(Clone, Debug, Default)]
pub struct Shutdown(CancellationToken);

impl Shutdown {
    /// One that only the program itself asks for.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// One that SIGTERM and SIGINT ask for. A second signal ends the process at once.
    ///
    /// # Errors
    /// When the signal handlers cannot be installed.
    pub fn on_signal() -> std::io::Result<Self> {
        let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let shutdown = Self::new();
        let wish = shutdown.clone();
        task::spawn("signals", async move {
            loop {
                let signal = tokio::select! {
                    biased;
                    Some(()) = term.recv() => "SIGTERM",
                    Some(()) = int.recv() => "SIGINT",
                    else => return,
                };
                if wish.is_requested() {
                    // Whoever asks twice does not want to wait for anything.
                    std::process::exit(130);
                }
                tracing::info!(signal, "asked to stop");
                wish.request();
            }
        });
        Ok(shutdown)
    }

    /// Asks for the end.
    pub fn request(&self) {
        self.0.cancel();
    }

    /// Whether the end was asked for.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Resolves when the end is asked for.
    pub async fn requested(&self) {
        self.0.cancelled().await;
    }

    /// As [`Shutdown::requested`], owning what it waits for.
    pub fn requested_owned(&self) -> impl Future<Output = ()> + Send + 'static {
        self.0.clone().cancelled_owned()
    }
}
