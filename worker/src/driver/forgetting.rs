//! An attempt is forgotten when the coordinator has all of it: also the artifacts, which take longer than the log.

use shared::id::ExecutionId;
use tracing::error;
use worker_core::{Directive, Input};

use super::Driver;

impl Driver {
    /// What the coordinator said, without leave to forget attempts that have artifacts left; that is kept for later.
    pub(super) fn unless_artifacts_remain(&mut self, input: Input) -> Vec<Input> {
        match input {
            Input::ForgetAllowed { execution } if self.waits_for_artifacts(execution) => vec![],
            Input::Welcomed { heartbeat_interval, mut directives } => {
                directives.retain(|(execution, directive)| {
                    *directive != Directive::Forget || !self.waits_for_artifacts(*execution)
                });
                vec![Input::Welcomed { heartbeat_interval, directives }]
            }
            other => vec![other],
        }
    }

    /// Nothing of its artifacts is left to be sent.
    pub(super) fn artifacts_settled(&mut self, execution: ExecutionId) -> Vec<Input> {
        if !self.forgettable.remove(&execution) || self.waits_for_artifacts(execution) {
            return vec![];
        }
        vec![Input::ForgetAllowed { execution }]
    }

    fn waits_for_artifacts(&mut self, execution: ExecutionId) -> bool {
        let unsettled = self.host.home.exec(execution).artifacts().unsettled();
        let waits = unsettled.map(|artifacts| !artifacts.is_empty()).unwrap_or_else(|error| {
            error!(%execution, %error, "artifacts cannot be read; they stay until they can");
            true
        });
        if waits {
            self.forgettable.insert(execution);
            self.uploads.look(execution);
        }
        waits
    }
}
