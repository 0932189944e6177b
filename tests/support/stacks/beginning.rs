//! How work on a resource begins.

use uuid::Uuid;

use super::{
    account::Account,
    operation::{Act, OnFailure, Operation, Work, WorkState},
    plan::{Kind, Plan},
    stack::{STACK, Stack, StackResource},
};

impl Account {
    pub(super) fn start(&mut self, stack: usize, operation: &mut Operation, place: usize) {
        operation.works[place].state = WorkState::Running;
        let work = operation.works[place].clone();
        match work.act {
            Act::Create | Act::Import => self.start_creation(stack, operation, place),
            Act::Replace => {
                let new = physical_id(&self.stacks[stack], &work);
                let old = self.stacks[stack]
                    .resource_mut(&work.id)
                    .map(|resource| std::mem::replace(&mut resource.physical_id, new));
                operation.works[place].replaced = old;
                let reason = "Requested update requires the creation of a new physical resource; hence creating one.";
                self.report(stack, operation, &work, "IN_PROGRESS", Some(reason));
            }
            Act::Delete if work.is_retained => {
                operation.works[place].state = WorkState::Done;
                self.report(stack, operation, &work, "SKIPPED", None);
            }
            Act::Update => {
                self.report(stack, operation, &work, "IN_PROGRESS", None);
                let child = self.stacks[stack].resource(&work.id).and_then(|resource| resource.nested);
                if let Some(child) = child {
                    let plan = work.nested.unwrap_or_else(Plan::update);
                    self.stacks[child].previous = Some(self.stacks[child].configuration.clone());
                    self.begin_nested(child, Plan { kind: Kind::Update, ..plan }, operation, "UPDATE_IN_PROGRESS");
                }
            }
            _ => self.report(stack, operation, &work, "IN_PROGRESS", None),
        }
        if let Some(resource) = self.stacks[stack].resource_mut(&work.id).filter(|_| work.stuck.is_some()) {
            resource.stuck = work.stuck;
        }
    }

    fn start_creation(&mut self, stack: usize, operation: &mut Operation, place: usize) {
        let work = operation.works[place].clone();
        self.stacks[stack].resources.retain(|resource| resource.id != work.id);
        self.stacks[stack].resources.push(StackResource {
            id: work.id.clone(),
            physical_id: String::new(),
            kind: work.kind.clone(),
            status: String::new(),
            reason: None,
            at: self.now,
            is_retained: work.is_retained,
            stuck: None,
            nested: None,
        });
        let started = (work.act == Act::Import).then_some("Resource import started.");
        self.report(stack, operation, &work, "IN_PROGRESS", started);
        if work.fault.is_some() {
            return;
        }
        let (id, child) = match &work.nested {
            Some(plan) => {
                let child = self.embed(stack, &work, plan.clone(), operation);
                (self.stacks[child].id.clone(), Some(child))
            }
            None => (physical_id(&self.stacks[stack], &work), None),
        };
        if let Some(resource) = self.stacks[stack].resource_mut(&work.id) {
            resource.physical_id = id;
            resource.nested = child;
        }
        if work.act == Act::Create {
            self.report(stack, operation, &work, "IN_PROGRESS", Some("Resource creation Initiated"));
        }
    }

    /// A stack in a stack, which begins.
    fn embed(&mut self, stack: usize, work: &Work, plan: Plan, operation: &Operation) -> usize {
        let name = physical_id(&self.stacks[stack], work);
        let mut nested = Stack::new(&name, "CREATE_IN_PROGRESS", self.now);
        nested.parent = Some(stack);
        self.stacks.push(nested);
        let child = self.stacks.len() - 1;
        self.begin_nested(child, Plan { kind: Kind::Create, ..plan }, operation, "CREATE_IN_PROGRESS");
        child
    }

    /// Begins an operation of a stack in a stack.
    pub(super) fn begin_nested(&mut self, child: usize, plan: Plan, parent: &Operation, status: &str) {
        let plan = Plan { is_at_once: parent.plan.is_at_once || plan.is_at_once, ..plan };
        let wanted = self.stacks[child].configuration.clone();
        let mut operation = self.operation(child, plan, &wanted, None);
        if parent.on_failure == OnFailure::DoNothing {
            operation.on_failure = OnFailure::DoNothing;
        }
        self.begin(child, operation, status);
    }
}

fn physical_id(stack: &Stack, work: &Work) -> String {
    let mut unique = Uuid::new_v4().simple().to_string().to_uppercase();
    unique.truncate(12);
    let id = format!("{}-{}-{unique}", stack.name, work.id);
    // Of other resources CloudFormation makes what their services allow; most are lower case.
    if work.kind == STACK { id } else { id.to_lowercase() }
}
