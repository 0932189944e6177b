//! Script modules: texts in variables `Octopus.Script.Module[Name]`, laid into the working folder as files that scripts source or
//! import. `Octopus.Script.Module.Language[Name]` says for which shell one is; PowerShell when it is absent.

use std::{
    fs::OpenOptions,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use super::variables::Variables;

const MODULE: &str = "octopus.script.module[";
const LANGUAGE: &str = "octopus.script.module.language[";

/// Writes the modules for a shell; `ending` is that of their files. Answers what is to be said of those that are left out.
///
/// # Errors
/// Whatever the file system says.
pub(super) fn lay_out(shell: &str, ending: &str, variables: &Variables<'_>, work: &Path) -> io::Result<Vec<String>> {
    let mut warnings = Vec::new();
    for (key, variable) in variables.iter() {
        let (Some(lower), Some(name)) = (inside(key), inside(&variable.name)) else { continue };
        let language = variables.value(&format!("{LANGUAGE}{lower}]")).unwrap_or("powershell");
        if !language.eq_ignore_ascii_case(shell) {
            continue;
        }
        let why = match variable.sensitive {
            true => {
                Some("it is or holds a secret, and would be a file on a disk: let it read the secret from a variable")
            }
            false if !is_file_name(name) => Some("its name cannot be that of a file"),
            false => write(&work.join(format!("{name}.{ending}")), &variable.value)?,
        };
        if let Some(why) = why {
            warnings.push(format!("Script module \"{name}\" is left out: {why}."));
        }
    }
    Ok(warnings)
}

/// The name of the module that a variable's name names.
fn inside(variable: &str) -> Option<&str> {
    let (begin, rest) = variable.split_at_checked(MODULE.len())?;
    begin.eq_ignore_ascii_case(MODULE).then(|| rest.strip_suffix(']'))?
}

/// Answers why it was not written, if it was not.
fn write(path: &Path, text: &str) -> io::Result<Option<&'static str>> {
    match OpenOptions::new().create_new(true).write(true).mode(0o600).open(path) {
        Ok(mut file) => file.write_all(text.replace("\r\n", "\n").as_bytes()).map(|()| None),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(Some("the project has a file of that name")),
        Err(error) => Err(error),
    }
}

fn is_file_name(name: &str) -> bool {
    (1..=200).contains(&name.len())
        && !name.starts_with('.')
        && !name.contains(|c: char| c.is_control() || matches!(c, '/' | '\\'))
}
