//! Files of a CloudFormation stack: template, stack policy, parameters, and what the template names.

use serde_json::value::Value as Json;
use shared::{limits, plan};

use super::{
    super::{
        fault::{Fault, Place},
        format::{self, DeployStack, Parameters},
    },
    Supply, Written,
    artifacts::{Artifacts, Base},
    policy_of,
    shelf::{Purpose, Shelf},
    template_of,
};

/// Finds them.
pub(super) fn collect(
    stack: &DeployStack,
    shelf: &mut Shelf,
    warnings: &mut Vec<Fault>,
    faults: &mut Vec<Fault>,
) -> Supply {
    let artifacts = template(stack, shelf, warnings).unwrap_or_else(|sentences| {
        let place = Place::of(stack.template.referenced);
        faults.extend(sentences.into_iter().map(|sentence| Fault::at(place, sentence)));
        Vec::new()
    });
    if let Some(written) = &stack.stack_policy
        && let Err(sentence) = policy(&written.value, shelf)
    {
        faults.push(Fault::at(Place::of(written.referenced), sentence));
    }
    let parameters = match &stack.parameters {
        Parameters::Here(_) => Vec::new(),
        Parameters::File(path) => parameters(&path.value, shelf).unwrap_or_else(|sentence| {
            faults.push(Fault::at(Place::of(path.referenced), sentence));
            Vec::new()
        }),
    };
    let written = match &stack.parameters {
        Parameters::Here(here) => here,
        Parameters::File(_) => &parameters,
    };
    warnings.extend(written.iter().filter_map(|parameter| laid_open(stack, parameter)));
    Supply { artifacts, parameters }
}

/// A secret that stands where everybody can read it.
fn laid_open(stack: &DeployStack, parameter: &format::Parameter) -> Option<Fault> {
    let value = parameter.text();
    let place = match &stack.parameters {
        Parameters::Here(_) => Place::of(parameter.name.referenced),
        Parameters::File(path) => Place::of(path.referenced),
    };
    (parameter.no_echo && !value.is_empty() && !value.contains("#{")).then(|| {
        let name = &parameter.name.value;
        Fault::at(
            place,
            format!(
                "Parameter \"{name}\" is a secret, and its value stands in a file: put it into a sensitive variable."
            ),
        )
    })
}

/// The files that the template names, sorted.
fn template(stack: &DeployStack, shelf: &mut Shelf, warnings: &mut Vec<Fault>) -> Result<Vec<String>, Vec<String>> {
    let (text, base) = match template_of(&stack.template.value) {
        Written::Address(_) => return Ok(Vec::new()),
        Written::Text(text) => (text.to_owned(), Base::Inline),
        Written::Path(path) => {
            let text = shelf.text(path, Purpose::Template).map_err(|sentence| vec![sentence + hint(path)])?;
            (text, Base::File(path.to_owned()))
        }
    };
    if text.len() > limits::TEMPLATE_BYTES && stack.staging.is_none() {
        return Err(vec![format!(
            "{} has {} bytes, and CloudFormation takes at most {} in a request: name a bucket under `staging`, where larger ones \
             are put.",
            base.subject(),
            text.len(),
            limits::TEMPLATE_BYTES
        )]);
    }
    match stack_template::Template::parse(&text) {
        // What is substituted may be what makes it a template.
        Err(fault) if stack.substitute && text.contains("#{") => {
            let sentence = format!(
                "{} cannot be read before its #{{…}} are substituted, so local files that it names would not be found: {}",
                base.at(fault.line, fault.column),
                fault.sentence
            );
            warnings.push(Fault::at(Place::of(stack.template.referenced), sentence));
            Ok(Vec::new())
        }
        Err(fault) => Err(vec![format!("{}: {}", base.at(fault.line, fault.column), fault.sentence)]),
        Ok(template) => {
            let artifacts = Artifacts::of(&template, base, shelf)?;
            match artifacts.first() {
                Some((path, names)) if stack.staging.is_none() => Err(vec![format!(
                    "{names} \"{path}\", a local file: name a bucket under `staging`, where such files are put."
                )]),
                _ => Ok(artifacts.into_paths()),
            }
        }
    }
}

fn hint(path: &str) -> &'static str {
    if path.contains("#{") { " Which files a project has is known before its variables are." } else { "" }
}

fn policy(written: &str, shelf: &mut Shelf) -> Result<(), String> {
    let (text, name) = match policy_of(written) {
        plan::Source::Body(text) => (text, "The stack policy".to_owned()),
        plan::Source::File(path) => {
            let name = format!("The stack policy {path}");
            (shelf.text(&path, Purpose::Policy)?, name)
        }
    };
    match serde_json::from_str(&text) {
        Ok(Json::Object(policy)) if policy.contains_key("Statement") => Ok(()),
        Ok(_) => Err(format!("{name} has no `Statement`.")),
        Err(error) => Err(format!("{name} is not JSON: {error}.")),
    }
}

fn parameters(path: &str, shelf: &Shelf) -> Result<Vec<format::Parameter>, String> {
    let text = shelf.peek(path, Purpose::Parameters)?;
    format::parse_parameters(&text).map_err(|fault| match fault.place {
        Some(Place { line, column }) => format!("The parameter file {path}:{line}:{column}: {}", fault.sentence),
        None => format!("The parameter file {path}: {}", fault.sentence),
    })
}
