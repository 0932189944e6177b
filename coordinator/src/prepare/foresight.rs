//! What can be known before a deployment begins: a pool that is not there, and names that nothing declares. All of it is told
//! at once, instead of step by step while half of the deployment has run.

use std::{collections::BTreeMap, convert::Infallible};

use shared::{
    plan::{Action, Condition, Identity, Step, VariableKind},
    reason::{Fault, Reason},
    template::Variables,
};

use super::{
    plan::Plan,
    scope,
    snapshot::{Snapshot, known_pool},
    surroundings::Surroundings,
    text::{MACHINE, WORKER_POOL, is_output, is_progress},
};

impl Plan {
    /// Looks at every step of this environment, with all pools and what each demands.
    ///
    /// # Errors
    /// [`Reason::PoolNotFound`] when a step's pool does not exist, else [`Reason::VariableUnset`]; names every step that could
    /// only be refused later, and what is wrong with it.
    pub(crate) fn check(&self, pools: BTreeMap<String, BTreeMap<String, String>>) -> Result<(), Fault> {
        let around = Surroundings { pools, accounts: BTreeMap::new(), outputs: Vec::new(), progress: Vec::new() };
        let (mut lost, mut faults) = (false, Vec::new());
        for (index, step) in self.process.steps.iter().enumerate() {
            if !step.environments.is_empty() && !step.environments.contains(&self.environment) {
                continue;
            }
            if let Some(fault) = pool_fault(step, &around.pools) {
                lost = true;
                faults.push(fault);
            }
            let snapshot = self.seen_from(index, known_pool(step));
            let variables = scope::variables(self, &snapshot, index, &around);
            faults.extend(unknown_names(step, &Known { variables: &variables, snapshot: &snapshot }));
        }
        if faults.is_empty() {
            return Ok(());
        }
        Err(Fault::new(
            if lost { Reason::PoolNotFound } else { Reason::VariableUnset },
            format!(
                "Project \"{0}\" cannot be deployed to environment \"{1}\": {2}. Mend the names, or make what they name: `longshore \
                 pool list` shows the pools, `longshore variable list {0}` the variables.",
                self.project,
                self.environment,
                faults.join("; "),
            ),
        ))
    }
}

fn pool_fault(step: &Step, pools: &BTreeMap<String, BTreeMap<String, String>>) -> Option<String> {
    let pool = known_pool(step).filter(|pool| !pools.contains_key(*pool))?;
    Some(format!("step \"{}\" runs in pool \"{pool}\", which does not exist", step.name))
}

fn unknown_names(step: &Step, known: &Known<'_>) -> Vec<String> {
    let unknown = texts(step).into_iter().flat_map(|(what, text)| {
        let names: Vec<String> = known.strangers(&text).iter().map(|name| format!("\"{name}\"")).collect();
        (!names.is_empty()).then(|| {
            let verb = if names.len() == 1 { "has" } else { "have" };
            format!("step \"{}\" names {} in its {what}, which {verb} no value", step.name, names.join(", "))
        })
    });
    unknown.collect()
}

/// The texts in which every name must have a value, and what they are called.
fn texts(step: &Step) -> Vec<(String, String)> {
    let plain = |what: &str, text: &str| (what.to_owned(), text.to_owned());
    let of_map = |what: &'static str, map| {
        let texts: &BTreeMap<String, String> = map;
        texts.iter().map(move |(name, text)| (format!("{what} \"{name}\""), text.clone()))
    };
    let mut texts = vec![plain("pool", step.pool.as_str())];
    texts.extend(of_map("label", &step.requires));
    texts.extend(step.locks.iter().map(|lock| plain("lock", lock)));
    if let Condition::Expression(condition) = &step.condition {
        texts.push(plain("condition", condition));
    }
    if step.aws.identity != Identity::None {
        let expect = &step.aws.expect;
        texts.push(plain("region", &step.aws.region));
        texts.push(plain("expected account", &expect.account));
        texts.push(plain("expected role", &expect.role));
        texts.push(plain("expected region", &expect.region));
        for role in &step.aws.assume {
            texts.push(plain("role to assume", &role.role_arn));
            texts.push(plain("name of a session", &role.session_name));
            texts.push(plain("external id", &role.external_id));
            texts.push(plain("session policy", &role.policy));
        }
    }
    texts.extend(texts_of(&step.action));
    texts
}

fn texts_of(action: &Action) -> Vec<(String, String)> {
    let mut texts = Vec::new();
    let walked = action.try_map_texts::<Infallible>(&mut |what, text, _| {
        texts.push((what.to_owned(), text.to_owned()));
        Ok(String::new())
    });
    let Ok(_) = walked;
    texts
}

/// All names that have a value, or may have one by the time the step runs.
struct Known<'a> {
    variables: &'a Variables,
    snapshot: &'a Snapshot,
}

impl Known<'_> {
    /// The names in a text that will have no value whatever the steps before put out. What cannot be evaluated at all is told
    /// when the step is prepared.
    fn strangers(&self, text: &str) -> Vec<String> {
        let undefined = self.variables.evaluate(text).map(|evaluated| evaluated.undefined).unwrap_or_default();
        undefined.into_iter().filter(|name| !self.may_have_value(name)).collect()
    }

    fn may_have_value(&self, name: &str) -> bool {
        is_output(name)
            || is_progress(name)
            || name.eq_ignore_ascii_case(WORKER_POOL)
            || name.eq_ignore_ascii_case(MACHINE)
            // A name made of other names, of which some may be outputs.
            || name.contains("#{")
            // The secret that holds the unknown name: all that is said of it.
            || self.variables.get(name).is_some()
            || self.is_of_account(name)
    }

    /// An account is read when a step needs it: here, its variable is enough.
    fn is_of_account(&self, name: &str) -> bool {
        let name = name.to_lowercase();
        let endings = ["", scope::ACCESS_KEY, scope::SECRET_KEY, scope::ROLE_ARN, scope::SESSION_DURATION];
        let endings = endings.map(str::to_lowercase);
        let variables = endings.iter().filter_map(|ending| self.snapshot.find(name.strip_suffix(ending.as_str())?));
        variables.into_iter().any(|variable| variable.kind == VariableKind::AwsAccount)
    }
}

#[cfg(test)]
mod tests;
