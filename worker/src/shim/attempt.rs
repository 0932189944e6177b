//! One attempt from its order to its outcome.

mod access;
mod ending;
mod work;

use std::{
    fs, io,
    os::fd::OwnedFd,
    sync::{Arc, mpsc::sync_channel},
    time::Duration,
};

use jiff::Timestamp;
use proto::{
    deployment::log_frame::Level,
    worker::{StepIdentity, StepSpec, step_spec::Action},
};
use rustix::{
    event::{EventfdFlags, eventfd},
    fs::inotify,
    process::Pid,
};
use shared::{limits, outcome::Outcome};

use self::{access::Access, work::Work};
use super::{
    artifacts::Artifacts,
    child_env::{environment, temporary},
    log::Log,
    pump::{Events, Patience, Pump},
    recorder::Recorder,
    redactor::Redactor,
    timer::Timer,
};
use crate::{
    endpoint::Notices,
    exec_dir::{ExecDir, RuntimeDir, ShimOrder, give, let_pass},
    process::{Cgroup, Launch, Launched, Tree},
};

/// What is to be done, and where.
pub(super) struct Attempt<'a> {
    order: ShimOrder,
    spec: StepSpec,
    exec: &'a ExecDir,
    runtime: &'a RuntimeDir,
    recorder: Recorder,
}

/// Whose last words they are: a script's, which may say anything, or an action's of ours, which gives a reason's stable code.
fn speaker(spec: &StepSpec) -> ending::Speaker {
    match spec.action {
        Some(Action::Script(_)) => ending::Speaker::Script,
        _ => ending::Speaker::Action,
    }
}

/// Why no process was started: a code and a sentence.
pub(super) struct NotStarted {
    reason: &'static str,
    detail: String,
}

impl<'a> Attempt<'a> {
    pub(super) fn new(mut order: ShimOrder, exec: &'a ExecDir, runtime: &'a RuntimeDir, log: Log) -> Self {
        let spec = order.spec.take().unwrap_or_default();
        let artifacts = Artifacts::new(exec.work(), order.step_user());
        let recorder = Recorder::new(log, Redactor::new(), &spec.output_key, artifacts);
        Self { order, spec, exec, runtime, recorder }
    }

    /// Runs it to its end.
    ///
    /// # Errors
    /// When its log cannot be written: nothing may be said about what it did.
    pub(super) fn run(mut self, cgroup: Option<Cgroup>) -> io::Result<(Outcome, Recorder)> {
        let weak = self.learn_secrets();
        self.introduce(weak);
        let outcome = match self.order.refusal.take() {
            Some(refusal) => self.refuse(&refusal.reason, &refusal.detail),
            None => self.start(cgroup)?,
        };
        Ok((outcome, self.recorder))
    }

    /// Before anything is written down. Answers what is to be said of values that are short for a secret.
    fn learn_secrets(&mut self) -> Vec<String> {
        let sensitive = self.spec.variables.iter().filter(|variable| variable.sensitive);
        let weak = sensitive.clone().filter_map(|variable| weakness(&variable.name, &variable.value)).collect();
        let values = sensitive.map(|variable| &variable.value).chain(&self.spec.mask_values);
        self.recorder.learn(values.map(String::as_str));
        // Every step's environment has them.
        self.recorder.learn(self.order.way_to_aws().proxy.passwords());
        weak
    }

    fn introduce(&mut self, weak: Vec<String>) {
        if let Some(identity) = self.order.identity.clone() {
            self.recorder.line(Level::Info, &runs_as(&identity));
            self.recorder.identity(identity);
        }
        if self.order.throttled > 0 {
            let times = if self.order.throttled == 1 { "once" } else { "several times" };
            let sentence = format!(
                "AWS STS asked for fewer calls ({} of them) before it answered; it was asked again {times}, with growing waits.",
                self.order.throttled
            );
            self.recorder.line(Level::Warning, &sentence);
        }
        for line in std::mem::take(&mut self.spec.preamble) {
            self.recorder.line(Level::try_from(line.level).unwrap_or(Level::Info), &line.text);
        }
        for sentence in weak {
            self.recorder.line(Level::Warning, &sentence);
        }
    }

    fn refuse(&mut self, reason: &str, detail: &str) -> Outcome {
        self.recorder.line(Level::Error, detail);
        Outcome::refused(reason, self.recorder.masked(detail))
    }

    fn start(&mut self, cgroup: Option<Cgroup>) -> io::Result<Outcome> {
        // Before anything else, so that no request falls between looking and watching.
        let cancel = watch(self.exec)?;
        if self.exec.cancel_request().is_some() {
            return Ok(ending::cancelled_before_start());
        }
        // One place: the endpoint waits for each answer.
        let (sender, notices) = sync_channel(1);
        let wake = Arc::new(eventfd(0, EventfdFlags::CLOEXEC)?);
        let prepared = self.make_folders().map_err(NotStarted::unprepared);
        let access = prepared.and_then(|()| Access::open(self, Notices { sender, wake: Arc::clone(&wake) }));
        let launched = access.and_then(|access| Ok((self.launch(&access, cgroup.as_ref())?, access)));
        // The endpoint ends when `access` is dropped: with the step.
        let (launched, _access) = match launched {
            Ok(launched) => launched,
            Err(error) => return Ok(self.refuse(error.reason, &error.detail)),
        };
        let timer = Timer::new()?;
        timer.set(or_default(self.order.timeout_ms, limits::DEFAULT_TIMEOUT))?;
        let patience = Patience {
            grace: or_default(self.order.grace_ms, limits::KILL_GRACE),
            silence: self
                .spec
                .no_output_timeout
                .and_then(|span| span.try_into().ok())
                .filter(|span: &Duration| !span.is_zero()),
        };
        let tree = Tree::new(Pid::from_child(&launched.child), cgroup, self.order.step_user());
        let events = Events { cancel, timer, notices, wake };
        let ended = Pump::new(&mut self.recorder, self.exec, events, patience, launched, tree)?.run()?;
        Ok(ending::outcome(&ended, &self.recorder, speaker(&self.spec)))
    }

    fn launch(&mut self, access: &Access, cgroup: Option<&Cgroup>) -> Result<Launched, NotStarted> {
        let work = Work::lay_out(&self.spec, &self.runtime.step(), &self.exec.work())?;
        for warning in &work.warnings {
            self.recorder.line(Level::Warning, warning);
        }
        // Everything is laid out: from here on what is in there is the step's, and nothing of ours follows it.
        self.hand_over().map_err(NotStarted::unprepared)?;
        let program = work.program.clone();
        let launch = Launch {
            program: work.program,
            arguments: work.arguments,
            environment: environment(&self.order, &self.spec, self.exec, self.runtime, &access.for_child()),
            directory: &self.exec.work(),
            cgroup,
            user: self.order.step_user(),
        };
        launch.spawn().map_err(|error| {
            NotStarted::new(
                "NOT_EXECUTABLE",
                format!(
                    "\"{}\" cannot be executed on worker \"{}\": {error}. Install it there, on the PATH of the agent.",
                    program.display(),
                    self.order.worker_name
                ),
            )
        })
    }

    fn make_folders(&self) -> io::Result<()> {
        fs::create_dir_all(temporary(self.exec))?;
        self.runtime.step().create()
    }

    /// Gives the step's user what is the step's, and a way there. Nothing runs as that user yet.
    fn hand_over(&self) -> io::Result<()> {
        let Some(user) = self.order.step_user() else { return Ok(()) };
        give(&self.exec.work(), user)?;
        give(self.runtime.step().path(), user)?;
        let_pass(self.exec.path())?;
        let_pass(self.runtime.path())
    }
}

impl NotStarted {
    fn new(reason: &'static str, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into() }
    }

    fn unprepared(error: io::Error) -> Self {
        let detail = format!("The step's files cannot be laid out on the worker: {error}. Nothing was started.");
        Self::new("NOT_PREPARED", detail)
    }
}

fn watch(exec: &ExecDir) -> io::Result<OwnedFd> {
    let watcher = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK)?;
    let flags = inotify::WatchFlags::CLOSE_WRITE | inotify::WatchFlags::MOVED_TO;
    inotify::add_watch(&watcher, exec.path(), flags)?;
    Ok(watcher)
}

/// The first line of a step with AWS credentials.
fn runs_as(identity: &StepIdentity) -> String {
    let StepIdentity { account, arn, region, source, expires_at } = identity;
    let until = match Timestamp::from_second(*expires_at) {
        Ok(at) if *expires_at > 0 => format!("until {at}"),
        _ => "long-lived keys".to_owned(),
    };
    format!("Runs in AWS account {account} as {arn} (region {region}, from {source}, {until})")
}

/// What is to be said of a sensitive variable whose value is short.
fn weakness(name: &str, value: &str) -> Option<String> {
    let chars = value.chars().count();
    if value.trim().is_empty() || chars >= limits::WEAK_SECRET_CHARS {
        return None;
    }
    let consequence = if chars < limits::MASKED_CHARS {
        format!("fewer than {} characters, so it is not masked in this log", limits::MASKED_CHARS)
    } else {
        format!(
            "fewer than {} characters: it is masked, and so is every word in this log that has it in it",
            limits::WEAK_SECRET_CHARS
        )
    };
    Some(format!("The value of sensitive variable \"{name}\" has {consequence}."))
}

fn or_default(ms: u64, default: Duration) -> Duration {
    if ms == 0 { default } else { Duration::from_millis(ms) }
}
