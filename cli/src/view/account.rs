//! Accounts, and what AWS says about them.

use jiff::Timestamp;
use proto::deployment as d;
use serde::Serialize;

use super::{View, short, time};
use crate::screen;

/// An AWS account: its public part.
#[derive(Serialize)]
pub(crate) struct AccountView {
    name: String,
    description: String,
    access_key_id: String,
    region: String,
    secret_fingerprint: String,
    create_time: Option<Timestamp>,
    update_time: Option<Timestamp>,
    slug: String,
}

impl From<d::Account> for AccountView {
    fn from(account: d::Account) -> Self {
        Self {
            name: account.name,
            description: account.description,
            access_key_id: account.access_key_id,
            region: account.region,
            secret_fingerprint: account.secret_fingerprint,
            create_time: time(account.create_time),
            update_time: time(account.update_time),
            slug: account.slug,
        }
    }
}

impl View for AccountView {
    const MANY: &'static str = "accounts";
    const COLUMNS: &'static [&'static str] = &["name", "access key", "region", "changed", "description"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.name.clone(),
            self.access_key_id.clone(),
            self.region.clone(),
            short(self.update_time),
            self.description.clone(),
        ]
    }

    fn page(&self) -> String {
        screen::facts(&[
            ("name", self.name.clone()),
            ("description", self.description.clone()),
            ("access key", self.access_key_id.clone()),
            ("secret key", format!("********, fingerprint {}", self.secret_fingerprint)),
            ("region", self.region.clone()),
            ("slug", self.slug.clone()),
            ("created", short(self.create_time)),
            ("changed", short(self.update_time)),
        ])
    }
}

/// Who AWS says an account is, or why it does not say.
#[derive(Serialize)]
pub(crate) struct AccountTest {
    identity: Option<Identity>,
    refusal: Option<String>,
    asked_from: String,
    latency_ms: i64,
}

/// Caller identity.
#[derive(Serialize)]
struct Identity {
    account: String,
    arn: String,
    user_id: String,
}

impl AccountTest {
    /// Whether AWS knows the credentials.
    pub(crate) fn passed(&self) -> bool {
        self.identity.is_some()
    }

    /// What was wrong, in a sentence.
    pub(crate) fn refusal(&self) -> Option<&str> {
        self.refusal.as_deref()
    }
}

impl From<d::TestAccountResponse> for AccountTest {
    fn from(response: d::TestAccountResponse) -> Self {
        use d::test_account_response::Answer;
        let (identity, refusal) = match response.answer {
            Some(Answer::Identity(it)) => {
                (Some(Identity { account: it.account, arn: it.arn, user_id: it.user_id }), None)
            }
            Some(Answer::Refusal(why)) => (None, Some(why)),
            None => (None, Some("The coordinator did not say what AWS answered.".into())),
        };
        Self { identity, refusal, asked_from: response.asked_from, latency_ms: response.latency_ms }
    }
}

impl View for AccountTest {
    const MANY: &'static str = "tests";
    const COLUMNS: &'static [&'static str] = &["account", "arn", "user id", "asked from", "latency"];

    fn cells(&self) -> Vec<String> {
        let identity = self.identity.as_ref();
        vec![
            identity.map(|it| it.account.clone()).unwrap_or_default(),
            identity.map(|it| it.arn.clone()).unwrap_or_default(),
            identity.map(|it| it.user_id.clone()).unwrap_or_default(),
            self.asked_from.clone(),
            format!("{} ms", self.latency_ms),
        ]
    }
}
