//! Projects: what an admin describes ⇄ a checked process and its variables.

use std::collections::BTreeMap;

use shared::{
    limits,
    plan::{
        Action, Condition, File, Process, Retries, Script, Shell, Source, Start, Step, VariableKey, VariableKind,
        check_name,
    },
    reason::{Fault, Reason},
};

mod aws;

use self::aws::aws_from_wire;
pub use self::aws::aws_rest;
use super::{duration_from_wire, duration_to_wire};
use crate::deployment as wire;

/// A project as an admin describes it; everything in it was checked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Described {
    /// Unique name.
    pub name: String,
    /// What it does.
    pub description: String,
    /// Its steps and files.
    pub process: Process,
    /// Its variables, in order of the file.
    pub variables: Vec<Declared>,
}

/// A variable as a project file declares it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Declared {
    /// Its name, kind and scope.
    pub key: VariableKey,
    /// Its value; never of a sensitive one, which does not belong into a file.
    pub value: Option<String>,
}

impl TryFrom<&wire::Project> for Described {
    type Error = Fault;

    /// One fault with every sentence there is to say about it.
    fn try_from(project: &wire::Project) -> Result<Self, Fault> {
        let mut faults = Vec::new();
        if let Err(why) = check_name(&project.name, limits::NAME_CHARS) {
            faults.push(format!("The project's name {why}."));
        }
        let steps = each(&project.steps, step_from_wire, &mut faults);
        let files = each(&project.files, file_from_wire, &mut faults);
        let variables = each(&project.variables, declared_from_wire, &mut faults);
        let process = Process { steps, files };
        // Half a process would be blamed for what is missing of it.
        if faults.is_empty() {
            faults.extend(process.faults());
        }
        faults.extend(variables_faults(&variables));
        if !faults.is_empty() {
            return Err(Fault::new(Reason::InvalidProject, faults.join("\n")));
        }
        Ok(Self { name: project.name.clone(), description: project.description.clone(), process, variables })
    }
}

impl From<&Described> for wire::Project {
    fn from(described: &Described) -> Self {
        Self {
            name: described.name.clone(),
            description: described.description.clone(),
            steps: described.process.steps.iter().map(Into::into).collect(),
            variables: described.variables.iter().map(Into::into).collect(),
            files: described.process.files.iter().map(Into::into).collect(),
            revision: 0,
            update_time: None,
        }
    }
}

impl From<&Declared> for wire::Variable {
    fn from(declared: &Declared) -> Self {
        Self {
            name: declared.key.name.clone(),
            r#type: wire_kind(declared.key.kind) as i32,
            value: declared.value.clone(),
            environments: declared.key.environments.iter().cloned().collect(),
            is_set: declared.value.is_some(),
            from_file: true,
        }
    }
}

impl From<&File> for wire::ProjectFile {
    fn from(file: &File) -> Self {
        Self {
            path: file.path.clone(),
            sha256: file.sha256.clone(),
            size: i64::try_from(file.size).unwrap_or(i64::MAX),
            executable: file.executable,
        }
    }
}

impl From<&Step> for wire::Step {
    fn from(step: &Step) -> Self {
        Self {
            name: step.name.clone(),
            pool: step.pool.clone(),
            requires: step.requires.clone().into_iter().collect(),
            condition: match &step.condition {
                Condition::Success => "success".into(),
                Condition::Failure => "failure".into(),
                Condition::Always => "always".into(),
                Condition::Expression(text) => text.clone(),
            },
            start: match step.start {
                Start::AfterPrevious => wire::step::Start::AfterPrevious,
                Start::WithPrevious => wire::step::Start::WithPrevious,
            } as i32,
            environments: step.environments.clone(),
            timeout: duration_to_wire(step.timeout),
            retries: Some(wire::Retries {
                count: i32::try_from(step.retries.count).unwrap_or(i32::MAX),
                backoff: duration_to_wire(step.retries.backoff),
            }),
            retry_safe: step.retry_safe,
            locks: step.locks.clone(),
            aws: Some((&step.aws).into()),
            action: action_to_wire(&step.action),
        }
    }
}

/// The kind of a variable, as it travels.
#[must_use]
pub fn wire_kind(kind: VariableKind) -> wire::variable::Type {
    match kind {
        VariableKind::Text => wire::variable::Type::Text,
        VariableKind::Sensitive => wire::variable::Type::Sensitive,
        VariableKind::AwsAccount => wire::variable::Type::AwsAccount,
    }
}

/// Name, kind and scope of a variable that travelled.
///
/// # Errors
/// What is wrong with it, in a sentence that names it.
pub fn variable_key(variable: &wire::Variable) -> Result<VariableKey, String> {
    let name = &variable.name;
    let say = |what: String| Err(format!("Variable \"{name}\": {what}."));
    if let Err(why) = check_name(name, limits::NAME_CHARS) {
        return say(format!("its name {why}"));
    }
    if name.contains(['#', '{', '}', '|']) {
        return say("its name holds one of # { } |, so #{…} could not name it".into());
    }
    let kind = match wire::variable::Type::try_from(variable.r#type) {
        Ok(wire::variable::Type::Unspecified | wire::variable::Type::Text) => VariableKind::Text,
        Ok(wire::variable::Type::Sensitive) => VariableKind::Sensitive,
        Ok(wire::variable::Type::AwsAccount) => VariableKind::AwsAccount,
        Err(_) => return say("its type is not known to this version".into()),
    };
    if let Some(value) = &variable.value
        && value.len() > limits::VARIABLE_BYTES
    {
        return say(format!("its value has {} bytes; at most {} are allowed", value.len(), limits::VARIABLE_BYTES));
    }
    if let Some(environment) = variable.environments.iter().find(|name| check_name(name, limits::NAME_CHARS).is_err()) {
        return say(format!("\"{environment}\" cannot be the name of an environment"));
    }
    Ok(VariableKey { name: name.clone(), kind, environments: variable.environments.iter().cloned().collect() })
}

fn declared_from_wire(variable: &wire::Variable) -> Result<Declared, String> {
    let key = variable_key(variable)?;
    if key.kind == VariableKind::Sensitive && variable.value.is_some() {
        return Err(format!(
            "Variable \"{}\" is sensitive and has a value in the project file: take it out, and set it with `longshore variable set`.",
            key.name
        ));
    }
    Ok(Declared { key, value: variable.value.clone() })
}

fn variables_faults(variables: &[Declared]) -> Vec<String> {
    let mut faults = Vec::new();
    if variables.len() > limits::VARIABLES {
        faults.push(format!(
            "The project has {} variables; at most {} are allowed.",
            variables.len(),
            limits::VARIABLES
        ));
    }
    let mut seen = BTreeMap::new();
    for Declared { key, .. } in variables {
        if seen.insert((key.name.to_lowercase(), &key.environments), ()).is_some() {
            faults.push(format!("Variable \"{}\" is declared twice for the same environments.", key.name));
        }
    }
    faults
}

fn step_from_wire(step: &wire::Step) -> Result<Step, String> {
    let say = |what: &str| format!("Step \"{}\": {what}.", step.name);
    let start = match wire::step::Start::try_from(step.start) {
        Ok(wire::step::Start::Unspecified | wire::step::Start::AfterPrevious) => Start::AfterPrevious,
        Ok(wire::step::Start::WithPrevious) => Start::WithPrevious,
        Err(_) => return Err(say("its `start` is not known to this version")),
    };
    Ok(Step {
        name: step.name.clone(),
        pool: step.pool.clone(),
        requires: step.requires.clone().into_iter().collect(),
        condition: match step.condition.as_str() {
            "" | "success" => Condition::Success,
            "failure" => Condition::Failure,
            "always" => Condition::Always,
            text => Condition::Expression(text.into()),
        },
        start,
        environments: step.environments.clone(),
        timeout: duration_from_wire(step.timeout, limits::DEFAULT_TIMEOUT)
            .ok_or_else(|| say("its `timeout` is not a length of time"))?,
        retries: retries_from_wire(step.retries.as_ref()).map_err(say)?,
        retry_safe: step.retry_safe,
        locks: step.locks.clone(),
        aws: aws_from_wire(step.aws.as_ref()).map_err(say)?,
        action: action_from_wire(step.action.as_ref()).map_err(say)?,
    })
}

fn retries_from_wire(retries: Option<&wire::Retries>) -> Result<Retries, &'static str> {
    let Some(retries) = retries else { return Ok(Retries::default()) };
    Ok(Retries {
        count: u32::try_from(retries.count).map_err(|_| "its `retries.count` is negative")?,
        backoff: duration_from_wire(retries.backoff, Retries::default().backoff)
            .ok_or("its `retries.backoff` is not a length of time")?,
    })
}

fn action_from_wire(action: Option<&wire::step::Action>) -> Result<Action, &'static str> {
    match action {
        None => Err("it does nothing: give it a `script`, or a `cloudformation`"),
        Some(wire::step::Action::Script(script)) => script_from_wire(script).map(Action::Script),
        Some(wire::step::Action::DeployStack(stack)) => Ok(Action::DeployStack(Box::new(stack.try_into()?))),
        Some(wire::step::Action::ApplyChangeSet(apply)) => Ok(Action::ApplyChangeSet(apply.into())),
        Some(wire::step::Action::DeleteStack(delete)) => Ok(Action::DeleteStack(delete.into())),
        Some(wire::step::Action::UploadToS3(upload)) => Ok(Action::UploadToS3(Box::new(upload.into()))),
    }
}

fn script_from_wire(script: &wire::Script) -> Result<Script, &'static str> {
    use wire::script::{Shell as S, Source as W};
    let shell = match S::try_from(script.shell) {
        Ok(S::Bash) => Shell::Bash,
        Ok(S::Python) => Shell::Python,
        Ok(S::Unspecified) => return Err("its `script.shell` is missing: write bash or python"),
        Err(_) => return Err("its `script.shell` is not known to this version"),
    };
    let source = match &script.source {
        Some(W::Body(text)) => Source::Body(text.clone()),
        Some(W::File(path)) => Source::File(path.clone()),
        None => return Err("its script has neither `body` nor `file`"),
    };
    Ok(Script { shell, source, substitute: true })
}

fn action_to_wire(action: &Action) -> Option<wire::step::Action> {
    use wire::script;
    Some(match action {
        Action::Script(script) => wire::step::Action::Script(wire::Script {
            shell: match script.shell {
                Shell::Bash => script::Shell::Bash,
                Shell::Python => script::Shell::Python,
            } as i32,
            source: Some(match &script.source {
                Source::Body(text) => script::Source::Body(text.clone()),
                Source::File(path) => script::Source::File(path.clone()),
            }),
        }),
        Action::DeployStack(stack) => wire::step::Action::DeployStack((&**stack).into()),
        Action::ApplyChangeSet(apply) => wire::step::Action::ApplyChangeSet(apply.into()),
        Action::DeleteStack(delete) => wire::step::Action::DeleteStack(delete.into()),
        Action::UploadToS3(upload) => wire::step::Action::UploadToS3((&**upload).into()),
        // Never part of a project: an account test makes it.
        Action::CheckIdentity => return None,
    })
}

fn file_from_wire(file: &wire::ProjectFile) -> Result<File, String> {
    let size = u64::try_from(file.size).map_err(|_| format!("File \"{}\": its size is negative.", file.path))?;
    Ok(File { path: file.path.clone(), sha256: file.sha256.clone(), size, executable: file.executable })
}

fn each<W, D>(wire: &[W], convert: impl Fn(&W) -> Result<D, String>, faults: &mut Vec<String>) -> Vec<D> {
    let convert = |item| convert(item).map_err(|fault| faults.push(fault)).ok();
    wire.iter().filter_map(convert).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::{collection::vec, option, prelude::*};

    use shared::plan::{
        AssumeRole, Aws, Expect, Identity,
        stack::{
            ApplyChangeSet, ChangeSetMode, ContinueRollback, DeleteStack, DeployStack, OnFailure, RollbackTriggers,
            StackParameter, StackTemplate, Staging,
        },
        upload::{DeleteExtraneous, ObjectRule, ObjectSettings, UploadToS3},
    };

    use super::*;

    fn word() -> impl Strategy<Value = String> {
        "[A-Za-z][A-Za-z0-9 _-]{0,10}[a-z]"
    }

    fn action() -> impl Strategy<Value = Action> {
        let script = (word(), any::<bool>()).prop_map(|(body, is_bash)| {
            let shell = if is_bash { Shell::Bash } else { Shell::Python };
            Action::Script(Script { shell, source: Source::Body(body), substitute: true })
        });
        prop_oneof![script, deploy_stack(), others()]
    }

    fn map() -> impl Strategy<Value = BTreeMap<String, String>> {
        proptest::collection::btree_map(word(), word(), 0..3)
    }

    fn deploy_stack() -> impl Strategy<Value = Action> {
        let parameter = (word(), any::<bool>(), any::<bool>()).prop_map(|(value, use_previous, no_echo)| {
            StackParameter { value: if use_previous { String::new() } else { value }, use_previous, no_echo }
        });
        let words = (stack_name(), word(), word(), map(), vec(word(), 0..3));
        let choices =
            (0..3usize, 0..3usize, option::of(any::<bool>()), option::of(any::<bool>()), 1..60u64, any::<bool>());
        let parameters = proptest::collection::btree_map(word(), parameter, 0..3);
        (words, choices, parameters).prop_map(|((stack, text, arn, tags, list), choices, parameters)| {
            let (on_failure, mode, protected, replace, minutes, is_there) = choices;
            let minutes = Duration::from_secs(minutes * 60);
            Action::DeployStack(Box::new(DeployStack {
                stack,
                template: if is_there {
                    StackTemplate::Url(format!("https://{text}"))
                } else {
                    StackTemplate::Body(text.clone())
                },
                substitute: !is_there,
                parameters,
                capabilities: list.clone(),
                tags,
                role_arn: arn.clone(),
                policy: (mode != 1).then(|| Source::Body(text.clone())),
                termination_protection: protected,
                notification_arns: list.clone(),
                rollback: is_there.then(|| RollbackTriggers { alarms: list.clone(), monitoring: minutes }),
                on_failure: [OnFailure::Rollback, OnFailure::Delete, OnFailure::DoNothing][on_failure],
                creation_timeout: is_there.then_some(minutes),
                change_set: [ChangeSetMode::Execute, ChangeSetMode::Review, ChangeSetMode::Direct][mode],
                replace_failed: replace,
                continue_rollback: is_there.then(|| ContinueRollback { skip: list.clone() }),
                sensitive_outputs: list,
                staging: is_there.then(|| Staging {
                    bucket: text,
                    prefix: arn.clone(),
                    create: is_there,
                    kms_key: arn,
                }),
                artifacts: Vec::new(),
            }))
        })
    }

    fn others() -> impl Strategy<Value = Action> {
        (stack_name(), word(), word(), map(), vec("[a-z]{1,5}", 1..3), 0..3usize).prop_map(
            |(stack, a, b, metadata, list, kind)| match kind {
                0 => {
                    Action::ApplyChangeSet(ApplyChangeSet { stack, change_set: a, digest: b, sensitive_outputs: list })
                }
                1 => Action::DeleteStack(DeleteStack { stack, retain: list, role_arn: a }),
                _ => {
                    let settings = ObjectSettings { content_type: a, metadata, acl: b, ..ObjectSettings::default() };
                    let rules = vec![ObjectRule { files: list.clone(), settings: settings.clone() }];
                    let delete_extraneous = Some(DeleteExtraneous { at_most: 7 });
                    let (source, key_prefix) = (vec!["dist/**".into()], "web/".into());
                    Action::UploadToS3(Box::new(UploadToS3 {
                        bucket: "shop-site".into(),
                        source,
                        key_prefix,
                        settings,
                        rules,
                        delete_extraneous,
                        ..UploadToS3::default()
                    }))
                }
            },
        )
    }

    fn stack_name() -> impl Strategy<Value = String> {
        "[A-Za-z][A-Za-z0-9-]{0,10}"
    }

    fn aws() -> impl Strategy<Value = Aws> {
        let identity = prop_oneof![word().prop_map(Identity::Account), Just(Identity::WorkerRole)];
        let rest = (vec(assume_role(), 0..3), any::<bool>());
        (identity, option::of(("[0-9]{12}", "[A-Za-z]{1,9}")), rest).prop_map(
            |(identity, expect, (assume, require_isolation))| {
                let expect = expect.map(|(account, role)| Expect { account, role, region: String::new() });
                Aws {
                    identity,
                    region: "eu-west-1".into(),
                    expect: expect.unwrap_or_default(),
                    assume,
                    require_isolation,
                }
            },
        )
    }

    fn assume_role() -> impl Strategy<Value = AssumeRole> {
        ("[a-z]{1,9}", "[a-z]{2,9}", 900..43_200u64, any::<bool>(), any::<bool>()).prop_map(
            |(role, word, seconds, has_policy, session_tags)| AssumeRole {
                role_arn: format!("arn:aws:iam::123456789012:role/{role}"),
                session_name: word.clone(),
                external_id: word,
                duration: Duration::from_secs(seconds),
                policy: if has_policy { r#"{"Statement":[]}"#.into() } else { String::new() },
                session_tags,
            },
        )
    }

    fn step() -> impl Strategy<Value = Step> {
        let condition = prop_oneof![
            Just(Condition::Success),
            Just(Condition::Failure),
            Just(Condition::Always),
            word().prop_map(|name| Condition::Expression(format!("#{{{name}}}")))
        ];
        let numbers = (1..1000u64, 0..10u32, 0..3600u64, any::<bool>(), any::<bool>());
        let lists = (vec(word(), 0..3), vec(word(), 0..3), proptest::collection::btree_map(word(), word(), 0..3));
        (word(), word(), condition, numbers, lists, aws(), action()).prop_map(
            |(
                name,
                pool,
                condition,
                (timeout, count, backoff, retry_safe, parallel),
                (environments, locks, requires),
                aws,
                action,
            )| Step {
                name,
                pool,
                requires,
                condition,
                start: if parallel { Start::WithPrevious } else { Start::AfterPrevious },
                environments,
                timeout: Duration::from_secs(timeout),
                retries: Retries { count, backoff: Duration::from_secs(backoff) },
                retry_safe,
                locks,
                aws,
                action,
            },
        )
    }

    fn described() -> impl Strategy<Value = Described> {
        let declared = (word(), proptest::collection::btree_set(word(), 0..3), option::of(word())).prop_map(
            |(name, environments, value)| Declared {
                key: VariableKey { name, kind: VariableKind::Text, environments },
                value,
            },
        );
        (word(), word(), vec(step(), 1..4), vec(declared, 0..4)).prop_map(
            |(name, description, mut steps, mut variables)| {
                for (at, step) in steps.iter_mut().enumerate() {
                    step.name = format!("{} {at}", step.name);
                }
                for (at, variable) in variables.iter_mut().enumerate() {
                    variable.key.name = format!("{}.{at}", variable.key.name);
                }
                let file = File { path: "dist/a".into(), sha256: "0".repeat(64), size: 1, executable: false };
                Described { name, description, process: Process { steps, files: vec![file] }, variables }
            },
        )
    }

    proptest! {
        #[test]
        fn a_project_is_the_same_after_a_journey(described in described()) {
            let wire = wire::Project::from(&described);
            prop_assert_eq!(Described::try_from(&wire).expect("valid"), described);
        }
    }

    fn bare() -> wire::Project {
        let script = wire::Script { shell: 1, source: Some(wire::script::Source::Body("true".into())) };
        let step = wire::Step {
            name: "One".into(),
            action: Some(wire::step::Action::Script(script)),
            ..wire::Step::default()
        };
        wire::Project { name: "shop".into(), steps: vec![step], ..wire::Project::default() }
    }

    #[test]
    fn what_is_left_out_has_its_default() {
        let described = Described::try_from(&bare()).expect("valid");
        let step = &described.process.steps[0];
        assert_eq!(
            (step.timeout, &step.condition, step.retries),
            (limits::DEFAULT_TIMEOUT, &Condition::Success, Retries::default())
        );
        assert_eq!(step.aws.identity, Identity::None);
    }

    #[test]
    fn every_fault_is_told_at_once() {
        let mut project = bare();
        project.name = " ".into();
        project.steps.push(wire::Step { name: "Two".into(), ..wire::Step::default() });
        project.variables.push(wire::Variable {
            name: "Password".into(),
            r#type: 2,
            value: Some("canary".into()),
            ..wire::Variable::default()
        });
        let fault = Described::try_from(&project).expect_err("three faults");
        assert_eq!(fault.reason, Reason::InvalidProject);
        for part in ["project's name is empty", "Step \"Two\": it does nothing", "\"Password\" is sensitive"] {
            assert!(fault.sentence.contains(part), "{part}: {fault}");
        }
        assert!(!fault.sentence.contains("canary"), "{fault}");
    }

    #[test]
    fn an_account_beside_another_identity_is_a_fault() {
        let mut project = bare();
        project.steps[0].aws = Some(wire::Aws { identity: 3, account: "AWS Account".into(), ..wire::Aws::default() });
        let fault = Described::try_from(&project).expect_err("ambiguous");
        assert!(fault.sentence.contains("`aws.identity` is not account"), "{fault}");
    }
}
