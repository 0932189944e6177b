//! `longshore account update`.

use std::time::Duration;

use clap::Args;
use proto::deployment as d;

use super::{
    key::Key,
    session::{Delivery, external_id, on_the_wire, role_arn, session_duration},
    trust,
};
use crate::{connection::Connection, failure::Failure, screen::Screen, view::AccountView};

/// Change parts of an account; the others stay
///
/// Running steps keep the credentials they have until those are renewed.
#[derive(Args, Debug)]
pub(in crate::command) struct Update {
    /// Name of the account
    name: String,
    /// New description
    #[arg(long)]
    description: Option<String>,
    /// New default region
    #[arg(long)]
    region: Option<String>,
    /// aws: new access key id; comes with its secret key
    #[arg(long, value_name = "ID", help_heading = "Access key")]
    access_key_id: Option<String>,
    #[command(flatten)]
    secret: Key,
    /// aws: what a step gets from now on
    #[arg(long, value_enum, help_heading = "Access key")]
    delivery: Option<Delivery>,
    /// aws: a script that reads NAME.SecretKey gets the key from now on
    #[arg(long, conflicts_with = "no_expose_keys", help_heading = "Access key")]
    expose_keys: bool,
    /// aws: a script that reads NAME.SecretKey gets no key from now on
    #[arg(long, help_heading = "Access key")]
    no_expose_keys: bool,
    /// New role
    #[arg(long, value_name = "ARN", value_parser = role_arn, conflicts_with = "no_role", help_heading = "Role")]
    role_arn: Option<String>,
    /// aws: sessions of the key's own user from now on
    #[arg(long, help_heading = "Role")]
    no_role: bool,
    /// aws, aws-role: an external id that the role demands already
    #[arg(
        long,
        value_name = "ID",
        value_parser = external_id,
        conflicts_with = "new_external_id",
        help_heading = "Role"
    )]
    external_id: Option<String>,
    /// aws, aws-role: a fresh external id, made by the coordinator
    #[arg(long, help_heading = "Role")]
    new_external_id: bool,
    /// Sessions carry tags and a source identity from now on
    #[arg(long, conflicts_with = "no_session_tags", help_heading = "Role")]
    session_tags: bool,
    /// Sessions carry neither from now on
    #[arg(long, help_heading = "Role")]
    no_session_tags: bool,
    /// How long a session lasts from now on, 15m to 12h
    #[arg(long, value_name = "TIME", value_parser = session_duration)]
    session_duration: Option<Duration>,
}

impl Update {
    pub(super) async fn run(self, screen: Screen) -> Result<(), Failure> {
        let request = self.request()?;
        let is_trust_changed =
            request.role_arn.is_some() || request.external_id.is_some() || request.session_tags.is_some();
        let is_length_changed = request.session_duration.is_some();
        let connection = Connection::open()?;
        let mut client = connection.accounts();
        let account = connection.answer(client.update_account(request)).await?;
        if is_trust_changed {
            trust::explain(&connection, &account).await;
        }
        if is_length_changed {
            trust::warn(&connection, &account).await;
        }
        screen.show(&AccountView::from(account))
    }

    fn request(self) -> Result<d::UpdateAccountRequest, Failure> {
        let secret = self.secret.read()?;
        if self.access_key_id.is_some() && secret.is_none() {
            return Err(Failure::usage(
                "A new access key id comes with a new secret key: give --secret-key-stdin or --secret-key-file too.",
            ));
        }
        let request = d::UpdateAccountRequest {
            name: self.name.clone(),
            description: self.description,
            access_key_id: self.access_key_id,
            secret_access_key: secret.map(|secret| secret.expose().to_owned()),
            region: self.region,
            role_arn: self.role_arn.or(empty(self.no_role)),
            external_id: self.external_id.or(empty(self.new_external_id)),
            session_duration: self.session_duration.and_then(on_the_wire),
            delivery: self.delivery.map(|delivery| d::account::Delivery::from(delivery).into()),
            expose_keys: either(self.expose_keys, self.no_expose_keys),
            session_tags: either(self.session_tags, self.no_session_tags),
        };
        if request == (d::UpdateAccountRequest { name: self.name, ..d::UpdateAccountRequest::default() }) {
            return Err(Failure::usage("Nothing to change: give at least one of the flags that --help lists."));
        }
        Ok(request)
    }
}

/// The contract's word for "none of it", when asked for.
fn empty(asked: bool) -> Option<String> {
    asked.then(String::new)
}

/// A choice that two flags make; clap refuses both at once.
fn either(yes: bool, no: bool) -> Option<bool> {
    (yes || no).then_some(yes)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser, Debug)]
    struct Typed {
        #[command(flatten)]
        update: Update,
    }

    fn request(words: &[&str]) -> Result<d::UpdateAccountRequest, String> {
        let typed = Typed::try_parse_from([&["update", "a"], words].concat()).map_err(|error| error.to_string())?;
        typed.update.request().map_err(|failure| failure.sentence)
    }

    #[test]
    fn only_what_is_typed_changes() {
        let asked = request(&["--no-role", "--new-external-id", "--no-expose-keys", "--session-tags"]).expect("taken");
        assert_eq!((asked.role_arn.as_deref(), asked.external_id.as_deref()), (Some(""), Some("")));
        assert_eq!((asked.expose_keys, asked.session_tags), (Some(false), Some(true)));
        assert_eq!((asked.description, asked.region, asked.delivery), (None, None, None));
        let asked = request(&["--delivery", "raw", "--session-duration", "2h", "--region", ""]).expect("taken");
        assert_eq!(asked.delivery(), d::account::Delivery::Raw);
        assert_eq!((asked.session_duration.map(|time| time.seconds), asked.region.as_deref()), (Some(7200), Some("")));
    }

    #[test]
    fn a_change_of_nothing_or_of_half_a_key_is_refused() {
        for (words, part) in [
            (&[][..], "Nothing to change"),
            (&["--access-key-id", "AKIAIOSFODNN7EXAMPLE"], "--secret-key-stdin"),
            (&["--external-id", "x-1", "--new-external-id"], "cannot be used with"),
            (&["--expose-keys", "--no-expose-keys"], "cannot be used with"),
        ] {
            assert!(request(words).is_err_and(|why| why.contains(part)), "{words:?}");
        }
    }
}
