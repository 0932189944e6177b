//! Stacks as they stand, and what happened to them.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{
    operation::{Operation, Work},
    plan::Output,
    template::Template,
};
use crate::emulator::{ACCOUNT, REGION};

pub(super) const STACK: &str = "AWS::CloudFormation::Stack";

/// A stack.
#[derive(Clone, Debug)]
pub(super) struct Stack {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) status: String,
    pub(super) reason: Option<String>,
    pub(super) created: Timestamp,
    pub(super) updated: Option<Timestamp>,
    pub(super) deleted: Option<Timestamp>,
    pub(super) configuration: Configuration,
    /// What an update rolls back to.
    pub(super) previous: Option<Configuration>,
    pub(super) disable_rollback: bool,
    pub(super) is_protected: bool,
    pub(super) policy: Option<String>,
    /// Places of the stacks that it is in.
    pub(super) parent: Option<usize>,
    pub(super) resources: Vec<StackResource>,
    /// Oldest first.
    pub(super) events: Vec<Event>,
    pub(super) operation: Option<Operation>,
    pub(super) change_set_id: Option<String>,
    pub(super) imports: Vec<String>,
    /// What an operation that failed did or tried, for the rollback that somebody asks for.
    pub(super) rest: Vec<Work>,
}

/// What a stack was told to be.
#[derive(Clone, Debug, Default)]
pub(super) struct Configuration {
    pub(super) template: Option<Template>,
    pub(super) parameters: BTreeMap<String, String>,
    pub(super) tags: BTreeMap<String, String>,
    pub(super) capabilities: Vec<String>,
    pub(super) outputs: Vec<Output>,
    pub(super) role: Option<String>,
    pub(super) notifications: Vec<String>,
    pub(super) timeout: Option<String>,
}

/// A resource of a stack.
#[derive(Clone, Debug)]
pub(super) struct StackResource {
    pub(super) id: String,
    pub(super) physical_id: String,
    pub(super) kind: String,
    pub(super) status: String,
    pub(super) reason: Option<String>,
    pub(super) at: Timestamp,
    pub(super) is_retained: bool,
    /// Why it can be neither deleted nor rolled back.
    pub(super) stuck: Option<String>,
    /// Place of the stack that it is.
    pub(super) nested: Option<usize>,
}

/// Something that happened.
#[derive(Clone, Debug)]
pub(super) struct Event {
    pub(super) id: String,
    pub(super) operation_id: String,
    pub(super) logical_id: String,
    pub(super) physical_id: String,
    pub(super) kind: String,
    pub(super) status: String,
    pub(super) reason: Option<String>,
    pub(super) token: Option<String>,
    pub(super) at: Timestamp,
}

impl Stack {
    pub(super) fn new(name: &str, status: &str, now: Timestamp) -> Self {
        Self {
            id: format!("arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/{name}/{}", uuid::Uuid::new_v4()),
            name: name.into(),
            status: status.into(),
            reason: None,
            created: now,
            updated: None,
            deleted: None,
            configuration: Configuration::default(),
            previous: None,
            disable_rollback: false,
            is_protected: false,
            policy: None,
            parent: None,
            resources: Vec::new(),
            events: Vec::new(),
            operation: None,
            change_set_id: None,
            imports: Vec::new(),
            rest: Vec::new(),
        }
    }

    pub(super) fn is_deleted(&self) -> bool {
        self.status == "DELETE_COMPLETE"
    }

    pub(super) fn is_in_progress(&self) -> bool {
        self.status.ends_with("_IN_PROGRESS") && self.status != "REVIEW_IN_PROGRESS"
    }

    pub(super) fn resource(&self, id: &str) -> Option<&StackResource> {
        self.resources.iter().find(|resource| resource.id == id)
    }

    pub(super) fn resource_mut(&mut self, id: &str) -> Option<&mut StackResource> {
        self.resources.iter_mut().find(|resource| resource.id == id)
    }
}

/// AWS's form of a time.
pub(super) fn written(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}
