//! The step that creates or updates a stack.

use std::collections::BTreeSet;

use action::{Failure, Scene, Speech};
use aws_sdk_cloudformation::types::{Stack, StackStatus};
use shared::{
    plan::stack::{ChangeSetMode, DeployStack, OnFailure},
    reason::Reason,
};

use crate::{
    change_set::ChangeSet,
    direct, drift, ending, execution,
    follow::{Operation, follow},
    input::Input,
    name, outputs, own, policy,
    proposal::{self, Proposal},
    record::Floor,
    refusal,
    removal::{self, Removal},
    resume, review, rollback,
    stacks::{self, Stacks},
    staging::{self, Staged},
    state::{self, History, Leave, Next},
    wait,
};

/// 3 tries, if others are faster with the same stack.
const TRIES: u32 = 3;

/// Makes a stack what the step says, and tells everything that happens on the way. Sets the stack's outputs, in a review those of the
/// change set.
///
/// # Errors
/// `TEMPLATE_INVALID`, `STACK_INPUT` and `STAGING_NEEDED` before anything is changed; `STACK_STATE`, `STACK_PROTECTED` and
/// `CHANGE_SET_FAILED` with nothing changed; `STACK_FAILED`, `STACK_CANCELLED` and `STACK_GONE` with what became of it;
/// `PERMISSION_MISSING` and others as AWS refuses.
pub async fn deploy(order: &DeployStack, scene: &Scene, speech: &mut Speech) -> Result<(), Failure> {
    name::check(&order.stack)?;
    let input = Input::read(order, scene, speech)?;
    let mut deployment = Deployment { order, stacks: Stacks::new(scene), input };
    if let Some(operation) = deployment.begun_before(speech).await? {
        let ended = deployment.follow(operation, speech).await;
        staging::clear_earlier(&deployment.input, scene, speech).await;
        return ended;
    }
    deployment.input.check(None)?;
    let staged = staging::stage(&mut deployment.input, scene, speech).await?;
    let ended = deployment.run(speech).await;
    if let Some(staged) = staged {
        Staged::clear(staged, speech).await;
    }
    ended
}

struct Deployment<'a> {
    order: &'a DeployStack,
    stacks: Stacks<'a>,
    input: Input<'a>,
}

/// What is to be done with a stack that is ready for it.
struct Ready {
    next: Next,
    stack: Option<Stack>,
    /// Whether others were waited for: meanwhile another attempt of this step may have begun what this one is about to.
    has_waited: bool,
}

impl Deployment<'_> {
    /// What an earlier attempt of this step began.
    async fn begun_before(&self, speech: &mut Speech) -> Result<Option<Operation>, Failure> {
        let (name, token) = (&self.order.stack, &self.stacks.scene.operation);
        let found = match self.stacks.find(name).await? {
            Some(stack) => resume::operation(&self.stacks, &stack, token, speech).await?,
            None if self.order.on_failure == OnFailure::Delete => resume::of_deleted(&self.stacks, name, token).await?,
            None => None,
        };
        if found.is_some() {
            speech.line(&format!(
                "An earlier attempt of this step began an operation with stack \"{name}\": it is followed, and no other is begun."
            ));
        }
        Ok(found.map(|operation| Operation { total: self.input.resources, ..operation }))
    }

    async fn run(&mut self, speech: &mut Speech) -> Result<(), Failure> {
        self.input.ask(&self.stacks, speech).await?;
        for _ in 1..TRIES {
            let ready = self.ready(speech).await?;
            match self.act(ready, speech).await {
                // Somebody else began something between our look at the stack and our call.
                Err(failure) if failure.reason == Reason::StackState => speech.wait(&failure.sentence),
                ended => return ended,
            }
        }
        let ready = self.ready(speech).await?;
        self.act(ready, speech).await
    }

    async fn act(&self, Ready { next, stack, has_waited }: Ready, speech: &mut Speech) -> Result<(), Failure> {
        self.stop_if_cancelled()?;
        if let Some(warning) = stack.as_ref().and_then(drift::warning) {
            speech.warning(&warning);
        }
        if has_waited && let Some(operation) = self.begun_before(speech).await? {
            return self.follow(operation, speech).await;
        }
        match self.order.change_set {
            ChangeSetMode::Review => self.review(stack.as_ref(), speech).await,
            ChangeSetMode::Execute if self.needs_direct_creation(next, speech) => self.create(speech).await,
            ChangeSetMode::Direct if next == Next::Create => self.create(speech).await,
            ChangeSetMode::Direct if next == Next::Update => self.update(stack.as_ref(), speech).await,
            // CreateStack is refused for a stack that waits for its first change set.
            ChangeSetMode::Execute | ChangeSetMode::Direct => self.apply(stack.as_ref(), speech).await,
        }
    }

    /// Brings the stack into a state in which it can be created or updated: waits, deletes what never was healthy, continues a
    /// rollback, each as the step allows.
    async fn ready(&self, speech: &mut Speech) -> Result<Ready, Failure> {
        let (mut has_replaced, mut has_waited) = (false, false);
        loop {
            let stack = self.stacks.find(&self.order.stack).await?;
            let next = self.next(stack.as_ref()).await?;
            if next == Next::Wait {
                self.input.check(None)?;
            } else if !matches!(next, Next::Refuse(_)) {
                self.input.check(Some(&previous(next, stack.as_ref())))?;
            }
            self.stop_if_cancelled()?;
            match (next, &stack) {
                (Next::Wait, Some(stack)) => {
                    wait::until_idle(&self.stacks, &self.order.stack, stack, speech).await?;
                    has_waited = true;
                }
                (Next::ContinueRollback, Some(stack)) => self.continue_rollback(stack, speech).await?,
                (Next::Replace, Some(stack)) if !has_replaced => {
                    self.replace(stack, speech).await?;
                    has_replaced = true;
                }
                (Next::Refuse(why), Some(stack)) => {
                    return Err(refusal::failure(&self.stacks, &self.order.stack, stack, why).await);
                }
                _ => return Ok(Ready { next, stack, has_waited }),
            }
        }
    }

    async fn next(&self, stack: Option<&Stack>) -> Result<Next, Failure> {
        let status = stack.and_then(Stack::stack_status);
        let history = match (stack, status) {
            (Some(stack), Some(status)) if state::depends_on_history(status) => self.history(stack).await,
            _ => History::default(),
        };
        Ok(state::next(status, history, Leave::from(self.order)))
    }

    /// When its events cannot be read, nobody can tell that the stack never was healthy.
    async fn history(&self, stack: &Stack) -> History {
        let events = self.stacks.all_events(stacks::id(stack)).await;
        own::history(&events.unwrap_or_default())
    }

    async fn replace(&self, stack: &Stack, speech: &mut Speech) -> Result<(), Failure> {
        let name = &self.order.stack;
        let status = stack.stack_status().map_or("a failed state", StackStatus::as_str);
        let lost = self.stacks.existing_resources(stacks::id(stack)).await;
        let lost = match lost.is_empty() {
            true => "Nothing of it is left in AWS.".into(),
            false => format!("What is left of it is deleted: {}.", lost.join(", ")),
        };
        speech.warning(&format!(
            "Stack \"{name}\" is in {status} and never was healthy: it is deleted and created anew. {lost}"
        ));
        let token = format!("{}-delete", self.stacks.scene.operation);
        let removal = Removal { name, token, role_arn: self.role_arn(), retain: &[] };
        removal::remove(&self.stacks, stack, &removal, speech).await
    }

    async fn continue_rollback(&self, stack: &Stack, speech: &mut Speech) -> Result<(), Failure> {
        let how = self.order.continue_rollback.clone().unwrap_or_default();
        rollback::carry_on(&self.stacks, &self.order.stack, stack, &how, self.role_arn(), speech).await
    }

    /// A creation's time is bounded by CreateStack alone; change sets do not know it (AWS CloudFormation API, CreateChangeSet).
    fn needs_direct_creation(&self, next: Next, speech: &mut Speech) -> bool {
        match (self.order.creation_timeout, next) {
            (Some(_), Next::Create) => {
                speech.line("The stack is created without a change set, since those know no `creation_timeout`.");
                true
            }
            (Some(_), Next::CreateInShell) => {
                speech.warning(
                    "The stack waits for its first change set, and those know no `creation_timeout`: it is not kept this time.",
                );
                false
            }
            _ => false,
        }
    }

    async fn create(&self, speech: &mut Speech) -> Result<(), Failure> {
        let operation = direct::create(&self.stacks, &self.input).await?;
        self.follow(operation, speech).await
    }

    async fn update(&self, stack: Option<&Stack>, speech: &mut Speech) -> Result<(), Failure> {
        let Some(stack) = stack else { return self.create(speech).await };
        policy::set(&self.stacks, stacks::id(stack), &self.input, speech).await?;
        match direct::update(&self.stacks, &self.input, stack).await? {
            Some(operation) => self.follow(Operation { total: self.input.resources, ..operation }, speech).await,
            None => {
                speech.line("No updates are to be performed.");
                self.finish(stack, speech).await
            }
        }
    }

    async fn review(&self, stack: Option<&Stack>, speech: &mut Speech) -> Result<(), Failure> {
        match proposal::propose(&self.stacks, &self.input, stack, speech).await? {
            Proposal::Changes(change_set) => {
                review::show(&change_set, speech);
                review::tell(&change_set, speech);
                speech.line(&format!("Nothing is changed: the change set {} waits for approval.", change_set.name));
            }
            Proposal::NoChange => {
                speech.line("No changes need to be performed.");
                review::tell_none(speech);
            }
        }
        Ok(())
    }

    async fn apply(&self, stack: Option<&Stack>, speech: &mut Speech) -> Result<(), Failure> {
        match (proposal::propose(&self.stacks, &self.input, stack, speech).await?, stack) {
            (Proposal::Changes(change_set), _) => {
                review::show(&change_set, speech);
                review::tell(&change_set, speech);
                self.execute(&change_set, stack, speech).await
            }
            (Proposal::NoChange, stack) => {
                speech.line("No changes need to be performed.");
                review::tell_none(speech);
                match stack.filter(|stack| stack.stack_status() != Some(&StackStatus::ReviewInProgress)) {
                    Some(stack) => {
                        policy::set(&self.stacks, stacks::id(stack), &self.input, speech).await?;
                        self.finish(stack, speech).await
                    }
                    None => Ok(()),
                }
            }
        }
    }

    async fn execute(&self, change_set: &ChangeSet, stack: Option<&Stack>, speech: &mut Speech) -> Result<(), Failure> {
        if self.stacks.scene.cancelled.is_cancelled() && !change_set.is_executed() {
            proposal::discard(&self.stacks, change_set, stack.is_none(), speech).await;
            return Err(proposal::cancelled(&self.order.stack));
        }
        let is_update = stack.is_some_and(|stack| stack.stack_status() != Some(&StackStatus::ReviewInProgress));
        if is_update {
            policy::set(&self.stacks, &change_set.stack_id, &self.input, speech).await?;
        }
        let operation = execution::execute(&self.stacks, change_set).await?;
        self.follow(operation, speech).await
    }

    /// Follows the operation to its end, and finishes what comes after it.
    async fn follow(&self, operation: Operation, speech: &mut Speech) -> Result<(), Failure> {
        let (name, may_be_deleted) = (&self.order.stack, self.order.on_failure == OnFailure::Delete);
        // CreateStack gives a stack its policy; whether it was that call, nobody knows of an operation that was found again.
        let may_lack_policy = operation.change_set.is_some() || matches!(operation.floor, Floor::From(_));
        let end = follow(&self.stacks, name, operation, speech).await?;
        let judged = ending::deployed(&self.stacks, name, may_be_deleted, &end).await;
        let is_created = end.status == StackStatus::CreateComplete;
        match (&end.stack, judged) {
            (Some(stack), Ok(())) => {
                if is_created && may_lack_policy {
                    policy::set(&self.stacks, stacks::id(stack), &self.input, speech).await?;
                }
                let (done, region) = (if is_created { "Created" } else { "Updated" }, &self.stacks.scene.region);
                speech.highlight(&format!("{done} stack {} in region {region}", stacks::id(stack)));
                self.finish(stack, speech).await
            }
            (_, judged) => judged,
        }
    }

    async fn finish(&self, stack: &Stack, speech: &mut Speech) -> Result<(), Failure> {
        outputs::tell(stack, &self.order.sensitive_outputs, speech);
        policy::protect(&self.stacks, stack, self.order.termination_protection, speech).await
    }

    fn role_arn(&self) -> Option<String> {
        Some(self.order.role_arn.clone()).filter(|arn| !arn.is_empty())
    }

    fn stop_if_cancelled(&self) -> Result<(), Failure> {
        match self.stacks.scene.cancelled.is_cancelled() {
            false => Ok(()),
            true => Err(Failure::new(
                Reason::StackCancelled,
                format!("The step was cancelled before it began anything with stack \"{}\".", self.order.stack),
            )),
        }
    }
}

/// Parameters whose values can be kept.
fn previous(next: Next, stack: Option<&Stack>) -> BTreeSet<String> {
    let is_kept = matches!(next, Next::Update | Next::ContinueRollback);
    let parameters = stack.filter(|_| is_kept).map(Stack::parameters).unwrap_or_default();
    parameters.iter().filter_map(|parameter| parameter.parameter_key().map(str::to_owned)).collect()
}
