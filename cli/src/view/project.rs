//! Projects and variables.

use std::collections::BTreeMap;

use jiff::Timestamp;
use proto::deployment as d;
use serde::Serialize;

use super::{View, duration, short, time, word};
use crate::screen;

/// A project as it is stored.
#[derive(Serialize)]
pub(crate) struct ProjectView {
    /// Its name.
    pub(crate) name: String,
    description: String,
    /// Absent in a list, which carries neither these nor variables and files.
    #[serde(skip_serializing_if = "Option::is_none")]
    steps: Option<Vec<StepView>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    variables: Option<Vec<VariableView>>,
    /// Grows by one with each change of the process.
    pub(crate) revision: i64,
    update_time: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    files: Option<Vec<FileView>>,
}

/// One step of a process.
#[derive(Serialize)]
struct StepView {
    name: String,
    pool: String,
    requires: BTreeMap<String, String>,
    condition: String,
    start: String,
    environments: Vec<String>,
    timeout: Option<String>,
    retries: Option<RetriesView>,
    retry_safe: bool,
    locks: Vec<String>,
    aws: Option<AwsView>,
    #[serde(flatten)]
    action: Option<ActionView>,
}

#[derive(Serialize)]
struct RetriesView {
    count: i32,
    backoff: Option<String>,
}

#[derive(Serialize)]
struct AwsView {
    identity: String,
    account: String,
    region: String,
    expect: Option<ExpectView>,
    assume_roles: Vec<AssumeRoleView>,
    require_isolation: bool,
}

#[derive(Serialize)]
struct AssumeRoleView {
    role_arn: String,
    session_name: String,
    external_id: String,
    duration: Option<String>,
    policy: String,
    omit_session_tags: bool,
}

#[derive(Serialize)]
struct ExpectView {
    account: String,
    role: String,
    region: String,
}

/// What a step does, under the name that the contract has for it.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum ActionView {
    Script {
        shell: String,
        #[serde(flatten)]
        source: SourceView,
    },
    DeployStack {
        stack: String,
        #[serde(flatten)]
        template: SourceView,
        parameters: BTreeMap<String, String>,
        capabilities: Vec<String>,
        tags: BTreeMap<String, String>,
    },
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum SourceView {
    Body(String),
    File(String),
}

#[derive(Serialize)]
struct FileView {
    path: String,
    sha256: String,
    size: i64,
    executable: bool,
}

impl From<d::Project> for ProjectView {
    fn from(it: d::Project) -> Self {
        Self {
            name: it.name,
            description: it.description,
            steps: Some(it.steps.into_iter().map(StepView::from).collect()),
            variables: Some(it.variables.into_iter().map(VariableView::from).collect()),
            revision: it.revision,
            update_time: time(it.update_time),
            files: Some(it.files.into_iter().map(FileView::from).collect()),
        }
    }
}

impl ProjectView {
    /// As a list carries it.
    pub(crate) fn listed(it: d::Project) -> Self {
        Self { steps: None, variables: None, files: None, ..Self::from(it) }
    }
}

impl From<d::ProjectFile> for FileView {
    fn from(it: d::ProjectFile) -> Self {
        Self { path: it.path, sha256: it.sha256, size: it.size, executable: it.executable }
    }
}

impl From<d::Step> for StepView {
    fn from(it: d::Step) -> Self {
        Self {
            start: word(it.start().as_str_name(), "START_").replace('_', "-"),
            name: it.name,
            pool: it.pool,
            requires: it.requires.into_iter().collect(),
            condition: it.condition,
            environments: it.environments,
            timeout: duration(it.timeout),
            retries: it.retries.map(|it| RetriesView { count: it.count, backoff: duration(it.backoff) }),
            retry_safe: it.retry_safe,
            locks: it.locks,
            aws: it.aws.map(AwsView::from),
            action: it.action.and_then(ActionView::read),
        }
    }
}

impl From<d::Aws> for AwsView {
    fn from(it: d::Aws) -> Self {
        Self {
            identity: word(it.identity().as_str_name(), "IDENTITY_").replace('_', "-"),
            account: it.account,
            region: it.region,
            expect: it.expect.map(|it| ExpectView { account: it.account, role: it.role, region: it.region }),
            assume_roles: it.assume_roles.into_iter().map(AssumeRoleView::from).collect(),
            require_isolation: it.require_isolation,
        }
    }
}

impl From<d::AssumeRole> for AssumeRoleView {
    fn from(it: d::AssumeRole) -> Self {
        Self {
            role_arn: it.role_arn,
            session_name: it.session_name,
            external_id: it.external_id,
            duration: duration(it.duration),
            policy: it.policy,
            omit_session_tags: it.omit_session_tags,
        }
    }
}

impl ActionView {
    /// Absent when a newer coordinator sent a source that this version does not know.
    fn read(action: d::step::Action) -> Option<Self> {
        use d::{deploy_stack::Template, script::Source};
        Some(match action {
            d::step::Action::Script(it) => Self::Script {
                shell: word(it.shell().as_str_name(), "SHELL_"),
                source: match it.source? {
                    Source::Body(text) => SourceView::Body(text),
                    Source::File(path) => SourceView::File(path),
                },
            },
            d::step::Action::DeployStack(it) => Self::DeployStack {
                stack: it.stack,
                template: match it.template? {
                    Template::Body(text) => SourceView::Body(text),
                    Template::File(path) => SourceView::File(path),
                },
                parameters: it.parameters.into_iter().collect(),
                capabilities: it.capabilities,
                tags: it.tags.into_iter().collect(),
            },
        })
    }

    fn in_a_word(&self) -> String {
        match self {
            Self::Script { shell, source: SourceView::Body(_) } => format!("{shell} script"),
            Self::Script { shell, source: SourceView::File(path) } => format!("{shell} script {path}"),
            Self::DeployStack { stack, .. } => format!("stack {stack}"),
        }
    }
}

impl AwsView {
    fn in_a_word(&self) -> String {
        let base =
            if self.account.is_empty() { self.identity.clone() } else { format!("{} {}", self.identity, self.account) };
        let roles = self.assume_roles.iter().map(|role| format!(" > role {}", name_of(&role.role_arn)));
        std::iter::once(base).chain(roles).collect()
    }
}

/// What a role is called: its ARN without what is before the name.
fn name_of(role_arn: &str) -> &str {
    role_arn.rsplit('/').next().unwrap_or(role_arn)
}

impl View for ProjectView {
    const MANY: &'static str = "projects";
    const COLUMNS: &'static [&'static str] = &["name", "revision", "changed", "description"];

    fn cells(&self) -> Vec<String> {
        vec![self.name.clone(), self.revision.to_string(), short(self.update_time), self.description.clone()]
    }

    fn page(&self) -> String {
        let mut page = screen::facts(&[
            ("name", self.name.clone()),
            ("description", self.description.clone()),
            ("revision", self.revision.to_string()),
            ("changed", short(self.update_time)),
        ]);
        let steps = self.steps.iter().flatten().enumerate().map(|(at, step)| {
            vec![
                (at + 1).to_string(),
                step.name.clone(),
                step.pool.clone(),
                step.action.as_ref().map(ActionView::in_a_word).unwrap_or_default(),
                step.aws.as_ref().map_or_else(|| "none".to_owned(), AwsView::in_a_word),
                step.condition.clone(),
                step.environments.join(", "),
            ]
        });
        page.push('\n');
        page.push_str(&screen::table(&["#", "step", "pool", "does", "aws", "condition", "environments"], steps));
        let variables = self.variables.as_deref().unwrap_or_default();
        if !variables.is_empty() {
            page.push_str("\n\n");
            page.push_str(&screen::table(VariableView::COLUMNS, variables.iter().map(View::cells)));
        }
        page
    }
}

/// A variable and one of its values.
#[derive(Serialize)]
pub(crate) struct VariableView {
    name: String,
    r#type: String,
    value: Option<String>,
    environments: Vec<String>,
    is_set: bool,
    from_file: bool,
}

impl From<d::Variable> for VariableView {
    fn from(it: d::Variable) -> Self {
        Self {
            r#type: word(it.r#type().as_str_name(), "TYPE_").replace('_', "-"),
            name: it.name,
            value: it.value,
            environments: it.environments,
            is_set: it.is_set,
            from_file: it.from_file,
        }
    }
}

impl View for VariableView {
    const MANY: &'static str = "variables";
    const COLUMNS: &'static [&'static str] = &["variable", "type", "value", "environments", "from"];

    fn cells(&self) -> Vec<String> {
        let value = match (&self.value, self.is_set) {
            (Some(value), _) => value.clone(),
            (None, true) => "********".to_owned(),
            (None, false) => "(not set)".to_owned(),
        };
        let from = if self.from_file { "project file" } else { "variable set" };
        vec![self.name.clone(), self.r#type.clone(), value, self.environments.join(", "), from.to_owned()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_roles_of_a_step_follow_its_identity() {
        let role = |name: &str| d::AssumeRole {
            role_arn: format!("arn:aws:iam::123456789012:role/teams/{name}"),
            ..d::AssumeRole::default()
        };
        let aws = d::Aws {
            identity: d::aws::Identity::Account.into(),
            account: "AWS Account".into(),
            assume_roles: vec![role("hub"), role("deployer")],
            ..d::Aws::default()
        };
        assert_eq!(AwsView::from(aws).in_a_word(), "account AWS Account > role hub > role deployer");
    }

    #[test]
    fn a_list_does_not_say_that_a_project_has_no_steps() {
        let keys = |view| serde_json::to_value::<ProjectView>(view).expect("json");
        let (listed, shown) =
            (keys(ProjectView::listed(d::Project::default())), keys(ProjectView::from(d::Project::default())));
        for key in ["steps", "variables", "files"] {
            assert!(listed.get(key).is_none(), "{key} is in a list");
            assert_eq!(shown[key], serde_json::json!([]));
        }
    }
}
