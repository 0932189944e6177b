//! AccountService. No call returns a secret.

mod check;
mod test;

use std::sync::Arc;

use proto::deployment::{
    self as wire, CreateAccountRequest, DeleteAccountRequest, DeleteAccountResponse, GetAccountRequest,
    ListAccountsRequest, ListAccountsResponse, TestAccountRequest, TestAccountResponse, UpdateAccountRequest,
    account_service_server::AccountService,
};
use shared::reason::{Fault, Reason};
use tonic::{Request, Response, Status};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{answer, fleet::AskWorker, open};
use crate::{
    accounts::{Base, Minter, Recipe, role_of},
    audit,
    authorization::{Caller, Trust},
    clock,
    registry::{
        account::{self, Delivery, Kind, Opened, Row},
        request_id::RequestId,
    },
    seal::Seal,
};

/// What the service is made of.
pub struct Accounts {
    /// Rows, and what seals secrets.
    pub trust: Arc<Trust>,
    /// Asks AWS from here.
    pub minter: Minter,
    /// Asks AWS from a worker.
    pub workers: Arc<dyn AskWorker>,
}

#[tonic::async_trait]
impl AccountService for Accounts {
    async fn create_account(&self, request: Request<CreateAccountRequest>) -> Result<Response<wire::Account>, Status> {
        let (caller, request) = open(request)?;
        answer(self.create(caller, request).await)
    }

    async fn get_account(&self, request: Request<GetAccountRequest>) -> Result<Response<wire::Account>, Status> {
        let (_, request) = open(request)?;
        let row = self.trust.store.read(move |connection| account::get(connection, &request.name)).await;
        answer(row.map(Into::into))
    }

    async fn list_accounts(&self, _: Request<ListAccountsRequest>) -> Result<Response<ListAccountsResponse>, Status> {
        let rows = self.trust.store.read(account::list).await;
        answer(rows.map(|rows| ListAccountsResponse { accounts: rows.into_iter().map(Into::into).collect() }))
    }

    async fn update_account(&self, request: Request<UpdateAccountRequest>) -> Result<Response<wire::Account>, Status> {
        let (caller, request) = open(request)?;
        answer(self.update(caller, request).await)
    }

    async fn delete_account(
        &self,
        request: Request<DeleteAccountRequest>,
    ) -> Result<Response<DeleteAccountResponse>, Status> {
        let (caller, request) = open(request)?;
        let deleted = self.trust.store.write(move |connection| {
            account::delete(connection, &request.name)?;
            audit::record(connection, clock::now(), &caller.did(request.name, ""))
        });
        answer(deleted.await.map(|()| DeleteAccountResponse {}))
    }

    async fn test_account(
        &self,
        request: Request<TestAccountRequest>,
    ) -> Result<Response<TestAccountResponse>, Status> {
        let (caller, request) = open(request)?;
        answer(self.test(caller, request).await)
    }
}

impl Accounts {
    async fn create(&self, caller: Caller, request: CreateAccountRequest) -> Result<wire::Account, Fault> {
        let kind = kind(request.kind());
        check::new_account(&request, kind)?;
        let secret = Zeroizing::new(request.secret_access_key.clone());
        let row = self.draft(&request, kind, &secret)?;
        if request.test {
            self.ensure_aws_knows(&caller, &request, &row, &secret).await?;
        }
        let seal = self.trust.seal.clone();
        // The fingerprint stands for the secret: another secret is another request.
        let content = CreateAccountRequest {
            request_id: String::new(),
            secret_access_key: row.fingerprint.clone(),
            ..request.clone()
        };
        let id = RequestId::new(&request.request_id, caller.action, &content)?;
        let created = self.trust.store.write(move |connection| {
            if let Some(made) = id.made_before(connection)? {
                return account::get(connection, &made);
            }
            account::insert(connection, &row)?;
            // What it stands on is there, and not too deep.
            Recipe::read(connection, &seal, &row.name)?;
            id.remember(connection, &row.name, row.created_at)?;
            audit::record(connection, row.created_at, &caller.did(row.name.as_str(), described(&row)))?;
            Ok(row)
        });
        created.await.map(Into::into)
    }

    fn draft(&self, request: &CreateAccountRequest, kind: Kind, secret: &Zeroizing<String>) -> Result<Row, Fault> {
        let seal = &self.trust.seal;
        let has_key = kind == Kind::Aws;
        let sealed_secret =
            if has_key { seal.seal(account::place(&request.name, 1), secret.as_bytes())? } else { Vec::new() };
        let needs_external_id = kind != Kind::AwsOidc && !request.role_arn.is_empty();
        let external_id = match request.external_id.as_str() {
            "" if needs_external_id => new_external_id(),
            given => given.to_owned(),
        };
        let at = clock::now();
        Ok(Row {
            sealed_secret,
            fingerprint: if has_key { fingerprint(seal, secret) } else { String::new() },
            version: 1,
            name: request.name.clone(),
            description: request.description.clone(),
            kind,
            access_key_id: request.access_key_id.clone(),
            region: request.region.clone(),
            role_arn: request.role_arn.clone(),
            external_id,
            base_account: request.base_account.clone(),
            session_seconds: check::session_seconds(request.session_duration)?,
            delivery: check::delivery(request.delivery()),
            expose_keys: request.expose_keys.unwrap_or(true),
            session_tags: request.session_tags.unwrap_or(true),
            created_at: at,
            updated_at: at,
        })
    }

    /// Before anything is saved: an account that AWS does not know is of no use to anybody.
    async fn ensure_aws_knows(
        &self,
        caller: &Caller,
        request: &CreateAccountRequest,
        row: &Row,
        secret: &Zeroizing<String>,
    ) -> Result<(), Fault> {
        let not_saved = |fault: Fault| {
            // What stands in the way is told as it is; for a caller it is the account that AWS did not take.
            let sentence = format!("{} The account \"{}\" was not saved.", fault.sentence, request.name);
            Fault::new(Reason::CredentialsRefused, sentence)
        };
        if !row.external_id.is_empty() && request.external_id.is_empty() {
            return Err(not_saved(Fault::new(
                Reason::InvalidArgument,
                "The external id would be a new one, which no role can demand yet: save the account without --test, put its \
                 external id into the role's trust policy, and then run `longshore account test`; or give --external-id.",
            )));
        }
        let recipe = self.recipe_of(row, secret).await?;
        let asked = self.ask_from_here(caller, &row.name, &recipe).await;
        asked.answer.map(drop).map_err(|refused| not_saved(Fault::new(Reason::CredentialsRefused, refused.sentence)))
    }

    /// What an account will mean that is not stored yet.
    async fn recipe_of(&self, row: &Row, secret: &Zeroizing<String>) -> Result<Recipe, Fault> {
        let base = match row.kind {
            Kind::Aws => {
                let opened = Opened { row: row.clone(), secret_access_key: secret.clone() };
                Recipe { base: Base::Key(Box::new(opened)), ..Recipe::worker_role() }
            }
            Kind::AwsOidc => Recipe { base: Base::Token(Box::new(row.clone())), ..Recipe::worker_role() },
            Kind::AwsRole if row.base_account.is_empty() => Recipe::worker_role(),
            Kind::AwsRole => {
                let (name, seal) = (row.base_account.clone(), self.trust.seal.clone());
                self.trust.store.read(move |connection| Recipe::read(connection, &seal, &name)).await?
            }
        };
        let region = if row.region.is_empty() { base.region.clone() } else { row.region.clone() };
        let own = (row.kind != Kind::AwsOidc && !row.role_arn.is_empty()).then(|| role_of(row));
        Ok(Recipe { region, ..base.on_top(own.into_iter().collect()) })
    }

    async fn update(&self, caller: Caller, request: UpdateAccountRequest) -> Result<wire::Account, Fault> {
        let seal = self.trust.seal.clone();
        let secret = request.secret_access_key.clone().map(Zeroizing::new);
        let updated = self.trust.store.write(move |connection| {
            let mut row = account::get(connection, &request.name)?;
            check::update(&request, &row)?;
            let changed = changes(&request);
            if let Some(secret) = &secret {
                row.version += 1;
                row.sealed_secret = seal.seal(account::place(&row.name, row.version), secret.as_bytes())?;
                row.fingerprint = fingerprint(&seal, secret);
            }
            change(&mut row, request)?;
            account::update(connection, &row)?;
            audit::record(connection, row.updated_at, &caller.did(row.name.as_str(), changed))?;
            Ok(row)
        });
        updated.await.map(Into::into)
    }
}

/// All but the secret.
fn change(row: &mut Row, request: UpdateAccountRequest) -> Result<(), Fault> {
    if request.delivery.is_some() {
        row.delivery = check::delivery(request.delivery());
    }
    if request.session_duration.is_some() {
        row.session_seconds = check::session_seconds(request.session_duration)?;
    }
    row.description = request.description.unwrap_or_else(|| row.description.clone());
    row.access_key_id = request.access_key_id.unwrap_or_else(|| row.access_key_id.clone());
    row.region = request.region.unwrap_or_else(|| row.region.clone());
    row.expose_keys = request.expose_keys.unwrap_or(row.expose_keys);
    row.session_tags = request.session_tags.unwrap_or(row.session_tags);
    row.role_arn = request.role_arn.unwrap_or_else(|| row.role_arn.clone());
    let external_id = request.external_id.unwrap_or_else(|| row.external_id.clone());
    row.external_id = match (row.role_arn.is_empty() || row.kind == Kind::AwsOidc, external_id.is_empty()) {
        (true, _) => String::new(),
        (false, true) => new_external_id(),
        (false, false) => external_id,
    };
    row.updated_at = clock::now();
    Ok(())
}

/// Nobody else's: a role that demands it can be assumed through this account only.
fn new_external_id() -> String {
    Uuid::new_v4().simple().to_string()
}

fn described(row: &Row) -> String {
    match row.kind {
        Kind::Aws if row.role_arn.is_empty() => format!("Access key {}.", row.access_key_id),
        Kind::Aws => format!("Access key {}, role {}.", row.access_key_id, row.role_arn),
        Kind::AwsRole if row.base_account.is_empty() => format!("Role {} on a worker's own role.", row.role_arn),
        Kind::AwsRole => format!("Role {} on account \"{}\".", row.role_arn, row.base_account),
        Kind::AwsOidc => format!("Role {} by web identity.", row.role_arn),
    }
}

fn fingerprint(seal: &Seal, secret: &str) -> String {
    seal.digest("account-fingerprint", secret.as_bytes()).iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}

fn changes(request: &UpdateAccountRequest) -> String {
    let parts = [
        ("description", request.description.is_some()),
        ("access key id", request.access_key_id.is_some()),
        ("secret key", request.secret_access_key.is_some()),
        ("region", request.region.is_some()),
        ("role", request.role_arn.is_some()),
        ("external id", request.external_id.is_some()),
        ("length of sessions", request.session_duration.is_some()),
        ("delivery", request.delivery.is_some()),
        ("whether scripts may read the key", request.expose_keys.is_some()),
        ("session tags", request.session_tags.is_some()),
    ];
    let changed: Vec<_> = parts.into_iter().filter(|(_, changed)| *changed).map(|(part, _)| part).collect();
    format!("Changed: {}.", if changed.is_empty() { "nothing".into() } else { changed.join(", ") })
}

fn kind(wire: wire::account::Kind) -> Kind {
    match wire {
        wire::account::Kind::AwsRole => Kind::AwsRole,
        wire::account::Kind::AwsOidc => Kind::AwsOidc,
        wire::account::Kind::Aws | wire::account::Kind::Unspecified => Kind::Aws,
    }
}

impl From<Row> for wire::Account {
    fn from(row: Row) -> Self {
        let has_key = row.kind == Kind::Aws;
        Self {
            slug: account::slug(&row.name),
            kind: match row.kind {
                Kind::Aws => wire::account::Kind::Aws,
                Kind::AwsRole => wire::account::Kind::AwsRole,
                Kind::AwsOidc => wire::account::Kind::AwsOidc,
            } as i32,
            delivery: match row.delivery {
                Delivery::Session => wire::account::Delivery::Session,
                Delivery::Raw => wire::account::Delivery::Raw,
            } as i32,
            session_duration: Some(prost_types::Duration { seconds: row.session_seconds, nanos: 0 }),
            expose_keys: has_key && row.expose_keys,
            session_tags: row.session_tags,
            name: row.name,
            description: row.description,
            access_key_id: row.access_key_id,
            region: row.region,
            secret_fingerprint: row.fingerprint,
            role_arn: row.role_arn,
            external_id: row.external_id,
            base_account: row.base_account,
            create_time: Some(clock::timestamp(row.created_at)),
            update_time: Some(clock::timestamp(row.updated_at)),
        }
    }
}
