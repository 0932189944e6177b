//! `longshore account test`.

use clap::Args;
use proto::deployment as d;

use crate::{
    connection::Connection,
    failure::{Exit, Failure},
    screen::{Format, Screen, encode, put, talk},
    view::AccountTests,
};

/// Ask AWS who an account is; exit code 1 when AWS refuses it, or two workers hear different answers
#[derive(Args, Debug)]
pub(in crate::command) struct Test {
    /// Name of the account
    name: String,
    /// Ask from every connected worker of this pool
    #[arg(long, conflicts_with = "worker")]
    pool: Option<String>,
    /// Ask from this worker
    #[arg(long)]
    worker: Option<String>,
}

impl Test {
    /// As nobody else is named.
    pub(super) fn from_the_coordinator(name: String) -> Self {
        Self { name, pool: None, worker: None }
    }

    pub(super) async fn run(self, screen: Screen) -> Result<Exit, Failure> {
        let connection = Connection::open()?;
        self.ask(&connection, screen).await
    }

    pub(super) async fn ask(self, connection: &Connection, screen: Screen) -> Result<Exit, Failure> {
        use d::test_account_request::From;
        let from = self.pool.map(From::Pool).or(self.worker.map(From::Worker));
        let mut client = connection.accounts();
        let request = d::TestAccountRequest { name: self.name, from };
        let tests = AccountTests::from(connection.answer(client.test_account(request)).await?);
        match screen.output {
            Format::Table if tests.is_empty() => talk("Nobody was asked: no worker of the pool is connected."),
            Format::Table => put(&tests.table())?,
            form => put(&encode(form, &tests))?,
        }
        if !tests.difference().is_empty() {
            talk(tests.difference());
        }
        Ok(if tests.passed() { Exit::Ok } else { Exit::Failed })
    }
}
