//! What a role's trust policy must say before an account can be that role.

use std::collections::BTreeMap;

use proto::deployment as d;
use serde::Serialize;
use shared::{
    aws::{RoleArn, partition_of},
    limits,
};

use crate::{
    connection::Connection,
    screen::{Format, encode, talk},
    view::kind_of,
};

/// Says which statements the trust policy of an account's role needs. Nothing, when the account has no role.
pub(super) async fn explain(connection: &Connection, account: &d::Account) {
    if let Some(text) = text(account, base(connection, account).await.as_ref()) {
        talk(&text);
    }
}

/// Says when sessions will not last as long as the account says.
pub(super) async fn warn(connection: &Connection, account: &d::Account) {
    if is_cut_short(account, base(connection, account).await.as_ref()) {
        talk(
            "warning: --session-duration is more than 1h, and AWS ends the session of a role that a role assumed after an hour: it \
             will last 1h, and is renewed while a step runs.",
        );
    }
}

/// The account that it stands on. It is saved already: without its base, it is told with a placeholder.
async fn base(connection: &Connection, account: &d::Account) -> Option<d::Account> {
    if account.base_account.is_empty() {
        return None;
    }
    let mut client = connection.accounts();
    let request = d::GetAccountRequest { name: account.base_account.clone() };
    connection.answer(client.get_account(request)).await.ok()
}

/// Whether its sessions end before they would, since a role assumes the role.
fn is_cut_short(account: &d::Account, base: Option<&d::Account>) -> bool {
    let is_chained = match (kind_of(account), account.base_account.as_str()) {
        (d::account::Kind::AwsRole, "") => true,
        (d::account::Kind::AwsRole, _) => base.is_some_and(|base| !base.role_arn.is_empty()),
        _ => false,
    };
    let longest = i64::try_from(limits::CHAINED_SESSION.as_secs()).unwrap_or(i64::MAX);
    is_chained && account.session_duration.is_some_and(|lasts| lasts.seconds > longest)
}

/// A statement of a trust policy, as IAM spells its keys.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Statement {
    effect: &'static str,
    principal: BTreeMap<&'static str, String>,
    action: &'static str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    condition: BTreeMap<&'static str, BTreeMap<&'static str, String>>,
}

fn text(account: &d::Account, base: Option<&d::Account>) -> Option<String> {
    if account.role_arn.is_empty() {
        return None;
    }
    let (trust, remark) = match kind_of(account) {
        d::account::Kind::AwsOidc => (with_token(account), TOKEN.to_owned()),
        _ => with_credentials(account, base),
    };
    Some(format!(
        "The trust policy of {} must hold these statements:\n{}\n{remark}",
        account.role_arn,
        encode(Format::Json, &statements(trust, account.session_tags))
    ))
}

/// The one that lets the role be assumed, and those for what a session carries: an external id is known to the first only.
fn statements(trust: Statement, session_tags: bool) -> Vec<Statement> {
    if !session_tags {
        return vec![trust];
    }
    let also = |action, condition| Statement { effect: "Allow", principal: trust.principal.clone(), action, condition };
    let ours = BTreeMap::from([("aws:TagKeys", "longshore:*".to_owned())]);
    let tags = also("sts:TagSession", BTreeMap::from([("ForAllValues:StringLike", ours)]));
    let source_identity = also("sts:SetSourceIdentity", BTreeMap::new());
    vec![trust, tags, source_identity]
}

fn with_credentials(account: &d::Account, base: Option<&d::Account>) -> (Statement, String) {
    let (principal, remark) = principal(account, base);
    let condition = [("sts:ExternalId", account.external_id.clone())].into_iter().filter(|(_, id)| !id.is_empty());
    let statement = Statement {
        effect: "Allow",
        principal: BTreeMap::from([("AWS", principal)]),
        action: "sts:AssumeRole",
        condition: equal(condition.collect()),
    };
    (statement, remark)
}

/// Who assumes the role, and what is left to put in.
fn principal(account: &d::Account, base: Option<&d::Account>) -> (String, String) {
    let partition = partition_of(&account.role_arn);
    let user = |name: &str| {
        let remark = format!("Put in the user whose access key account \"{name}\" keeps, for ACCOUNT and USER.");
        (format!("arn:{partition}:iam::ACCOUNT:user/USER"), remark)
    };
    match (kind_of(account), account.base_account.as_str(), base) {
        (d::account::Kind::AwsRole, "", _) => (
            format!("arn:{partition}:iam::ACCOUNT:role/ROLE"),
            "Put in the own role of the workers that will assume it, for ACCOUNT and ROLE: `longshore worker list` says \
             who they are."
                .to_owned(),
        ),
        (d::account::Kind::AwsRole, _, Some(base)) if !base.role_arn.is_empty() => (
            base.role_arn.clone(),
            format!("The principal is the role of account \"{}\", on top of which it is assumed.", base.name),
        ),
        (d::account::Kind::AwsRole, name, _) => user(name),
        _ => user(&account.name),
    }
}

/// What tokens say of whom they speak for; STS compares it with the trust policy.
const SUBJECT: &str = "longshore:project:PROJECT:environment:ENVIRONMENT:pool:POOL:step:STEP";

const TOKEN: &str = "Put in the coordinator's issuer without https:// for ISSUER; IAM must know it as an identity provider with \
    the audience sts.amazonaws.com.\n\
    Name everything that may be this role by its subject, letter by letter; IAM takes a list of them:\n\
    \x20 a step       longshore:project:<p>:environment:<e>:pool:<pool>:step:<s>\n\
    \x20 a command    longshore:run:pool:<pool>\n\
    \x20 account test longshore:account-test:account:<name>\n\
    In names, all but letters, digits and -._~ are percent-encoded: \"Who am I\" is Who%20am%20I.";

fn with_token(account: &d::Account) -> Statement {
    let owner = account.role_arn.parse::<RoleArn>().map_or_else(|_| "ACCOUNT".to_owned(), |arn| arn.account);
    let provider = format!("arn:{}:iam::{owner}:oidc-provider/ISSUER", partition_of(&account.role_arn));
    Statement {
        effect: "Allow",
        principal: BTreeMap::from([("Federated", provider)]),
        action: "sts:AssumeRoleWithWebIdentity",
        condition: equal(BTreeMap::from([
            ("ISSUER:aud", "sts.amazonaws.com".to_owned()),
            ("ISSUER:sub", SUBJECT.to_owned()),
        ])),
    }
}

fn equal(values: BTreeMap<&'static str, String>) -> BTreeMap<&'static str, BTreeMap<&'static str, String>> {
    if values.is_empty() { BTreeMap::new() } else { BTreeMap::from([("StringEquals", values)]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role(kind: d::account::Kind) -> d::Account {
        d::Account {
            name: "shop".into(),
            kind: kind.into(),
            role_arn: "arn:aws-cn:iam::123456789012:role/deployer".into(),
            external_id: if kind == d::account::Kind::AwsOidc { String::new() } else { "lse-42".into() },
            session_tags: true,
            ..d::Account::default()
        }
    }

    #[test]
    fn the_statement_for_a_role_on_top_of_the_workers_own() {
        insta::assert_snapshot!(text(&role(d::account::Kind::AwsRole), None).expect("a role"));
    }

    #[test]
    fn the_statement_for_a_role_that_takes_tokens() {
        insta::assert_snapshot!(text(&role(d::account::Kind::AwsOidc), None).expect("a role"));
    }

    #[test]
    fn the_principal_is_the_base_account_as_far_as_it_is_known() {
        let account = d::Account { base_account: "hub".into(), ..role(d::account::Kind::AwsRole) };
        let hub = d::Account {
            name: "hub".into(),
            role_arn: "arn:aws-cn:iam::210987654321:role/hub".into(),
            ..d::Account::default()
        };
        let principal = |base| principal(&account, base).0;
        assert_eq!(principal(Some(&hub)), hub.role_arn);
        let key = d::Account { role_arn: String::new(), ..hub.clone() };
        assert_eq!(principal(Some(&key)), "arn:aws-cn:iam::ACCOUNT:user/USER");
        assert_eq!(principal(None), "arn:aws-cn:iam::ACCOUNT:user/USER");
    }

    #[test]
    fn a_session_is_cut_short_where_a_role_assumes_the_role() {
        let lasting = |seconds, account| d::Account {
            session_duration: Some(prost_types::Duration { seconds, nanos: 0 }),
            ..account
        };
        let here = lasting(7200, role(d::account::Kind::AwsRole));
        assert!(is_cut_short(&here, None) && !is_cut_short(&lasting(3600, here.clone()), None));
        let there = d::Account { base_account: "hub".into(), ..here };
        let hub = role(d::account::Kind::Aws);
        assert!(is_cut_short(&there, Some(&hub)));
        assert!(
            !is_cut_short(&there, Some(&d::Account { role_arn: String::new(), ..hub.clone() })),
            "a user assumes it"
        );
        assert!(
            !is_cut_short(&lasting(7200, hub), None)
                && !is_cut_short(&lasting(7200, role(d::account::Kind::AwsOidc)), None)
        );
    }

    #[test]
    fn an_account_demands_no_more_than_it_sends() {
        let plain = d::Account { external_id: String::new(), session_tags: false, ..role(d::account::Kind::AwsRole) };
        let text = text(&plain, None).expect("a role");
        assert!(!text.contains("Condition") && !text.contains("TagSession"), "{text}");
    }

    #[test]
    fn a_key_without_a_role_needs_no_trust() {
        let key = d::Account { role_arn: String::new(), ..role(d::account::Kind::Aws) };
        assert_eq!(text(&key, None), None);
    }
}
