//! The one way to start a task.

use std::{any::Any, panic::AssertUnwindSafe};

use futures_util::FutureExt;
use tokio::task::JoinHandle;
use tracing::Instrument;

/// Starts a task that keeps the caller's span and whose panic is logged even when nobody waits for it.
pub fn spawn<F>(name: &'static str, future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let watched = async move {
        match AssertUnwindSafe(future).catch_unwind().await {
            Ok(output) => output,
            Err(panic) => {
                tracing::error!(task = name, error = message_of(panic.as_ref()), "a task panicked");
                // Whoever joins the task must see it too.
                std::panic::resume_unwind(panic)
            }
        }
    };
    tokio::spawn(watched.in_current_span())
}

fn message_of(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&'static str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic without a message")
}

#[cfg(test)]
mod tests {
    #[tokio::test]
    async fn who_joins_a_task_that_panicked_learns_it() {
        let joined = super::spawn("doomed", async { panic!("on purpose") }).await;
        assert!(joined.is_err_and(|error| error.is_panic()));
    }
}
