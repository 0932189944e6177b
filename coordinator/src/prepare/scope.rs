//! All names that the texts of a step may use.

use shared::{plan::VariableKind, template::Variables};

use super::{plan::Plan, progress, snapshot::Snapshot, surroundings::Surroundings};
use crate::registry::account::{self, Kind};

/// Ending of the name under which an account's access key is found.
pub(super) const ACCESS_KEY: &str = ".AccessKey";

/// Ending of the name under which an account's secret key is found.
pub(super) const SECRET_KEY: &str = ".SecretKey";

/// Ending of the name under which the role of an account is found.
pub(super) const ROLE_ARN: &str = ".RoleArn";

/// Ending of the name under which the length of an account's sessions is found, in seconds.
pub(super) const SESSION_DURATION: &str = ".SessionDuration";

/// Later ones win: nothing that a project declares can pose as what the system says.
pub(super) fn variables(plan: &Plan, snapshot: &Snapshot, step: usize, around: &Surroundings) -> Variables {
    let mut variables = Variables::new();
    snapshot.insert_into(&mut variables);
    insert_accounts(snapshot, around, &mut variables);
    // Outputs are data: `#{…}` in them stays as it is.
    for output in &around.outputs {
        let name = format!("Octopus.Action[{}].Output.{}", output.step, output.name);
        variables.insert_literal(name, output.value.as_str(), output.sensitive);
    }
    progress::insert(&around.progress, &mut variables);
    for (name, value) in system(plan, step) {
        variables.insert_literal(name, value, false);
    }
    variables
}

/// `AWS Account` and the names below it that its kind has; of an account that does not exist, nothing.
fn insert_accounts(snapshot: &Snapshot, around: &Surroundings, variables: &mut Variables) {
    for variable in snapshot.variables.iter().filter(|variable| variable.kind == VariableKind::AwsAccount) {
        let Some(known) = around.accounts.get(variable.value.trim()) else { continue };
        let (name, row) = (&variable.name, &known.opened.row);
        variables.insert_literal(name, account::slug(variable.value.trim()), false);
        if row.kind == Kind::Aws {
            variables.insert_literal(format!("{name}{ACCESS_KEY}"), &row.access_key_id, false);
        }
        if row.kind == Kind::Aws && row.expose_keys {
            let secret = known.opened.secret_access_key.as_str();
            variables.insert_literal(format!("{name}{SECRET_KEY}"), secret, true);
        }
        if !row.role_arn.is_empty() {
            variables.insert_literal(format!("{name}{ROLE_ARN}"), &row.role_arn, false);
            variables.insert_literal(format!("{name}{SESSION_DURATION}"), row.session_seconds.to_string(), false);
        }
    }
}

pub(super) fn system(plan: &Plan, index: usize) -> [(&'static str, String); 8] {
    let step = &plan.process.steps[index];
    [
        ("Octopus.Deployment.Id", plan.id.to_string()),
        ("Octopus.Deployment.Number", plan.number.to_string()),
        ("Octopus.Deployment.CreatedBy", plan.created_by.clone()),
        ("Octopus.Environment.Name", plan.environment.clone()),
        ("Octopus.Project.Name", plan.project.clone()),
        ("Octopus.Step.Name", step.name.clone()),
        ("Octopus.Step.Number", (index + 1).to_string()),
        ("Octopus.Action.Name", step.name.clone()),
    ]
}
