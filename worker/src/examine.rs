//! What an attempt's folder says about it, settled under its lock. The same look serves an attempt that has just ended and
//! one that an earlier agent left behind.

use std::{io, path::Path, thread, time::Duration};

use shared::id::ExecutionId;
use tracing::warn;
use worker_core::Finding;

use crate::{
    exec_dir::{ExecDir, ExecLock, let_nobody_pass},
    home::Home,
    process::{Cgroup, sweep},
};

/// A lock may be free a moment after the notice of its closing.
const LOOKS: u32 = 20;
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(5);
/// 10 seconds for killed processes to disappear, then it is said and tried again.
const PATIENCE: Duration = Duration::from_secs(10);

/// Looks at an attempt whose shim is believed to be gone. None: its shim lives and has not started anything yet.
/// Blocks while processes that outlived their shim are being killed.
#[must_use]
pub fn examine(home: &Home, execution: ExecutionId) -> Option<Finding> {
    for _ in 0..LOOKS {
        match look(home, execution) {
            Ok(Some(Finding::Alive) | None) => thread::sleep(PAUSE),
            Ok(finding) => return finding,
            Err(error) => {
                // Nothing may be concluded; the next look may tell.
                warn!(%execution, %error, "attempt cannot be examined");
                thread::sleep(PAUSE * LOOKS);
            }
        }
    }
    home.exec(execution).is_started().then_some(Finding::Alive)
}

/// Looks once.
///
/// # Errors
/// When the folder cannot be read, or processes of a dead shim cannot be killed.
pub fn look(home: &Home, execution: ExecutionId) -> io::Result<Option<Finding>> {
    let exec = home.exec(execution);
    if !exec.path().exists() {
        return Ok(Some(Finding::Dead { evidence: "Its folder on the worker is gone.".into() }));
    }
    let Some(lock) = exec.try_lock()? else {
        return Ok(exec.is_started().then_some(Finding::Alive));
    };
    let finding = settle(&exec, &lock, execution)?;
    // The shim does all of this itself when it ends properly.
    let runtime = home.runtime(execution);
    for folder in [exec.path(), runtime.path()] {
        close(folder)?;
    }
    if let Err(error) = runtime.wipe() {
        warn!(%execution, %error, "runtime folder cannot be removed");
    }
    // Last: from here on another attempt may have the user.
    exec.release_user()?;
    Ok(Some(finding))
}

/// Whatever cannot be removed of an attempt is out of reach of its user's next holder.
fn close(folder: &Path) -> io::Result<()> {
    match let_nobody_pass(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn settle(exec: &ExecDir, lock: &ExecLock, execution: ExecutionId) -> io::Result<Finding> {
    if !exec.is_started() {
        // A shim that is still on its way will find the mark and end.
        exec.make_void(lock)?;
        return Ok(Finding::NeverStarted);
    }
    if exec.complete_exit(lock)? {
        return Ok(Finding::Ended);
    }
    // A torn file means that the shim died before it spawned anything into the group.
    let info = exec.read_shim_info().ok().flatten();
    let cgroup = info.and_then(|info| info.cgroup).map(Cgroup::at);
    let killed = sweep(&execution.to_string(), cgroup.as_ref(), exec.read_user()?, PATIENCE)?;
    let left = match killed {
        0 => "no process of it was left".into(),
        1 => "one process of it was left and was killed".into(),
        many => format!("{many} processes of it were left and were killed"),
    };
    Ok(Finding::Dead { evidence: format!("Its shim ended without an exit record; {left}.") })
}
