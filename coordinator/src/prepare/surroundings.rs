//! What a step can see besides its deployment's variables, as the store has it now.

use std::collections::{BTreeMap, BTreeSet};

use coordinator_core::fact::OutputValue;
use prost::Message;
use proto::worker::StepSpec;
use rusqlite::Connection;
use shared::{
    plan::{Identity, VariableKind},
    reason::{Fault, Reason},
};
use zeroize::Zeroizing;

use super::{plan::Plan, sealed_output};
use crate::{
    accounts::Recipe,
    registry::{account, pool},
    seal::Seal,
    store::deployments::{self, StepProgress},
};

/// Read once for each evaluation of a step.
pub(super) struct Surroundings {
    /// All pools by name, with what each demands of its workers.
    pub(super) pools: BTreeMap<String, BTreeMap<String, String>>,
    /// The accounts that variables or the step itself name; those that do not exist are not in it.
    pub(super) accounts: BTreeMap<String, Known>,
    /// What the steps before it put out.
    pub(super) outputs: Vec<KnownOutput>,
    /// How the steps before it have gone.
    pub(super) progress: Vec<StepProgress>,
}

/// An account, and what it means.
pub(super) struct Known {
    pub(super) opened: account::Opened,
    pub(super) recipe: Recipe,
}

/// An output of a step before, opened.
pub(super) struct KnownOutput {
    pub(super) step: String,
    pub(super) name: String,
    pub(super) value: Zeroizing<String>,
    pub(super) sensitive: bool,
}

impl Surroundings {
    pub(super) fn read(connection: &Connection, seal: &Seal, plan: &Plan, step: usize) -> Result<Self, Fault> {
        Ok(Self {
            pools: pool::list(connection)?.into_iter().map(|pool| (pool.name, pool.requires)).collect(),
            accounts: accounts(connection, seal, plan, step)?,
            outputs: outputs(connection, seal, plan, step)?,
            progress: progress(connection, plan, step)?,
        })
    }

    /// Accounts whose secret key is somewhere in what a worker is sent, by whatever name it got there.
    pub(super) fn keys_in(&self, spec: &StepSpec) -> Vec<String> {
        let bytes = Zeroizing::new(spec.encode_to_vec());
        let is_in = |secret: &[u8]| !secret.is_empty() && bytes.windows(secret.len()).any(|part| part == secret);
        let sent = self.accounts.iter().filter(|(_, known)| is_in(known.opened.secret_access_key.as_bytes()));
        sent.map(|(name, _)| name.clone()).collect()
    }
}

fn accounts(connection: &Connection, seal: &Seal, plan: &Plan, step: usize) -> Result<BTreeMap<String, Known>, Fault> {
    let of_variables = plan.snapshot.variables.iter().filter(|variable| variable.kind == VariableKind::AwsAccount);
    let mut names: BTreeSet<&str> = of_variables.map(|variable| variable.value.trim()).collect();
    if let Identity::NamedAccount(name) = &plan.process.steps[step].aws.identity {
        names.insert(name.trim());
    }
    let mut accounts = BTreeMap::new();
    for name in names {
        match account::open(connection, seal, name) {
            Ok(opened) => {
                let recipe = Recipe::read(connection, seal, name)?;
                accounts.insert(name.to_owned(), Known { opened, recipe });
            }
            Err(fault) if fault.reason == Reason::AccountNotFound => {}
            Err(fault) => return Err(fault),
        }
    }
    Ok(accounts)
}

fn progress(connection: &Connection, plan: &Plan, step: usize) -> Result<Vec<StepProgress>, Fault> {
    if step == 0 { Ok(Vec::new()) } else { deployments::progress_before(connection, plan.id, step) }
}

fn outputs(connection: &Connection, seal: &Seal, plan: &Plan, step: usize) -> Result<Vec<KnownOutput>, Fault> {
    // Nothing comes before the first step, and most deployments of one command have no other.
    if step == 0 {
        return Ok(Vec::new());
    }
    let mut known = Vec::new();
    for put_out in deployments::outputs_of_deployment(connection, plan.id)? {
        // An earlier attempt of the step itself is not a step before it.
        if put_out.step >= step {
            continue;
        }
        let key = seal.output_key(put_out.execution);
        for output in put_out.outputs {
            let (value, sensitive) = match output.value {
                OutputValue::Plain(value) => (Zeroizing::new(value), false),
                OutputValue::Sealed(sealed) => (sealed_output::open(&key, &put_out.name, &output.name, &sealed)?, true),
            };
            known.push(KnownOutput { step: put_out.name.clone(), name: output.name, value, sensitive });
        }
    }
    Ok(known)
}
