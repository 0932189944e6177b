//! What an operation sets out to do: what the template says, and what the test says of it. Pure.

use super::{
    operation::{Act, Work, WorkState},
    plan::{Kind, Plan, Resource},
    policy,
    stack::{Configuration, Stack, StackResource},
    template::{Declared, mentions},
};

/// What a stack has to do to become `wanted`. What an update removes is done at its end: such works are over already.
pub(super) fn works(stack: &Stack, plan: &Plan, wanted: &Configuration, policy: Option<&str>) -> Vec<Work> {
    let mut works = match plan.kind {
        Kind::Delete => return deletions(stack, plan),
        Kind::Rollback => Vec::new(),
        _ => declared(stack, plan, wanted),
    };
    let is_declared = |id: &str| wanted.template.as_ref().is_some_and(|template| template.declared(id).is_some());
    let extras = plan.resources.iter().filter(|resource| !is_declared(&resource.id));
    works.extend(extras.map(|resource| planned(stack, plan.kind, resource)));
    if plan.kind == Kind::Update {
        works.extend(removals(stack, plan, wanted));
    }
    for work in &mut works {
        refuse(work, policy);
    }
    works
}

fn living(stack: &Stack) -> impl DoubleEndedIterator<Item = &StackResource> {
    stack.resources.iter().filter(|resource| resource.status != "DELETE_COMPLETE")
}

fn lives<'a>(stack: &'a Stack, id: &str) -> Option<&'a StackResource> {
    living(stack).find(|resource| resource.id == id)
}

fn declared(stack: &Stack, plan: &Plan, wanted: &Configuration) -> Vec<Work> {
    let resources = wanted.template.iter().flat_map(|template| &template.resources);
    resources.filter_map(|declared| of_declared(stack, plan, wanted, declared)).collect()
}

fn of_declared(stack: &Stack, plan: &Plan, wanted: &Configuration, declared: &Declared) -> Option<Work> {
    let planned = plan.resource(&declared.id);
    if let Some(planned) = planned.filter(|planned| planned.is_removed) {
        return Some(removal(&declared.id, &declared.kind, planned.is_retained || declared.is_retained));
    }
    let is_there = lives(stack, &declared.id).is_some();
    let act = act(plan.kind, is_there, planned);
    if is_there && planned.is_none() && !is_changed(stack, wanted, declared) {
        return None;
    }
    let mut work = Work::new(&declared.id, &declared.kind, act);
    work.is_retained = declared.is_retained;
    work.after.clone_from(&declared.after);
    if let Some(planned) = planned {
        tell(&mut work, planned);
    }
    Some(work)
}

fn act(kind: Kind, is_there: bool, planned: Option<&Resource>) -> Act {
    match kind {
        Kind::Import if !is_there => Act::Import,
        _ if !is_there => Act::Create,
        _ if planned.is_some_and(|planned| planned.is_replaced) => Act::Replace,
        _ => Act::Update,
    }
}

fn is_changed(stack: &Stack, wanted: &Configuration, declared: &Declared) -> bool {
    let now = &stack.configuration;
    let before = now.template.as_ref().and_then(|template| template.declared(&declared.id));
    let differs = |name: &&String| now.parameters.get(*name) != wanted.parameters.get(*name);
    before.is_none_or(|before| before.definition != declared.definition)
        || now.tags != wanted.tags
        || wanted.parameters.keys().filter(differs).any(|name| mentions(&declared.definition, name))
}

fn planned(stack: &Stack, kind: Kind, resource: &Resource) -> Work {
    if resource.is_removed {
        return removal(&resource.id, &resource.kind, resource.is_retained);
    }
    let is_there = lives(stack, &resource.id).is_some();
    let mut work = Work::new(&resource.id, &resource.kind, act(kind, is_there, Some(resource)));
    tell(&mut work, resource);
    work
}

fn tell(work: &mut Work, planned: &Resource) {
    work.left = planned.takes.unwrap_or(work.left);
    work.after.extend(planned.after.iter().cloned());
    work.fault.clone_from(&planned.fault);
    work.stuck.clone_from(&planned.stuck);
    work.is_held = planned.is_held;
    work.is_retained |= planned.is_retained;
    work.nested = planned.nested.as_deref().cloned();
}

/// What is there and no longer declared.
fn removals(stack: &Stack, plan: &Plan, wanted: &Configuration) -> Vec<Work> {
    let Some(template) = &wanted.template else {
        return Vec::new();
    };
    let is_left =
        |resource: &&StackResource| template.declared(&resource.id).is_none() && plan.resource(&resource.id).is_none();
    living(stack).filter(is_left).map(|resource| removal(&resource.id, &resource.kind, resource.is_retained)).collect()
}

fn removal(id: &str, kind: &str, is_retained: bool) -> Work {
    Work { state: WorkState::Done, is_retained, ..Work::new(id, kind, Act::Delete) }
}

fn deletions(stack: &Stack, plan: &Plan) -> Vec<Work> {
    let deletion = |resource: &StackResource| {
        let mut work = Work::new(&resource.id, &resource.kind, Act::Delete);
        work.is_retained = resource.is_retained;
        if let Some(planned) = plan.resource(&resource.id) {
            tell(&mut work, planned);
        }
        work
    };
    living(stack).rev().map(deletion).collect()
}

/// What the stack policy does not allow fails when its turn comes, a removal in place of being put off.
fn refuse(work: &mut Work, policy: Option<&str>) {
    let action = match work.act {
        Act::Update => "Update:Modify",
        Act::Replace => "Update:Replace",
        Act::Delete => "Update:Delete",
        _ => return,
    };
    if let Some(reason) = policy.and_then(|policy| policy::refusal(policy, action, &work.id, &work.kind)) {
        work.fault = Some(reason);
        if work.act == Act::Delete {
            (work.act, work.state) = (Act::Update, WorkState::Waiting);
        }
    }
}
