//! What a step's process executes.

use std::{ffi::OsString, path::Path};

use prost::Message;
use proto::worker::{StepSpec, step_spec::Action};

use super::NotStarted;
use crate::{exec_dir::StepDir, process::own_program, script::Script};

/// A command line.
pub(super) struct Work {
    pub(super) program: OsString,
    pub(super) arguments: Vec<OsString>,
    /// For the log, in sentences.
    pub(super) warnings: Vec<String>,
}

impl Work {
    /// Writes the files that the command needs into the step's folder.
    pub(super) fn lay_out(spec: &StepSpec, step: &StepDir, work: &Path) -> Result<Self, NotStarted> {
        match &spec.action {
            Some(Action::Script(script)) => {
                let laid_out = Script::lay_out(script, &spec.step_name, &spec.variables, step, work);
                let script = laid_out.map_err(NotStarted::unprepared)?.ok_or_else(|| unknown_shell(&script.shell))?;
                Ok(Self { program: script.program, arguments: script.arguments, warnings: script.warnings })
            }
            Some(action) => Self::own_action(spec, action, step).map_err(NotStarted::unprepared),
            None => Err(NotStarted::new(
                "UNSUPPORTED",
                "This worker does not know what this step is to do. Upgrade the worker.",
            )),
        }
    }

    /// Another run of this program, with nothing of the step but its action.
    fn own_action(spec: &StepSpec, action: &Action, step: &StepDir) -> std::io::Result<Self> {
        let order = StepSpec {
            execution_id: spec.execution_id.clone(),
            step_name: spec.step_name.clone(),
            action: Some(action.clone()),
            operation: spec.operation.clone(),
            ..Default::default()
        };
        step.write_private("action", &order.encode_to_vec())?;
        let arguments = vec!["action".into(), step.path().join("action").into()];
        Ok(Self { program: own_program()?.into(), arguments, warnings: Vec::new() })
    }
}

fn unknown_shell(shell: &str) -> NotStarted {
    NotStarted::new(
        "UNSUPPORTED",
        format!(
            "This worker cannot run scripts for \"{shell}\"; it knows bash, python and powershell. Upgrade the worker."
        ),
    )
}
