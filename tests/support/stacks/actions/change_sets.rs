//! Change sets: `CreateChangeSet`, `DescribeChangeSet`, `ExecuteChangeSet`, `DeleteChangeSet`, `ListChangeSets`.

use super::{Result, page, stack_of, wishes::on_failure_of};
use crate::stacks::{
    account::Account,
    change_set::{ChangeSet, write_change},
    form::Form,
    plan::Kind,
    refusal::Refusal,
    stack::{Stack, written},
    xml::Xml,
};

impl Account {
    pub(super) fn create_change_set(&mut self, form: &Form) -> Result {
        let (stack_name, name) = (stack_of(form)?, form.get("ChangeSetName").unwrap_or_default());
        let stack = self.find(stack_name).filter(|stack| !self.stacks[*stack].is_deleted());
        let known = self.find_change_set(name, stack).map(|known| &self.change_sets[known]);
        if let Some(known) = known.filter(|known| !known.is_executed()) {
            let is_again = known.token.is_some() && known.token.as_deref() == form.get("ClientToken");
            let exists = || Refusal::new(400, "AlreadyExistsException", format!("ChangeSet {name} already exists"));
            return if is_again { Ok(self.created(known)) } else { Err(exists()) };
        }
        let kind = match form.get("ChangeSetType") {
            Some("CREATE") => Kind::Create,
            Some("IMPORT") => Kind::Import,
            _ => Kind::Update,
        };
        self.check_type(kind, stack, stack_name, name)?;
        let wanted = self.wishes_of(form, stack)?;
        let on_failure = on_failure_of(form, "OnStackFailure")?;
        let stack = stack.unwrap_or_else(|| self.add_shell(stack_name));
        let mut change_set = ChangeSet::new(name, stack, kind, self.now, wanted);
        change_set.on_failure = on_failure;
        change_set.description = form.owned("Description");
        change_set.token = form.owned("ClientToken");
        self.add_change_set(change_set);
        let known = self.change_sets.last();
        Ok(known.map(|known| self.created(known)).unwrap_or_default())
    }

    fn check_type(
        &self,
        kind: Kind,
        stack: Option<usize>,
        stack_name: &str,
        name: &str,
    ) -> std::result::Result<(), Refusal> {
        match (kind, stack) {
            (Kind::Create, Some(stack)) if self.stacks[stack].status != "REVIEW_IN_PROGRESS" => {
                Err(Refusal::validation(format!(
                    "Stack [{stack_name}] already exists and cannot be created again with the changeSet [{name}]."
                )))
            }
            (Kind::Create | Kind::Import, None) | (Kind::Create, _) => Ok(()),
            (_, Some(stack)) => self.check_updatable(stack),
            (_, None) => Err(Refusal::absent(stack_name)),
        }
    }

    /// A stack that is nothing but its name until a change set is executed.
    fn add_shell(&mut self, name: &str) -> usize {
        self.stacks.push(Stack::new(name, "REVIEW_IN_PROGRESS", self.now));
        let stack = self.stacks.len() - 1;
        self.set_status(stack, "REVIEW_IN_PROGRESS", Some("User Initiated".into()));
        stack
    }

    fn created(&self, change_set: &ChangeSet) -> Xml {
        let mut xml = Xml::default();
        xml.text("Id", &change_set.id);
        xml.text("StackId", &self.stacks[change_set.stack].id);
        xml
    }

    /// The change set that a call is about.
    fn change_set_of(&self, form: &Form) -> std::result::Result<usize, Refusal> {
        let name = form.get("ChangeSetName").unwrap_or_default();
        let stack = match form.get("StackName") {
            Some(stack) if !name.starts_with("arn:") => Some(self.living(stack)?),
            _ => None,
        };
        self.find_change_set(name, stack).ok_or_else(|| Refusal::change_set_absent(name))
    }

    pub(super) fn describe_change_set(&mut self, form: &Form) -> Result {
        let place = self.change_set_of(form)?;
        if form.get("NextToken").is_none() {
            self.change_sets[place].look();
        }
        let known = &self.change_sets[place];
        let stack = &self.stacks[known.stack];
        let is_ready = known.status == "CREATE_COMPLETE";
        let shown = if is_ready { known.works.as_slice() } else { &[] };
        let (works, next) = page(shown, form, self.page)?;
        let mut xml = Xml::default();
        write_head(&mut xml, known, stack);
        xml.maybe("Description", known.description.as_deref());
        xml.members("Parameters", &known.wanted.parameters, |xml, (name, value)| {
            xml.text("ParameterKey", name);
            xml.text("ParameterValue", value);
        });
        xml.texts("Capabilities", &known.wanted.capabilities);
        xml.texts("NotificationARNs", &known.wanted.notifications);
        xml.members("Tags", &known.wanted.tags, |xml, (key, value)| {
            xml.text("Key", key);
            xml.text("Value", value);
        });
        xml.members("Changes", works, |xml, work| {
            let physical_id = stack.resource(&work.id).map(|resource| resource.physical_id.as_str());
            write_change(xml, work, physical_id);
        });
        xml.maybe("NextToken", next.as_deref());
        Ok(xml)
    }

    pub(super) fn execute_change_set(&mut self, form: &Form) -> Result {
        let place = self.change_set_of(form)?;
        let token = form.get("ClientRequestToken");
        let known = self.change_sets[place].clone();
        let stack_id = self.stacks[known.stack].id.clone();
        if self.repeated(token, "ExecuteChangeSet", &stack_id)?.is_some() {
            return Ok(Xml::default());
        }
        if known.execution != "AVAILABLE" {
            let status = if known.status == "CREATE_COMPLETE" { known.execution } else { known.status };
            let message = format!("ChangeSet [{}] cannot be executed in its current status of [{status}]", known.id);
            return Err(Refusal::new(400, "InvalidChangeSetStatus", message));
        }
        if known.kind == Kind::Update {
            self.check_updatable(known.stack)?;
        }
        self.change_sets[place].execution = "EXECUTE_IN_PROGRESS";
        self.change_sets.retain(|other| other.stack != known.stack || other.id == known.id);
        self.stacks[known.stack].change_set_id = Some(known.id.clone());
        let disable_rollback = form.is_true("DisableRollback");
        match known.kind {
            Kind::Create => {
                let on_failure = on_failure_of(form, "")?.or(known.on_failure);
                self.stacks[known.stack].disable_rollback = disable_rollback;
                self.create(known.stack, known.wanted, on_failure, token, Some(known.id));
            }
            kind => self.update(known.stack, kind, known.wanted, [token, None], disable_rollback, Some(known.id)),
        }
        self.use_token(token, "ExecuteChangeSet", known.stack);
        Ok(Xml::default())
    }

    pub(super) fn delete_change_set(&mut self, form: &Form) -> Result {
        match self.change_set_of(form) {
            Ok(place) if self.change_sets[place].is_executed() => {
                let id = &self.change_sets[place].id;
                let message = format!("ChangeSet [{id}] cannot be deleted in its current status");
                Err(Refusal::new(400, "InvalidChangeSetStatus", message))
            }
            Ok(place) => {
                self.change_sets.remove(place);
                Ok(Xml::default())
            }
            // What is not there needs no deletion, as long as its stack is there.
            Err(refusal) if refusal.code == "ChangeSetNotFound" => Ok(Xml::default()),
            Err(refusal) => Err(refusal),
        }
    }

    pub(super) fn list_change_sets(&mut self, form: &Form) -> Result {
        let stack = self.living(stack_of(form)?)?;
        let all: Vec<_> = self.change_sets.iter().filter(|known| known.stack == stack).collect();
        let (shown, next) = page(&all, form, self.page)?;
        let mut xml = Xml::default();
        xml.members("Summaries", shown, |xml, known| {
            write_head(xml, known, &self.stacks[stack]);
            xml.maybe("Description", known.description.as_deref());
        });
        xml.maybe("NextToken", next.as_deref());
        Ok(xml)
    }
}

fn write_head(xml: &mut Xml, known: &ChangeSet, stack: &Stack) {
    xml.text("ChangeSetName", &known.name);
    xml.text("ChangeSetId", &known.id);
    xml.text("StackId", &stack.id);
    xml.text("StackName", &stack.name);
    xml.text("CreationTime", &written(known.created));
    xml.text("ExecutionStatus", known.execution);
    xml.text("Status", known.status);
    xml.maybe("StatusReason", known.reason.as_deref());
}
