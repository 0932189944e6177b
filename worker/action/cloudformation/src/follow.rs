//! Follows an operation to its end: every event once and in order, nested stacks included.

use std::{collections::BTreeSet, time::Duration};

use action::{Failure, Speech};
use aws_sdk_cloudformation::{
    error::SdkError,
    operation::describe_stack_events::DescribeStackEventsError,
    types::{ExecutionStatus, Stack, StackStatus},
};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use jiff::Timestamp;
use shared::reason::Reason;
use tokio::time::{Instant, sleep};

use crate::{
    cancel::Cancel,
    errors::{Refusal, failure, is_absent, is_denied},
    event::Event,
    patience::{Patience, Trouble},
    record::{Floor, Record},
    stacks::{Stacks, chance},
    state::is_in_progress,
    tell,
};

/// 60 seconds without a line: then what goes on is said.
const SILENCE: Duration = Duration::from_secs(60);
/// 20 looks, over a minute: so long the events of an end that AWS tells may be late.
const DOUBTS: u32 = 20;

/// An operation that was asked for.
#[derive(Clone, Debug)]
pub(crate) struct Operation {
    pub(crate) stack_id: String,
    /// Its ClientRequestToken, or the beginning of it.
    pub(crate) token: String,
    /// Where its events begin.
    pub(crate) floor: Floor,
    /// How many resources it is about, if known.
    pub(crate) total: Option<usize>,
    /// The change set that it executes.
    pub(crate) change_set: Option<String>,
}

/// How an operation ended.
#[derive(Debug)]
pub(crate) struct End {
    /// In which state it left the stack.
    pub(crate) status: StackStatus,
    /// The stack; none when AWS does not know it any more.
    pub(crate) stack: Option<Stack>,
    pub(crate) record: Record,
    /// Whether the step was cancelled meanwhile.
    pub(crate) cancel: Cancel,
}

/// Follows an operation. `name`: the stack's, for people. How long that may take is for the step's timeout to say.
///
/// # Errors
/// When AWS says that it will not tell: the operation goes on without us.
pub(crate) async fn follow(
    stacks: &Stacks<'_>,
    name: &str,
    operation: Operation,
    speech: &mut Speech,
) -> Result<End, Failure> {
    let record = Record::new(&operation.stack_id, &operation.token, operation.floor.clone());
    let heard = Instant::now();
    let follower = Follower {
        stacks,
        name,
        operation,
        record,
        patience: Patience::default(),
        cancel: Cancel::No,
        is_deaf: false,
        mute: BTreeSet::new(),
        has_begun: false,
        doubts: 0,
        heard,
        percentage: None,
    };
    follower.run(speech).await
}

struct Follower<'a> {
    stacks: &'a Stacks<'a>,
    name: &'a str,
    operation: Operation,
    record: Record,
    patience: Patience,
    cancel: Cancel,
    /// Whether events may not be read at all.
    is_deaf: bool,
    /// Nested stacks whose events may not be read.
    mute: BTreeSet<usize>,
    has_begun: bool,
    doubts: u32,
    heard: Instant,
    percentage: Option<u8>,
}

impl Follower<'_> {
    async fn run(mut self, speech: &mut Speech) -> Result<End, Failure> {
        loop {
            // The state first: when that is an end, all events of it are there.
            let stack = self.look_at_stack(speech).await?;
            let news = if stack.is_some() { self.look_at_events(false, speech).await? } else { None };
            self.break_silence(news, speech);
            if let (Some(stack), Some(news)) = (&stack, news) {
                if self.patience.answered(news > 0) {
                    speech.line("AWS answers again.");
                }
                if let Some(status) = self.end(stack).await? {
                    self.look_at_events(true, speech).await?;
                    let Self { record, cancel, .. } = self;
                    return Ok(End { status, stack: stack.clone(), record, cancel });
                }
                self.heed_cancellation(stack.as_ref(), speech).await;
            }
            self.rest().await;
        }
    }

    /// The stack, none when AWS does not know it any more; nothing when AWS did not answer.
    async fn look_at_stack(&mut self, speech: &mut Speech) -> Result<Option<Option<Stack>>, Failure> {
        match self.stacks.client.describe_stacks().stack_name(&self.operation.stack_id).send().await {
            Ok(answer) => Ok(Some(answer.stacks.unwrap_or_default().into_iter().next())),
            Err(error) if is_absent(&error) => Ok(Some(None)),
            Err(error) => self.bear("DescribeStacks", &error, speech).await.map(|()| None),
        }
    }

    /// Tells what is new, of all stacks or of none. How much that is; nothing when AWS did not answer.
    async fn look_at_events(&mut self, everywhere: bool, speech: &mut Speech) -> Result<Option<usize>, Failure> {
        if self.is_deaf {
            return Ok(Some(0));
        }
        let tails = self.record.tails.iter().enumerate();
        let mut to_read: BTreeSet<_> =
            tails.filter(|(_, tail)| everywhere || !tail.is_quiet).map(|(at, _)| at).collect();
        let mut batches = vec![];
        while let Some(at) = to_read.pop_first() {
            if self.mute.contains(&at) {
                continue;
            }
            match self.read(at).await {
                Ok(events) => {
                    to_read.extend(self.record.discover(at, &events));
                    batches.push((at, events));
                }
                Err(error) if is_denied(&error) || is_absent(&error) => self.give_up_events(at, &error, speech).await,
                Err(error) => return self.bear("DescribeStackEvents", &error, speech).await.map(|()| None),
            }
        }
        let told = self.record.absorb(batches);
        tell::events(&told, speech);
        Ok(Some(told.len()))
    }

    /// New events of a stack, oldest first: page by page until one holds what was told before.
    async fn read(&self, at: usize) -> Result<Vec<Event>, Refusal<DescribeStackEventsError>> {
        let tail = &self.record.tails[at];
        let (mut found, mut page) = (vec![], None);
        loop {
            let (events, next) = self.stacks.events(&tail.stack_id, page).await?;
            let is_enough = tail.take(events, &mut found);
            page = next;
            if is_enough || page.is_none() {
                found.reverse();
                return Ok(found);
            }
        }
    }

    async fn give_up_events(&mut self, at: usize, error: &Refusal<DescribeStackEventsError>, speech: &mut Speech) {
        if is_absent(error) {
            self.mute.extend((at > 0).then_some(at));
            return;
        }
        let denied = failure(self.stacks.scene, "DescribeStackEvents", error).await.sentence;
        if at == 0 {
            self.is_deaf = true;
            speech.warning(&format!("{denied} Only the stack's state is followed, without its events."));
        } else {
            self.mute.insert(at);
            let path = self.record.tails[at].around.join("/");
            speech.warning(&format!("{denied} What happens within the nested stack {path} is not told."));
        }
    }

    /// The state in which the operation has left the stack, if it has ended.
    async fn end(&mut self, stack: &Option<Stack>) -> Result<Option<StackStatus>, Failure> {
        if self.record.is_overtaken() {
            return Ok(self.record.status().map(StackStatus::from));
        }
        let Some(status) = stack.as_ref().map_or(Some(StackStatus::DeleteComplete), |stack| stack.stack_status.clone())
        else {
            return Ok(None);
        };
        if is_in_progress(&status) {
            (self.has_begun, self.doubts) = (true, 0);
            return Ok(None);
        }
        self.doubts += 1;
        if self.is_deaf || self.doubts.is_multiple_of(DOUBTS / 2) {
            self.look_at_execution(&status).await?;
        }
        let is_gone = stack.is_none() || status == StackStatus::DeleteComplete;
        Ok(self.is_believed(&status, is_gone).then_some(status))
    }

    /// What DescribeStacks says may be from before the operation: its events must say the same. AWS may tell them late, though.
    fn is_believed(&self, status: &StackStatus, is_gone: bool) -> bool {
        if *status == StackStatus::ReviewInProgress {
            return false;
        }
        let is_new = self.operation.floor == Floor::All && self.operation.change_set.is_none();
        match self.record.status() {
            Some(told) if told == status.as_str() => true,
            Some(told) if is_gone => told.starts_with("DELETE_") || self.doubts >= DOUBTS,
            Some(_) => self.doubts >= DOUBTS,
            None if self.is_deaf => self.has_begun || is_new || self.doubts >= DOUBTS,
            None => is_gone && self.doubts >= DOUBTS / 4,
        }
    }

    /// A change set tells whether it was applied, where events do not; and it may fail before anything happens to the stack.
    async fn look_at_execution(&mut self, status: &StackStatus) -> Result<(), Failure> {
        let Some(change_set) = &self.operation.change_set else { return Ok(()) };
        let answer = self.stacks.client.describe_change_set().change_set_name(change_set).send().await;
        let Ok(answer) = answer else { return Ok(()) };
        let tells_failure = status.as_str().contains("ROLLBACK") || status.as_str().ends_with("_FAILED");
        match &answer.execution_status {
            Some(ExecutionStatus::ExecuteComplete) => self.has_begun = true,
            Some(ExecutionStatus::ExecuteFailed) if self.is_deaf && tells_failure => self.has_begun = true,
            Some(ExecutionStatus::ExecuteFailed) if self.record.status().is_none() => {
                let why = answer.status_reason().unwrap_or("AWS gives no reason").trim_end_matches('.');
                let name = self.name;
                return Err(Failure::new(
                    Reason::ChangeSetFailed,
                    format!("AWS could not apply the change set to stack \"{name}\", and nothing was changed: {why}."),
                ));
            }
            _ => {}
        }
        Ok(())
    }

    async fn heed_cancellation(&mut self, stack: Option<&Stack>, speech: &mut Speech) {
        // Until the operation has begun nobody can tell what it is that is to be stopped.
        if self.stacks.scene.cancelled.is_cancelled() && self.cancel == Cancel::No && self.has_begun {
            let status = stack.and_then(Stack::stack_status);
            self.cancel = crate::cancel::ask(self.stacks, self.name, &self.operation, status, speech).await;
        }
    }

    fn break_silence(&mut self, news: Option<usize>, speech: &mut Speech) {
        if news.is_some_and(|news| news > 0) {
            self.heard = Instant::now();
            self.tell_progress(speech);
        } else if self.heard.elapsed() >= SILENCE {
            self.heard = Instant::now();
            speech.wait(&tell::heartbeat(self.name, &self.record, Timestamp::now().as_second()));
        }
    }

    fn tell_progress(&mut self, speech: &mut Speech) {
        let Some((percentage, words)) = tell::progress(&self.record, self.operation.total) else { return };
        if self.percentage != Some(percentage) {
            self.percentage = Some(percentage);
            speech.progress(percentage, &words);
        }
    }

    async fn rest(&self) {
        let pause = sleep(self.patience.pause(chance()));
        if self.cancel == Cancel::No && !self.stacks.scene.cancelled.is_cancelled() {
            tokio::select! {
                () = pause => {}
                () = self.stacks.scene.cancelled.cancelled() => {}
            }
        } else {
            pause.await;
        }
    }

    /// Waits out what may pass; the stack goes on without us, so there is no reason to give up for less.
    async fn bear<E>(&mut self, call: &str, error: &SdkError<E>, speech: &mut Speech) -> Result<(), Failure>
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        match self.patience.bear(Trouble::of(error)) {
            Some(false) => Ok(()),
            Some(true) => {
                let fault = aws::explain(call, error);
                speech.wait(&format!("{fault} The operation goes on in AWS, which is asked again until it answers."));
                Ok(())
            }
            None => {
                let Failure { reason, sentence } = failure(self.stacks.scene, call, error).await;
                let name = self.name;
                let id = &self.operation.stack_id;
                Err(Failure::new(
                    reason,
                    format!(
                        "Stack \"{name}\" could not be followed to its end; what was begun continues in AWS ({id}). {sentence}"
                    ),
                ))
            }
        }
    }
}
