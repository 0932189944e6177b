//! A CloudFormation that does what a test says: stacks with their statuses, resources and events, change sets and nested stacks,
//! that fail, roll back and get stuck as they do in AWS, and answers that are refused, late or lost. It speaks AWS's query
//! protocol to unmodified clients, over plain HTTP on a port of loopback.
//!
//! # How it goes on
//! No clock moves anything. An operation takes its next step when somebody looks: each `DescribeStacks` with a name, and each
//! `DescribeStackEvents` without a page token, is a look, at any stack of a tree, and comes before the answer. A step ends what
//! has taken its time, begins what waits for nothing any more, and goes on to the stack's next status when all is over. A test
//! can hold an operation or a resource ([`Plan::holds`], [`Resource::holds`], [`Stacks::release`]), or take all steps itself
//! ([`Stacks::by_hand`], [`Stacks::advance`]). Everything that one step does has one timestamp, as much in AWS has.
//!
//! # What it follows
//! - Statuses of stacks and their order: AWS CloudFormation User Guide, "Stack status codes", "Choose how to handle failures when
//!   provisioning resources", "Continue rolling back an update", "Cancel a stack update", "Delete a stack", "Import AWS resources
//!   into a CloudFormation stack with a resource import".
//! - Events: API Reference, `StackEvent`, `DescribeStackEvents`: newest first, in pages; each has the operation's
//!   `ClientRequestToken`.
//! - Tokens: API Reference, `CreateStack` and others, `ClientRequestToken`: a call repeated with its token is one operation;
//!   used for something else it is refused with `TokenAlreadyExistsException`.
//! - Change sets: User Guide, "Update CloudFormation stacks using change sets"; API Reference, `CreateChangeSet` (a stack in
//!   `REVIEW_IN_PROGRESS` until the first is executed), `ExecuteChangeSet` (the others of the stack are deleted).
//! - Deletion: API Reference, `DeleteStack`: absent is success, `RetainResources` and `DeletionMode` only in `DELETE_FAILED`;
//!   User Guide, "Protect CloudFormation stacks from being deleted", "Get exported outputs from a deployed stack".
//! - Stack policies: User Guide, "Prevent updates to stack resources".
//! - Capabilities and parameters: API Reference, `CreateStack`, `GetTemplateSummary`.
//! - Refusals: API Reference, "Common Errors", and the errors of each action.
//!
//! # Where it ends
//! Signatures are not verified, and there is one account and one region. Templates are read with the project's own reader, so
//! that a mistake of it is none here; intrinsic functions, conditions, macros and default outputs are not evaluated: outputs are
//! the test's. What refers to what is found by names in the text. Replacement is decided by the test alone. A nested stack has no
//! template, its events have no token, and its update is complete before its parent's. The name of a change set is free again once
//! it is executed, which AWS does not document. What blocks the deletion of an
//! exporting stack is told by `DELETE_FAILED`. There are no drift, no hooks, no stack sets, no rollback triggers, no timeouts, no
//! limits on names and sizes but that of a template's body, and no `SignalResource`.

mod account;
mod actions;
mod beginning;
mod change_set;
mod form;
mod forward;
mod given;
mod operation;
mod plan;
mod policy;
mod progress;
mod refusal;
mod server;
mod stack;
mod template;
mod trouble;
mod wire;
mod xml;

use std::{
    net::{SocketAddr, TcpListener},
    sync::{Arc, MutexGuard},
    thread::{self, JoinHandle},
};

use anyhow::{Context, Result};

use self::{account::Account, server::Shared};
pub use self::{
    account::{Call, Effect},
    given::Given,
    plan::{Kind, Output, Plan, Resource},
    refusal::Refusal,
    trouble::Trouble,
};

/// A running one; it ends when dropped.
#[derive(Debug)]
pub struct Stacks {
    address: SocketAddr,
    listener: TcpListener,
    thread: Option<JoinHandle<()>>,
    shared: Arc<Shared>,
}

impl Stacks {
    /// Starts one without any stack, on a free port of loopback.
    ///
    /// # Errors
    /// When no port can be bound.
    pub fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").context("no port for CloudFormation")?;
        let address = listener.local_addr().context("a listener has no address")?;
        let incoming = listener.try_clone().context("a listener cannot be shared")?;
        let shared = Arc::new(Shared::default());
        let served = Arc::clone(&shared);
        let thread = thread::spawn(move || {
            for stream in incoming.incoming().map_while(Result::ok) {
                let shared = Arc::clone(&served);
                // Whoever goes away in the middle harms only their own call.
                thread::spawn(move || shared.serve(stream).ok());
            }
        });
        Ok(Self { address, listener, thread: Some(thread), shared })
    }

    /// For `AWS_ENDPOINT_URL_CLOUDFORMATION`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Flags of a worker whose CloudFormation this is; all other services stay where they are.
    #[must_use]
    pub fn worker_flags(&self) -> Vec<String> {
        vec!["--aws-endpoint".into(), format!("cloudformation={}", self.url())]
    }

    /// Puts a stack there; answers its id.
    ///
    /// # Errors
    /// When its template is none.
    pub fn put(&self, given: Given) -> Result<String> {
        self.account().put(given).map_err(|refusal| anyhow::anyhow!("{}", refusal.message))
    }

    /// Says what the next operation of its kind of a stack of this name will do. Those said first come first.
    pub fn on(&self, stack: &str, plan: Plan) {
        self.account().plan(stack, plan);
    }

    /// Somebody else begins an update or a deletion of a stack, under this token if any.
    ///
    /// # Errors
    /// When there is no such stack, or the plan is of another kind.
    pub fn begin(&self, stack: &str, plan: Plan, token: Option<&str>) -> Result<()> {
        let status = match plan.kind {
            Kind::Update => "UPDATE_IN_PROGRESS",
            Kind::Delete => "DELETE_IN_PROGRESS",
            other => anyhow::bail!("{other:?} is not begun by somebody else here"),
        };
        let mut account = self.account();
        account.pass();
        let place = account.find(stack).with_context(|| format!("there is no stack {stack}"))?;
        let wanted = account.stacks[place].configuration.clone();
        let operation = account.operation(place, plan, &wanted, token);
        account.stacks[place].previous = Some(wanted);
        account.begin(place, operation, status);
        Ok(())
    }

    /// Puts a stack into a status, as if somebody else had done it; its operation is over. `DELETE_COMPLETE` frees its name.
    ///
    /// # Errors
    /// When there is no such stack.
    pub fn set_status(&self, stack: &str, status: &str, reason: Option<&str>) -> Result<()> {
        let mut account = self.account();
        account.pass();
        let place = account.find(stack).with_context(|| format!("there is no stack {stack}"))?;
        account.set_status(place, status, reason.map(str::to_owned));
        Ok(())
    }

    /// From now on only [`Self::advance`] takes steps, no looks.
    pub fn by_hand(&self) {
        self.account().is_manual = true;
    }

    /// Lets a stack's operation take so many steps.
    pub fn advance(&self, stack: &str, steps: usize) {
        let mut account = self.account();
        for _ in 0..steps {
            account.pass();
            if let Some(place) = account.find(stack) {
                account.advance(place);
            }
        }
    }

    /// What is held in a stack's operation is so no longer, the stacks in it included.
    pub fn release(&self, stack: &str) {
        let mut account = self.account();
        let Some(place) = account.find(stack) else {
            return;
        };
        for stack in account.tree(place) {
            if let Some(operation) = &mut account.stacks[stack].operation {
                operation.is_held = false;
                operation.works.iter_mut().for_each(|work| work.is_held = false);
            }
        }
    }

    /// A resource that was stuck ([`Resource::sticks`]) is so no longer: somebody emptied the bucket.
    pub fn mend(&self, stack: &str, resource: &str) {
        let mut account = self.account();
        if let Some(place) = account.find(stack)
            && let Some(found) = account.stacks[place].resource_mut(resource)
        {
            found.stuck = None;
        }
    }

    /// The next `calls` calls of an action get this. Of several for one action the first comes first.
    pub fn trouble(&self, action: &str, calls: usize, trouble: Trouble) {
        self.account().troubles.push((action.into(), calls, trouble));
    }

    /// Answers that are held ([`Trouble::Held`]) go now, and so do later ones.
    pub fn let_answers_go(&self) {
        self.shared.let_answers_go();
    }

    /// How many entries a page has from now on: 100 until then, as `DescribeStackEvents` answers.
    pub fn pages_of(&self, entries: usize) {
        self.account().page = entries.max(1);
    }

    /// Where templates are read that a call has the URL of; until then there are none.
    pub fn templates_from(&self, read: impl Fn(&str) -> Option<String> + Send + Sync + 'static) {
        self.account().shelf = Some(Arc::new(read));
    }

    /// Every call so far, refused ones included.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.account().calls.clone()
    }

    /// How many calls of an action came so far.
    #[must_use]
    pub fn count(&self, action: &str) -> usize {
        self.account().calls.iter().filter(|call| call.action == action).count()
    }

    /// The operations that began, in order; of nested stacks and of what was put there none.
    #[must_use]
    pub fn effects(&self) -> Vec<Effect> {
        self.account().effects.clone()
    }

    /// The status of a stack by name, or by id once it is deleted.
    #[must_use]
    pub fn status(&self, stack: &str) -> Option<String> {
        let account = self.account();
        account.find(stack).map(|place| account.stacks[place].status.clone())
    }

    /// The events of a stack, oldest first: logical id, status, and reason if any.
    #[must_use]
    pub fn events(&self, stack: &str) -> Vec<(String, String, Option<String>)> {
        let account = self.account();
        let events = account.find(stack).map(|place| account.stacks[place].events.clone()).unwrap_or_default();
        events.into_iter().map(|event| (event.logical_id, event.status, event.reason)).collect()
    }

    /// The ids of the stacks in a stack.
    #[must_use]
    pub fn nested(&self, stack: &str) -> Vec<String> {
        let account = self.account();
        let Some(place) = account.find(stack) else {
            return Vec::new();
        };
        account.children(place).into_iter().map(|child| account.stacks[child].id.clone()).collect()
    }

    fn account(&self) -> MutexGuard<'_, Account> {
        self.shared.account()
    }
}

impl Drop for Stacks {
    fn drop(&mut self) {
        self.let_answers_go();
        let shut = rustix::net::shutdown(&self.listener, rustix::net::Shutdown::Both);
        if let Some(thread) = self.thread.take()
            && shut.is_ok()
        {
            let _ = thread.join();
        }
    }
}
