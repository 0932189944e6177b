//! `longshore pool`.

use clap::Subcommand;
use proto::deployment as d;

use super::request_id;
use crate::{
    connection::Connection,
    failure::{Exit, Failure},
    screen::{Screen, talk},
    view::PoolView,
};

#[derive(Subcommand, Debug)]
pub(super) enum Pool {
    /// Add a pool
    Create {
        /// Name of the pool
        name: String,
        /// What it is for
        #[arg(long, default_value = "", hide_default_value = true)]
        description: String,
    },
    /// All pools
    List,
    /// One pool
    Show {
        /// Name of the pool
        name: String,
    },
    /// Remove a pool without workers
    Delete {
        /// Name of the pool
        name: String,
    },
}

impl Pool {
    pub(super) async fn run(self, screen: Screen) -> Result<Exit, Failure> {
        let connection = Connection::open()?;
        let mut client = connection.pools();
        match self {
            Self::Create { name, description } => {
                let request = d::CreatePoolRequest { request_id: request_id(), name, description };
                let pool = connection.answer(client.create_pool(request)).await?;
                screen.show(&PoolView::from(pool))?;
            }
            Self::List => {
                let answer = connection.answer(client.list_pools(d::ListPoolsRequest {})).await?;
                screen.list(&answer.pools.into_iter().map(PoolView::from).collect::<Vec<_>>())?;
            }
            Self::Show { name } => {
                let pool = connection.answer(client.get_pool(d::GetPoolRequest { name })).await?;
                screen.show(&PoolView::from(pool))?;
            }
            Self::Delete { name } => {
                connection.answer(client.delete_pool(d::DeletePoolRequest { name: name.clone() })).await?;
                talk(&format!("Pool \"{name}\" is removed."));
            }
        }
        Ok(Exit::Ok)
    }
}
