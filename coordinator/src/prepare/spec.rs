//! Renders what a worker is sent to run a step.

use coordinator_core::input::Refusal;
use prost::Message;
use proto::{
    deployment::log_frame::Level,
    worker::{CheckIdentityAction, PreambleLine, ScriptAction, SpecFile, SpecVariable, StepSpec, aws_spec, step_spec},
};
use shared::{
    limits,
    plan::{Action, File, Identity, Script, Shell, Source, VariableKind, stack::StackTemplate, texts::Audience},
    reason::Reason,
    template::{Evaluated, Variables},
};

use super::{Ready, identity, printing, scope::SECRET_KEY, text::Texts};
use crate::registry::account::{Delivery, Kind};

/// 64 KiB of a message are left for what is around the step.
const SPEC_BYTES: usize = limits::MESSAGE_BYTES - (64 << 10);

/// Whether a worker must fetch it instead of finding it in its offer.
#[must_use]
pub fn has_secret(spec: &StepSpec) -> bool {
    let of_account = |aws: &proto::worker::AwsSpec| aws.source() == aws_spec::Source::Account;
    spec.variables.iter().any(|variable| variable.sensitive)
        || !spec.mask_values.is_empty()
        || spec.aws.as_ref().is_some_and(of_account)
}

/// All of a step but its attempt. `source` is the text of its script, or of a template that is evaluated.
pub(super) fn render(ready: &Ready, source: Option<String>) -> Result<StepSpec, Refusal> {
    let texts = ready.texts();
    let aws = identity::resolve(ready)?.map(|resolved| resolved.spec());
    let rendered = match &ready.step().action {
        Action::Script(script) => self::script(ready, script, source.unwrap_or_default())?,
        action => self::action(ready, action, source)?,
    };
    let mask_values = mask_values(&ready.variables, &rendered);
    let mut preamble = printing::preamble(&texts);
    preamble.extend(rendered.warnings);
    let spec = StepSpec {
        step_name: ready.step().name.clone(),
        mask_values,
        action: Some(rendered.action),
        variables: rendered.variables,
        aws,
        files: rendered.files,
        no_output_timeout: ready.step().waits.no_output_timeout.and_then(|span| span.try_into().ok()),
        preamble,
        ..StepSpec::default()
    };
    within_limits(&texts, spec)
}

/// An action, and what goes with it.
struct Rendered {
    action: step_spec::Action,
    variables: Vec<SpecVariable>,
    files: Vec<SpecFile>,
    warnings: Vec<PreambleLine>,
    /// Texts of the action in which a secret took part.
    secret_texts: Vec<String>,
}

impl Rendered {
    fn of(action: step_spec::Action) -> Self {
        Self { action, variables: Vec::new(), files: Vec::new(), warnings: Vec::new(), secret_texts: Vec::new() }
    }
}

fn script(ready: &Ready, script: &Script, source: String) -> Result<Rendered, Refusal> {
    let evaluated =
        if script.substitute { ready.texts().loose("script", &source)? } else { Evaluated::plain(source.as_str()) };
    let (shell, ending) = match script.shell {
        Shell::Bash => ("bash", "sh"),
        Shell::Python => ("python", "py"),
        Shell::PowerShell => ("powershell", "ps1"),
    };
    let name = match &script.source {
        Source::Body(_) => format!("script.{ending}"),
        Source::File(path) => path.clone(),
    };
    let mut warnings = withheld_keys(ready, &source);
    let leftovers = leftovers(&evaluated);
    if !leftovers.is_empty() && ready.texts().is_on(FAIL_ON_SUBSTITUTION) {
        return Err(unfit(ready, &evaluated, &leftovers.join(" ")));
    }
    warnings.extend(leftovers.into_iter().map(|text| printing::line(Level::Warning, text)));
    let mut secret_texts = Vec::new();
    let body = noted(evaluated, &mut secret_texts);
    Ok(Rendered {
        variables: script_variables(ready, &source)?,
        files: ready.plan.process.files_of(ready.step()).into_iter().map(spec_file).collect(),
        warnings,
        secret_texts,
        ..Rendered::of(step_spec::Action::Script(ScriptAction {
            shell: shell.into(),
            body,
            name,
            strict: script.strict,
        }))
    })
}

fn noted(evaluated: Evaluated, secret_texts: &mut Vec<String>) -> String {
    if evaluated.sensitive {
        secret_texts.push(evaluated.text.clone());
    }
    evaluated.text
}

/// All variables, evaluated. A secret key stays here unless the script names it; of the step's own account, it is enough that it
/// is handed out as it is, or that the script reads some secret key, under a name that may be put together there.
fn script_variables(ready: &Ready, source: &str) -> Result<Vec<SpecVariable>, Refusal> {
    let texts = ready.texts();
    let source = source.to_lowercase();
    let own = own_secret_key(ready, &source);
    let mut variables = Vec::new();
    for variable in ready.variables.iter() {
        let key = variable.name.to_lowercase();
        let is_key = is_secret_key(ready, &key);
        if is_key && own.as_ref() != Some(&key) && !source.contains(&key) {
            continue;
        }
        let Some(evaluated) = ready.variables.evaluate_variable(&variable.name) else { continue };
        let evaluated =
            evaluated.map_err(|error| texts.not_evaluated(&format!("variable \"{}\"", variable.name), &error))?;
        if evaluated.null {
            continue;
        }
        variables.push(SpecVariable {
            name: variable.name.clone(),
            value: evaluated.text,
            sensitive: evaluated.sensitive,
        });
    }
    Ok(variables)
}

/// The name of the key that the step's own account hands to this script, in lower case.
fn own_secret_key(ready: &Ready, source: &str) -> Option<String> {
    let Identity::Account(variable) = &ready.step().aws.identity else { return None };
    let name = identity::variable_name(variable);
    let account = ready.snapshot.find(name).and_then(|variable| ready.around.accounts.get(variable.value.trim()))?;
    let is_read = source.contains(&SECRET_KEY.to_lowercase());
    let is_handed_out = is_read || account.opened.row.delivery == Delivery::Raw;
    is_handed_out.then(|| format!("{name}{SECRET_KEY}").to_lowercase())
}

/// The keys that a script names and does not get, since their accounts forbid it.
fn withheld_keys(ready: &Ready, source: &str) -> Vec<PreambleLine> {
    let source = source.to_lowercase();
    let accounts = ready.snapshot.variables.iter().filter(|variable| variable.kind == VariableKind::AwsAccount);
    accounts
        .filter_map(|variable| Some((variable, ready.around.accounts.get(variable.value.trim())?)))
        .filter(|(_, known)| known.opened.row.kind == Kind::Aws && !known.opened.row.expose_keys)
        .map(|(variable, known)| (format!("{}{SECRET_KEY}", variable.name), &known.opened.row.name))
        .filter(|(key, _)| source.contains(&key.to_lowercase()))
        .map(|(key, account)| {
            let text = format!(
                "{}: the script reads \"{key}\", and the account \"{account}\" forbids that (expose_keys: false), so it has no \
                 value here. The AWS CLI and SDKs of this step are logged in without it.",
                Reason::KeysNotExposed.code()
            );
            printing::line(Level::Warning, text)
        })
        .collect()
}

fn is_secret_key(ready: &Ready, key: &str) -> bool {
    let ending = SECRET_KEY.to_lowercase();
    key.strip_suffix(&ending)
        .and_then(|account| ready.snapshot.find(account))
        .is_some_and(|variable| variable.kind == VariableKind::AwsAccount)
}

/// An action of AWS, with its texts evaluated.
fn action(ready: &Ready, action: &Action, template: Option<String>) -> Result<Rendered, Refusal> {
    let texts = ready.texts();
    let mut secret_texts = Vec::new();
    let mut evaluate = |what: &str, text: &str, audience: Audience| match audience {
        Audience::Everybody => texts.public(what, text),
        Audience::Addressee => Ok(noted(texts.whole(what, text)?, &mut secret_texts)),
    };
    let evaluated = with_template(action, template).try_map_texts(&mut evaluate)?;
    let wire = match &evaluated {
        Action::DeployStack(stack) => step_spec::Action::DeployStack((&**stack).into()),
        Action::ApplyChangeSet(apply) => step_spec::Action::ApplyChangeSet(apply.into()),
        Action::DeleteStack(delete) => step_spec::Action::DeleteStack(delete.into()),
        Action::UploadToS3(upload) => step_spec::Action::UploadToS3((&**upload).into()),
        Action::Script(_) | Action::CheckIdentity => step_spec::Action::CheckIdentity(CheckIdentityAction {}),
    };
    let files = ready.plan.process.files_of(ready.step()).into_iter().map(spec_file).collect();
    Ok(Rendered { secret_texts, files, ..Rendered::of(wire) })
}

/// The template that is to be evaluated is read here; any other travels as a file.
fn with_template(action: &Action, template: Option<String>) -> Action {
    let mut action = action.clone();
    if let (Action::DeployStack(stack), Some(text)) = (&mut action, template) {
        stack.template = StackTemplate::Body(text);
    }
    action
}

/// The secrets that are in what is sent without being sent as variables: part of a parameter, or of another variable.
fn mask_values(variables: &Variables, rendered: &Rendered) -> Vec<String> {
    let sent = |name: &str| rendered.variables.iter().any(|variable| variable.name == name);
    let secret_texts: Vec<&str> = rendered
        .secret_texts
        .iter()
        .map(String::as_str)
        .chain(rendered.variables.iter().filter(|variable| variable.sensitive).map(|variable| variable.value.as_str()))
        .collect();
    if secret_texts.is_empty() {
        return Vec::new();
    }
    let withheld = variables.iter().filter(|variable| variable.sensitive && !sent(&variable.name));
    let values = withheld.filter_map(|variable| variables.evaluate_variable(&variable.name)?.ok());
    values
        .map(|value| value.text)
        .filter(|value| !value.is_empty() && secret_texts.iter().any(|text| text.contains(value.as_str())))
        .collect()
}

/// Switches on that a script with something in it that cannot be evaluated does not run.
const FAIL_ON_SUBSTITUTION: &str = "OctopusShouldFailDeploymentOnSubstitutionFails";

/// What of a script could not be evaluated.
fn leftovers(evaluated: &Evaluated) -> Vec<String> {
    let mut lines = Vec::new();
    if !evaluated.undefined.is_empty() {
        let quoted: Vec<String> = evaluated.undefined.iter().map(|name| format!("'{name}'")).collect();
        lines.push(format!(
            "The script names variables without a value; they stay in it as they are: {}. Write ##{{ for a #{{ that is meant.",
            quoted.join(", ")
        ));
    }
    lines.extend(
        evaluated.faults.iter().map(|fault| {
            format!("The script has something in it that cannot be evaluated and stays as it is: {fault}.")
        }),
    );
    lines
}

fn unfit(ready: &Ready, evaluated: &Evaluated, why: &str) -> Refusal {
    let reason = if evaluated.undefined.is_empty() { Reason::ExpressionInvalid } else { Reason::VariableUnset };
    let fault = format!("{FAIL_ON_SUBSTITUTION} is on, and its script is not whole. {why}");
    ready.texts().refuse(reason, &fault)
}

fn spec_file(file: &File) -> SpecFile {
    SpecFile {
        path: file.path.clone(),
        sha256: file.sha256.clone(),
        // 64 MiB at most.
        size: i64::try_from(file.size).unwrap_or(i64::MAX),
        executable: file.executable,
    }
}

fn within_limits(texts: &Texts<'_>, spec: StepSpec) -> Result<StepSpec, Refusal> {
    let size = spec.encoded_len();
    if size <= SPEC_BYTES {
        return Ok(spec);
    }
    let fault = format!(
        "its script and its variables have {size} bytes together; at most {SPEC_BYTES} fit one message to a worker. Move large \
         values into a file of the project."
    );
    Err(texts.refuse(Reason::StepTooLarge, &fault))
}
