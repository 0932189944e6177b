//! What is wrong with a process, and what will not be as it looks.

use std::{collections::BTreeSet, time::Duration};

use super::{Action, Condition, File, Identity, Process, Source, Step, asks, assume, demand, stack};
use crate::limits;

impl Process {
    /// Everything that is wrong with it, each in a sentence that names the step.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if self.steps.len() > limits::STEPS {
            faults.push(format!("The project has {} steps; at most {} are allowed.", self.steps.len(), limits::STEPS));
        }
        let mut seen = BTreeSet::new();
        for step in &self.steps {
            if !seen.insert(step.name.to_lowercase()) {
                faults.push(format!(
                    "Two steps are called \"{}\" (case does not matter): step names must be unique, because outputs are read by them.",
                    step.name
                ));
            }
            self.step_faults(step, &mut faults);
        }
        if self.files.len() > limits::FILES {
            faults.push(format!("The project has {} files; at most {} are allowed.", self.files.len(), limits::FILES));
        }
        for file in &self.files {
            file_faults(file, &mut faults);
        }
        faults
    }

    fn step_faults(&self, step: &Step, faults: &mut Vec<String>) {
        let mut say = |fault: String| faults.push(format!("Step \"{}\": {fault}", step.name));
        if let Err(why) = check_name(&step.name, limits::STEP_NAME_CHARS) {
            say(format!("its name {why}."));
        }
        if step.name.contains(['[', ']', '{', '}']) {
            say("its name holds a bracket or brace, which #{Octopus.Action[…]} could not name.".into());
        }
        if step.timeout.is_zero() || step.timeout > limits::MAX_TIMEOUT {
            say("`timeout` must be more than 0 and at most 7d.".into());
        }
        waits_faults(step, &mut say);
        asks::faults(&step.asks, &mut say);
        if step.retries.count > limits::RETRIES {
            say(format!("`retries.count` is {}; at most {} are allowed.", step.retries.count, limits::RETRIES));
        }
        if step.retries.backoff > Duration::from_secs(3600) {
            say("`retries.backoff` is longer than 1h.".into());
        }
        if step.retries.exit_codes.len() > limits::RETRIED_EXIT_CODES {
            say(format!(
                "`retries.exit_codes` has more than {} of them: leave it out for all.",
                limits::RETRIED_EXIT_CODES
            ));
        }
        if let Some(code) = step.retries.exit_codes.iter().find(|code| !(1..=255).contains(*code)) {
            say(format!("`retries.exit_codes` has {code}; the exit code of a failure is between 1 and 255."));
        }
        if step.locks.len() > limits::LOCKS {
            say(format!("it names {} locks; at most {} are allowed.", step.locks.len(), limits::LOCKS));
        }
        if let Condition::Expression(text) = &step.condition
            && !text.contains("#{")
        {
            say(format!("`condition` is \"{text}\"; write success, failure, always, or an expression with #{{…}}."));
        }
        match &step.aws.identity {
            Identity::Account(name) | Identity::NamedAccount(name) if name.trim().is_empty() => {
                say("`aws.identity` is account, so `aws.account` must name an account variable.".into());
            }
            _ => {}
        }
        assume::faults(&step.aws, &mut say);
        demand::label_faults(&step.requires, &mut say);
        demand::expectation_faults(&step.aws, &mut say);
        match &step.action {
            Action::Script(script) => self.source_faults(&script.source, "script", limits::SCRIPT_BYTES, &mut say),
            Action::DeployStack(stack) => self.deploy_faults(step, stack, &mut say),
            Action::ApplyChangeSet(apply) => stack::apply_faults(step, apply, &mut say),
            Action::DeleteStack(delete) => stack::delete_faults(step, delete, &mut say),
            Action::UploadToS3(upload) => self.upload_faults(step, upload, &mut say),
            Action::CheckIdentity => {}
        }
    }

    /// What is allowed and will not be as it looks, each in a sentence that names the step.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let of_step = |step: &Step| {
            // A worker's role is a role already; an account may be a user's key.
            let chained = usize::from(step.aws.identity != Identity::WorkerRole);
            let too_long = step.aws.assume.iter().skip(chained).any(|role| role.duration > limits::CHAINED_SESSION);
            too_long.then(|| {
                format!(
                    "Step \"{}\": `assume_role.duration` is more than 1h, and AWS ends the session of a role that a role assumed \
                     after an hour: it will last 1h, and is renewed while the step runs.",
                    step.name
                )
            })
        };
        self.steps.iter().flat_map(|step| of_step(step).into_iter().chain(self.unmatched_rules(step))).collect()
    }

    pub(super) fn source_faults(&self, source: &Source, what: &str, max: usize, say: &mut impl FnMut(String)) {
        let size = match source {
            Source::Body(text) if text.trim().is_empty() => return say(format!("its {what} is empty.")),
            Source::Body(text) => text.len() as u64,
            Source::File(path) => match self.files.iter().find(|file| &file.path == path) {
                Some(file) => file.size,
                None => return say(format!("its {what} file \"{path}\" is not among the project's files.")),
            },
        };
        if size > max as u64 {
            say(format!("its {what} has {size} bytes; at most {max} are allowed."));
        }
    }
}

fn waits_faults(step: &Step, say: &mut impl FnMut(String)) {
    let waits = &step.waits;
    for (key, span) in [("queue_timeout", waits.queue_timeout), ("no_output_timeout", waits.no_output_timeout)] {
        if span.is_some_and(|span| span.is_zero() || span > limits::MAX_TIMEOUT) {
            say(format!("`{key}` must be more than 0 and at most 7d."));
        }
    }
    if waits.no_output_timeout.is_some_and(|span| span >= step.timeout) {
        say("`no_output_timeout` is not shorter than `timeout`, which ends it before.".into());
    }
    match (waits.cancel_grace, &step.action) {
        (None, _) => {}
        (Some(grace), Action::Script(_)) if grace <= limits::LONGEST_GRACE => {}
        (Some(_), Action::Script(_)) => say("`cancel_grace` is longer than 1h.".into()),
        (Some(_), _) => say("`cancel_grace` is for scripts: what works in AWS ends as AWS lets it.".into()),
    }
}

/// Why a text cannot be a name, as the end of a sentence that begins with the thing.
///
/// # Errors
/// The end of that sentence.
pub fn check_name(name: &str, max_chars: usize) -> Result<(), String> {
    if name.trim().is_empty() {
        return Err("is empty".into());
    }
    if name.trim() != name {
        return Err("begins or ends with a blank".into());
    }
    if name.chars().count() > max_chars {
        return Err(format!("is longer than {max_chars} characters"));
    }
    if name.chars().any(char::is_control) {
        return Err("holds a control character".into());
    }
    Ok(())
}

fn file_faults(file: &File, faults: &mut Vec<String>) {
    if !is_relative_path(&file.path) {
        faults.push(format!("File \"{}\": its path must stay beside the project file.", file.path));
    }
    if file.sha256.len() != 64 || !file.sha256.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        faults.push(format!("File \"{}\": its digest is not 64 lower-case hex digits.", file.path));
    }
    if file.size > limits::FILE_BYTES {
        faults.push(format!(
            "File \"{}\" has {} bytes; at most {} are allowed.",
            file.path,
            file.size,
            limits::FILE_BYTES
        ));
    }
}

/// Whether a path stays below the folder it is relative to.
#[must_use]
pub fn is_relative_path(path: &str) -> bool {
    !path.is_empty()
        && !path.starts_with('/')
        && !path.contains('\0')
        && path.split('/').all(|part| !part.is_empty() && part != "." && part != "..")
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::plan::{Asks, Aws, OnFailure, Retries, Script, Shell, Start, Waits};

    fn script(source: Source) -> Action {
        Action::Script(Script { shell: Shell::Bash, source, substitute: true, strict: false })
    }

    pub(in crate::plan) fn step(name: &str) -> Step {
        Step {
            name: name.into(),
            pool: "default".into(),
            requires: BTreeMap::new(),
            condition: Condition::Success,
            start: Start::AfterPrevious,
            environments: Vec::new(),
            timeout: limits::DEFAULT_TIMEOUT,
            waits: Waits::default(),
            asks: Asks::default(),
            retries: Retries::default(),
            retry_safe: false,
            locks: Vec::new(),
            aws: Aws::default(),
            action: script(Source::Body("true".into())),
        }
    }

    fn file(path: &str) -> File {
        File { path: path.into(), sha256: "0123456789abcdef".repeat(4), size: 10, executable: false }
    }

    /// The faults of a process of one step, after a change to it.
    pub(in crate::plan) fn faults_after(change: impl FnOnce(&mut Step)) -> Vec<String> {
        let mut only = step("Build");
        change(&mut only);
        Process { steps: vec![only], files: vec![file("scripts/run.sh")] }.faults()
    }

    #[test]
    fn a_good_process_has_no_faults() {
        assert_eq!(faults_after(|_| {}), [""; 0]);
        assert_eq!(faults_after(|step| step.action = script(Source::File("scripts/run.sh".into()))), [""; 0]);
        assert_eq!(faults_after(|step| step.condition = Condition::Expression("#{Go}".into())), [""; 0]);
    }

    #[test]
    fn a_process_with_too_many_steps_is_at_fault() {
        let steps = (0..=limits::STEPS).map(|number| step(&format!("Step {number}"))).collect();
        let faults = Process { steps, files: Vec::new() }.faults();
        assert_eq!(faults, ["The project has 501 steps; at most 500 are allowed."]);
    }

    #[test]
    fn two_steps_of_one_name_are_at_fault_whatever_their_case() {
        let faults = Process { steps: vec![step("Build"), step("Test"), step("BUILD")], files: Vec::new() }.faults();
        assert_eq!(
            faults,
            [
                "Two steps are called \"BUILD\" (case does not matter): step names must be unique, because outputs are read by them."
            ]
        );
    }

    #[test]
    fn a_step_must_have_a_name_that_can_be_printed_and_referred_to() {
        let fault = |name: &str| faults_after(|step| step.name = name.into()).join("\n");
        assert_eq!(fault(" "), "Step \" \": its name is empty.");
        assert_eq!(fault("Build "), "Step \"Build \": its name begins or ends with a blank.");
        assert!(fault("Bu\u{7}ild").ends_with("its name holds a control character."));
        assert!(fault(&"ü".repeat(201)).ends_with("its name is longer than 200 characters."));
        assert_eq!(fault(&"ü".repeat(200)), "");
        assert!(
            fault("Build [x]")
                .ends_with("its name holds a bracket or brace, which #{Octopus.Action[…]} could not name.")
        );
    }

    #[test]
    fn times_and_counts_have_bounds() {
        let second = Duration::from_secs(1);
        let timeout = "Step \"Build\": `timeout` must be more than 0 and at most 7d.";
        assert_eq!(faults_after(|step| step.timeout = Duration::ZERO), [timeout]);
        assert_eq!(faults_after(|step| step.timeout = limits::MAX_TIMEOUT + second), [timeout]);
        assert_eq!(faults_after(|step| step.timeout = limits::MAX_TIMEOUT), [""; 0]);
        let patient = |waits: Waits| faults_after(|step| step.waits = waits);
        let none = Waits::default();
        let fault = patient(Waits { queue_timeout: Some(Duration::ZERO), ..none });
        assert_eq!(fault, ["Step \"Build\": `queue_timeout` must be more than 0 and at most 7d."]);
        let fault = patient(Waits { no_output_timeout: Some(limits::DEFAULT_TIMEOUT), ..none });
        assert!(fault[0].contains("`no_output_timeout` is not shorter than `timeout`"), "{fault:?}");
        let fault = patient(Waits { cancel_grace: Some(limits::LONGEST_GRACE + second), ..none });
        assert_eq!(fault, ["Step \"Build\": `cancel_grace` is longer than 1h."]);
        assert_eq!(patient(Waits { cancel_grace: Some(limits::LONGEST_GRACE), ..none }), [""; 0]);
        let asking = |asks: Asks| faults_after(|step| step.asks = asks);
        let fault = asking(Asks { timeout: Some(second), ..Asks::default() });
        assert!(fault[0].contains("`answer_timeout` is of no use"), "{fault:?}");
        let fault = asking(Asks { on_failure: OnFailure::Ask, timeout: Some(Duration::ZERO), ..Asks::default() });
        assert_eq!(fault, ["Step \"Build\": `answer_timeout` must be more than 0 and at most 30d."]);
        let fault = asking(Asks { approval: Some(" ".into()), ..Asks::default() });
        assert!(fault[0].contains("`approval` has 1 characters"), "{fault:?}");
        assert_eq!(asking(Asks { approval: Some("Look.".into()), timeout: Some(second), ..Asks::default() }), [""; 0]);
        let fault = faults_after(|step| step.retries.exit_codes = [0, 3].into());
        assert!(fault[0].contains("`retries.exit_codes` has 0;"), "{fault:?}");
        assert_eq!(
            faults_after(|step| step.retries.count = 11),
            ["Step \"Build\": `retries.count` is 11; at most 10 are allowed."]
        );
        assert_eq!(
            faults_after(|step| step.retries.backoff = Duration::from_secs(3600) + second),
            ["Step \"Build\": `retries.backoff` is longer than 1h."]
        );
        assert_eq!(
            faults_after(|step| step.locks = vec!["lock".into(); 17]),
            ["Step \"Build\": it names 17 locks; at most 16 are allowed."]
        );
    }

    #[test]
    fn a_condition_that_is_no_expression_is_at_fault() {
        assert_eq!(
            faults_after(|step| step.condition = Condition::Expression("sucess".into())),
            ["Step \"Build\": `condition` is \"sucess\"; write success, failure, always, or an expression with #{…}."]
        );
    }

    #[test]
    fn an_account_identity_needs_an_account() {
        for identity in [Identity::Account(String::new()), Identity::NamedAccount(" ".into())] {
            assert_eq!(
                faults_after(|step| step.aws.identity = identity),
                ["Step \"Build\": `aws.identity` is account, so `aws.account` must name an account variable."]
            );
        }
        assert_eq!(faults_after(|step| step.aws.identity = Identity::Account("AWS Account".into())), [""; 0]);
    }

    #[test]
    fn a_script_must_be_there_and_not_too_large() {
        let fault = |source| faults_after(|step| step.action = script(source)).join("\n");
        assert_eq!(fault(Source::Body(" \n".into())), "Step \"Build\": its script is empty.");
        assert_eq!(
            fault(Source::File("run.sh".into())),
            "Step \"Build\": its script file \"run.sh\" is not among the project's files."
        );
        assert_eq!(
            fault(Source::Body("x".repeat(limits::SCRIPT_BYTES + 1))),
            "Step \"Build\": its script has 1048577 bytes; at most 1048576 are allowed."
        );
    }

    #[test]
    fn a_script_file_counts_with_the_size_of_the_file() {
        let large = File { size: limits::SCRIPT_BYTES as u64 + 1, ..file("run.sh") };
        let steps = vec![Step { action: script(Source::File("run.sh".into())), ..step("Build") }];
        let faults = Process { steps, files: vec![large] }.faults();
        assert_eq!(faults, ["Step \"Build\": its script has 1048577 bytes; at most 1048576 are allowed."]);
    }

    #[test]
    fn a_file_stays_beside_the_project_and_is_known_by_its_digest() {
        let faults = |file| Process { steps: vec![step("Build")], files: vec![file] }.faults();
        assert_eq!(faults(file("../x")), ["File \"../x\": its path must stay beside the project file."]);
        let digest = ["File \"x\": its digest is not 64 lower-case hex digits."];
        for sha256 in [String::new(), "0".repeat(63), "A".repeat(64), "g".repeat(64)] {
            assert_eq!(faults(File { sha256, ..file("x") }), digest);
        }
        assert_eq!(
            faults(File { size: limits::FILE_BYTES + 1, ..file("x") }),
            ["File \"x\" has 5368709121 bytes; at most 5368709120 are allowed."]
        );
    }

    #[test]
    fn a_relative_path_cannot_leave_its_folder() {
        for good in ["a", "a/b.txt", ".hidden/...", "a..b"] {
            assert!(is_relative_path(good), "{good}");
        }
        for bad in ["", "/a", "a/", "a//b", "..", "a/../b", "./a", "a/.", "a\0b"] {
            assert!(!is_relative_path(bad), "{bad:?}");
        }
    }

    #[test]
    fn all_faults_are_told_at_once() {
        let faults = faults_after(|step| {
            step.timeout = Duration::ZERO;
            step.retries.count = 99;
            step.action = script(Source::Body(String::new()));
        });
        assert_eq!(faults.len(), 3, "{faults:?}");
    }
}
