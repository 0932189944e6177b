//! What a session is for, in the words that AWS's own log will show: its name, its tags, and who wanted it.

use std::collections::BTreeMap;

use shared::{
    aws::{session_word, tag_value},
    id::DeploymentId,
};

/// One attempt of one step, and who is behind it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Purpose {
    /// Of which deployment.
    pub deployment: DeploymentId,
    /// Empty for an ad-hoc command.
    pub project: String,
    /// Number of the deployment within its project.
    pub number: i64,
    /// Empty for an ad-hoc command.
    pub environment: String,
    /// Name of the step.
    pub step: String,
    /// From 1.
    pub attempt: u32,
    /// Name of the worker; `coordinator` where nobody else asks.
    pub worker: String,
    /// Who asked for the deployment.
    pub started_by: String,
}

/// 14 characters of a project and of a step: with all else, a session's name has 64.
const PART_CHARS: usize = 14;

impl Purpose {
    /// E.g. `longshore-web-shop-42-Network-1-red`.
    #[must_use]
    pub fn session_name(&self) -> String {
        let deployment = match self.project.as_str() {
            // The end of the id: its beginning is the time, which commands of the same minute share.
            "" => format!("run-{}", last(&self.deployment.to_string(), 8)),
            project => format!("{}-{}", first(project), self.number),
        };
        session_word(&format!("longshore-{deployment}-{}-{}-{}", first(&self.step), self.attempt, self.worker))
    }

    /// Who asked for it: goes on to every session that follows.
    #[must_use]
    pub fn source_identity(&self) -> String {
        session_word(&self.started_by)
    }

    /// In full, as session tags.
    #[must_use]
    pub fn tags(&self) -> BTreeMap<String, String> {
        let attempt = self.attempt.to_string();
        let deployment = self.deployment.to_string();
        let tags = [
            ("deployment", deployment.as_str()),
            ("project", &self.project),
            ("environment", &self.environment),
            ("step", &self.step),
            ("attempt", &attempt),
            ("worker", &self.worker),
        ];
        let filled = tags.into_iter().filter(|(_, value)| !value.is_empty());
        filled.map(|(key, value)| (format!("longshore:{key}"), tag_value(value))).collect()
    }
}

fn first(text: &str) -> String {
    text.chars().take(PART_CHARS).collect()
}

fn last(text: &str, count: usize) -> &str {
    &text[text.len().saturating_sub(count)..]
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn purpose() -> Purpose {
        Purpose {
            deployment: DeploymentId(Uuid::from_u128(0x0192_0000_0000_7000_8000_0000_1234_abcd)),
            project: "web-shop".into(),
            number: 42,
            environment: "staging".into(),
            step: "Who am I?".into(),
            attempt: 1,
            worker: "red".into(),
            started_by: "token ci robot".into(),
        }
    }

    #[test]
    fn a_session_is_called_after_deployment_step_attempt_and_worker() {
        assert_eq!(purpose().session_name(), "longshore-web-shop-42-Who-am-I--1-red");
        let command = Purpose { project: String::new(), ..purpose() };
        assert_eq!(command.session_name(), "longshore-run-1234abcd-Who-am-I--1-red");
        assert_eq!(purpose().source_identity(), "token-ci-robot");
    }

    #[test]
    fn long_names_are_cut_so_that_every_part_is_still_there() {
        let long = "x".repeat(200);
        let purpose = Purpose { project: long.clone(), step: long.clone(), worker: long, ..purpose() };
        let name = purpose.session_name();
        assert_eq!(name.len(), 64);
        assert!(name.contains("-42-") && name.contains("-1-x"), "{name}");
    }

    #[test]
    fn tags_say_it_in_full_and_leave_out_what_is_not_there() {
        let tags = purpose().tags();
        assert_eq!(tags["longshore:step"], "Who am I-");
        assert_eq!(tags["longshore:deployment"], purpose().deployment.to_string());
        let command = Purpose { project: String::new(), environment: String::new(), ..purpose() };
        assert!(!command.tags().contains_key("longshore:project"));
    }
}
