//! What `OctopusPrintVariables` and `OctopusPrintEvaluatedVariables` print before a step starts. Secrets are left out here by
//! what they are; the worker masks the lines once more by how they look.

use proto::{deployment::log_frame::Level, worker::PreambleLine};
use shared::{
    mask::MASK,
    template::{Evaluated, Variable},
};

use super::text::Texts;

/// Part of names that Octopus leaves out: whole scripts.
const SCRIPTS: &str = "customscripts.";

/// The lines, if they are switched on.
pub(super) fn preamble(texts: &Texts<'_>) -> Vec<PreambleLine> {
    let mut lines = Vec::new();
    if texts.is_on("OctopusPrintVariables") {
        print(&mut lines, texts, "OctopusPrintVariables", "The following variables are available:", |variable| {
            if variable.sensitive { MASK.into() } else { variable.value.clone() }
        });
    }
    if texts.is_on("OctopusPrintEvaluatedVariables") {
        print(
            &mut lines,
            texts,
            "OctopusPrintEvaluatedVariables",
            "The following evaluated variables are available:",
            |variable| match texts.variables().evaluate_variable(&variable.name) {
                Some(Ok(Evaluated { sensitive: false, text, .. })) => text,
                Some(Ok(_)) => MASK.into(),
                Some(Err(error)) => error.to_string(),
                None => String::new(),
            },
        );
    }
    lines
}

/// A line of Longshore's own before the step starts.
pub(super) fn line(level: Level, text: impl Into<String>) -> PreambleLine {
    PreambleLine { level: level.into(), text: text.into() }
}

fn print(
    lines: &mut Vec<PreambleLine>,
    texts: &Texts<'_>,
    switch: &str,
    title: &str,
    value: impl Fn(&Variable) -> String,
) {
    lines.push(line(
        Level::Warning,
        format!(
            "{switch} is enabled. This should only be used for debugging problems with variables, and then disabled again for \
             normal deployments."
        ),
    ));
    lines.push(line(Level::Verbose, title));
    for variable in texts.variables().iter().filter(|variable| !variable.name.to_lowercase().contains(SCRIPTS)) {
        let shown = format!("[{}] = '{}'", variable.name, value(variable));
        lines.extend(shown.split('\n').map(|part| line(Level::Verbose, part.trim_end_matches('\r'))));
    }
}
