//! Deployments, their steps and attempts, events and log frames.

mod tree;

use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use proto::deployment as d;
use serde::Serialize;
use shared::reason::Reason;

use super::{View, short, time, took, word};
use crate::screen;

/// One run of a project's process, or one ad-hoc command.
#[derive(Serialize)]
pub(crate) struct DeploymentView {
    id: String,
    project: String,
    environment: String,
    state: String,
    /// Absent in a list, which does not carry them.
    #[serde(skip_serializing_if = "Option::is_none")]
    steps: Option<Vec<StepRunView>>,
    create_time: Option<Timestamp>,
    end_time: Option<Timestamp>,
    created_by: String,
    cancel_requested: bool,
    project_revision: i64,
    number: i64,
    last_event_sequence: i64,
    retry_of: String,
    artifacts: i32,
}

/// How one step stands.
#[derive(Serialize)]
struct StepRunView {
    name: String,
    state: String,
    queue_reason: String,
    reason: String,
    detail: String,
    attempts: Vec<AttemptView>,
    outputs: Vec<OutputView>,
    begin_time: Option<Timestamp>,
    end_time: Option<Timestamp>,
    with_previous: bool,
}

/// One try of a step on one worker.
#[derive(Serialize)]
struct AttemptView {
    execution_id: String,
    number: i32,
    state: String,
    worker: String,
    offer_time: Option<Timestamp>,
    start_time: Option<Timestamp>,
    end_time: Option<Timestamp>,
    exit_code: Option<i32>,
    signal: Option<i32>,
    reason: String,
    detail: String,
    identity: Option<IdentityView>,
    log_frames: i64,
    log_complete: bool,
    log_digest: String,
    contact_lost: bool,
}

/// AWS identity an attempt ran as.
#[derive(Serialize)]
struct IdentityView {
    account: String,
    arn: String,
    region: String,
    source: String,
    expire_time: Option<Timestamp>,
}

/// An output variable.
#[derive(Serialize)]
struct OutputView {
    name: String,
    value: Option<String>,
    sensitive: bool,
}

/// The word for where a deployment stands.
pub(crate) fn deployment_word(state: d::deployment::State) -> String {
    word(state.as_str_name(), "STATE_")
}

/// The word for where a step stands.
pub(crate) fn step_word(state: d::step_run::State) -> String {
    word(state.as_str_name(), "STATE_")
}

impl From<d::Deployment> for DeploymentView {
    fn from(it: d::Deployment) -> Self {
        Self {
            state: deployment_word(it.state()),
            id: it.id,
            project: it.project,
            environment: it.environment,
            steps: Some(it.steps.into_iter().map(StepRunView::from).collect()),
            create_time: time(it.create_time),
            end_time: time(it.end_time),
            created_by: it.created_by,
            cancel_requested: it.cancel_requested,
            project_revision: it.project_revision,
            number: it.number,
            last_event_sequence: it.last_event_sequence,
            retry_of: it.retry_of,
            artifacts: it.artifacts,
        }
    }
}

impl From<d::StepRun> for StepRunView {
    fn from(it: d::StepRun) -> Self {
        Self {
            state: step_word(it.state()),
            name: it.name,
            queue_reason: it.queue_reason,
            reason: it.reason,
            detail: it.detail,
            attempts: it.attempts.into_iter().map(AttemptView::from).collect(),
            outputs: it
                .outputs
                .into_iter()
                .map(|it| OutputView { name: it.name, value: it.value, sensitive: it.sensitive })
                .collect(),
            begin_time: time(it.begin_time),
            end_time: time(it.end_time),
            with_previous: it.with_previous,
        }
    }
}

impl From<d::Attempt> for AttemptView {
    fn from(it: d::Attempt) -> Self {
        Self {
            execution_id: it.execution_id,
            number: it.number,
            state: it.state.to_ascii_lowercase(),
            worker: it.worker,
            offer_time: time(it.offer_time),
            start_time: time(it.start_time),
            end_time: time(it.end_time),
            exit_code: it.exit_code,
            signal: it.signal,
            reason: it.reason,
            detail: it.detail,
            identity: it.identity.map(|it| IdentityView {
                account: it.account,
                arn: it.arn,
                region: it.region,
                source: it.source,
                expire_time: time(it.expire_time),
            }),
            log_frames: it.log_frames,
            log_complete: it.log_complete,
            log_digest: it.log_digest,
            contact_lost: it.contact_lost,
        }
    }
}

impl DeploymentView {
    /// As a list carries it.
    pub(crate) fn listed(it: d::Deployment) -> Self {
        Self { steps: None, ..Self::from(it) }
    }

    fn steps(&self) -> impl Iterator<Item = &StepRunView> {
        self.steps.iter().flatten()
    }

    fn what(&self) -> String {
        if self.project.is_empty() { "(command)".to_owned() } else { format!("{} #{}", self.project, self.number) }
    }

    fn artifacts(&self) -> String {
        match self.artifacts {
            0 => String::new(),
            count => format!("{count}: longshore artifact list {}", self.id),
        }
    }

    fn duration(&self) -> String {
        match (self.create_time, self.end_time) {
            (Some(begin), Some(end)) => took(end.duration_since(begin)),
            _ => String::new(),
        }
    }
}

impl View for DeploymentView {
    const MANY: &'static str = "deployments";
    const COLUMNS: &'static [&'static str] = &["id", "what", "environment", "state", "started", "took", "by"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.id.clone(),
            self.what(),
            self.environment.clone(),
            self.state.clone(),
            short(self.create_time),
            self.duration(),
            self.created_by.clone(),
        ]
    }

    fn page(&self) -> String {
        let ends = if self.cancel_requested && self.end_time.is_none() { " (cancel requested)" } else { "" };
        let mut page = screen::facts(&[
            ("id", self.id.clone()),
            ("what", self.what()),
            ("environment", self.environment.clone()),
            ("state", format!("{}{ends}", self.state)),
            ("by", self.created_by.clone()),
            ("goes on from", self.retry_of.clone()),
            ("artifacts", self.artifacts()),
            ("started", short(self.create_time)),
            ("ended", short(self.end_time)),
        ]);
        page.push_str("\n\n");
        page.push_str(&tree::draw(&self.steps().collect::<Vec<_>>()));
        page
    }
}

impl StepRunView {
    const COLUMNS: &'static [&'static str] = &["step", "state", "worker", "identity", "took", "tries", "why"];

    fn cells(&self) -> Vec<String> {
        let last = self.attempts.last();
        let lost = if last.is_some_and(|attempt| attempt.contact_lost) { " (contact lost)" } else { "" };
        let took = last.and_then(|attempt| Some(took(attempt.end_time?.duration_since(attempt.start_time?))));
        vec![
            self.name.clone(),
            self.state.clone(),
            last.map(|attempt| format!("{}{lost}", attempt.worker)).unwrap_or_default(),
            last.map(AttemptView::ran_as).unwrap_or_default(),
            took.unwrap_or_default(),
            if self.attempts.is_empty() { String::new() } else { self.attempts.len().to_string() },
            if self.queue_reason.is_empty() { self.why() } else { self.queue_reason.clone() },
        ]
    }

    /// The sentence; of a failure behind its code, which `longshore-coordinator explain` knows. An exit code says itself what it is.
    fn why(&self) -> String {
        if self.state == "failed" && !self.reason.is_empty() && self.reason != Reason::ExitCode.code() {
            return format!("{}: {}", self.reason, self.detail);
        }
        self.detail.clone()
    }
}

impl AttemptView {
    fn has_run(&self) -> bool {
        self.exit_code.is_some() || self.signal.is_some()
    }

    fn ran_as(&self) -> String {
        match &self.identity {
            Some(identity) => format!("{} ({})", identity.arn, identity.source),
            // Of one that runs it is not known yet; one that could not become somebody has no end of a process.
            None if self.has_run() => "none".to_owned(),
            None => String::new(),
        }
    }
}

/// What ran where as whom: a deployment's last word, one row a step.
pub(crate) struct RunView<'a>(pub(crate) &'a d::Deployment);

impl RunView<'_> {
    /// As a table.
    pub(crate) fn table(&self) -> String {
        let rows = self.0.steps.iter().map(|step| StepRunView::from(step.clone()).cells());
        screen::table(StepRunView::COLUMNS, rows)
    }
}

/// Something that happened to a deployment.
#[derive(Serialize)]
pub(crate) struct EventView {
    sequence: i64,
    time: Option<Timestamp>,
    r#type: String,
    step: String,
    execution_id: String,
    worker: String,
    message: String,
    reason: String,
    step_state: Option<String>,
    deployment_state: Option<String>,
}

impl From<&d::DeploymentEvent> for EventView {
    fn from(it: &d::DeploymentEvent) -> Self {
        let step = it.step_state();
        let deployment = it.deployment_state();
        Self {
            sequence: it.sequence,
            time: time(it.time),
            r#type: it.r#type.clone(),
            step: it.step.clone(),
            execution_id: it.execution_id.clone(),
            worker: it.worker.clone(),
            message: it.message.clone(),
            reason: it.reason.clone(),
            step_state: (step != d::step_run::State::Unspecified).then(|| step_word(step)),
            deployment_state: (deployment != d::deployment::State::Unspecified).then(|| deployment_word(deployment)),
        }
    }
}

/// One frame of a log. Bytes that are no text are there twice: readable, and exact.
#[derive(Serialize)]
pub(crate) struct LogFrameView {
    step: String,
    execution_id: String,
    sequence: i64,
    source: String,
    level: String,
    data: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    data_base64: Option<String>,
    time: Option<Timestamp>,
}

impl LogFrameView {
    /// A frame of this step's attempt.
    pub(crate) fn new(step: &str, execution_id: &str, frame: &d::LogFrame) -> Self {
        let data = String::from_utf8_lossy(&frame.data);
        let exact = std::str::from_utf8(&frame.data).is_err().then(|| STANDARD.encode(&frame.data));
        Self {
            step: step.to_owned(),
            execution_id: execution_id.to_owned(),
            sequence: frame.sequence,
            source: word(frame.source().as_str_name(), "SOURCE_"),
            level: word(frame.level().as_str_name(), "LEVEL_"),
            data: data.into_owned(),
            data_base64: exact,
            time: time(frame.time),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(attempt: d::Attempt, reason: &str) -> Vec<String> {
        let at = |seconds| Some(prost_types::Timestamp { seconds, nanos: 0 });
        let attempt = d::Attempt { start_time: at(1), end_time: at(2), ..attempt };
        let mut step =
            d::StepRun { reason: reason.into(), detail: "So.".into(), attempts: vec![attempt], ..Default::default() };
        step.set_state(d::step_run::State::Failed);
        StepRunView::from(step).cells()
    }

    #[test]
    fn a_step_that_could_not_become_who_it_should_is_not_said_to_be_nobody() {
        let refused = failed(d::Attempt::default(), "ASSUME_ROLE_REFUSED");
        assert_eq!((refused[3].as_str(), refused[6].as_str()), ("", "ASSUME_ROLE_REFUSED: So."));
        let ended = failed(d::Attempt { exit_code: Some(3), ..Default::default() }, "EXIT_CODE");
        assert_eq!((ended[3].as_str(), ended[6].as_str()), ("none", "So."), "there is nothing to explain");
    }

    #[test]
    fn a_log_that_is_no_text_is_there_exactly_too() {
        let frame = d::LogFrame { sequence: 7, data: vec![b'a', 0xff].into(), ..Default::default() };
        let view = serde_json::to_value(LogFrameView::new("S", "e", &frame)).expect("json");
        assert_eq!((view["data"].as_str(), view["data_base64"].as_str()), (Some("a\u{fffd}"), Some("Yf8=")));
    }

    #[test]
    fn a_deployment_has_the_field_names_of_the_contract() {
        let mut deployment = d::Deployment { id: "x".into(), ..Default::default() };
        deployment.set_state(d::deployment::State::Succeeded);
        deployment.steps.push(d::StepRun { name: "S".into(), ..Default::default() });
        let view = serde_json::to_value(DeploymentView::from(deployment)).expect("json");
        assert_eq!(view["state"], "succeeded");
        assert_eq!(view["steps"][0]["queue_reason"], "");
        assert!(view["end_time"].is_null() && view["cancel_requested"] == false);
    }

    #[test]
    fn a_list_does_not_say_that_a_deployment_has_no_steps() {
        let keys = |view| serde_json::to_value::<DeploymentView>(view).expect("json");
        assert!(keys(DeploymentView::listed(d::Deployment::default())).get("steps").is_none());
        assert_eq!(keys(DeploymentView::from(d::Deployment::default()))["steps"], serde_json::json!([]));
    }
}
