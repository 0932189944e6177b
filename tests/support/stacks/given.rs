//! Stacks that are there before the story begins.

use super::{
    account::Account,
    operation::{Act, Work, WorkState},
    plan::{Output, Resource},
    refusal::Refusal,
    stack::{Event, STACK, Stack, StackResource},
    template::Template,
};

/// A stack as a test finds it.
#[derive(Clone, Debug)]
pub struct Given {
    name: String,
    status: String,
    reason: Option<String>,
    template: Option<String>,
    resources: Vec<Resource>,
    outputs: Vec<Output>,
    tags: Vec<(String, String)>,
    parameters: Vec<(String, String)>,
    policy: Option<String>,
    imports: Vec<String>,
    token: Option<String>,
    is_protected: bool,
}

impl Given {
    /// A stack of this name that was created.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            status: "CREATE_COMPLETE".into(),
            reason: None,
            template: None,
            resources: Vec::new(),
            outputs: Vec::new(),
            tags: Vec::new(),
            parameters: Vec::new(),
            policy: None,
            imports: Vec::new(),
            token: None,
            is_protected: false,
        }
    }

    /// The status it is in, e.g. `UPDATE_ROLLBACK_FAILED`. In one that says it is in progress it stays, as no operation runs.
    #[must_use]
    pub fn in_state(self, status: &str) -> Self {
        Self { status: status.into(), ..self }
    }

    /// Why it is in that status.
    #[must_use]
    pub fn because(self, reason: &str) -> Self {
        Self { reason: Some(reason.into()), ..self }
    }

    /// What it was made from; its resources are there unless it never was healthy.
    #[must_use]
    pub fn template(self, body: &str) -> Self {
        Self { template: Some(body.into()), ..self }
    }

    /// A resource in it. One that [`Resource::sticks`] has failed when the stack has.
    #[must_use]
    pub fn with(mut self, resource: Resource) -> Self {
        self.resources.push(resource);
        self
    }

    /// An output, and its export's name if it has one.
    #[must_use]
    pub fn output(mut self, key: &str, value: &str, export: Option<&str>) -> Self {
        self.outputs.push(Output { key: key.into(), value: value.into(), export: export.map(str::to_owned) });
        self
    }

    /// A tag.
    #[must_use]
    pub fn tag(mut self, key: &str, value: &str) -> Self {
        self.tags.push((key.into(), value.into()));
        self
    }

    /// A parameter's value.
    #[must_use]
    pub fn parameter(mut self, name: &str, value: &str) -> Self {
        self.parameters.push((name.into(), value.into()));
        self
    }

    /// Its stack policy.
    #[must_use]
    pub fn policy(self, body: &str) -> Self {
        Self { policy: Some(body.into()), ..self }
    }

    /// It imports this export.
    #[must_use]
    pub fn imports(mut self, export: &str) -> Self {
        self.imports.push(export.into());
        self
    }

    /// The token of the operation that brought it there.
    #[must_use]
    pub fn by_token(self, token: &str) -> Self {
        Self { token: Some(token.into()), ..self }
    }

    /// Termination protection is on.
    #[must_use]
    pub fn protected(self) -> Self {
        Self { is_protected: true, ..self }
    }
}

impl Account {
    /// # Errors
    /// When its template is none.
    pub(super) fn put(&mut self, given: Given) -> Result<String, Refusal> {
        self.pass();
        let template = given.template.as_deref().map(Template::read).transpose()?;
        let mut stack = Stack::new(&given.name, &given.status, self.now);
        stack.reason = given.reason;
        stack.is_protected = given.is_protected;
        stack.policy = given.policy;
        stack.imports = given.imports;
        stack.configuration.outputs = given.outputs;
        stack.configuration.tags = given.tags.into_iter().collect();
        stack.configuration.parameters = given.parameters.into_iter().collect();
        let never_was = matches!(given.status.as_str(), "REVIEW_IN_PROGRESS" | "ROLLBACK_COMPLETE" | "DELETE_COMPLETE");
        let declared = template.iter().flat_map(|template| &template.resources).filter(|_| !never_was);
        let told = |id: &str| given.resources.iter().any(|resource| resource.id == id);
        let untold: Vec<Resource> = declared
            .filter(|declared| !told(&declared.id))
            .map(|declared| Resource::new(&declared.id, &declared.kind))
            .collect();
        stack.configuration.template = template;
        for resource in given.resources.into_iter().chain(untold) {
            stack.hold(resource);
        }
        self.stacks.push(stack);
        let place = self.stacks.len() - 1;
        self.settle(place, given.token);
        Ok(self.stacks[place].id.clone())
    }

    /// The events of how it came there, as far as anybody asks: one of each resource, and the stack's own.
    fn settle(&mut self, place: usize, token: Option<String>) {
        let stack = &self.stacks[place];
        let (id, name, status, reason) =
            (stack.id.clone(), stack.name.clone(), stack.status.clone(), stack.reason.clone());
        let resources = stack.resources.clone();
        for resource in &resources {
            let told = [&*resource.id, &*resource.physical_id, &*resource.kind, &*resource.status];
            self.tell(place, None, told, resource.reason.clone());
        }
        self.tell(place, None, [&name, &id, STACK, &status], reason);
        let tokened = |event: &mut Event| event.token.clone_from(&token);
        self.stacks[place].events.iter_mut().for_each(tokened);
    }

    /// Puts a stack into a status, whatever it was in, as if somebody else had done it.
    pub(super) fn set_status(&mut self, stack: usize, status: &str, reason: Option<String>) {
        self.stacks[stack].operation = None;
        let known = &mut self.stacks[stack];
        status.clone_into(&mut known.status);
        known.reason.clone_from(&reason);
        if known.is_deleted() {
            known.deleted = Some(self.now);
        }
        let (name, id) = (known.name.clone(), known.id.clone());
        self.tell(stack, None, [&name, &id, STACK, status], reason);
    }
}

impl Stack {
    fn hold(&mut self, resource: Resource) {
        let word = if self.status.starts_with("UPDATE") { "UPDATE" } else { "CREATE" };
        let has_failed = self.status.ends_with("_FAILED") && resource.stuck.is_some();
        let word = if self.status == "DELETE_FAILED" && has_failed { "DELETE" } else { word };
        if has_failed {
            let act = if word == "UPDATE" { Act::Update } else { Act::Create };
            self.rest.push(Work { state: WorkState::Failed, ..Work::new(&resource.id, &resource.kind, act) });
        }
        self.resources.push(StackResource {
            physical_id: format!("{}-{}-1a2b3c4d5e6f", self.name, resource.id).to_lowercase(),
            id: resource.id,
            kind: resource.kind,
            status: format!("{word}_{}", if has_failed { "FAILED" } else { "COMPLETE" }),
            reason: resource.stuck.clone().filter(|_| has_failed),
            at: self.created,
            is_retained: resource.is_retained,
            stuck: resource.stuck,
            nested: None,
        });
    }
}
