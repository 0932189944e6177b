//! Evaluates the texts of one step, each as strictly as its use demands.

use std::collections::BTreeMap;

use coordinator_core::input::Refusal;
use shared::{
    reason::Reason,
    template::{Evaluated, Fault, TemplateError, Variables},
};

/// Has a value as soon as the step's pool is known.
pub(super) const WORKER_POOL: &str = "Octopus.WorkerPool.Name";

/// Name of the worker; known to what runs on it, and not to what decides where it runs.
pub(super) const MACHINE: &str = "Octopus.Machine.Name";

/// The texts of a step in its environment.
#[derive(Clone, Copy)]
pub(super) struct Texts<'a> {
    variables: &'a Variables,
    step: &'a str,
    environment: &'a str,
}

impl<'a> Texts<'a> {
    pub(super) fn new(variables: &'a Variables, step: &'a str, environment: &'a str) -> Self {
        Self { variables, step, environment }
    }

    /// Whatever cannot be evaluated stays as it is and is reported: for scripts, in which `#{` may mean something else.
    pub(super) fn loose(&self, what: &str, text: &str) -> Result<Evaluated, Refusal> {
        self.variables.evaluate(text).map_err(|error| self.not_evaluated(what, &error))
    }

    /// Every variable in it has a value.
    pub(super) fn whole(&self, what: &str, text: &str) -> Result<Evaluated, Refusal> {
        let evaluated = self.loose(what, text)?;
        if let Some(fault) = evaluated.faults.first() {
            return Err(self.faulty(what, fault));
        }
        if evaluated.undefined.is_empty() {
            Ok(evaluated)
        } else {
            Err(self.undefined(what, text, &evaluated.undefined))
        }
    }

    /// As [`Texts::whole`], trimmed, and not a secret: it is stored and shown in clear.
    pub(super) fn public(&self, what: &str, text: &str) -> Result<String, Refusal> {
        let evaluated = self.whole(what, text)?;
        if evaluated.sensitive {
            let fault = format!(
                "its {what} is \"{text}\", and a sensitive variable is part of that: it would be shown to everybody. Use a variable \
                 that is not sensitive."
            );
            return Err(self.refuse(Reason::InvalidArgument, &fault));
        }
        Ok(evaluated.text.trim().to_owned())
    }

    /// [`Texts::public`] for each value.
    pub(super) fn public_map(
        &self,
        what: &str,
        texts: &BTreeMap<String, String>,
    ) -> Result<BTreeMap<String, String>, Refusal> {
        let evaluate = |(name, text): (&String, &String)| {
            self.public(&format!("{what} \"{name}\""), text).map(|value| (name.clone(), value))
        };
        texts.iter().map(evaluate).collect()
    }

    /// Whether a condition holds: it is none of empty, `0`, `false` and `no`. An output that no step before has set, and an error that
    /// did not happen, do not hold; a variable that nobody declared is a mistake.
    pub(super) fn is_true(&self, condition: &str) -> Result<bool, Refusal> {
        let evaluated = self.loose("condition", condition)?;
        if let Some(fault) = evaluated.faults.first() {
            return Err(self.faulty("condition", fault));
        }
        let (unset, unknown): (Vec<_>, Vec<_>) =
            evaluated.undefined.into_iter().partition(|source| is_output(source) || is_progress(source));
        if !unknown.is_empty() {
            return Err(self.undefined("condition", condition, &unknown));
        }
        Ok(unset.is_empty() && Variables::is_truthy(&evaluated.text))
    }

    /// Whether a variable that switches something on is `True`.
    pub(super) fn is_on(&self, variable: &str) -> bool {
        let value = self.variables.evaluate_variable(variable);
        value.is_some_and(|value| value.is_ok_and(|value| value.text.trim().eq_ignore_ascii_case("true")))
    }

    /// All variables.
    pub(super) fn variables(&self) -> &'a Variables {
        self.variables
    }

    /// A refusal that begins with the step.
    pub(super) fn refuse(&self, reason: Reason, fault: &str) -> Refusal {
        Refusal { reason: reason.code().into(), detail: format!("Step \"{}\": {fault}", self.step) }
    }

    /// `in environment "staging"`, for the middle of a sentence; an ad-hoc command has none.
    pub(super) fn scope(&self) -> String {
        match self.environment {
            "" => "here".into(),
            name => format!("in environment \"{name}\""),
        }
    }

    fn undefined(&self, what: &str, text: &str, names: &[String]) -> Refusal {
        let quoted: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
        let fault = format!(
            "its {what} is \"{text}\", and {} {} no value {}. Declare it in the project file, or mend the name.",
            quoted.join(", "),
            if names.len() == 1 { "has" } else { "have" },
            self.scope(),
        );
        self.refuse(Reason::VariableUnset, &fault)
    }

    fn faulty(&self, what: &str, fault: &Fault) -> Refusal {
        self.refuse(Reason::ExpressionInvalid, &format!("its {what} cannot be evaluated: {fault}. Mend it."))
    }

    pub(super) fn not_evaluated(&self, what: &str, error: &TemplateError) -> Refusal {
        let reason = match error {
            TemplateError::Cycle(_) => Reason::VariableCycle,
            TemplateError::TooDeep(_) | TemplateError::TooLong(_) | TemplateError::TooMuch(_) => Reason::StepTooLarge,
        };
        self.refuse(reason, &format!("its {what} cannot be evaluated. {error}"))
    }
}

/// Whether an expression names how a step has gone, or that one has failed.
pub(super) fn is_progress(source: &str) -> bool {
    let name = source.trim().to_lowercase();
    let of_step = name.starts_with("octopus.step[") && name.contains("].status.");
    let of_action = name.starts_with("octopus.action[") && name.ends_with("].isskipped");
    of_step || of_action || name.starts_with("octopus.deployment.error")
}

/// Whether an expression names what a step puts out.
pub(super) fn is_output(source: &str) -> bool {
    let name = source.trim().to_lowercase();
    name.starts_with("octopus.action[") && name.contains("].output.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_is_true_unless_it_says_otherwise() {
        let mut variables = Variables::new();
        for (name, value) in [("Yes", "yes"), ("No", " No "), ("Off", "FALSE"), ("Zero", "0"), ("Empty", "")] {
            variables.insert(name, value, false);
        }
        let texts = Texts::new(&variables, "S", "staging");
        for (text, holds) in [
            ("#{Yes}", true),
            ("#{No}", false),
            ("#{Off}", false),
            ("#{Zero}", false),
            ("#{Empty}", false),
            ("#{Octopus.Action[Build].Output.Changed}", false),
        ] {
            assert_eq!(texts.is_true(text), Ok(holds), "{text}");
        }
    }

    #[test]
    fn a_condition_with_a_name_nobody_declared_is_refused_and_not_taken_for_false() {
        let variables = Variables::new();
        let refusal = Texts::new(&variables, "S", "staging").is_true("#{Deploi}").expect_err("a misspelt name");
        assert_eq!(refusal.reason, "VARIABLE_UNSET");
        assert!(refusal.detail.contains("\"Deploi\"") && refusal.detail.contains("staging"), "{}", refusal.detail);
    }

    #[test]
    fn a_secret_may_not_become_the_name_of_a_pool() {
        let mut variables = Variables::new();
        variables.insert("Password", "canary", true);
        let refusal = Texts::new(&variables, "S", "staging").public("pool", "#{Password}").expect_err("refused");
        assert!(!refusal.detail.contains("canary"), "{}", refusal.detail);
    }
}
