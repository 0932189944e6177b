//! `longshore deployment resolve`: what is known about a step whose outcome is not, and what can be done about it.

use std::io::{self, BufRead, IsTerminal};

use clap::{Args, ValueEnum};
use proto::deployment as d;

use super::get;
use crate::{
    connection::Connection,
    failure::{Exit, Failure},
    live::quoted,
    sanitise,
    screen::{Screen, put, talk},
    view::{DeploymentView, short, time},
};

/// 10 frames: what a step said last fits a screen together with what can be done.
const LAST_FRAMES: i64 = 10;

/// See what is known about a step whose outcome is unknown, and decide about it
///
/// Without --as it shows the evidence and what can be done, and changes nothing. The step keeps its locks until somebody decides,
/// or its worker returns and tells.
#[derive(Args, Debug)]
pub(in crate::command) struct Resolve {
    /// Id of the deployment, or its beginning
    id: String,
    /// Name of the step
    #[arg(long)]
    step: String,
    /// What becomes of it
    #[arg(long = "as", value_enum, value_name = "CHOICE")]
    choice: Option<Choice>,
    /// What the decision rests on; goes to the audit log
    #[arg(long, default_value = "", hide_default_value = true)]
    reason: String,
    /// The step's name once more, where two runs may be at work at once; a terminal asks for it
    #[arg(long, default_value = "", hide_default_value = true, value_name = "STEP")]
    confirm: String,
}

/// What can be done about an unknown outcome.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Choice {
    /// Look again: its worker is asked anew
    Probe,
    /// It did its work
    Succeeded,
    /// It did not, or not all of it
    Failed,
    /// No process of it is alive: its host was stopped or terminated; what it did is still open
    Dead,
    /// It is run again
    RunAgain,
    /// It has failed, and the rest of the deployment is cancelled
    Abort,
}

impl Resolve {
    pub(in crate::command) async fn run(self, connection: &Connection, screen: Screen) -> Result<Exit, Failure> {
        let deployment = get(connection, self.id.clone()).await?;
        let Some(choice) = self.choice else { return self.explain(connection, deployment, screen).await };
        let confirm = self.confirmation(&deployment, choice)?;
        let request = d::ResolveStepRequest {
            deployment_id: deployment.id,
            step: self.step,
            decision: choice.on_the_wire().into(),
            reason: self.reason,
            confirm,
        };
        let mut client = connection.deployments();
        let deployment = connection.answer(client.resolve_step(request)).await?;
        if choice == Choice::Probe {
            talk("Its worker is asked anew, if it is connected: `longshore deployment watch` shows what it answers.");
        }
        screen.show(&DeploymentView::from(deployment))?;
        Ok(Exit::Ok)
    }

    /// Whoever sits at a terminal types the step's name where two runs may be at work at once.
    fn confirmation(&self, deployment: &d::Deployment, choice: Choice) -> Result<String, Failure> {
        let step = deployment.steps.iter().find(|step| step.name.eq_ignore_ascii_case(&self.step));
        let may_be_alive = step.and_then(|step| step.attempts.last()).is_some_and(|attempt| attempt.state == "UNKNOWN");
        let asks = choice == Choice::RunAgain && may_be_alive && self.confirm.is_empty() && io::stdin().is_terminal();
        let Some(step) = step.filter(|_| asks) else { return Ok(self.confirm.clone()) };
        talk(&format!(
            "The last attempt of step \"{}\" may still be alive: both may run at once. Type the step's name to run it again all the same:",
            sanitise::cell(&step.name)
        ));
        let mut typed = String::new();
        io::stdin()
            .lock()
            .read_line(&mut typed)
            .map_err(|error| Failure::usage(format!("The confirmation cannot be read: {error}.")))?;
        Ok(typed.trim_end_matches(['\n', '\r']).to_owned())
    }

    async fn explain(
        self,
        connection: &Connection,
        deployment: d::Deployment,
        screen: Screen,
    ) -> Result<Exit, Failure> {
        if screen.is_for_programs() {
            screen.show(&DeploymentView::from(deployment))?;
            return Ok(Exit::Ok);
        }
        let step =
            deployment.steps.iter().find(|step| step.name.eq_ignore_ascii_case(&self.step)).ok_or_else(|| {
                Failure::usage(format!("Deployment {} has no step \"{}\".", deployment.id, sanitise::cell(&self.step)))
            })?;
        let Some(attempt) = step.attempts.last().filter(|_| step.state() == d::step_run::State::Unknown) else {
            put(&format!(
                "The outcome of step \"{}\" is not unknown: there is nothing to decide.\n",
                sanitise::cell(&step.name)
            ))?;
            return Ok(Exit::Ok);
        };
        let last = last_words(connection, &deployment.id, attempt).await?;
        put(&evidence(step, attempt, &last))?;
        put(&choices(&deployment.id, step, attempt))?;
        Ok(Exit::Unknown)
    }
}

impl Choice {
    const fn on_the_wire(self) -> d::resolve_step_request::Decision {
        use d::resolve_step_request::Decision as Wire;
        match self {
            Self::Probe => Wire::Probe,
            Self::Succeeded => Wire::Succeeded,
            Self::Failed => Wire::Failed,
            Self::Dead => Wire::Dead,
            Self::RunAgain => Wire::RunAgain,
            Self::Abort => Wire::Abort,
        }
    }
}

/// What the attempt said last.
async fn last_words(connection: &Connection, id: &str, attempt: &d::Attempt) -> Result<String, Failure> {
    let request = d::ReadLogRequest {
        deployment_id: id.to_owned(),
        execution_id: attempt.execution_id.clone(),
        from_sequence: (attempt.log_frames - LAST_FRAMES).max(0),
        ..Default::default()
    };
    let mut client = connection.deployments();
    let mut chunks = connection.answer(client.read_log(request)).await?;
    let mut said = Vec::new();
    while let Some(chunk) = connection.answer(async { chunks.message().await.map(tonic::Response::new) }).await? {
        said.extend(chunk.frames.into_iter().flat_map(|frame| frame.data));
    }
    Ok(String::from_utf8_lossy(&said).into_owned())
}

fn evidence(step: &d::StepRun, attempt: &d::Attempt, last: &str) -> String {
    let word = if attempt.state == "UNKNOWN" { "may be alive" } else { "is dead, and left no result" };
    let contact = if attempt.contact_lost { "lost" } else { "there" };
    let log = if attempt.log_complete { "all of it is stored" } else { "more may be on the worker" };
    let started = time(attempt.start_time).map_or("not told".to_owned(), |at| short(Some(at)));
    let mut text = format!(
        "Whether step \"{name}\" did its work is not known.\n\n  \
         attempt   {number} on worker {worker}; it {word}\n  \
         started   {started}\n  \
         contact   {contact}\n  \
         evidence  {detail}\n  \
         log       {frames} frames; {log}\n",
        name = sanitise::cell(&step.name),
        number = attempt.number,
        worker = sanitise::cell(&attempt.worker),
        detail = sanitise::cell(if attempt.detail.is_empty() { &step.detail } else { &attempt.detail }),
        frames = attempt.log_frames,
    );
    let lines: Vec<&str> = last.lines().collect();
    if !lines.is_empty() {
        text.push_str("\nIt said last:\n");
        for line in lines.iter().skip(lines.len().saturating_sub(LAST_FRAMES as usize)) {
            text.push_str(&format!("  | {}\n", sanitise::cell(line)));
        }
    }
    text
}

fn choices(id: &str, step: &d::StepRun, attempt: &d::Attempt) -> String {
    let may_be_alive = attempt.state == "UNKNOWN";
    let decide = format!("longshore deployment resolve {id} --step {} --as", quoted(&step.name));
    let mut text = String::from("\nWhat can be done:\n");
    let mut choice = |what: &str, how: String| text.push_str(&format!("  {what}\n      {how}\n"));
    if may_be_alive {
        choice(
            "wait: when its worker returns, the doubt ends by itself; the step keeps its locks",
            "(nothing to do)".into(),
        );
        choice("look again: ask its worker anew", format!("{decide} probe"));
        choice("the host was stopped or terminated, so nothing of it is alive", format!("{decide} dead --reason TEXT"));
    }
    choice("it did its work", format!("{decide} succeeded --reason TEXT"));
    choice("it did not", format!("{decide} failed --reason TEXT"));
    let again = if may_be_alive {
        "run it again; both may be at work at once, so its name is asked for"
    } else {
        "run it again"
    };
    choice(again, format!("{decide} run-again --reason TEXT"));
    choice("give up the deployment, and let go of the locks", format!("{decide} abort --reason TEXT"));
    choice("give up the rest of the deployment, and keep the locks", format!("longshore deployment cancel {id}"));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unknown(state: &str) -> (d::StepRun, d::Attempt) {
        let step = d::StepRun { name: "Migrate\u{1b}[31m".into(), ..Default::default() };
        let attempt = d::Attempt {
            number: 2,
            state: state.into(),
            worker: "w1".into(),
            contact_lost: true,
            log_frames: 3,
            detail: "No word from its worker for too long.".into(),
            ..Default::default()
        };
        (step, attempt)
    }

    #[test]
    fn the_evidence_names_attempt_worker_and_last_words_and_nothing_moves_the_cursor() {
        let (step, attempt) = unknown("UNKNOWN");
        let text = evidence(&step, &attempt, "one\ntwo\u{1b}[2J\n");
        for part in
            ["attempt   2 on worker w1; it may be alive", "contact   lost", "No word from its worker", "| one", "| two"]
        {
            assert!(text.contains(part), "{part} is not in {text}");
        }
        assert!(!text.contains('\u{1b}'), "{text:?}");
    }

    #[test]
    fn a_dead_attempt_is_not_waited_for() {
        let (step, attempt) = unknown("INTERRUPTED");
        let text = choices("0199", &step, &attempt);
        assert!(!text.contains("wait") && !text.contains("dead") && text.contains("run-again"), "{text}");
        let (step, attempt) = unknown("UNKNOWN");
        let text = choices("0199", &step, &attempt);
        for choice in ["probe", "dead", "succeeded", "failed", "run-again", "abort", "deployment cancel 0199"] {
            assert!(text.contains(choice), "{choice} is not in {text}");
        }
    }
}
