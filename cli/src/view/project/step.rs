//! Steps.

use std::collections::BTreeMap;

use proto::deployment as d;
use serde::Serialize;

use super::{
    super::{duration, word},
    action::ActionView,
};

/// One step of a process.
#[derive(Serialize)]
pub(super) struct StepView {
    pub(super) name: String,
    pub(super) pool: String,
    requires: BTreeMap<String, String>,
    pub(super) condition: String,
    start: String,
    pub(super) environments: Vec<String>,
    timeout: Option<String>,
    queue_timeout: Option<String>,
    no_output_timeout: Option<String>,
    cancel_grace: Option<String>,
    approval: String,
    on_failure: String,
    answer_timeout: Option<String>,
    retries: Option<RetriesView>,
    retry_safe: bool,
    locks: Vec<String>,
    pub(super) aws: Option<AwsView>,
    #[serde(flatten)]
    pub(super) action: Option<ActionView>,
}

#[derive(Serialize)]
struct RetriesView {
    count: i32,
    backoff: Option<String>,
    exit_codes: Vec<i32>,
}

#[derive(Serialize)]
pub(super) struct AwsView {
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

impl From<d::Step> for StepView {
    fn from(it: d::Step) -> Self {
        Self {
            on_failure: word(it.on_failure().as_str_name(), "ON_FAILURE_"),
            start: word(it.start().as_str_name(), "START_").replace('_', "-"),
            name: it.name,
            pool: it.pool,
            requires: it.requires.into_iter().collect(),
            condition: it.condition,
            environments: it.environments,
            timeout: duration(it.timeout),
            queue_timeout: duration(it.queue_timeout),
            no_output_timeout: duration(it.no_output_timeout),
            cancel_grace: duration(it.cancel_grace),
            approval: it.approval,
            answer_timeout: duration(it.answer_timeout),
            retries: it.retries.map(|it| RetriesView {
                count: it.count,
                backoff: duration(it.backoff),
                exit_codes: it.exit_codes,
            }),
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

impl AwsView {
    /// For a table.
    pub(super) fn in_a_word(&self) -> String {
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
}
