//! AccountService. No call returns a secret.

use std::{sync::Arc, time::Instant};

use proto::deployment::{
    self as wire, CreateAccountRequest, DeleteAccountRequest, DeleteAccountResponse, GetAccountRequest,
    ListAccountsRequest, ListAccountsResponse, TestAccountRequest, TestAccountResponse, UpdateAccountRequest,
    account_service_server::AccountService, test_account_request::From as From_, test_account_response::Answer,
};
use shared::reason::{Fault, Reason};
use tonic::{Request, Response, Status};
use zeroize::Zeroizing;

use super::{
    answer,
    fleet::{AskWorker, Whom},
    open, valid_description, valid_name,
};
use crate::{
    audit,
    authorization::{Caller, Trust},
    aws::Sts,
    clock,
    registry::{
        account::{self, Keys, Row},
        request_id::RequestId,
    },
    seal::Seal,
};

/// What the service is made of.
pub struct Accounts {
    /// Rows, and what seals secrets.
    pub trust: Arc<Trust>,
    /// Asks AWS from here.
    pub sts: Sts,
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
        let secret = Zeroizing::new(request.secret_access_key.clone());
        valid_name("The account's name", &request.name)?;
        valid_description(&request.description)?;
        valid_access_key_id(&request.access_key_id)?;
        valid_secret(&secret)?;
        valid_region(&request.region)?;
        if request.test {
            self.ensure_aws_knows(&request).await?;
        }
        let seal = self.trust.seal.clone();
        // The fingerprint stands for the secret: another secret is another request.
        let content = CreateAccountRequest {
            request_id: String::new(),
            secret_access_key: fingerprint(&seal, &secret),
            ..request.clone()
        };
        let id = RequestId::new(&request.request_id, caller.action, &content)?;
        let created = self.trust.store.write(move |connection| {
            if let Some(made) = id.made_before(connection)? {
                return account::get(connection, &made);
            }
            let at = clock::now();
            let row = Row {
                sealed_secret: seal.seal(account::place(&request.name, 1), secret.as_bytes())?,
                fingerprint: fingerprint(&seal, &secret),
                version: 1,
                name: request.name,
                description: request.description,
                access_key_id: request.access_key_id,
                region: request.region,
                created_at: at,
                updated_at: at,
            };
            account::insert(connection, &row)?;
            id.remember(connection, &row.name, at)?;
            audit::record(
                connection,
                at,
                &caller.did(row.name.as_str(), format!("Access key {}.", row.access_key_id)),
            )?;
            Ok(row)
        });
        created.await.map(Into::into)
    }

    /// Before anything is saved: wrong keys are of no use to anybody.
    async fn ensure_aws_knows(&self, request: &CreateAccountRequest) -> Result<(), Fault> {
        let keys = Keys {
            access_key_id: request.access_key_id.clone(),
            secret_access_key: Zeroizing::new(request.secret_access_key.clone()),
            region: request.region.clone(),
        };
        let known = self.sts.identity(&keys).await;
        known.map(drop).map_err(|refusal| {
            let sentence = format!("{refusal} The account \"{}\" was not saved.", request.name);
            Fault::new(Reason::CredentialsRefused, sentence)
        })
    }

    async fn update(&self, caller: Caller, request: UpdateAccountRequest) -> Result<wire::Account, Fault> {
        valid_update(&request)?;
        let seal = self.trust.seal.clone();
        let secret = request.secret_access_key.clone().map(Zeroizing::new);
        let updated = self.trust.store.write(move |connection| {
            let mut row = account::get(connection, &request.name)?;
            let changed = changes(&request);
            if let Some(secret) = &secret {
                row.version += 1;
                row.sealed_secret = seal.seal(account::place(&row.name, row.version), secret.as_bytes())?;
                row.fingerprint = fingerprint(&seal, secret);
            }
            row.description = request.description.unwrap_or(row.description);
            row.access_key_id = request.access_key_id.unwrap_or(row.access_key_id);
            row.region = request.region.unwrap_or(row.region);
            row.updated_at = clock::now();
            account::update(connection, &row)?;
            audit::record(connection, row.updated_at, &caller.did(row.name.as_str(), changed))?;
            Ok(row)
        });
        updated.await.map(Into::into)
    }

    async fn test(&self, caller: Caller, request: TestAccountRequest) -> Result<TestAccountResponse, Fault> {
        let (name, seal) = (request.name.clone(), self.trust.seal.clone());
        let keys = self.trust.store.read(move |connection| account::keys(connection, &seal, &name)).await?;
        let (result, asked_from, latency_ms) = match request.from {
            None => {
                let asked = Instant::now();
                let result = self.sts.identity(&keys).await;
                (result, "coordinator".to_owned(), i64::try_from(asked.elapsed().as_millis()).unwrap_or(i64::MAX))
            }
            Some(from) => {
                let whom = match from {
                    From_::Pool(pool) => Whom::Pool(pool),
                    From_::Worker(worker) => Whom::Worker(worker),
                };
                let asked = self.workers.ask(&caller, &request.name, whom).await?;
                (asked.answer, asked.worker, asked.latency_ms)
            }
        };
        let detail = match &result {
            Ok(identity) => format!("Asked from {asked_from}: {}.", identity.arn),
            Err(refusal) => format!("Asked from {asked_from}: {refusal}"),
        };
        let entry = caller.did(request.name, detail);
        self.trust.store.write(move |connection| audit::record(connection, clock::now(), &entry)).await?;
        let answer = match result {
            Ok(identity) => Answer::Identity(identity),
            Err(refusal) => Answer::Refusal(refusal),
        };
        Ok(TestAccountResponse { answer: Some(answer), asked_from, latency_ms })
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
    ];
    let changed: Vec<_> = parts.into_iter().filter(|(_, changed)| *changed).map(|(part, _)| part).collect();
    format!("Changed: {}.", if changed.is_empty() { "nothing".into() } else { changed.join(", ") })
}

fn valid_update(request: &UpdateAccountRequest) -> Result<(), Fault> {
    if let Some(description) = &request.description {
        valid_description(description)?;
    }
    if let Some(id) = &request.access_key_id {
        valid_access_key_id(id)?;
        if request.secret_access_key.is_none() {
            return Err(Fault::new(
                Reason::InvalidArgument,
                "A new access key id needs its secret key beside it: they are a pair.",
            ));
        }
    }
    if let Some(secret) = &request.secret_access_key {
        valid_secret(secret)?;
    }
    request.region.as_deref().map_or(Ok(()), valid_region)
}

fn valid_access_key_id(id: &str) -> Result<(), Fault> {
    let invalid = |sentence: String| Err(Fault::new(Reason::InvalidAccessKey, sentence));
    if id.starts_with("ASIA") {
        return invalid(format!(
            "The access key id {id} is a temporary one (it begins with ASIA): it needs a session token and ends within hours, so \
             it cannot be stored. Use the access key of an IAM user (AKIA…)."
        ));
    }
    let is_shaped = id.starts_with("AKIA")
        && (16..=128).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    if is_shaped {
        return Ok(());
    }
    // Whoever mixes the two up must not find the secret in a log.
    invalid(
        "The access key id has the wrong shape: it begins with AKIA and has 16 to 128 capital letters and digits. Is it the \
         secret key?"
            .into(),
    )
}

fn valid_secret(secret: &str) -> Result<(), Fault> {
    let invalid = |what: &str| Err(Fault::new(Reason::InvalidArgument, format!("The secret key {what}.")));
    if secret.is_empty() {
        return invalid("is empty");
    }
    if secret.len() > 256 {
        return invalid("is longer than 256 characters: that is not one of AWS");
    }
    if secret.chars().any(|letter| letter.is_whitespace() || letter.is_control()) {
        return invalid("holds a blank or a line break: paste the key alone");
    }
    Ok(())
}

fn valid_region(region: &str) -> Result<(), Fault> {
    let is_shaped = region.len() <= 64
        && region.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if is_shaped {
        return Ok(());
    }
    Err(Fault::new(
        Reason::InvalidArgument,
        format!("The region \"{region}\" is not an AWS region, such as eu-west-1."),
    ))
}

impl From<Row> for wire::Account {
    fn from(row: Row) -> Self {
        Self {
            slug: account::slug(&row.name),
            name: row.name,
            description: row.description,
            access_key_id: row.access_key_id,
            region: row.region,
            secret_fingerprint: row.fingerprint,
            create_time: Some(clock::timestamp(row.created_at)),
            update_time: Some(clock::timestamp(row.updated_at)),
        }
    }
}
