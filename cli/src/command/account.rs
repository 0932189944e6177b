//! `longshore account`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use proto::deployment as d;

use super::request_id;
use crate::{
    connection::Connection,
    failure::{Exit, Failure},
    screen::{Format, Screen, talk},
    secret::Secret,
    view::{AccountTest, AccountView},
};

#[derive(Subcommand, Debug)]
pub(super) enum Account {
    Create(Create),
    Test(Test),
    /// All accounts, without their secret keys
    List,
    /// One account, without its secret key
    Show {
        /// Name of the account
        name: String,
    },
    Update(Update),
    /// Remove an account that no variable names
    Delete {
        /// Name of the account
        name: String,
    },
}

/// Save an account; its secret key is kept encrypted and cannot be read back
#[derive(Args, Debug)]
pub(super) struct Create {
    /// Name of the account
    name: String,
    /// Kind of account
    #[arg(value_enum)]
    kind: Kind,
    /// Public half of the key pair, begins with AKIA
    #[arg(long, value_name = "ID")]
    access_key_id: String,
    #[command(flatten)]
    secret: RequiredKey,
    /// What it is for
    #[arg(long, default_value = "", hide_default_value = true)]
    description: String,
    /// AWS region of steps that name none
    #[arg(long, default_value = "", hide_default_value = true)]
    region: String,
    /// Ask AWS at once who these credentials are
    #[arg(long)]
    test: bool,
}

/// Kind of account.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    /// Access key and secret key
    Aws,
}

/// Ask AWS who an account is; exit code 1 when AWS refuses it
#[derive(Args, Debug)]
pub(super) struct Test {
    /// Name of the account
    name: String,
    /// Ask from any worker of this pool
    #[arg(long, conflicts_with = "worker")]
    pool: Option<String>,
    /// Ask from this worker
    #[arg(long)]
    worker: Option<String>,
}

/// Change parts of an account; the others stay
#[derive(Args, Debug)]
pub(super) struct Update {
    /// Name of the account
    name: String,
    /// New description
    #[arg(long)]
    description: Option<String>,
    /// New access key id; needs its secret key
    #[arg(long, value_name = "ID")]
    access_key_id: Option<String>,
    #[command(flatten)]
    secret: Key,
    /// New default region
    #[arg(long)]
    region: Option<String>,
}

/// Where the secret key comes from.
#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
struct RequiredKey {
    /// Read the secret key from stdin
    #[arg(long)]
    secret_key_stdin: bool,
    /// Read the secret key from a file
    #[arg(long, value_name = "FILE")]
    secret_key_file: Option<PathBuf>,
}

/// Where a new secret key comes from.
#[derive(Args, Debug)]
#[group(multiple = false)]
struct Key {
    /// Read the new secret key from stdin
    #[arg(long)]
    secret_key_stdin: bool,
    /// Read the new secret key from a file
    #[arg(long, value_name = "FILE")]
    secret_key_file: Option<PathBuf>,
}

impl Account {
    pub(super) async fn run(self, screen: Screen) -> Result<Exit, Failure> {
        match self {
            Self::Create(it) => return it.run(screen).await,
            Self::Test(it) => return it.run(screen).await,
            Self::Update(it) => it.run(screen).await?,
            Self::List => {
                let connection = Connection::open()?;
                let mut client = connection.accounts();
                let answer = connection.answer(client.list_accounts(d::ListAccountsRequest {})).await?;
                screen.list(&answer.accounts.into_iter().map(AccountView::from).collect::<Vec<_>>())?;
            }
            Self::Show { name } => {
                let connection = Connection::open()?;
                let mut client = connection.accounts();
                let account = connection.answer(client.get_account(d::GetAccountRequest { name })).await?;
                screen.show(&AccountView::from(account))?;
            }
            Self::Delete { name } => {
                let connection = Connection::open()?;
                let mut client = connection.accounts();
                connection.answer(client.delete_account(d::DeleteAccountRequest { name: name.clone() })).await?;
                talk(&format!("Account \"{name}\" is removed."));
            }
        }
        Ok(Exit::Ok)
    }
}

impl Create {
    async fn run(self, screen: Screen) -> Result<Exit, Failure> {
        // The one kind there is so far; clap refuses others.
        let Kind::Aws = self.kind;
        let secret = read_key(self.secret.secret_key_stdin, self.secret.secret_key_file)?;
        let request = d::CreateAccountRequest {
            request_id: request_id(),
            name: self.name.clone(),
            description: self.description,
            access_key_id: self.access_key_id,
            secret_access_key: secret.map(|secret| secret.expose().to_owned()).unwrap_or_default(),
            region: self.region,
            test: self.test,
        };
        let connection = Connection::open()?;
        let mut client = connection.accounts();
        let account = connection.answer(client.create_account(request)).await?;
        talk(&format!("Account \"{}\" is saved.", self.name));
        if !self.test {
            screen.show(&AccountView::from(account))?;
            return Ok(Exit::Ok);
        }
        Test { name: self.name, pool: None, worker: None }.ask(&connection, screen).await
    }
}

impl Test {
    async fn run(self, screen: Screen) -> Result<Exit, Failure> {
        let connection = Connection::open()?;
        self.ask(&connection, screen).await
    }

    async fn ask(self, connection: &Connection, screen: Screen) -> Result<Exit, Failure> {
        use d::test_account_request::From;
        let from = self.pool.map(From::Pool).or(self.worker.map(From::Worker));
        let mut client = connection.accounts();
        let request = d::TestAccountRequest { name: self.name, from };
        let test = AccountTest::from(connection.answer(client.test_account(request)).await?);
        match test.refusal() {
            Some(refusal) if screen.output == Format::Table => talk(refusal),
            _ => screen.show(&test)?,
        }
        Ok(if test.passed() { Exit::Ok } else { Exit::Failed })
    }
}

impl Update {
    async fn run(self, screen: Screen) -> Result<(), Failure> {
        let secret = read_key(self.secret.secret_key_stdin, self.secret.secret_key_file)?;
        let nothing = self.description.is_none() && self.region.is_none() && secret.is_none();
        if nothing && self.access_key_id.is_none() {
            return Err(Failure::usage("Nothing to change: give --description, --region or a new key."));
        }
        if self.access_key_id.is_some() && secret.is_none() {
            return Err(Failure::usage(
                "A new access key id comes with a new secret key: give --secret-key-stdin or --secret-key-file too.",
            ));
        }
        let request = d::UpdateAccountRequest {
            name: self.name,
            description: self.description,
            access_key_id: self.access_key_id,
            secret_access_key: secret.map(|secret| secret.expose().to_owned()),
            region: self.region,
        };
        let connection = Connection::open()?;
        let mut client = connection.accounts();
        let account = connection.answer(client.update_account(request)).await?;
        screen.show(&AccountView::from(account))
    }
}

fn read_key(stdin: bool, file: Option<PathBuf>) -> Result<Option<Secret>, Failure> {
    let key = match file {
        Some(file) => Some(Secret::from_file("secret key", &file)?),
        None if stdin => Some(Secret::from_stdin("secret key")?),
        None => None,
    };
    Ok(key.map(Secret::trimmed))
}
