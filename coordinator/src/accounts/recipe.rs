//! How somebody becomes who an account says: what it begins with, and the roles on top. Knows nothing of AWS's answers.

use std::time::Duration;

use rusqlite::Connection;
use shared::{
    aws::RoleArn,
    limits,
    plan::AssumeRole,
    reason::{Fault, Reason},
};

use crate::{
    registry::account::{self, Kind, Opened, Row},
    seal::Seal,
};

/// A way to become somebody in AWS.
#[derive(Clone)]
pub struct Recipe {
    /// What it begins with.
    pub base: Base,
    /// Roles on top, each assumed with the credentials of the one before; their texts are evaluated.
    pub hops: Vec<AssumeRole>,
    /// Region that the account, or what it stands on, names; may be empty.
    pub region: String,
    /// Names of the accounts that it stands on, from the nearest down.
    pub below: Vec<String>,
}

/// What a recipe begins with.
#[derive(Clone)]
pub enum Base {
    /// A long-lived key.
    Key(Box<Opened>),
    /// A role that takes a token of ours.
    Token(Box<Row>),
    /// The worker's own role.
    WorkerRole,
}

impl Recipe {
    /// The worker's own role, and nothing on top.
    #[must_use]
    pub fn worker_role() -> Self {
        Self { base: Base::WorkerRole, hops: Vec::new(), region: String::new(), below: Vec::new() }
    }

    /// What an account means, down to where it begins.
    ///
    /// # Errors
    /// [`Reason::AccountNotFound`] for it or one that it stands on, [`Reason::AccountCycle`]; those of the seal and the store.
    pub fn read(connection: &Connection, seal: &Seal, name: &str) -> Result<Self, Fault> {
        let mut chain: Vec<String> = Vec::new();
        let (mut hops, mut region) = (Vec::new(), String::new());
        let mut next = name.to_owned();
        let base = loop {
            if chain.contains(&next) || chain.len() > limits::ASSUMED_ROLES {
                chain.push(next);
                return Err(cycle(&chain));
            }
            let opened = account::open(connection, seal, &next)?;
            chain.push(next);
            if region.is_empty() {
                region.clone_from(&opened.row.region);
            }
            if opened.row.kind != Kind::AwsOidc && !opened.row.role_arn.is_empty() {
                hops.push(role_of(&opened.row));
            }
            match opened.row.kind {
                Kind::Aws => break Base::Key(Box::new(opened)),
                Kind::AwsOidc => break Base::Token(Box::new(opened.row)),
                Kind::AwsRole if opened.row.base_account.is_empty() => break Base::WorkerRole,
                Kind::AwsRole => next = opened.row.base_account,
            }
        };
        hops.reverse();
        Ok(Self { base, hops, region, below: chain.split_off(1) })
    }

    /// The same, with further roles on top.
    #[must_use]
    pub fn on_top(mut self, hops: Vec<AssumeRole>) -> Self {
        self.hops.extend(hops);
        self
    }

    /// The role that it ends with, where that is known beforehand: not for a key's own user or a worker's own role.
    #[must_use]
    pub fn role(&self) -> Option<RoleArn> {
        let last = self.hops.last().map(|hop| hop.role_arn.as_str());
        let arn = match (&self.base, last) {
            (_, Some(arn)) => arn,
            (Base::Token(row), None) => &row.role_arn,
            (Base::Key(_) | Base::WorkerRole, None) => return None,
        };
        arn.parse().ok()
    }

    /// ARNs of all roles, in order.
    pub fn roles(&self) -> impl Iterator<Item = &str> {
        let first = match &self.base {
            Base::Token(row) => Some(row.role_arn.as_str()),
            Base::Key(_) | Base::WorkerRole => None,
        };
        first.into_iter().chain(self.hops.iter().map(|hop| hop.role_arn.as_str()))
    }

    /// How long the session of a hop may last: AWS ends one that a role's session asked for after an hour.
    #[must_use]
    pub fn duration_of(&self, hop: usize) -> Duration {
        let wanted = self.hops.get(hop).map_or(limits::SESSION, |hop| hop.duration);
        let by_key = hop == 0 && matches!(self.base, Base::Key(_));
        if by_key { wanted } else { wanted.min(limits::CHAINED_SESSION) }
    }
}

/// The role that an account is.
#[must_use]
pub fn role_of(row: &Row) -> AssumeRole {
    AssumeRole {
        role_arn: row.role_arn.clone(),
        session_name: String::new(),
        external_id: row.external_id.clone(),
        duration: row.session_duration(),
        policy: String::new(),
        session_tags: row.session_tags,
    }
}

fn cycle(chain: &[String]) -> Fault {
    let names: Vec<String> = chain.iter().map(|name| format!("\"{name}\"")).collect();
    Fault::new(
        Reason::AccountCycle,
        format!(
            "Accounts stand on one another without an end, or on more than {} others: {}. Make one of them anew on another base.",
            limits::ASSUMED_ROLES,
            names.join(" on ")
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;

    /// Reads a recipe out of a store with these accounts.
    async fn read(rows: impl Fn(&Seal) -> Vec<Row> + Send + 'static, name: &'static str) -> Result<Recipe, Fault> {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(folder.path()).expect("a store");
        let seal = Seal::make(&folder.path().join("master.key"), "store").expect("a key");
        let written = rows(&seal);
        store
            .write(move |connection| written.iter().try_for_each(|row| account::insert(connection, row)))
            .await
            .expect("stored");
        store.read(move |connection| Recipe::read(connection, &seal, name)).await
    }

    const HUB: &str = "arn:aws:iam::123456789012:role/hub";
    const DEPLOYER: &str = "arn:aws:iam::210987654321:role/deployer";

    #[tokio::test]
    async fn a_chain_of_accounts_is_climbed_from_its_key_to_the_last_role() {
        let rows = |seal: &Seal| {
            let key = Row { region: "eu-west-1".into(), ..Row::with_key(seal, "key", "secret") };
            vec![key, Row::with_role("hub", HUB, "key", seal), Row::with_role("shop", DEPLOYER, "hub", seal)]
        };
        let recipe = read(rows, "shop").await.expect("a recipe");
        assert!(matches!(&recipe.base, Base::Key(key) if key.secret_access_key.as_str() == "secret"));
        assert_eq!(recipe.roles().collect::<Vec<_>>(), [HUB, DEPLOYER]);
        assert_eq!(recipe.below, ["hub", "key"]);
        assert_eq!((recipe.region.as_str(), recipe.role().expect("known").name.as_str()), ("eu-west-1", "deployer"));
    }

    #[tokio::test]
    async fn a_role_without_a_base_begins_with_the_workers_own() {
        let recipe = read(|seal| vec![Row::with_role("shop", DEPLOYER, "", seal)], "shop").await.expect("a recipe");
        assert!(matches!(recipe.base, Base::WorkerRole));
        assert_eq!(recipe.hops[0].external_id, "external-id-of-it");
    }

    #[tokio::test]
    async fn accounts_in_a_circle_are_told_with_their_chain() {
        let rows = |seal: &Seal| vec![Row::with_role("a", HUB, "b", seal), Row::with_role("b", DEPLOYER, "a", seal)];
        let fault = read(rows, "a").await.map(drop).expect_err("a circle");
        assert_eq!(fault.reason, Reason::AccountCycle);
        assert!(fault.sentence.contains("\"a\" on \"b\" on \"a\""), "{fault}");
    }

    #[tokio::test]
    async fn a_base_that_is_gone_is_named() {
        let fault = read(|seal| vec![Row::with_role("a", HUB, "gone", seal)], "a").await.map(drop).expect_err("gone");
        assert!(fault.reason == Reason::AccountNotFound && fault.sentence.contains("gone"), "{fault}");
    }

    #[tokio::test]
    async fn only_a_key_may_ask_for_more_than_an_hour() {
        let long = |row: Row| Row { session_seconds: 7200, ..row };
        let rows = move |seal: &Seal| {
            let key = Row { role_arn: HUB.into(), ..Row::with_key(seal, "key", "secret") };
            vec![
                long(key),
                long(Row::with_role("shop", DEPLOYER, "key", seal)),
                long(Row::with_role("own", HUB, "", seal)),
            ]
        };
        let durations =
            |recipe: Recipe| (0..recipe.hops.len()).map(|hop| recipe.duration_of(hop).as_secs()).collect::<Vec<_>>();
        assert_eq!(durations(read(rows, "shop").await.expect("a recipe")), [7200, 3600]);
        assert_eq!(durations(read(rows, "own").await.expect("a recipe")), [3600]);
    }
}
