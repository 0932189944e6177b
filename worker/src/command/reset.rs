//! `reset`: this host forgets that it was a worker.

use std::{fs, io, path::Path};

use super::print;
use crate::{
    exec_dir::ExecDir,
    failure::{Exit, Failure},
    home::{HomeLock, executions},
};

/// Removes identity, journal and logs, unless an agent or a step is at work.
pub(super) fn reset(data: &Path, is_sure: bool) -> Result<(), Failure> {
    if !is_sure {
        let sentence = "This removes the worker's identity, its journal and the logs that the coordinator may not have yet. Say --yes \
                        if you mean it.";
        return Err(Failure::new(Exit::Usage, sentence));
    }
    if !data.exists() {
        return Err(Failure::new(Exit::Data, format!("There is no data folder {}.", data.display())));
    }
    let _lock = HomeLock::take(data)?;
    refuse_while_steps_run(data)?;
    for folder in ["id", "journal", "exec"] {
        let path = data.join(folder);
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(Failure::data(&path, &error)),
            _ => {}
        }
    }
    print("This host is no worker any more. Revoke it at the coordinator, too: `longshore worker revoke NAME`.\n")
}

fn refuse_while_steps_run(data: &Path) -> Result<(), Failure> {
    for execution in executions(data).unwrap_or_default() {
        let exec = ExecDir::new(data.join("exec").join(execution.to_string()));
        let lock = exec.try_lock().map_err(|error| Failure::data(exec.path(), &error))?;
        if lock.is_none() {
            let sentence = format!("Attempt {execution} runs: wait for its end, or cancel its deployment.");
            return Err(Failure::new(Exit::Data, sentence));
        }
    }
    Ok(())
}
