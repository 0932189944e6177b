//! Hands credentials to an attempt that is open on the worker that asks, and writes down that it did.

use proto::worker::{CredentialGrant, credential_grant::Base as WireBase};
use rusqlite::Connection;
use shared::{
    aws::RoleArn,
    id::ExecutionId,
    plan::AssumeRole,
    reason::{Fault, Reason},
};

use super::{
    minter::{Minted, Minter},
    purpose::Purpose,
    recipe::{Base, Recipe},
};
use crate::{
    audit::{self, Entry},
    clock,
    issuer::Subject,
    registry::worker::Identity,
    seal::Seal,
    store::Store,
};

/// Who may become whom, for one attempt.
#[derive(Clone)]
pub struct Wanted {
    /// The account; none for the worker's own role with roles on top.
    pub account: Option<String>,
    /// Roles that the step assumes on top.
    pub assume: Vec<AssumeRole>,
    /// Region of the step; empty where only the worker knows it.
    pub region: String,
    /// What it is for.
    pub purpose: Purpose,
    /// For whom a token speaks, if the account needs one.
    pub subject: Subject,
}

/// Releases credentials.
#[derive(Clone)]
pub struct Release {
    /// Rows.
    pub store: Store,
    /// Opens accounts' secrets.
    pub seal: Seal,
    /// Makes sessions.
    pub minter: Minter,
}

impl Release {
    /// What the attempt gets now, after that is in the audit log, under each account that was used. A refusal is there too.
    /// `own_role` is what its worker said last of its own role.
    ///
    /// # Errors
    /// Those of [`Recipe::read`], [`Minter::grant`] and the store.
    pub async fn release(
        &self,
        execution: ExecutionId,
        wanted: Wanted,
        own_role: Option<&Identity>,
    ) -> Result<CredentialGrant, Fault> {
        let minted = self.mint(&wanted).await;
        self.note(entries(execution, &wanted, own_role, minted.as_ref())).await?;
        minted.map(|minted| minted.grant)
    }

    /// Writes down that the step's own texts carry the access keys of these accounts; before they are sent.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn note_keys(&self, execution: ExecutionId, purpose: &Purpose, accounts: &[String]) -> Result<(), Fault> {
        let entry = |account: &String| {
            let detail =
                format!("To {}: the access key itself, which the step reads by name.", attempt(execution, purpose));
            released(purpose, account.clone(), None, detail)
        };
        self.note(accounts.iter().map(entry).collect()).await
    }

    async fn note(&self, entries: Vec<Entry>) -> Result<(), Fault> {
        if entries.is_empty() {
            return Ok(());
        }
        let note = move |connection: &Connection| {
            entries.iter().try_for_each(|entry| audit::record(connection, clock::now(), entry))
        };
        self.store.write(note).await
    }

    async fn mint(&self, wanted: &Wanted) -> Result<Minted, Fault> {
        let recipe = match wanted.account.clone() {
            None => Recipe::worker_role(),
            Some(name) => {
                let seal = self.seal.clone();
                self.store.read(move |connection| Recipe::read(connection, &seal, &name)).await?
            }
        };
        let recipe = recipe.on_top(wanted.assume.clone());
        let region = if wanted.region.is_empty() { &recipe.region } else { &wanted.region };
        let whom = whom(wanted);
        let mut minted = self.minter.grant(&whom, &recipe, &wanted.purpose, wanted.subject.clone(), region).await?;
        minted.grant.source = source(wanted, &recipe, &minted.grant);
        minted.grant.throttled = minted.throttled;
        Ok(minted)
    }
}

fn whom(wanted: &Wanted) -> String {
    wanted.account.as_ref().map_or_else(|| "worker-role".to_owned(), |name| format!("account \"{name}\""))
}

/// What the log calls it: `account shop`, and the roles that the step has on top if they were assumed here.
fn source(wanted: &Wanted, recipe: &Recipe, grant: &CredentialGrant) -> String {
    let Some(account) = &wanted.account else { return String::new() };
    let mut source = format!("account {account}");
    if matches!(grant.base, Some(WireBase::Credentials(_))) && matches!(recipe.base, Base::Key(_)) {
        for hop in &wanted.assume {
            source.push_str(&format!(" > role {}", role_name(&hop.role_arn)));
        }
    }
    source
}

fn role_name(arn: &str) -> String {
    arn.parse::<RoleArn>().map_or_else(|_| arn.to_owned(), |arn| arn.name)
}

/// One for the account that was asked for, and one for each that it stands on: whoever asks who used a key finds both.
fn entries(
    execution: ExecutionId,
    wanted: &Wanted,
    own_role: Option<&Identity>,
    minted: Result<&Minted, &Fault>,
) -> Vec<Entry> {
    let of = attempt(execution, &wanted.purpose);
    let asked_for = wanted.account.clone().unwrap_or_else(|| "worker-role".into());
    let released = |target: String, refusal, detail| released(&wanted.purpose, target, refusal, detail);
    match minted {
        Err(fault) => vec![released(asked_for, Some(fault.reason), format!("Not to {of}: {fault}"))],
        Ok(minted) => {
            let through = format!("To {of}, through account \"{asked_for}\": {}.", what(minted, own_role));
            let below = minted.below.iter().map(|name| released(name.clone(), None, through.clone()));
            let first = released(asked_for, None, format!("To {of}: {}.", what(minted, own_role)));
            std::iter::once(first).chain(below).collect()
        }
    }
}

fn released(purpose: &Purpose, target: String, refusal: Option<Reason>, detail: String) -> Entry {
    Entry {
        actor: format!("worker {}", purpose.worker),
        address: String::new(),
        action: "credentials.release",
        target,
        refusal,
        detail,
    }
}

fn attempt(execution: ExecutionId, purpose: &Purpose) -> String {
    let Purpose { deployment, step, attempt, started_by, .. } = purpose;
    format!("attempt {attempt} of step \"{step}\" of deployment {deployment}, started by {started_by} ({execution})")
}

fn what(minted: &Minted, own_role: Option<&Identity>) -> String {
    let time = |at: i64| jiff::Timestamp::from_second(at).map(|at| at.to_string()).unwrap_or_default();
    let is_own_role = matches!(minted.grant.base, Some(WireBase::WorkerRole(_)));
    match (minted.sessions.is_empty(), minted.until, own_role.filter(|own| !own.arn.is_empty())) {
        (true, _, Some(own)) if is_own_role => {
            format!("the worker's own role, as it said last {} until {}", own.arn, time(own.expires_at))
        }
        (true, _, None) if is_own_role => "the worker's own role, of which it has not said anything yet".into(),
        (true, ..) => "the access key itself".into(),
        (false, Some(until), _) => format!("session {}, until {}", minted.sessions.join(" > "), time(until)),
        (false, None, _) => format!("session {}, made by the worker", minted.sessions.join(" > ")),
    }
}
