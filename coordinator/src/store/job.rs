//! An operation on its way through a thread of the store, and its answer on the way back.

use std::panic::{AssertUnwindSafe, catch_unwind};

use rusqlite::Connection;
use shared::reason::{Fault, Reason};
use tokio::sync::oneshot;

/// An operation whose types are hidden from the thread that runs it.
pub(super) trait Job: Send {
    /// Runs it and keeps its answer. A panic in it is a fault of this operation, not the end of the store.
    fn run(&mut self, connection: &Connection) -> Result<(), Fault>;

    /// Sends the answer it kept; with a fault, that one instead.
    fn answer(self: Box<Self>, instead: Option<Fault>);
}

/// What its caller waits for.
pub(super) struct Question<T, F> {
    op: Option<F>,
    answer: Option<Result<T, Fault>>,
    caller: oneshot::Sender<Result<T, Fault>>,
}

impl<T, F> Question<T, F>
where
    T: Send + 'static,
    F: FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
{
    pub(super) fn ask(op: F) -> (Box<dyn Job>, oneshot::Receiver<Result<T, Fault>>) {
        let (caller, answer) = oneshot::channel();
        (Box::new(Self { op: Some(op), answer: None, caller }), answer)
    }
}

impl<T, F> Job for Question<T, F>
where
    T: Send + 'static,
    F: FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
{
    fn run(&mut self, connection: &Connection) -> Result<(), Fault> {
        let Some(op) = self.op.take() else { return Ok(()) };
        // Unwind-safe: what a half-done operation wrote is rolled back, and nothing else is shared with it.
        let answer = catch_unwind(AssertUnwindSafe(|| op(connection))).unwrap_or_else(|_| Err(panicked()));
        let failed = answer.as_ref().err().cloned();
        self.answer = Some(answer);
        failed.map_or(Ok(()), Err)
    }

    fn answer(self: Box<Self>, instead: Option<Fault>) {
        let answer = match (instead, self.answer) {
            (Some(fault), _) => Err(fault),
            (None, Some(answer)) => answer,
            (None, None) => Err(panicked()),
        };
        // The caller may be gone; what was done stays done.
        let _ = self.caller.send(answer);
    }
}

fn panicked() -> Fault {
    Fault::new(Reason::Internal, "An operation of the store failed by a fault of Longshore's own; nothing was changed.")
}
