//! PoolService.

use std::{collections::HashMap, sync::Arc};

use proto::deployment::{
    self as wire, CreatePoolRequest, DeletePoolRequest, DeletePoolResponse, GetPoolRequest, ListPoolsRequest,
    ListPoolsResponse, pool_service_server::PoolService,
};
use shared::{
    plan::demand::check_demand,
    reason::{Fault, Reason},
};
use tonic::{Request, Response, Status};

use super::{answer, fleet::Fleet, open, valid_description, valid_labels, valid_name};
use crate::{
    audit,
    authorization::{Caller, Trust},
    clock,
    registry::{
        pool::{self, Row},
        request_id::RequestId,
        worker,
    },
};

/// What the service is made of.
pub struct Pools {
    /// Rows.
    pub trust: Arc<Trust>,
    /// Who is connected.
    pub fleet: Arc<dyn Fleet>,
}

/// A pool's workers: registered, and with a session.
type Counts = HashMap<String, (i32, i32)>;

#[tonic::async_trait]
impl PoolService for Pools {
    async fn create_pool(&self, request: Request<CreatePoolRequest>) -> Result<Response<wire::Pool>, Status> {
        let (caller, request) = open(request)?;
        answer(self.create(caller, request).await)
    }

    async fn get_pool(&self, request: Request<GetPoolRequest>) -> Result<Response<wire::Pool>, Status> {
        let (_, request) = open(request)?;
        answer(self.get(request.name).await)
    }

    async fn list_pools(&self, _: Request<ListPoolsRequest>) -> Result<Response<ListPoolsResponse>, Status> {
        answer(self.list().await)
    }

    async fn delete_pool(&self, request: Request<DeletePoolRequest>) -> Result<Response<DeletePoolResponse>, Status> {
        let (caller, request) = open(request)?;
        let deleted = self.trust.store.write(move |connection| {
            pool::delete(connection, &request.name)?;
            audit::record(connection, clock::now(), &caller.did(request.name, ""))
        });
        answer(deleted.await.map(|()| DeletePoolResponse {}))
    }
}

impl Pools {
    async fn create(&self, caller: Caller, request: CreatePoolRequest) -> Result<wire::Pool, Fault> {
        valid_name("The pool's name", &request.name)?;
        valid_description(&request.description)?;
        valid_labels("The pool", &request.requires)?;
        for (label, value) in &request.requires {
            check_demand(label, value).map_err(|why| {
                Fault::new(Reason::InvalidArgument, format!("The pool requires {label}={value}, which {why}."))
            })?;
        }
        let content = CreatePoolRequest { request_id: String::new(), ..request.clone() };
        let id = RequestId::new(&request.request_id, caller.action, &content)?;
        let created = self.trust.store.write(move |connection| {
            if let Some(made) = id.made_before(connection)? {
                return pool::get(connection, &made);
            }
            let at = clock::now();
            let requires = request.requires.into_iter().collect();
            let row = Row { name: request.name, description: request.description, requires, created_at: at };
            pool::insert(connection, &row)?;
            id.remember(connection, &row.name, at)?;
            audit::record(connection, at, &caller.did(row.name.as_str(), ""))?;
            Ok(row)
        });
        let counts = Counts::new();
        created.await.map(|row| to_wire(row, &counts))
    }

    async fn get(&self, name: String) -> Result<wire::Pool, Fault> {
        let row = self.trust.store.read(move |connection| pool::get(connection, &name)).await?;
        let counts = self.counts().await?;
        Ok(to_wire(row, &counts))
    }

    async fn list(&self) -> Result<ListPoolsResponse, Fault> {
        let rows = self.trust.store.read(pool::list).await?;
        let counts = self.counts().await?;
        Ok(ListPoolsResponse { pools: rows.into_iter().map(|row| to_wire(row, &counts)).collect() })
    }

    async fn counts(&self) -> Result<Counts, Fault> {
        let workers = self.trust.store.read(|connection| worker::list(connection, None)).await?;
        let ids: Vec<_> = workers.iter().map(|row| row.id).collect();
        let mut counts = Counts::new();
        for (worker, pulse) in workers.into_iter().zip(self.fleet.pulses(&ids).await) {
            if worker.state == worker::State::Revoked {
                continue;
            }
            let (registered, connected) = counts.entry(worker.pool).or_default();
            *registered += 1;
            *connected += i32::from(pulse.connected);
        }
        Ok(counts)
    }
}

fn to_wire(row: Row, counts: &Counts) -> wire::Pool {
    let (workers, connected) = counts.get(&row.name).copied().unwrap_or_default();
    wire::Pool {
        name: row.name,
        description: row.description,
        create_time: Some(clock::timestamp(row.created_at)),
        workers,
        connected,
        requires: row.requires.into_iter().collect(),
    }
}
