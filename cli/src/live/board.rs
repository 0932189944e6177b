//! What is known of a deployment that is being followed: its newest picture, which logs are being read, what was shown.

use std::collections::{HashMap, HashSet};

use proto::deployment::{self as d, step_run::State};

/// The newest picture of a deployment and what has been done about it.
pub(super) struct Board {
    deployment: d::Deployment,
    /// By execution id: whether the log was read to its end.
    logs: HashMap<String, bool>,
    settled: HashSet<String>,
}

impl Board {
    /// Begins with this picture.
    pub(super) fn new(deployment: d::Deployment) -> Self {
        Self { deployment, logs: HashMap::new(), settled: HashSet::new() }
    }

    /// Takes a picture, unless it is older than the one there is; says whether it took it.
    pub(super) fn renew(&mut self, deployment: d::Deployment) -> bool {
        let newer = deployment.last_event_sequence >= self.deployment.last_event_sequence;
        if newer {
            self.deployment = deployment;
        }
        newer
    }

    /// The newest picture.
    pub(super) fn deployment(&self) -> &d::Deployment {
        &self.deployment
    }

    /// Steps that have not been shown as settled, in order.
    pub(super) fn open_steps(&self) -> impl Iterator<Item = &d::StepRun> {
        self.deployment.steps.iter().filter(|step| !self.settled.contains(&step.name))
    }

    /// Whether it has ended, or needs a decision.
    pub(super) fn is_over(&self) -> bool {
        use d::deployment::State;
        !matches!(self.deployment.state(), State::Running | State::Unspecified)
    }

    /// Whether a step waits for a worker, or the deployment for its turn.
    pub(super) fn is_waiting(&self) -> bool {
        self.deployment.steps.iter().any(|step| matches!(step.state(), State::Queued | State::Asking))
            || self.turn().is_some()
    }

    /// Why no step's turn has come yet; nothing when none waits for anything but the steps before it.
    pub(super) fn turn(&self) -> Option<&str> {
        let pending = self.open_steps().filter(|step| step.state() == State::Pending);
        pending.map(|step| step.queue_reason.as_str()).find(|reason| !reason.is_empty())
    }

    /// Whether every log that there is was read.
    pub(super) fn logs_are_read(&self) -> bool {
        self.attempts().all(|(_, attempt)| !has_log(attempt) || self.is_read(&attempt.execution_id))
    }

    /// Logs that are being read or could be.
    pub(super) fn unread_logs(&self) -> Vec<String> {
        let unread = self.attempts().filter(|(_, it)| has_log(it) && !self.is_read(&it.execution_id));
        unread.map(|(_, attempt)| attempt.execution_id.clone()).collect()
    }

    /// Logs to begin with now. Those of ended attempts come one after another, so that they do not mix; those of running
    /// ones come as they are.
    pub(super) fn logs_to_open(&mut self) -> Vec<String> {
        let mut open = Vec::new();
        for (_, attempt) in self.attempts().filter(|(_, attempt)| has_log(attempt)) {
            let id = &attempt.execution_id;
            if !self.logs.contains_key(id) {
                open.push(id.clone());
            }
            if !self.is_read(id) && !is_running(attempt) {
                break;
            }
        }
        self.logs.extend(open.iter().map(|id| (id.clone(), false)));
        open
    }

    /// A log was read to its end.
    pub(super) fn log_ended(&mut self, execution_id: &str) {
        self.logs.insert(execution_id.to_owned(), true);
    }

    /// Name of the step that an attempt belongs to.
    pub(super) fn step_of(&self, execution_id: &str) -> &str {
        self.attempts()
            .find(|(_, attempt)| attempt.execution_id == execution_id)
            .map_or("", |(step, _)| step.name.as_str())
    }

    /// Steps that have come to rest with all they printed read, each told once.
    pub(super) fn newly_settled(&mut self) -> Vec<d::StepRun> {
        let over = self.is_over();
        let all_read = |step: &d::StepRun| {
            step.attempts.iter().all(|attempt| !has_log(attempt) || self.is_read(&attempt.execution_id))
        };
        let rests = |step: &d::StepRun| match step.state() {
            State::Succeeded | State::Failed | State::Skipped | State::Cancelled => true,
            // It may still come to an end by itself, unless the deployment is held by it.
            State::Unknown => over,
            _ => false,
        };
        let steps: Vec<_> = self.open_steps().filter(|step| rests(step) && all_read(step)).cloned().collect();
        self.settled.extend(steps.iter().map(|step| step.name.clone()));
        steps
    }

    fn attempts(&self) -> impl Iterator<Item = (&d::StepRun, &d::Attempt)> {
        self.deployment.steps.iter().flat_map(|step| step.attempts.iter().map(move |attempt| (step, attempt)))
    }

    fn is_read(&self, execution_id: &str) -> bool {
        self.logs.get(execution_id).copied().unwrap_or(false)
    }
}

/// Whether there is something to read: an attempt that never started printed nothing.
fn has_log(attempt: &d::Attempt) -> bool {
    attempt.log_frames > 0 || !matches!(attempt.state.as_str(), "OFFERED" | "GRANTED" | "NOT_STARTED")
}

fn is_running(attempt: &d::Attempt) -> bool {
    attempt.state == "RUNNING"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(id: &str, state: &str) -> d::Attempt {
        d::Attempt { execution_id: id.into(), state: state.into(), ..Default::default() }
    }

    fn step(name: &str, state: State, attempts: Vec<d::Attempt>) -> d::StepRun {
        let mut step = d::StepRun { name: name.into(), attempts, ..Default::default() };
        step.set_state(state);
        step
    }

    fn deployment(state: d::deployment::State, sequence: i64, steps: Vec<d::StepRun>) -> d::Deployment {
        let mut deployment = d::Deployment { steps, last_event_sequence: sequence, ..Default::default() };
        deployment.set_state(state);
        deployment
    }

    fn names(steps: Vec<d::StepRun>) -> Vec<String> {
        steps.into_iter().map(|step| step.name).collect()
    }

    #[test]
    fn logs_of_ended_steps_are_read_one_after_another() {
        let steps = vec![
            step("A", State::Succeeded, vec![attempt("a1", "FAILED"), attempt("a2", "SUCCEEDED")]),
            step("B", State::Succeeded, vec![attempt("b", "SUCCEEDED")]),
        ];
        let mut board = Board::new(deployment(d::deployment::State::Succeeded, 9, steps));
        for id in ["a1", "a2", "b"] {
            assert_eq!(board.logs_to_open(), [id]);
            assert!(board.logs_to_open().is_empty(), "{id} was opened twice");
            board.log_ended(id);
        }
        assert!(board.logs_are_read());
    }

    #[test]
    fn logs_of_running_steps_are_read_together() {
        let steps = vec![
            step("A", State::Running, vec![attempt("a", "RUNNING")]),
            step("B", State::Running, vec![attempt("b", "RUNNING")]),
            step("C", State::Running, vec![attempt("c", "GRANTED")]),
        ];
        let mut board = Board::new(deployment(d::deployment::State::Running, 3, steps));
        assert_eq!(board.logs_to_open(), ["a", "b"]);
    }

    #[test]
    fn a_step_is_settled_once_and_only_when_its_log_was_read() {
        let steps = vec![step("A", State::Failed, vec![attempt("a", "FAILED")]), step("B", State::Skipped, vec![])];
        let mut board = Board::new(deployment(d::deployment::State::Failed, 5, steps));
        assert_eq!(names(board.newly_settled()), ["B"]);
        board.log_ended("a");
        assert_eq!(names(board.newly_settled()), ["A"]);
        assert!(board.newly_settled().is_empty());
    }

    #[test]
    fn an_unknown_step_rests_only_when_it_holds_the_deployment() {
        let steps = || vec![step("A", State::Unknown, vec![])];
        let mut board = Board::new(deployment(d::deployment::State::Running, 5, steps()));
        assert!(board.newly_settled().is_empty());
        assert!(board.renew(deployment(d::deployment::State::Unknown, 6, steps())));
        assert_eq!(names(board.newly_settled()), ["A"]);
    }

    #[test]
    fn a_deployment_that_waits_for_its_turn_is_looked_at_again() {
        let waits =
            d::StepRun { queue_reason: "Deployment #3 has not ended.".into(), ..step("B", State::Pending, vec![]) };
        let state = d::deployment::State::Running;
        let board = Board::new(deployment(state, 1, vec![step("A", State::Pending, vec![]), waits]));
        assert_eq!(board.turn(), Some("Deployment #3 has not ended."));
        assert!(board.is_waiting());
        assert!(!Board::new(deployment(state, 1, vec![step("A", State::Pending, vec![])])).is_waiting());
    }

    #[test]
    fn an_older_picture_does_not_replace_a_newer_one() {
        let mut board = Board::new(deployment(d::deployment::State::Succeeded, 5, vec![]));
        assert!(!board.renew(deployment(d::deployment::State::Running, 4, vec![])));
        assert!(board.is_over());
    }
}
