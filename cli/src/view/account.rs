//! Accounts: their public parts, and of these what their kind has.

use jiff::Timestamp;
use proto::deployment as d;
use serde::Serialize;

use super::{View, duration, short, time, word};
use crate::screen;

/// An AWS account: its public part. What its kind does not have is left out.
#[derive(Serialize)]
pub(crate) struct AccountView {
    name: String,
    description: String,
    kind: String,
    #[serde(flatten)]
    key: Option<Key>,
    #[serde(flatten)]
    role: Option<Role>,
    region: String,
    session_duration: Option<String>,
    create_time: Option<Timestamp>,
    update_time: Option<Timestamp>,
    slug: String,
}

/// What an access key has.
#[derive(Serialize)]
struct Key {
    access_key_id: String,
    secret_fingerprint: String,
    delivery: String,
    expose_keys: bool,
}

/// What a role has.
#[derive(Serialize)]
struct Role {
    role_arn: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    external_id: Option<String>,
    /// Empty: the worker's own role.
    #[serde(skip_serializing_if = "Option::is_none")]
    base_account: Option<String>,
    session_tags: bool,
}

/// Where an account's credentials come from; one that does not say is an access key.
pub(crate) fn kind_of(account: &d::Account) -> d::account::Kind {
    match account.kind() {
        d::account::Kind::Unspecified => d::account::Kind::Aws,
        kind => kind,
    }
}

impl From<d::Account> for AccountView {
    fn from(account: d::Account) -> Self {
        let kind = kind_of(&account);
        Self {
            kind: word(kind.as_str_name(), "KIND_").replace('_', "-"),
            key: (kind == d::account::Kind::Aws).then(|| Key::from(&account)),
            role: (!account.role_arn.is_empty()).then(|| Role::from(&account)),
            name: account.name,
            description: account.description,
            region: account.region,
            session_duration: duration(account.session_duration),
            create_time: time(account.create_time),
            update_time: time(account.update_time),
            slug: account.slug,
        }
    }
}

impl From<&d::Account> for Key {
    fn from(account: &d::Account) -> Self {
        let delivery = match account.delivery() {
            d::account::Delivery::Unspecified => d::account::Delivery::Session,
            delivery => delivery,
        };
        Self {
            access_key_id: account.access_key_id.clone(),
            secret_fingerprint: account.secret_fingerprint.clone(),
            delivery: word(delivery.as_str_name(), "DELIVERY_"),
            expose_keys: account.expose_keys,
        }
    }
}

impl From<&d::Account> for Role {
    fn from(account: &d::Account) -> Self {
        let kind = kind_of(account);
        Self {
            role_arn: account.role_arn.clone(),
            external_id: (kind != d::account::Kind::AwsOidc).then(|| account.external_id.clone()),
            base_account: (kind == d::account::Kind::AwsRole).then(|| account.base_account.clone()),
            session_tags: account.session_tags,
        }
    }
}

impl AccountView {
    fn of_key<T: Default>(&self, read: impl Fn(&Key) -> T) -> T {
        self.key.as_ref().map(read).unwrap_or_default()
    }

    fn of_role<T: Default>(&self, read: impl Fn(&Role) -> T) -> T {
        self.role.as_ref().map(read).unwrap_or_default()
    }
}

impl AccountView {
    /// How long a session lasts; a key that is handed out as it is has none.
    fn lasts(&self) -> String {
        let is_raw = self.key.as_ref().is_some_and(|key| key.delivery == "raw");
        if is_raw { String::new() } else { self.session_duration.clone().unwrap_or_default() }
    }
}

impl Role {
    /// What the role is assumed on top of, where that is not said by the account itself.
    fn base(&self) -> String {
        match self.base_account.as_deref() {
            None => String::new(),
            Some("") => "the worker's own role".to_owned(),
            Some(name) => format!("account {name}"),
        }
    }
}

impl View for AccountView {
    const MANY: &'static str = "accounts";
    const COLUMNS: &'static [&'static str] =
        &["name", "kind", "access key", "role", "on top of", "region", "changed", "description"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.name.clone(),
            self.kind.clone(),
            self.of_key(|key| key.access_key_id.clone()),
            self.of_role(|role| role.role_arn.clone()),
            self.of_role(Role::base),
            self.region.clone(),
            short(self.update_time),
            self.description.clone(),
        ]
    }

    fn page(&self) -> String {
        let fingerprint = |key: &Key| format!("********, fingerprint {}", key.secret_fingerprint);
        screen::facts(&[
            ("name", self.name.clone()),
            ("description", self.description.clone()),
            ("kind", self.kind.clone()),
            ("access key", self.of_key(|key| key.access_key_id.clone())),
            ("secret key", self.of_key(fingerprint)),
            ("steps get", self.of_key(Key::delivered)),
            ("scripts read the key", self.of_key(|key| yes_or_no(key.expose_keys))),
            ("role", self.of_role(|role| role.role_arn.clone())),
            ("on top of", self.of_role(Role::base)),
            ("external id", self.of_role(|role| role.external_id.clone().unwrap_or_default())),
            ("session tags", self.of_role(|role| yes_or_no(role.session_tags))),
            ("session lasts", self.lasts()),
            ("region", self.region.clone()),
            ("slug", self.slug.clone()),
            ("created", short(self.create_time)),
            ("changed", short(self.update_time)),
        ])
    }
}

impl Key {
    fn delivered(&self) -> String {
        match self.delivery.as_str() {
            "session" => "a session; the key stays in the coordinator".to_owned(),
            "raw" => "the key itself".to_owned(),
            other => other.to_owned(),
        }
    }
}

fn yes_or_no(is: bool) -> String {
    if is { "yes" } else { "no" }.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(kind: d::account::Kind) -> d::Account {
        d::Account {
            name: "shop".into(),
            kind: kind.into(),
            access_key_id: "AKIAIOSFODNN7EXAMPLE".into(),
            secret_fingerprint: "12ab34cd".into(),
            role_arn: "arn:aws:iam::123456789012:role/deployer".into(),
            external_id: "lse-42".into(),
            session_duration: Some(prost_types::Duration { seconds: 3600, nanos: 0 }),
            expose_keys: true,
            session_tags: true,
            ..d::Account::default()
        }
    }

    fn keys(account: d::Account) -> Vec<String> {
        let json = serde_json::to_value(AccountView::from(account)).expect("json");
        json.as_object().expect("an object").keys().cloned().collect()
    }

    #[test]
    fn an_account_shows_what_its_kind_has_and_nothing_else() {
        let has = |kind, key: &str| keys(account(kind)).iter().any(|it| it == key);
        use d::account::Kind::{Aws, AwsOidc, AwsRole};
        for (key, aws, role, oidc) in [
            ("access_key_id", true, false, false),
            ("secret_fingerprint", true, false, false),
            ("delivery", true, false, false),
            ("expose_keys", true, false, false),
            ("role_arn", true, true, true),
            ("external_id", true, true, false),
            ("base_account", false, true, false),
            ("session_tags", true, true, true),
            ("session_duration", true, true, true),
        ] {
            assert_eq!((has(Aws, key), has(AwsRole, key), has(AwsOidc, key)), (aws, role, oidc), "{key}");
        }
        let user = d::Account { role_arn: String::new(), ..account(Aws) };
        assert!(!keys(user).iter().any(|key| key == "role_arn" || key == "external_id"));
    }

    #[test]
    fn a_key_that_is_handed_out_as_it_is_has_no_session() {
        let key = |delivery: d::account::Delivery| {
            let it =
                d::Account { role_arn: String::new(), delivery: delivery.into(), ..account(d::account::Kind::Aws) };
            AccountView::from(it).page()
        };
        assert!(key(d::account::Delivery::Session).contains("session lasts"));
        let raw = key(d::account::Delivery::Raw);
        assert!(raw.contains("the key itself") && !raw.contains("session lasts"), "{raw}");
    }

    #[test]
    fn an_account_as_people_read_it() {
        let page = |kind| AccountView::from(account(kind)).page();
        let pages = [d::account::Kind::Unspecified, d::account::Kind::AwsRole, d::account::Kind::AwsOidc].map(page);
        insta::assert_snapshot!(pages.join("\n"));
    }
}
