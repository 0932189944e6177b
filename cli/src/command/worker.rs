//! `longshore worker`.

use std::time::Duration;

use clap::{Args, Subcommand};
use jiff::Timestamp;
use proto::deployment as d;

use super::{
    pair::{map, pair},
    request_id,
};
use crate::{
    connection::Connection,
    failure::{Exit, Failure},
    screen::{Format, Screen, encode, put, talk},
    view::{InvitationView, WorkerView},
};

#[derive(Subcommand, Debug)]
pub(super) enum Worker {
    Invite(Invite),
    /// All workers
    List {
        /// Only this pool's
        #[arg(long)]
        pool: Option<String>,
    },
    /// One worker
    Show(Named),
    /// Let a worker finish what it has and take nothing new
    Drain(Named),
    /// Let a drained or disabled worker take steps again
    Resume(Named),
    /// Offer a worker nothing until it is resumed
    Disable(Named),
    /// End a worker's right to connect, for ever
    Revoke {
        #[command(flatten)]
        named: Named,
        /// Why; goes to the audit log
        #[arg(long)]
        reason: String,
    },
    /// Forget a revoked or never seen worker; its name is free again
    Delete(Named),
}

#[derive(Args, Debug)]
pub(super) struct Named {
    /// Name or id of the worker
    worker: String,
}

/// Make a join string: whoever holds it may register one worker, once
#[derive(Args, Debug)]
pub(super) struct Invite {
    /// Pool the worker will belong to
    #[arg(long)]
    pool: String,
    /// Name the worker will have; made up from the pool when absent
    #[arg(long, default_value = "", hide_default_value = true)]
    name: String,
    /// Label it will carry; may be given several times
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = pair)]
    labels: Vec<(String, String)>,
    /// How long the string is good for, at most 24h
    #[arg(long, default_value = "15m", value_parser = humantime::parse_duration)]
    ttl: Duration,
}

impl Worker {
    pub(super) async fn run(self, screen: Screen) -> Result<Exit, Failure> {
        let connection = Connection::open()?;
        let mut client = connection.workers();
        let worker = match self {
            Self::Invite(it) => return it.run(&connection, screen).await,
            Self::List { pool } => {
                let request = d::ListWorkersRequest { pool: pool.unwrap_or_default() };
                let answer = connection.answer(client.list_workers(request)).await?;
                let now = Timestamp::now();
                let workers: Vec<_> = answer.workers.into_iter().map(|worker| WorkerView::at(now, worker)).collect();
                screen.list(&workers)?;
                return Ok(Exit::Ok);
            }
            Self::Delete(Named { worker }) => {
                let request = d::DeleteWorkerRequest { worker: worker.clone() };
                connection.answer(client.delete_worker(request)).await?;
                talk(&format!("Worker \"{worker}\" is forgotten."));
                return Ok(Exit::Ok);
            }
            Self::Show(Named { worker }) => {
                connection.answer(client.get_worker(d::GetWorkerRequest { worker })).await?
            }
            Self::Drain(Named { worker }) => {
                connection.answer(client.drain_worker(d::DrainWorkerRequest { worker })).await?
            }
            Self::Resume(Named { worker }) => {
                connection.answer(client.resume_worker(d::ResumeWorkerRequest { worker })).await?
            }
            Self::Disable(Named { worker }) => {
                connection.answer(client.disable_worker(d::DisableWorkerRequest { worker })).await?
            }
            Self::Revoke { named: Named { worker }, reason } => {
                connection.answer(client.revoke_worker(d::RevokeWorkerRequest { worker, reason })).await?
            }
        };
        screen.show(&WorkerView::at(Timestamp::now(), worker))?;
        Ok(Exit::Ok)
    }
}

impl Invite {
    async fn run(self, connection: &Connection, screen: Screen) -> Result<Exit, Failure> {
        let labels = map(self.labels).map_err(|key| Failure::usage(format!("The label \"{key}\" is given twice.")))?;
        let ttl = prost_types::Duration::try_from(self.ttl)
            .map_err(|_| Failure::usage("--ttl is longer than any join string may be good for: at most 24h."))?;
        let request = d::InviteWorkerRequest {
            request_id: request_id(),
            pool: self.pool,
            name: self.name,
            labels,
            ttl: Some(ttl),
        };
        let mut client = connection.workers();
        let invitation = InvitationView::from(connection.answer(client.invite_worker(request)).await?);
        if screen.output != Format::Table {
            put(&encode(screen.output, &invitation))?;
            return Ok(Exit::Ok);
        }
        put(&invitation.join_string)?;
        let until = invitation.expire_time.map(|time| format!(" until {}", crate::view::short(Some(time))));
        talk(&format!(
            "This is a secret: whoever has it may register the worker \"{}\", once{}. On the host, run this and paste it:\n\
             \n    sudo longshore-worker join --join-string-file -\n",
            invitation.worker_name,
            until.unwrap_or_default(),
        ));
        Ok(Exit::Ok)
    }
}
