//! What a test says an operation of a stack will do.

/// One operation of one stack. Resources that the template has and the plan does not name go well, one step each; those that the
/// plan names and the template does not have are added to them.
#[derive(Clone, Debug)]
pub struct Plan {
    pub(super) kind: Kind,
    pub(super) resources: Vec<Resource>,
    pub(super) outputs: Vec<Output>,
    pub(super) is_at_once: bool,
    pub(super) is_held: bool,
    pub(super) ignores_cancel: bool,
    pub(super) change_set_polls: usize,
    pub(super) change_set_reason: Option<String>,
}

/// What an operation does to its stack.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// `CreateStack`, or the execution of a change set of type CREATE.
    Create,
    /// `UpdateStack`, or the execution of a change set of type UPDATE.
    Update,
    /// The execution of a change set of type IMPORT.
    Import,
    /// `DeleteStack`.
    Delete,
    /// `ContinueUpdateRollback` or `RollbackStack`.
    Rollback,
}

/// An output of a stack.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Output {
    pub(super) key: String,
    pub(super) value: String,
    pub(super) export: Option<String>,
}

/// What becomes of one resource.
#[derive(Clone, Debug)]
pub struct Resource {
    pub(super) id: String,
    pub(super) kind: String,
    pub(super) takes: Option<usize>,
    pub(super) after: Vec<String>,
    pub(super) fault: Option<String>,
    pub(super) stuck: Option<String>,
    pub(super) is_held: bool,
    pub(super) is_retained: bool,
    pub(super) is_replaced: bool,
    pub(super) is_removed: bool,
    pub(super) nested: Option<Box<Plan>>,
}

impl Plan {
    /// Of an operation of this kind, in which all goes well.
    #[must_use]
    pub fn new(kind: Kind) -> Self {
        Self {
            kind,
            resources: Vec::new(),
            outputs: Vec::new(),
            is_at_once: false,
            is_held: false,
            ignores_cancel: false,
            change_set_polls: 1,
            change_set_reason: None,
        }
    }

    /// The creation of a stack.
    #[must_use]
    pub fn create() -> Self {
        Self::new(Kind::Create)
    }

    /// An update.
    #[must_use]
    pub fn update() -> Self {
        Self::new(Kind::Update)
    }

    /// A deletion.
    #[must_use]
    pub fn delete() -> Self {
        Self::new(Kind::Delete)
    }

    /// An import.
    #[must_use]
    pub fn import() -> Self {
        Self::new(Kind::Import)
    }

    /// Says what becomes of a resource.
    #[must_use]
    pub fn with(mut self, resource: Resource) -> Self {
        self.resources.push(resource);
        self
    }

    /// So many resources of this type, `Part001` and on, each of which goes well.
    #[must_use]
    pub fn with_many(mut self, count: usize, kind: &str) -> Self {
        self.resources.extend((1..=count).map(|number| Resource::new(&format!("Part{number:03}"), kind)));
        self
    }

    /// An output that the stack has afterwards; without any it keeps those that it has.
    #[must_use]
    pub fn output(mut self, key: &str, value: &str) -> Self {
        self.outputs.push(Output { key: key.into(), value: value.into(), export: None });
        self
    }

    /// An output with an export of this name.
    #[must_use]
    pub fn export(mut self, key: &str, value: &str, export: &str) -> Self {
        self.outputs.push(Output { key: key.into(), value: value.into(), export: Some(export.into()) });
        self
    }

    /// Everything that can happen happens at the first look.
    #[must_use]
    pub fn at_once(self) -> Self {
        Self { is_at_once: true, ..self }
    }

    /// Nothing happens after its beginning until [`super::Stacks::release`].
    #[must_use]
    pub fn holds(self) -> Self {
        Self { is_held: true, ..self }
    }

    /// `CancelUpdateStack` is taken and has no effect, as when it comes too late.
    #[must_use]
    pub fn ignores_cancel(self) -> Self {
        Self { ignores_cancel: true, ..self }
    }

    /// The change set for it is ready at this look, the first being 1. It is CREATE_PENDING before, then CREATE_IN_PROGRESS.
    #[must_use]
    pub fn change_set_takes(self, looks: usize) -> Self {
        Self { change_set_polls: looks.max(1), ..self }
    }

    /// The change set for it fails, for this reason.
    #[must_use]
    pub fn change_set_fails(self, reason: &str) -> Self {
        Self { change_set_reason: Some(reason.into()), ..self }
    }

    pub(super) fn resource(&self, id: &str) -> Option<&Resource> {
        self.resources.iter().find(|resource| resource.id == id)
    }
}

impl Resource {
    /// A resource that goes well, one step after it begins.
    #[must_use]
    pub fn new(id: &str, kind: &str) -> Self {
        Self {
            id: id.into(),
            kind: kind.into(),
            takes: None,
            after: Vec::new(),
            fault: None,
            stuck: None,
            is_held: false,
            is_retained: false,
            is_replaced: false,
            is_removed: false,
            nested: None,
        }
    }

    /// A stack in the stack, and what becomes of it.
    #[must_use]
    pub fn nested(id: &str, plan: Plan) -> Self {
        Self { nested: Some(Box::new(plan)), ..Self::new(id, "AWS::CloudFormation::Stack") }
    }

    /// Ends so many steps after it begins.
    #[must_use]
    pub fn takes(self, steps: usize) -> Self {
        Self { takes: Some(steps), ..self }
    }

    /// Begins when that other one is done.
    #[must_use]
    pub fn after(mut self, id: &str) -> Self {
        self.after.push(id.into());
        self
    }

    /// Fails in place of being created, updated, imported or, in the plan of a deletion, deleted.
    #[must_use]
    pub fn fails(self, reason: &str) -> Self {
        Self { fault: Some(reason.into()), ..self }
    }

    /// From now on it can be neither deleted nor rolled back, until [`super::Stacks::mend`] or somebody skips or retains it.
    #[must_use]
    pub fn sticks(self, reason: &str) -> Self {
        Self { stuck: Some(reason.into()), ..self }
    }

    /// Stays in progress until [`super::Stacks::release`].
    #[must_use]
    pub fn holds(self) -> Self {
        Self { is_held: true, ..self }
    }

    /// Has `DeletionPolicy: Retain`: it is skipped when it would be deleted.
    #[must_use]
    pub fn retained(self) -> Self {
        Self { is_retained: true, ..self }
    }

    /// The update replaces it.
    #[must_use]
    pub fn replaced(self) -> Self {
        Self { is_replaced: true, ..self }
    }

    /// The update removes it.
    #[must_use]
    pub fn removed(self) -> Self {
        Self { is_removed: true, ..self }
    }
}
