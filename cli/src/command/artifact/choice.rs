//! Which of a deployment's artifacts are meant.

use std::collections::BTreeMap;

use proto::deployment::{self as d, artifact::State};

use crate::failure::{Exit, Failure};

/// What was asked for.
pub(super) struct Wanted {
    pub(super) name: Option<String>,
    pub(super) step: Option<String>,
}

impl Wanted {
    /// Whether an artifact is one of those.
    pub(super) fn takes(&self, artifact: &d::Artifact) -> bool {
        let is = |wanted: &Option<String>, has: &str| wanted.as_ref().is_none_or(|wanted| wanted == has);
        is(&self.name, &artifact.name) && is(&self.step, &artifact.step)
    }
}

/// Whether it is still on its way.
pub(super) fn is_arriving(artifact: &d::Artifact) -> bool {
    artifact.state() == State::Arriving
}

/// Those that were asked for: of each step and name the newest attempt's. All of them can be had.
pub(super) fn choose(found: Vec<d::Artifact>, wanted: &Wanted, deployment: &str) -> Result<Vec<d::Artifact>, Failure> {
    let names: Vec<String> = found.iter().map(|artifact| format!("\"{}\"", artifact.name)).collect();
    let mut newest: BTreeMap<(String, String), d::Artifact> = BTreeMap::new();
    for artifact in found.into_iter().filter(|artifact| wanted.takes(artifact)) {
        // They come in the order of attempts.
        newest.insert((artifact.step.clone(), artifact.name.clone()), artifact);
    }
    let chosen: Vec<d::Artifact> = newest.into_values().collect();
    if chosen.is_empty() {
        let there_are = match names.as_slice() {
            [] => "it has none at all".to_owned(),
            names => format!("it has {}", names.join(", ")),
        };
        return Err(Failure::new(
            Exit::NotFound,
            format!("Deployment {deployment} has no artifact that was asked for; {there_are}."),
        ));
    }
    if let (Some(name), [_, _, ..]) = (&wanted.name, chosen.as_slice()) {
        let steps: Vec<String> = chosen.iter().map(|artifact| format!("\"{}\"", artifact.step)).collect();
        let sentence = format!("Several steps left an artifact \"{name}\": {}. Say --step.", steps.join(", "));
        return Err(Failure::usage(sentence));
    }
    match chosen.iter().find(|artifact| artifact.state() != State::Stored) {
        Some(artifact) => Err(Failure::new(Exit::Failed, why_not(artifact))),
        None => Ok(chosen),
    }
}

/// A name that a coordinator told, as one that leads nowhere else.
pub(super) fn file_name(name: &str) -> String {
    let plain: String = name.chars().map(|c| if c.is_control() || matches!(c, '/' | '\\') { '-' } else { c }).collect();
    match plain.as_str() {
        "" | "." | ".." => "_".into(),
        _ => plain,
    }
}

fn why_not(artifact: &d::Artifact) -> String {
    let d::Artifact { name, step, detail, arrived, size, .. } = artifact;
    match artifact.state() {
        State::Arriving => format!(
            "The artifact \"{name}\" of step \"{step}\" is still on its way: {arrived} of {size} bytes have arrived. See that its \
             worker is connected, and wait longer with --wait."
        ),
        State::Expired => format!("The artifact \"{name}\" of step \"{step}\" was removed: it was kept long enough."),
        _ => format!("The artifact \"{name}\" of step \"{step}\" was not taken. {detail}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn artifact(step: &str, attempt: i32, name: &str, state: State) -> d::Artifact {
        d::Artifact {
            step: step.into(),
            attempt,
            name: name.into(),
            state: state.into(),
            id: format!("{step}-{attempt}-{name}"),
            ..d::Artifact::default()
        }
    }

    fn ids(name: Option<&str>, step: Option<&str>, found: &[d::Artifact]) -> Result<Vec<String>, Failure> {
        let wanted = Wanted { name: name.map(Into::into), step: step.map(Into::into) };
        let chosen = choose(found.to_vec(), &wanted, "d1")?;
        Ok(chosen.into_iter().map(|artifact| artifact.id).collect())
    }

    #[test]
    fn the_newest_attempts_are_meant_and_an_ambiguous_name_is_no_name() {
        let found = [
            artifact("Build", 1, "log", State::Stored),
            artifact("Build", 1, "only.first", State::Stored),
            artifact("Build", 2, "log", State::Stored),
            artifact("Test", 1, "log", State::Stored),
        ];
        assert_eq!(ids(None, None, &found).expect("all"), ["Build-2-log", "Build-1-only.first", "Test-1-log"]);
        assert_eq!(ids(Some("log"), Some("Test"), &found).expect("one"), ["Test-1-log"]);
        let several = ids(Some("log"), None, &found).expect_err("two steps");
        assert!(several.sentence.contains("\"Build\", \"Test\"") && several.exit == Exit::Usage, "{several:?}");
        let nothing = ids(Some("lgo"), None, &found).expect_err("none");
        assert!(nothing.sentence.contains("\"only.first\"") && nothing.exit == Exit::NotFound, "{nothing:?}");
    }

    #[test]
    fn what_cannot_be_had_says_why_before_anything_is_written() {
        for (state, part) in
            [(State::Arriving, "on its way"), (State::Refused, "not taken"), (State::Expired, "removed")]
        {
            let found = [artifact("Build", 1, "a", State::Stored), artifact("Build", 1, "b", state)];
            let failure = ids(None, None, &found).expect_err("not all");
            assert!(failure.sentence.contains(part) && failure.exit == Exit::Failed, "{failure:?}");
        }
    }

    #[test]
    fn a_name_leads_nowhere_else() {
        assert_eq!(["Build", "../x", ".."].map(file_name), ["Build", "..-x", "_"]);
    }
}
