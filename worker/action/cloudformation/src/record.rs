//! Which events of an operation were told, its nested stacks included: each once, in order, whatever pages they come in. Pure.

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};

use aws_smithy_types::DateTime;

use crate::{
    cause::Failures,
    event::{Event, STACK},
};

/// Where the events of an operation begin.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Floor {
    /// With the first event of the stack.
    All,
    /// With the event of that id.
    From(String),
    /// After the event of that id.
    After(String),
    /// At that time.
    Since(DateTime),
    /// Nobody can tell, since events may not be read.
    Unknown,
}

/// A stack whose events are told.
#[derive(Debug)]
pub(crate) struct Tail {
    /// Its id.
    pub(crate) stack_id: String,
    /// Logical ids of the stacks around it, its own last; empty for the outermost.
    pub(crate) around: Vec<String>,
    /// Whether the stack around it says that it has come to an end: nothing is expected of it until that says otherwise.
    pub(crate) is_quiet: bool,
    floor: Floor,
    told: HashSet<String>,
}

impl Tail {
    fn new(stack_id: &str, around: Vec<String>, floor: Floor) -> Self {
        Self { stack_id: stack_id.into(), around, is_quiet: false, floor, told: HashSet::new() }
    }

    /// Takes what is new of a page, newest first, into `found`. Whether older pages can hold nothing new.
    pub(crate) fn take(&self, page: Vec<Event>, found: &mut Vec<Event>) -> bool {
        let mut is_enough = false;
        for event in page {
            match &self.floor {
                Floor::After(id) if *id == event.id => return true,
                Floor::Since(begin) if event.at < *begin => return true,
                _ => {}
            }
            let is_first = matches!(&self.floor, Floor::From(id) if *id == event.id);
            if self.told.contains(&event.id) {
                // What is older on this page may have come late.
                is_enough = true;
            } else if !found.iter().any(|known| known.id == event.id) {
                found.push(event);
            }
            if is_first {
                return true;
            }
        }
        is_enough
    }
}

/// What happened, as it is told.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Told {
    /// An event, and the logical ids of the stacks around its resource.
    Event(Event, Vec<String>),
    /// Resources that were only stopped because another one had failed: their paths.
    Cancelled(Vec<String>, usize),
}

/// What was told of an operation.
#[derive(Debug)]
pub(crate) struct Record {
    /// The outermost stack first.
    pub(crate) tails: Vec<Tail>,
    /// What failed.
    pub(crate) failures: Failures,
    token: String,
    begin: Option<DateTime>,
    status: Option<String>,
    is_overtaken: bool,
    /// Tokens of what was begun with the stack, the operation itself among them where events carry tokens, as AWS's do.
    tokens: BTreeSet<String>,
    resources: BTreeMap<(String, String), Step>,
}

/// Where a resource is in the operation.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Step {
    /// E.g. `Storage/Assets`.
    pub(crate) path: String,
    /// E.g. `CREATE_IN_PROGRESS`.
    pub(crate) status: String,
    /// Since when.
    pub(crate) since: DateTime,
}

impl Record {
    /// `token`: of the operation; with an empty one all events are taken for its own.
    pub(crate) fn new(stack_id: &str, token: &str, floor: Floor) -> Self {
        Self {
            tails: vec![Tail::new(stack_id, vec![], floor)],
            failures: Failures::default(),
            token: token.into(),
            begin: None,
            status: None,
            is_overtaken: false,
            tokens: BTreeSet::new(),
            resources: BTreeMap::new(),
        }
    }

    /// Follows the nested stacks that are in these events of a stack, oldest first. Where in `tails` they are: always after it.
    pub(crate) fn discover(&mut self, tail: usize, events: &[Event]) -> Vec<usize> {
        // Events of earlier operations are still there: ours began with its first.
        let begin = self.begin.or_else(|| events.iter().map(|event| event.at).min());
        let mut found = vec![];
        for event in events {
            let (Some(id), Some(begin)) = (event.nested_stack(), begin) else { continue };
            let known = self.tails.iter().position(|tail| tail.stack_id == id);
            let at = known.unwrap_or_else(|| {
                let around = self.tails[tail].around.iter().chain([&event.logical_id]).cloned().collect();
                self.tails.push(Tail::new(id, around, Floor::Since(begin)));
                self.tails.len() - 1
            });
            self.tails[at].is_quiet = event.is_end();
            found.push(at);
        }
        found
    }

    /// Takes new events of several stacks, each stack's oldest first, and answers what is to be told, in order.
    pub(crate) fn absorb(&mut self, batches: Vec<(usize, Vec<Event>)>) -> Vec<Told> {
        let mut told = vec![];
        for (tail, event) in merged(batches) {
            if tail == 0 && self.overtakes(&event) {
                self.is_overtaken = true;
            }
            self.tails[tail].told.insert(event.id.clone());
            if self.is_overtaken {
                continue;
            }
            let around = self.tails[tail].around.clone();
            self.note(tail, &event, &around);
            told.push(Told::Event(event, around));
        }
        folded(told)
    }

    /// The state in which the last event of the operation says that the stack is.
    pub(crate) fn status(&self) -> Option<&str> {
        self.status.as_deref()
    }

    /// Whether others began something with the stack after the operation had ended.
    pub(crate) fn is_overtaken(&self) -> bool {
        self.is_overtaken
    }

    /// Whether something was begun with the stack under that token.
    pub(crate) fn has_seen(&self, token: &str) -> bool {
        self.tokens.contains(token)
    }

    /// How many resources have come to an end; nested stacks' own entries are not counted, what is in them is.
    pub(crate) fn done(&self) -> usize {
        self.resources.values().filter(|step| !step.status.ends_with("_IN_PROGRESS")).count()
    }

    /// What goes on now, the longest first.
    pub(crate) fn in_progress(&self) -> Vec<&Step> {
        let going = self.resources.values().filter(|step| step.status.ends_with("_IN_PROGRESS"));
        let mut going: Vec<_> = going.collect();
        going.sort_by_key(|step| step.since);
        going
    }

    /// Whether the stack is turning back.
    pub(crate) fn is_rolling_back(&self) -> bool {
        self.status().is_some_and(|status| status.contains("ROLLBACK"))
    }

    fn overtakes(&self, event: &Event) -> bool {
        let has_ended = self.status().is_some_and(|status| !status.ends_with("_IN_PROGRESS"));
        // Many give no token, AWS's command line among them.
        let is_foreign = if event.token.is_empty() { !self.tokens.is_empty() } else { !self.is_token_of(event) };
        has_ended && is_foreign && event.is_begin_of_operation()
    }

    fn is_token_of(&self, event: &Event) -> bool {
        self.token.is_empty() || event.token.starts_with(&self.token)
    }

    fn note(&mut self, tail: usize, event: &Event, around: &[String]) {
        self.begin.get_or_insert(event.at);
        self.failures.see(event, around);
        if event.is_about_the_stack() {
            if tail == 0 {
                self.status = Some(event.status.clone());
                self.tokens.extend(Some(event.token.clone()).filter(|token| !token.is_empty()));
            }
        } else if event.kind != STACK {
            let key = (event.stack_id.clone(), event.logical_id.clone());
            let same = self.resources.get(&key).filter(|step| step.status == event.status);
            let since = same.map_or(event.at, |step| step.since);
            let path = event.path(around);
            self.resources.insert(key, Step { path, status: event.status.clone(), since });
        }
    }
}

/// All events in the order of their times, each stack's in their own; of those at one time, a stack's end after what is in it.
fn merged(batches: Vec<(usize, Vec<Event>)>) -> Vec<(usize, Event)> {
    let mut queues: Vec<_> = batches.into_iter().map(|(tail, events)| (tail, VecDeque::from(events))).collect();
    let mut all = vec![];
    loop {
        let heads = queues.iter().enumerate().filter_map(|(at, (tail, queue))| Some((turn(*tail, queue.front()?), at)));
        let Some((_, at)) = heads.min() else { return all };
        let (tail, queue) = &mut queues[at];
        all.extend(queue.pop_front().map(|event| (*tail, event)));
    }
}

/// When it is an event's turn: stacks within another are further back in the tails.
fn turn(tail: usize, event: &Event) -> (DateTime, bool, usize) {
    let is_end_of_stack = event.kind == STACK && event.is_end();
    (event.at, is_end_of_stack, if is_end_of_stack { usize::MAX - tail } else { tail })
}

/// Cancellations of one stack that come one after the other become one.
fn folded(told: Vec<Told>) -> Vec<Told> {
    let mut folded: Vec<Told> = vec![];
    let mut within: Option<String> = None;
    for one in told {
        let Told::Event(event, around) = &one else { continue };
        if !event.is_cancellation() {
            within = None;
            folded.push(one);
            continue;
        }
        let path = event.path(around);
        match folded.last_mut() {
            Some(Told::Cancelled(paths, _)) if within.as_ref() == Some(&event.stack_id) => paths.push(path),
            _ => {
                within = Some(event.stack_id.clone());
                folded.push(Told::Cancelled(vec![path], around.len()));
            }
        }
    }
    folded
}

#[cfg(test)]
mod tests;
