//! Scripts: the files that a shell needs to run one, and the command that does. Variables travel in a file that only the
//! step's user may read, in memory, read once; never in arguments.
//!
//! Knows nothing of AWS, logs or processes.

mod bash;
mod modules;
mod powershell;
mod python;
mod variables;

use std::{
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
};

use proto::worker::{ScriptAction, SpecVariable};
use shared::plan::is_relative_path;

use self::variables::Variables;
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
    /// How the script's own file ends, where the shell insists.
    ending: &'static str,
    /// How files of script modules end.
    module: &'static str,
    /// Whether a byte order mark must say that the script is UTF-8.
    marked: bool,
    write_variables: fn(&Variables<'_>, &str) -> Vec<u8>,
    /// What cannot be in a value for this shell.
    without_nul: Option<&'static str>,
}

impl Script {
    /// Writes bootstrap, variables and script into the step's folder, and script modules into the folder in which it works. `None`
    /// for a shell that is not known.
    ///
    /// # Errors
    /// Whatever the file system says.
    pub fn lay_out(
        action: &ScriptAction,
        step_name: &str,
        variables: &[SpecVariable],
        step: &StepDir,
        work: &Path,
    ) -> io::Result<Option<Self>> {
        let Some(shell) = shell(&action.shell) else { return Ok(None) };
        let variables = Variables::of(variables);
        let mut warnings = shell.without_nul.map(|name| variables.with_nul(name)).unwrap_or_default();
        warnings.extend(modules::lay_out(&action.shell, shell.module, &variables, work)?);
        let (bootstrap, text) = shell.bootstrap;
        step.write_private(bootstrap, text.as_bytes())?;
        step.write_private("variables", &(shell.write_variables)(&variables, &action.body))?;
        let script = write_script(action, &shell, step)?;
        let mut arguments: Vec<OsString> = shell.options.iter().map(OsString::from).collect();
        arguments.extend([
            step.path().join(bootstrap).into(),
            step.path().join("variables").into(),
            script.into(),
            step_name.into(),
            if action.strict { "strict" } else { "lenient" }.into(),
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
            ending: "",
            module: "sh",
            marked: false,
            write_variables: bash::variables,
            without_nul: Some("bash"),
        }),
        "python" => Some(Shell {
            program: "python3",
            options: &[],
            bootstrap: ("bootstrap.py", include_str!("script/bootstrap.py")),
            ending: "",
            module: "py",
            marked: false,
            write_variables: python::variables,
            without_nul: None,
        }),
        "powershell" => Some(Shell {
            program: "pwsh",
            options: &["-NoLogo", "-NoProfile", "-NonInteractive", "-ExecutionPolicy", "Bypass", "-File"],
            bootstrap: ("bootstrap.ps1", include_str!("script/bootstrap.ps1")),
            ending: ".ps1",
            module: "psm1",
            marked: true,
            write_variables: powershell::variables,
            without_nul: Some("the variables file of PowerShell"),
        }),
        _ => None,
    }
}

/// Below a folder of its own, under the name it has in the project, so that errors name it as its writer does.
fn write_script(action: &ScriptAction, shell: &Shell, step: &StepDir) -> io::Result<PathBuf> {
    let name = if is_relative_path(&action.name) { action.name.as_str() } else { "script" };
    let ending = if name.ends_with(shell.ending) { "" } else { shell.ending };
    let name = Path::new("script").join(format!("{name}{ending}"));
    if let Some(folder) = name.parent() {
        fs::create_dir_all(step.path().join(folder))?;
    }
    // A carriage return at the end of a line is no part of a command, whatever editor wrote it.
    let body = action.body.replace("\r\n", "\n");
    let mark = if shell.marked && !body.starts_with('\u{feff}') { "\u{feff}" } else { "" };
    step.write_private(&name.to_string_lossy(), format!("{mark}{body}").as_bytes())?;
    Ok(step.path().join(name))
}
