//! `longshore account`.

mod create;
mod key;
mod session;
mod test;
mod trust;
mod update;

use clap::Subcommand;
use proto::deployment as d;

pub(super) use self::session::{external_id, role_arn};
use self::{create::Create, test::Test, update::Update};
use crate::{
    connection::Connection,
    failure::{Exit, Failure},
    screen::{Screen, talk},
    view::AccountView,
};

#[derive(Subcommand, Debug)]
pub(super) enum Account {
    Create(Box<Create>),
    Test(Test),
    /// All accounts, without their secret keys
    List,
    /// One account, without its secret key
    Show {
        /// Name of the account
        name: String,
    },
    Update(Box<Update>),
    /// Remove an account that no variable names and no other account stands on
    Delete {
        /// Name of the account
        name: String,
    },
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
