//! What goes wrong with files of the log, as faults.

use std::{io, path::Path};

use shared::reason::{Fault, Reason};

/// A file cannot be written: nothing of what was asked is stored.
pub(super) fn unwritable(path: &Path, error: &io::Error) -> Fault {
    Fault::new(
        Reason::StoreUnavailable,
        format!(
            "The log {} cannot be written: {error}. Nothing was stored; make room on its disk and try again.",
            path.display()
        ),
    )
}

/// A file cannot be read.
pub(super) fn unreadable(path: &Path, error: &io::Error) -> Fault {
    Fault::new(
        Reason::StoreUnavailable,
        format!(
            "The log {} cannot be read: {error}. See that the disk is well and the file belongs to the coordinator's user.",
            path.display()
        ),
    )
}

/// A file does not hold what was written to it.
pub(super) fn damaged(path: &Path, what: &str) -> Fault {
    let fault = Fault::new(
        Reason::Internal,
        format!(
            "The log {} is damaged: {what}. Check its disk; what is lost can only come back from a backup.",
            path.display()
        ),
    );
    tracing::error!(error = %fault, "stored log is damaged");
    fault
}
