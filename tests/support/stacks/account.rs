//! The AWS account: all stacks, and what was asked and done.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    sync::Arc,
};

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::{
    change_set::ChangeSet,
    operation::{OnFailure, Operation},
    plan::{Kind, Plan},
    refusal::Refusal,
    stack::{Configuration, Event, STACK, Stack},
    trouble::Trouble,
};

/// 100 entries: a page, where AWS says no number.
const PAGE: usize = 100;

/// Where a template is read that a call has the URL of.
pub(super) type Shelf = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// A call that came.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Call {
    /// E.g. `CreateStack`.
    pub action: String,
    /// Its parameters, `Action` and `Version` included, e.g. `Tags.member.1.Key`.
    pub parameters: BTreeMap<String, String>,
    /// Access key that signed it.
    pub key_id: String,
    /// The program that asked, as it names itself.
    pub agent: String,
    /// Code of the refusal that was answered; none when it was not refused.
    pub refused: Option<String>,
}

/// An operation that began.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Effect {
    /// Id of the stack.
    pub stack_id: String,
    /// Its name.
    pub stack: String,
    /// What began.
    pub kind: Kind,
    /// The token that its events have; none when nobody gave one.
    pub token: Option<String>,
}

/// Everything there is.
pub(super) struct Account {
    pub(super) stacks: Vec<Stack>,
    pub(super) change_sets: Vec<ChangeSet>,
    plans: VecDeque<(String, Plan)>,
    /// By token: the action that used it, and the stack.
    tokens: BTreeMap<String, (String, usize)>,
    pub(super) troubles: Vec<(String, usize, Trouble)>,
    pub(super) calls: Vec<Call>,
    pub(super) effects: Vec<Effect>,
    pub(super) page: usize,
    pub(super) is_manual: bool,
    pub(super) shelf: Option<Shelf>,
    pub(super) now: Timestamp,
    pub(super) are_answers_held: bool,
}

impl Default for Account {
    fn default() -> Self {
        Self {
            stacks: Vec::new(),
            change_sets: Vec::new(),
            plans: VecDeque::new(),
            tokens: BTreeMap::new(),
            troubles: Vec::new(),
            calls: Vec::new(),
            effects: Vec::new(),
            page: PAGE,
            is_manual: false,
            shelf: None,
            now: Timestamp::now(),
            are_answers_held: true,
        }
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account").field("stacks", &self.stacks.len()).field("calls", &self.calls.len()).finish()
    }
}

impl Account {
    /// Lets time pass: what happens from now on is later than all before.
    pub(super) fn pass(&mut self) {
        self.now = Timestamp::now().max(self.now + SignedDuration::from_millis(1));
    }

    /// A stack by its name, deleted ones excepted, or by its id.
    pub(super) fn find(&self, stack: &str) -> Option<usize> {
        if stack.starts_with("arn:") {
            return self.stacks.iter().position(|known| known.id == stack);
        }
        self.stacks.iter().position(|known| known.name == stack && !known.is_deleted())
    }

    /// The same of one that still is.
    ///
    /// # Errors
    /// In the words of the actions that change something.
    pub(super) fn living(&self, stack: &str) -> Result<usize, Refusal> {
        let found = self.find(stack).filter(|place| !self.stacks[*place].is_deleted());
        found.ok_or_else(|| Refusal::absent(stack))
    }

    pub(super) fn children(&self, stack: usize) -> Vec<usize> {
        let is_child = |place: &usize| self.stacks[*place].parent == Some(stack);
        (0..self.stacks.len()).filter(is_child).collect()
    }

    /// A stack, and all that are in it.
    pub(super) fn tree(&self, stack: usize) -> Vec<usize> {
        let nested = self.children(stack).into_iter().flat_map(|child| self.tree(child));
        std::iter::once(stack).chain(nested).collect()
    }

    pub(super) fn root(&self, stack: usize) -> usize {
        self.stacks[stack].parent.map_or(stack, |parent| self.root(parent))
    }

    pub(super) fn plan(&mut self, stack: &str, plan: Plan) {
        self.plans.push_back((stack.to_owned(), plan));
    }

    /// What the test says of the next such operation, if anything.
    pub(super) fn planned(&self, stack: &str, kind: Kind) -> Plan {
        let found = self.plans.iter().find(|(name, plan)| name == stack && plan.kind == kind);
        found.map_or_else(|| Plan::new(kind), |(_, plan)| plan.clone())
    }

    /// The same, once.
    pub(super) fn take_plan(&mut self, stack: &str, kind: Kind) -> Plan {
        let place = self.plans.iter().position(|(name, plan)| name == stack && plan.kind == kind);
        place.and_then(|place| self.plans.remove(place)).map_or_else(|| Plan::new(kind), |(_, plan)| plan)
    }

    /// Whether a token was used for the same before; its stack then.
    ///
    /// # Errors
    /// When it was used for something else.
    pub(super) fn repeated(&self, token: Option<&str>, action: &str, stack: &str) -> Result<Option<usize>, Refusal> {
        let Some((token, (used, place))) = token.and_then(|token| Some((token, self.tokens.get(token)?))) else {
            return Ok(None);
        };
        let known = &self.stacks[*place];
        if used != action || (known.name != stack && known.id != stack) {
            return Err(Refusal::token(token));
        }
        // A name is free again after its stack is gone, and so is what was said of it.
        Ok((!known.is_deleted() || action == "DeleteStack").then_some(*place))
    }

    pub(super) fn use_token(&mut self, token: Option<&str>, action: &str, stack: usize) {
        if let Some(token) = token {
            self.tokens.insert(token.into(), (action.into(), stack));
        }
    }

    /// An operation of this plan that has not begun.
    pub(super) fn operation(&self, stack: usize, plan: Plan, wanted: &Configuration, token: Option<&str>) -> Operation {
        let known = &self.stacks[stack];
        let works = super::forward::works(known, &plan, wanted, known.policy.as_deref());
        let (removals, works) = works.into_iter().partition(super::operation::Work::is_over);
        Operation {
            id: Uuid::new_v4().to_string(),
            token: token.map(str::to_owned),
            on_failure: if known.disable_rollback { OnFailure::DoNothing } else { OnFailure::Rollback },
            works,
            done: removals,
            is_held: plan.is_held,
            skipped: Vec::new(),
            change_set: None,
            plan,
        }
    }

    /// Begins an operation in this status.
    pub(super) fn begin(&mut self, stack: usize, operation: Operation, status: &str) {
        let known = &mut self.stacks[stack];
        if known.parent.is_none() {
            self.effects.push(Effect {
                stack_id: known.id.clone(),
                stack: known.name.clone(),
                kind: operation.plan.kind,
                token: operation.token.clone(),
            });
        }
        if status != "CREATE_IN_PROGRESS" {
            known.updated = Some(self.now);
        }
        self.enter(stack, &operation, status, Some("User Initiated".to_owned()));
        self.stacks[stack].operation = Some(operation);
    }

    /// A stack is in this status from now on, and an event says so.
    pub(super) fn enter(&mut self, stack: usize, operation: &Operation, status: &str, reason: Option<String>) {
        let known = &mut self.stacks[stack];
        status.clone_into(&mut known.status);
        known.reason.clone_from(&reason);
        let (name, id) = (known.name.clone(), known.id.clone());
        self.tell(stack, Some(operation), [&name, &id, STACK, status], reason);
    }

    /// Adds an event: of logical id, physical id, type, status.
    pub(super) fn tell(
        &mut self,
        stack: usize,
        operation: Option<&Operation>,
        [logical_id, physical_id, kind, status]: [&str; 4],
        reason: Option<String>,
    ) {
        let id = Uuid::new_v4();
        let known = &mut self.stacks[stack];
        let is_own = physical_id == known.id;
        known.events.push(Event {
            id: if is_own { id.to_string() } else { format!("{logical_id}-{id}") },
            operation_id: operation.map_or_else(|| id.to_string(), |operation| operation.id.clone()),
            logical_id: logical_id.into(),
            physical_id: physical_id.into(),
            kind: kind.into(),
            status: status.into(),
            reason,
            token: operation.and_then(|operation| operation.token.clone()),
            at: self.now,
        });
    }
}
