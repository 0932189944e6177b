//! Change sets: AWS CloudFormation User Guide, "Update CloudFormation stacks using change sets".

use jiff::Timestamp;
use uuid::Uuid;

use super::{
    account::Account,
    operation::{Act, OnFailure, Work},
    plan::Kind,
    stack::Configuration,
    xml::Xml,
};
use crate::emulator::{ACCOUNT, REGION};

/// AWS's words for a change set that would change nothing.
const UNCHANGED: &str =
    "The submitted information didn't contain changes. Submit different information to create a change set.";

/// A change set.
#[derive(Clone, Debug)]
pub(super) struct ChangeSet {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) stack: usize,
    pub(super) kind: Kind,
    pub(super) description: Option<String>,
    pub(super) status: &'static str,
    pub(super) execution: &'static str,
    pub(super) reason: Option<String>,
    pub(super) created: Timestamp,
    pub(super) wanted: Configuration,
    pub(super) works: Vec<Work>,
    pub(super) on_failure: Option<OnFailure>,
    pub(super) token: Option<String>,
    /// How often it was looked at, and how often it must be.
    looks: usize,
    needed: usize,
    outcome: Option<String>,
}

impl ChangeSet {
    /// One that has just been asked for.
    pub(super) fn new(name: &str, stack: usize, kind: Kind, now: Timestamp, wanted: Configuration) -> Self {
        Self {
            id: format!("arn:aws:cloudformation:{REGION}:{ACCOUNT}:changeSet/{name}/{}", Uuid::new_v4()),
            name: name.into(),
            stack,
            kind,
            description: None,
            status: "CREATE_PENDING",
            execution: "UNAVAILABLE",
            reason: None,
            created: now,
            wanted,
            works: Vec::new(),
            on_failure: None,
            token: None,
            looks: 0,
            needed: 1,
            outcome: None,
        }
    }

    pub(super) fn is_executed(&self) -> bool {
        self.execution.starts_with("EXECUTE_")
    }

    /// Somebody looks: on to its next status.
    pub(super) fn look(&mut self) {
        if !matches!(self.status, "CREATE_PENDING" | "CREATE_IN_PROGRESS") {
            return;
        }
        self.looks += 1;
        if self.looks < self.needed {
            self.status = if self.looks == 1 { "CREATE_PENDING" } else { "CREATE_IN_PROGRESS" };
            return;
        }
        self.reason.clone_from(&self.outcome);
        (self.status, self.execution) = match self.outcome {
            Some(_) => ("FAILED", "UNAVAILABLE"),
            None => ("CREATE_COMPLETE", "AVAILABLE"),
        };
    }
}

impl Account {
    /// Adds a change set, with what it will show once it is ready.
    pub(super) fn add_change_set(&mut self, mut change_set: ChangeSet) -> String {
        let known = &self.stacks[change_set.stack];
        let plan = self.planned(&known.name, change_set.kind);
        change_set.works = super::forward::works(known, &plan, &change_set.wanted, None);
        change_set.needed = plan.change_set_polls;
        let is_same = change_set.works.is_empty() && !self.is_different(change_set.stack, &change_set.wanted);
        change_set.outcome = plan.change_set_reason.or_else(|| is_same.then(|| UNCHANGED.to_owned()));
        let id = change_set.id.clone();
        self.change_sets.push(change_set);
        id
    }

    /// Whether the stack would be told anything new, besides its resources.
    pub(super) fn is_different(&self, stack: usize, wanted: &Configuration) -> bool {
        let now = &self.stacks[stack].configuration;
        let body =
            |configuration: &Configuration| configuration.template.as_ref().map(|template| template.body.clone());
        body(now) != body(wanted) || now.tags != wanted.tags || now.parameters != wanted.parameters
    }

    /// By its ARN, or by its name and stack.
    pub(super) fn find_change_set(&self, change_set: &str, stack: Option<usize>) -> Option<usize> {
        self.change_sets
            .iter()
            .position(|known| known.id == change_set || (known.name == change_set && Some(known.stack) == stack))
    }

    /// The execution of a change set has ended.
    pub(super) fn conclude(&mut self, id: &str, is_well: bool) {
        if let Some(change_set) = self.change_sets.iter_mut().find(|known| known.id == id) {
            change_set.execution = if is_well { "EXECUTE_COMPLETE" } else { "EXECUTE_FAILED" };
        }
    }

    /// The stack has changed otherwise: its change sets are about what it was.
    pub(super) fn outdate(&mut self, stack: usize) {
        for change_set in self.change_sets.iter_mut().filter(|known| known.stack == stack) {
            if change_set.execution == "AVAILABLE" {
                change_set.execution = "OBSOLETE";
            }
        }
    }
}

/// One change, as it is shown.
pub(super) fn write_change(xml: &mut Xml, work: &Work, physical_id: Option<&str>) {
    let (action, replacement) = match work.act {
        Act::Create => ("Add", None),
        Act::Delete => ("Remove", None),
        Act::Import => ("Import", None),
        Act::Replace => ("Modify", Some("True")),
        _ => ("Modify", Some("False")),
    };
    xml.text("Type", "Resource");
    xml.inside("ResourceChange", |xml| {
        if action == "Remove" {
            xml.text("PolicyAction", if work.is_retained { "Retain" } else { "Delete" });
        }
        xml.text("Action", action);
        xml.text("LogicalResourceId", &work.id);
        xml.maybe("PhysicalResourceId", physical_id);
        xml.text("ResourceType", &work.kind);
        xml.maybe("Replacement", replacement);
        let scope: Vec<String> = if action == "Modify" { vec!["Properties".to_owned()] } else { Vec::new() };
        xml.texts("Scope", &scope);
        xml.members("Details", scope, |xml, scope| write_detail(xml, &scope, work.act == Act::Replace));
    });
}

fn write_detail(xml: &mut Xml, scope: &str, is_replaced: bool) {
    xml.inside("Target", |xml| {
        xml.text("Attribute", scope);
        xml.text("RequiresRecreation", if is_replaced { "Always" } else { "Never" });
    });
    xml.text("Evaluation", "Static");
    xml.text("ChangeSource", "DirectModification");
}
