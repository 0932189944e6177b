//! How the steps before a step have gone, as Octopus names it: what conditions ask.

use shared::template::Variables;

use crate::store::deployments::StepProgress;

/// `Octopus.Step[Name].Status.*` and `Octopus.Action[Name].*` of the steps before; `Octopus.Deployment.Error` and `.ErrorDetail` once one
/// of them failed.
pub(super) fn insert(steps: &[StepProgress], variables: &mut Variables) {
    for step in steps {
        let name = &step.name;
        let has_failed = step.state == "failed";
        let error = if has_failed { step.detail.as_str() } else { "" };
        let code = code(&step.state);
        variables.insert_literal(format!("Octopus.Step[{name}].Status.Code"), code, false);
        variables.insert_literal(format!("Octopus.Step[{name}].Status.Error"), error, false);
        variables.insert_literal(format!("Octopus.Step[{name}].Status.ErrorDetail"), error, false);
        let skipped = if step.state == "skipped" { "True" } else { "False" };
        variables.insert_literal(format!("Octopus.Action[{name}].IsSkipped"), skipped, false);
    }
    if let Some(failed) = steps.iter().find(|step| matches!(step.state.as_str(), "failed" | "cancelled")) {
        let sentence = format!("Step \"{}\" has failed.", failed.name);
        variables.insert_literal("Octopus.Deployment.Error", sentence, false);
        variables.insert_literal("Octopus.Deployment.ErrorDetail", failed.detail.as_str(), false);
    }
}

fn code(state: &str) -> &'static str {
    match state {
        "pending" | "queued" | "asking" => "Pending",
        "running" | "unknown" => "Running",
        "succeeded" => "Succeeded",
        "skipped" => "Skipped",
        "cancelled" => "Canceled",
        _ => "Failed",
    }
}
