//! `longshore pool`.

use clap::Subcommand;
use proto::deployment as d;

use super::{
    pair::{map, pair},
    request_id,
};
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
        /// What a worker must carry besides to get its steps: a label, or aws.account, aws.role, aws.region of its own role;
        /// may be given several times
        #[arg(long = "require", value_name = "KEY=VALUE", value_parser = pair)]
        requires: Vec<(String, String)>,
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
            Self::Create { name, description, requires } => {
                let requires = map(requires)
                    .map_err(|key| Failure::usage(format!("The requirement \"{key}\" is given twice.")))?;
                let request = d::CreatePoolRequest { request_id: request_id(), name, description, requires };
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
