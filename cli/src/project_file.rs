//! The project file: read, checked as far as one can without a coordinator, and made into what a coordinator takes.

mod circles;
mod fault;
mod files;
mod format;
mod lower;
mod suggest;

use std::{
    fs,
    path::{Path, PathBuf},
};

use prost::Message as _;
use proto::deployment as d;
use shared::limits;

pub(crate) use files::{Attachment, hex};
pub(crate) use format::schema;

use self::fault::Fault;
use crate::failure::Failure;

/// 4 MiB: far more than 500 steps with inline scripts need; a larger file is not a project file.
const MAX_BYTES: u64 = 4 << 20;

/// A project as its file and the files beside it describe it: without faults that can be found here.
#[derive(Debug)]
pub(crate) struct Draft {
    /// What the coordinator is asked to have.
    pub(crate) project: d::Project,
    /// The files that its steps use, by path.
    pub(crate) attachments: Vec<Attachment>,
    /// What is allowed and will not be as it looks, each with its place.
    pub(crate) warnings: Vec<String>,
}

impl Draft {
    /// Reads `longshore.yaml` in a folder, or the file itself.
    ///
    /// # Errors
    /// Every fault found, each with its line and column where there is one.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let path = locate(path)?;
        let text = text_of(&path)?;
        Self::parse(&text, &path).map_err(|faults| {
            let lines: Vec<_> = faults.iter().map(|fault| fault.in_file(&path)).collect();
            Failure::usage(lines.join("\n"))
        })
    }

    fn parse(text: &str, path: &Path) -> Result<Self, Vec<Fault>> {
        let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let file = format::parse(text).map_err(|fault| vec![fault])?;
        let mut faults = Vec::new();
        let supplies = files::collect(&file, folder, &mut faults);
        let described = lower::project(&file, &supplies, &mut faults);
        circles::find(&file, &mut faults);
        let project = d::Project::from(&described);
        size(&project, &mut faults);
        // What the file's own checks found with its line would only be found again without it.
        if faults.is_empty() {
            match lower::checked(&file, &project) {
                Ok(warnings) => {
                    let warnings = supplies.warnings.iter().chain(&warnings);
                    let warnings = warnings.map(|warning| warning.in_file(path)).collect();
                    return Ok(Self { project, attachments: supplies.attachments, warnings });
                }
                Err(refusals) => faults = refusals,
            }
        }
        Err(faults)
    }
}

/// What travels in one message, apart from the files themselves.
fn size(project: &d::Project, faults: &mut Vec<Fault>) {
    let size = project.encoded_len();
    // The request that it is part of has some bytes of its own.
    let max = limits::MESSAGE_BYTES - 1024;
    if size > max {
        let sentence = format!(
            "The project without its files has {size} bytes; at most {max} are allowed: put inline scripts and templates into files, \
             or name fewer files."
        );
        faults.push(Fault::at(None, sentence));
    }
}

fn locate(path: &Path) -> Result<PathBuf, Failure> {
    /// The usual spelling, then the other one.
    const NAMES: [&str; 2] = ["longshore.yaml", "longshore.yml"];
    if !path.is_dir() {
        return Ok(path.to_owned());
    }
    NAMES.iter().map(|name| path.join(name)).find(|path| path.is_file()).ok_or_else(|| {
        Failure::usage(format!(
            "There is no longshore.yaml in the folder {}: name the file or its folder.",
            path.display()
        ))
    })
}

fn text_of(path: &Path) -> Result<String, Failure> {
    let named = path.display();
    let unreadable = |error| Failure::usage(format!("The project file {named} cannot be read: {error}."));
    let size = fs::metadata(path).map_err(unreadable)?.len();
    if size > MAX_BYTES {
        return Err(Failure::usage(format!(
            "The project file {named} has {size} bytes; at most {MAX_BYTES} are allowed: move its scripts to files beside it."
        )));
    }
    let bytes = fs::read(path).map_err(unreadable)?;
    String::from_utf8(bytes).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = good.iter().filter(|&&byte| byte == b'\n').count() + 1;
        Failure::usage(format!("{named}:{line}: the project file is not UTF-8 text."))
    })
}

#[cfg(test)]
mod tests;
