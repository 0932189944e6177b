//! `longshore account create`.

use std::time::Duration;

use clap::{Args, ValueEnum};
use proto::deployment as d;

use super::{
    key::Key,
    session::{Delivery, external_id, on_the_wire, role_arn, session_duration},
    test::Test,
    trust,
};
use crate::{
    command::request_id,
    connection::Connection,
    failure::{Exit, Failure},
    screen::{Screen, talk},
    view::AccountView,
};

/// Save an account: an access key, or a role that is assumed anew for each step
///
/// A secret key is kept encrypted and cannot be read back. Where there is a role, the coordinator makes an external id for it,
/// and the statement that the role's trust policy needs is printed.
#[derive(Args, Debug)]
pub(in crate::command) struct Create {
    /// Name of the account
    name: String,
    /// Where its credentials come from
    #[arg(value_enum)]
    kind: Kind,
    /// What it is for
    #[arg(long, default_value = "", hide_default_value = true)]
    description: String,
    /// AWS region of steps that name none
    #[arg(long, default_value = "", hide_default_value = true)]
    region: String,
    /// Ask AWS at once who this is, and save it only when AWS knows
    #[arg(long)]
    test: bool,
    /// aws: public half of the key pair, begins with AKIA
    #[arg(
        long,
        value_name = "ID",
        required_if_eq("kind", "aws"),
        requires = "secret-key",
        help_heading = "Access key"
    )]
    access_key_id: Option<String>,
    #[command(flatten)]
    secret: Key,
    /// aws: what a step gets; session when absent
    #[arg(long, value_enum, help_heading = "Access key")]
    delivery: Option<Delivery>,
    /// aws: a script that reads NAME.SecretKey gets no key
    #[arg(long, help_heading = "Access key")]
    no_expose_keys: bool,
    /// Role that its sessions are of; with aws, sessions of the key's own user when absent
    #[arg(
        long,
        value_name = "ARN",
        value_parser = role_arn,
        required_if_eq_any([("kind", "aws-role"), ("kind", "aws-oidc")]),
        help_heading = "Role"
    )]
    role_arn: Option<String>,
    /// aws-role: account on top of which the role is assumed; the worker's own role when absent
    #[arg(long, value_name = "NAME", help_heading = "Role")]
    base_account: Option<String>,
    /// aws, aws-role: an external id that the role demands already; a fresh one is made when absent
    #[arg(long, value_name = "ID", value_parser = external_id, requires = "role_arn", help_heading = "Role")]
    external_id: Option<String>,
    /// Sessions carry no tags and no source identity: for a role that does not allow sts:TagSession and
    /// sts:SetSourceIdentity
    #[arg(long, requires = "role_arn", help_heading = "Role")]
    no_session_tags: bool,
    /// How long a session lasts before it is renewed, 15m to 12h; 1h when absent, and at most where a role assumes a role
    #[arg(long, value_name = "TIME", value_parser = session_duration)]
    session_duration: Option<Duration>,
}

/// Kind of account.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Kind {
    /// An access key that the coordinator keeps
    Aws,
    /// A role, assumed on top of the worker's own role or of another account
    AwsRole,
    /// A role, assumed with a token that the coordinator signs: no secret of AWS is kept
    AwsOidc,
}

impl Create {
    pub(super) async fn run(self, screen: Screen) -> Result<Exit, Failure> {
        self.check()?;
        let (name, test) = (self.name.clone(), self.test);
        let request = self.request()?;
        let connection = Connection::open()?;
        let mut client = connection.accounts();
        let account = connection.answer(client.create_account(request)).await?;
        talk(&format!("Account \"{name}\" is saved."));
        trust::explain(&connection, &account).await;
        trust::warn(&connection, &account).await;
        if !test {
            screen.show(&AccountView::from(account))?;
            return Ok(Exit::Ok);
        }
        Test::from_the_coordinator(name).ask(&connection, screen).await
    }

    /// What the grammar of the command line cannot say.
    fn check(&self) -> Result<(), Failure> {
        const AWS: &[Kind] = &[Kind::Aws];
        let of_some_kinds = [
            ("--access-key-id", self.access_key_id.is_some(), AWS),
            ("--secret-key-stdin", self.secret.secret_key_stdin, AWS),
            ("--secret-key-file", self.secret.secret_key_file.is_some(), AWS),
            ("--delivery", self.delivery.is_some(), AWS),
            ("--no-expose-keys", self.no_expose_keys, AWS),
            ("--external-id", self.external_id.is_some(), &[Kind::Aws, Kind::AwsRole]),
            ("--base-account", self.base_account.is_some(), &[Kind::AwsRole]),
        ];
        for (flag, given, kinds) in of_some_kinds {
            if given && !kinds.contains(&self.kind) {
                let kinds: Vec<_> = kinds.iter().map(|kind| kind.word()).collect();
                return Err(Failure::usage(format!(
                    "An account of kind {} has no {flag}: it is for {}.",
                    self.kind.word(),
                    kinds.join(" and ")
                )));
            }
        }
        if self.test && self.kind == Kind::AwsRole && self.base_account.is_none() {
            return Err(Failure::usage(format!(
                "Only a worker can say who a role on top of its own role is: save the account without --test, then `longshore \
                 account test {} --pool POOL`.",
                self.name
            )));
        }
        Ok(())
    }

    fn request(self) -> Result<d::CreateAccountRequest, Failure> {
        let secret = self.secret.read()?;
        Ok(d::CreateAccountRequest {
            request_id: request_id(),
            name: self.name,
            description: self.description,
            access_key_id: self.access_key_id.unwrap_or_default(),
            secret_access_key: secret.map(|secret| secret.expose().to_owned()).unwrap_or_default(),
            region: self.region,
            test: self.test,
            kind: d::account::Kind::from(self.kind).into(),
            role_arn: self.role_arn.unwrap_or_default(),
            external_id: self.external_id.unwrap_or_default(),
            base_account: self.base_account.unwrap_or_default(),
            session_duration: self.session_duration.and_then(on_the_wire),
            delivery: self.delivery.map(d::account::Delivery::from).unwrap_or_default().into(),
            expose_keys: self.no_expose_keys.then_some(false),
            session_tags: self.no_session_tags.then_some(false),
        })
    }
}

impl Kind {
    /// As it is typed.
    fn word(self) -> &'static str {
        match self {
            Self::Aws => "aws",
            Self::AwsRole => "aws-role",
            Self::AwsOidc => "aws-oidc",
        }
    }
}

impl From<Kind> for d::account::Kind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Aws => Self::Aws,
            Kind::AwsRole => Self::AwsRole,
            Kind::AwsOidc => Self::AwsOidc,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser, Debug)]
    struct Typed {
        #[command(flatten)]
        create: Create,
    }

    const ROLE: &str = "arn:aws:iam::123456789012:role/deployer";

    fn request(words: &[&str]) -> Result<d::CreateAccountRequest, String> {
        let typed = Typed::try_parse_from([&["create", "a"], words].concat()).map_err(|error| error.to_string())?;
        typed.create.check().map_err(|failure| failure.sentence)?;
        typed.create.request().map_err(|failure| failure.sentence)
    }

    #[test]
    fn a_role_is_asked_for_with_what_was_typed() {
        let words = ["aws-role", "--role-arn", ROLE, "--base-account", "hub", "--external-id", "x-1"];
        let asked =
            request(&[&words[..], &["--session-duration", "30m", "--no-session-tags"]].concat()).expect("taken");
        assert_eq!((asked.kind(), asked.role_arn.as_str()), (d::account::Kind::AwsRole, ROLE));
        assert_eq!((asked.base_account.as_str(), asked.external_id.as_str()), ("hub", "x-1"));
        assert_eq!(asked.session_duration.map(|time| time.seconds), Some(1800));
        assert_eq!((asked.session_tags, asked.expose_keys), (Some(false), None));
    }

    #[test]
    fn what_is_not_typed_is_left_to_the_coordinator() {
        let asked = request(&["aws-oidc", "--role-arn", ROLE]).expect("taken");
        assert_eq!((asked.kind(), asked.delivery()), (d::account::Kind::AwsOidc, d::account::Delivery::Unspecified));
        assert_eq!((asked.session_duration, asked.session_tags, asked.expose_keys), (None, None, None));
    }

    #[test]
    fn a_flag_that_a_kind_does_not_have_is_refused_by_name() {
        let key = ["--access-key-id", "AKIAIOSFODNN7EXAMPLE", "--secret-key-stdin"];
        for (words, part) in [
            (&["aws-oidc", "--role-arn", ROLE, "--external-id", "x-1"][..], "aws-oidc has no --external-id"),
            (&["aws-oidc", "--role-arn", ROLE, "--base-account", "hub"], "has no --base-account: it is for aws-role."),
            (&["aws-role", "--role-arn", ROLE, "--delivery", "raw"], "aws-role has no --delivery"),
            (&["aws-role", "--role-arn", ROLE, "--no-expose-keys"], "has no --no-expose-keys"),
            (&[&["aws-role", "--role-arn", ROLE], &key[..]].concat(), "has no --access-key-id"),
            (&["aws-role", "--role-arn", ROLE, "--secret-key-stdin"], "has no --secret-key-stdin"),
            (&["aws-role", "--role-arn", ROLE, "--test"], "account test a --pool POOL"),
            (&["aws-role"], "--role-arn"),
            (&["aws-oidc"], "--role-arn"),
            (&["aws", "--secret-key-stdin"], "--access-key-id"),
            (&["aws", "--access-key-id", "AKIAIOSFODNN7EXAMPLE"], "--secret-key-stdin"),
            (&[&["aws"], &key[..], &["--external-id", "x-1"]].concat(), "--role-arn"),
            (&["aws-role", "--role-arn", "deployer"], "no ARN of a role"),
            (&["aws-role", "--role-arn", ROLE, "--session-duration", "13h"], "12 hours"),
            (&["aws-role", "--role-arn", ROLE, "--external-id", "a b"], "no external id"),
        ] {
            let refusal = request(words).expect_err(part);
            assert!(refusal.contains(part), "{words:?}: {refusal}");
        }
    }
}
