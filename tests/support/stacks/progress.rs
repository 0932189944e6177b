//! How operations go on, one step at a time.

use super::{
    account::Account,
    forward,
    operation::{Act, Operation, Work, WorkState, next, stops_at_failure, works_of},
    plan::{Kind, Plan},
    stack::{Configuration, Stack},
};

impl Account {
    /// The next step of a stack's operation, and of those of the stacks in it.
    pub(super) fn advance(&mut self, stack: usize) {
        let Some(mut operation) = self.stacks[stack].operation.take() else {
            return;
        };
        let mut goes_on = !operation.is_held;
        while goes_on {
            goes_on = self.step(stack, &mut operation);
            goes_on &= operation.plan.is_at_once && self.stacks[stack].is_in_progress();
        }
        if self.stacks[stack].is_in_progress() {
            self.stacks[stack].operation = Some(operation);
        }
    }

    /// Whether anything happened.
    fn step(&mut self, stack: usize, operation: &mut Operation) -> bool {
        let mut has_moved = self.advance_children(stack);
        for place in 0..operation.works.len() {
            if operation.works[place].state == WorkState::Running {
                has_moved |= self.work_on(stack, operation, place);
            }
        }
        if operation.has_failed() && stops_at_failure(&self.stacks[stack].status) {
            self.cancel_running(stack, operation);
            self.turn(stack, operation);
            return true;
        }
        has_moved |= self.start_ready(stack, operation);
        if operation.is_over() {
            self.turn(stack, operation);
            return true;
        }
        has_moved
    }

    fn advance_children(&mut self, stack: usize) -> bool {
        let mut has_moved = false;
        for child in self.children(stack) {
            let before = self.stacks[child].events.len();
            self.advance(child);
            has_moved |= self.stacks[child].events.len() > before;
        }
        has_moved
    }

    fn work_on(&mut self, stack: usize, operation: &mut Operation, place: usize) -> bool {
        let work = &mut operation.works[place];
        let resource = self.stacks[stack].resource(&work.id);
        let stuck = resource.and_then(|resource| resource.stuck.clone());
        let child = resource.and_then(|resource| resource.nested);
        if work.is_held {
            return false;
        }
        let end = match child {
            Some(child) if work.replaced.is_none() => self.end_of_nested(child, operation, place),
            _ if work.left > 1 => {
                work.left -= 1;
                return true;
            }
            _ => Some(work.end(stuck)),
        };
        if let Some(end) = end {
            self.finish(stack, operation, place, end);
            return true;
        }
        false
    }

    /// How the stack in a stack ended; none while it runs. Begins what waited for its last operation.
    fn end_of_nested(&mut self, child: usize, operation: &Operation, place: usize) -> Option<Result<(), String>> {
        let work = &operation.works[place];
        let nested = &self.stacks[child];
        let is_busy = nested.operation.is_some();
        match (work.act, nested.status.as_str()) {
            (Act::Create, "CREATE_COMPLETE") | (Act::Delete, "DELETE_COMPLETE") => Some(Ok(())),
            (Act::Update, "UPDATE_COMPLETE") | (Act::Restore, "UPDATE_ROLLBACK_COMPLETE") => Some(Ok(())),
            (Act::Create, "CREATE_IN_PROGRESS") | (Act::Delete, "DELETE_IN_PROGRESS") => None,
            (Act::Update, "UPDATE_IN_PROGRESS" | "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS") => None,
            (Act::Create, _) => Some(Err(embedded(nested, "created: "))),
            (Act::Update, status) => {
                Some(Err(embedded(nested, &format!("updated. Currently in {status} with reason: "))))
            }
            (Act::Delete, "DELETE_FAILED") => Some(Err(embedded(nested, "deleted: "))),
            (Act::Restore, "UPDATE_ROLLBACK_FAILED") => Some(Err(embedded(nested, "rolled back: "))),
            (Act::Delete, _) if !is_busy => {
                self.begin_nested(child, Plan::delete(), operation, "DELETE_IN_PROGRESS");
                None
            }
            (Act::Restore, "UPDATE_COMPLETE") if !is_busy => {
                self.begin_nested(child, Plan::new(Kind::Rollback), operation, "UPDATE_ROLLBACK_IN_PROGRESS");
                None
            }
            _ => None,
        }
    }

    fn start_ready(&mut self, stack: usize, operation: &mut Operation) -> bool {
        let unfinished: Vec<String> =
            operation.works.iter().filter(|work| !work.is_over()).map(|work| work.id.clone()).collect();
        let is_waiting = |work: &Work| work.state == WorkState::Waiting;
        let is_ready = |work: &Work| is_waiting(work) && !work.after.iter().any(|id| unfinished.contains(id));
        let places = 0..operation.works.len();
        let mut ready: Vec<usize> = places.clone().filter(|place| is_ready(&operation.works[*place])).collect();
        let is_idle = !operation.works.iter().any(|work| work.state == WorkState::Running);
        if ready.is_empty() && is_idle {
            // Names that only looked like references wait for each other.
            ready = places.filter(|place| is_waiting(&operation.works[*place])).collect();
        }
        for place in &ready {
            self.start(stack, operation, *place);
            if operation.works[*place].left == 0 {
                self.work_on(stack, operation, *place);
            }
        }
        !ready.is_empty()
    }

    fn finish(&mut self, stack: usize, operation: &mut Operation, place: usize, end: Result<(), String>) {
        operation.works[place].state = if end.is_ok() { WorkState::Done } else { WorkState::Failed };
        let work = operation.works[place].clone();
        match end {
            Err(reason) => self.report(stack, operation, &work, "FAILED", Some(&reason)),
            Ok(()) if work.act == Act::Import => {
                self.report(stack, operation, &work, "COMPLETE", Some("Resource import completed."));
                let tags = "Apply stack-level tags to imported resource if applicable.";
                let update = work.again(Act::Update);
                self.report(stack, operation, &update, "IN_PROGRESS", Some(tags));
                self.report(stack, operation, &update, "COMPLETE", None);
            }
            Ok(()) => self.report(stack, operation, &work, "COMPLETE", None),
        }
        let is_gone = work.state == WorkState::Done && matches!(work.act, Act::Delete | Act::Release);
        if is_gone && work.replaced.is_none() && self.stacks[stack].status.starts_with("UPDATE") {
            self.stacks[stack].resources.retain(|resource| resource.id != work.id);
        }
    }

    /// Tells of a resource, and notes it.
    pub(super) fn report(&mut self, stack: usize, operation: &Operation, work: &Work, end: &str, reason: Option<&str>) {
        let status = format!("{}_{end}", work.act.word());
        let now = self.now;
        let resource = self.stacks[stack].resource_mut(&work.id);
        let id = match (&work.replaced, resource) {
            (Some(replaced), _) if work.act == Act::Delete => replaced.clone(),
            (_, Some(resource)) => {
                resource.status.clone_from(&status);
                resource.reason = reason.map(str::to_owned);
                resource.at = now;
                resource.physical_id.clone()
            }
            _ => String::new(),
        };
        self.tell(stack, Some(operation), [&work.id, &id, &work.kind, &status], reason.map(str::to_owned));
    }

    fn cancel_running(&mut self, stack: usize, operation: &mut Operation) {
        for place in 0..operation.works.len() {
            let work = &mut operation.works[place];
            if work.state != WorkState::Running {
                continue;
            }
            work.state = WorkState::Failed;
            let word = if matches!(work.act, Act::Create | Act::Import) { "creation" } else { "update" };
            let work = work.clone();
            self.report(stack, operation, &work, "FAILED", Some(&format!("Resource {word} cancelled")));
        }
    }

    /// Stops an update in the middle, and turns it back.
    pub(super) fn cancel(&mut self, stack: usize) {
        let Some(mut operation) = self.stacks[stack].operation.take() else {
            return;
        };
        self.cancel_running(stack, &mut operation);
        operation.is_held = false;
        self.turn_to(stack, &mut operation, "UPDATE_ROLLBACK_IN_PROGRESS", Some("Stack update cancelled".to_owned()));
        self.stacks[stack].operation = Some(operation);
    }

    /// The phase is over: on to the next.
    fn turn(&mut self, stack: usize, operation: &mut Operation) {
        let is_well = !operation.has_failed();
        let status = next(&self.stacks[stack].status, is_well, operation.on_failure);
        let requested = match status {
            "ROLLBACK_IN_PROGRESS" => "Rollback requested by user.",
            "DELETE_IN_PROGRESS" => "Delete requested by user.",
            _ => "",
        };
        let told = format!("{}{requested}", operation.failures());
        let reason = (!is_well && !status.ends_with("COMPLETE")).then_some(told);
        self.turn_to(stack, operation, status, reason);
    }

    fn turn_to(&mut self, stack: usize, operation: &mut Operation, status: &'static str, reason: Option<String>) {
        let begun = operation.works.drain(..).filter(|work| work.state != WorkState::Waiting);
        operation.done.extend(begun.collect::<Vec<_>>());
        self.apply(stack, operation, status);
        self.enter(stack, operation, status, reason);
        operation.works = match status {
            "DELETE_IN_PROGRESS" => {
                forward::works(&self.stacks[stack], &Plan::delete(), &Configuration::default(), None)
            }
            _ => works_of(status, &operation.done, &operation.skipped),
        };
    }

    /// What a status means for the stack's own data.
    fn apply(&mut self, stack: usize, operation: &Operation, status: &str) {
        let known = &mut self.stacks[stack];
        let has_outputs = !operation.plan.outputs.is_empty();
        match status {
            "CREATE_COMPLETE" | "IMPORT_COMPLETE" | "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS" if has_outputs => {
                known.configuration.outputs.clone_from(&operation.plan.outputs);
            }
            "UPDATE_ROLLBACK_IN_PROGRESS" | "IMPORT_ROLLBACK_IN_PROGRESS" => {
                if let Some(previous) = known.previous.take() {
                    known.configuration = previous;
                }
            }
            "DELETE_COMPLETE" => known.deleted = Some(self.now),
            "CREATE_FAILED" | "UPDATE_FAILED" | "UPDATE_ROLLBACK_FAILED" => {
                known.rest.clone_from(&operation.done);
            }
            _ => {}
        }
        if let Some(id) = operation.change_set.as_ref().filter(|_| !status.ends_with("_IN_PROGRESS")) {
            let is_well = matches!(status, "CREATE_COMPLETE" | "UPDATE_COMPLETE" | "IMPORT_COMPLETE");
            self.conclude(id, is_well);
        }
    }
}

impl Work {
    fn end(&self, stuck: Option<String>) -> Result<(), String> {
        let is_undoing = matches!(self.act, Act::Delete | Act::Restore | Act::Release) && self.replaced.is_none();
        match (&self.fault, stuck) {
            (Some(fault), _) => Err(fault.clone()),
            (None, Some(stuck)) if is_undoing => Err(stuck),
            _ => Ok(()),
        }
    }
}

fn embedded(nested: &Stack, what: &str) -> String {
    let reason = nested.reason.clone().unwrap_or_default();
    let reason = reason.trim_end_matches("Rollback requested by user.");
    format!("Embedded stack {} was not successfully {what}{reason}", nested.id)
}
