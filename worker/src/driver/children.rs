//! Shims that this agent started, and their ends. Shims of an earlier agent are not among them: their locks tell.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
};

use rustix::process::{WaitOptions, wait};
use shared::id::ExecutionId;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Children by process id. An id is not given to anybody else before it is reaped here.
#[derive(Debug)]
pub(super) struct Children {
    signal: Signal,
    running: BTreeMap<i32, ExecutionId>,
    /// Ended before it was heard that they were started.
    reaped: BTreeSet<i32>,
}

impl Children {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { signal: signal(SignalKind::child())?, running: BTreeMap::new(), reaped: BTreeSet::new() })
    }

    /// A shim was started; answers whether it has ended already.
    pub(super) fn started(&mut self, pid: i32, execution: ExecutionId) -> bool {
        if self.reaped.remove(&pid) {
            return true;
        }
        self.running.insert(pid, execution);
        false
    }

    /// Waits until children ended, and reaps them.
    pub(super) async fn ended(&mut self) -> Vec<ExecutionId> {
        self.signal.recv().await;
        let mut ended = Vec::new();
        // One signal may stand for many.
        while let Ok(Some((pid, _))) = wait(WaitOptions::NOHANG) {
            let pid = pid.as_raw_nonzero().get();
            match self.running.remove(&pid) {
                Some(execution) => ended.push(execution),
                None => {
                    self.reaped.insert(pid);
                }
            }
        }
        ended
    }
}
