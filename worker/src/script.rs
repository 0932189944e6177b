//! Scripts: the files that a shell needs to run one, and the command that does. Variables travel in a file that only the
//! step's user may read, in memory, read once; never in arguments.
//!
//! Knows nothing of AWS, logs or processes.

mod bash;
mod python;

use std::{
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
};

use proto::worker::{ScriptAction, SpecVariable};
use shared::plan::is_relative_path;

use crate::exec_dir::StepDir;

/// A script laid out to be run.
#[derive(PartialEq, Eq, Debug)]
pub struct Script {
    /// The shell's program.
    pub program: OsString,
    /// Paths, and the step's name.
    pub arguments: Vec<OsString>,
    /// What the person who wrote it should know, in sentences.
    pub warnings: Vec<String>,
}

/// A shell that scripts may be written for.
struct Shell {
    program: &'static str,
    /// Before the bootstrap's path.
    options: &'static [&'static str],
    bootstrap: (&'static str, &'static str),
    variables: &'static str,
    write_variables: fn(&[SpecVariable], &mut Vec<String>) -> Vec<u8>,
}

impl Script {
    /// Writes bootstrap, variables and script into the step's folder. `None` for a shell that is not known.
    ///
    /// # Errors
    /// Whatever the file system says.
    pub fn lay_out(
        action: &ScriptAction,
        step_name: &str,
        variables: &[SpecVariable],
        step: &StepDir,
    ) -> io::Result<Option<Self>> {
        let Some(shell) = shell(&action.shell) else { return Ok(None) };
        let mut warnings = Vec::new();
        let (bootstrap, text) = shell.bootstrap;
        step.write_private(bootstrap, text.as_bytes())?;
        step.write_private(shell.variables, &(shell.write_variables)(variables, &mut warnings))?;
        let script = write_script(action, step)?;
        let mut arguments: Vec<OsString> = shell.options.iter().map(OsString::from).collect();
        arguments.extend([
            step.path().join(bootstrap).into(),
            step.path().join(shell.variables).into(),
            script.into(),
            step_name.into(),
        ]);
        Ok(Some(Self { program: shell.program.into(), arguments, warnings }))
    }
}

fn shell(name: &str) -> Option<Shell> {
    match name {
        "bash" => Some(Shell {
            program: "bash",
            options: &["--noprofile", "--norc"],
            bootstrap: ("bootstrap.sh", include_str!("script/bootstrap.sh")),
            variables: "variables.sh",
            write_variables: bash::write_variables,
        }),
        "python" => Some(Shell {
            program: "python3",
            options: &[],
            bootstrap: ("bootstrap.py", include_str!("script/bootstrap.py")),
            variables: "variables.json",
            write_variables: python::write_variables,
        }),
        _ => None,
    }
}

/// Below a folder of its own, under the name it has in the project, so that errors name it as its writer does.
fn write_script(action: &ScriptAction, step: &StepDir) -> io::Result<PathBuf> {
    let name = if is_relative_path(&action.name) { action.name.as_str() } else { "script" };
    let name = Path::new("script").join(name);
    if let Some(folder) = name.parent() {
        fs::create_dir_all(step.path().join(folder))?;
    }
    // A carriage return at the end of a line is no part of a command, whatever editor wrote it.
    let body = action.body.replace("\r\n", "\n");
    step.write_private(&name.to_string_lossy(), body.as_bytes())?;
    Ok(step.path().join(name))
}
