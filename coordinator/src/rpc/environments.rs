//! EnvironmentService.

use std::sync::Arc;

use proto::deployment::{
    self as wire, CreateEnvironmentRequest, DeleteEnvironmentRequest, DeleteEnvironmentResponse,
    ListEnvironmentsRequest, ListEnvironmentsResponse, environment_service_server::EnvironmentService,
};
use shared::reason::Fault;
use tonic::{Request, Response, Status};

use super::{answer, open, valid_description, valid_name};
use crate::{
    audit,
    authorization::{Caller, Trust},
    clock,
    registry::{
        environment::{self, Row},
        request_id::RequestId,
    },
};

/// What the service is made of.
pub struct Environments {
    /// Rows.
    pub trust: Arc<Trust>,
}

#[tonic::async_trait]
impl EnvironmentService for Environments {
    async fn create_environment(
        &self,
        request: Request<CreateEnvironmentRequest>,
    ) -> Result<Response<wire::Environment>, Status> {
        let (caller, request) = open(request)?;
        answer(self.create(caller, request).await)
    }

    async fn list_environments(
        &self,
        _: Request<ListEnvironmentsRequest>,
    ) -> Result<Response<ListEnvironmentsResponse>, Status> {
        let rows = self.trust.store.read(environment::list).await;
        answer(rows.map(|rows| ListEnvironmentsResponse { environments: rows.into_iter().map(Into::into).collect() }))
    }

    async fn delete_environment(
        &self,
        request: Request<DeleteEnvironmentRequest>,
    ) -> Result<Response<DeleteEnvironmentResponse>, Status> {
        let (caller, request) = open(request)?;
        let deleted = self.trust.store.write(move |connection| {
            environment::delete(connection, &request.name)?;
            audit::record(connection, clock::now(), &caller.did(request.name, ""))
        });
        answer(deleted.await.map(|()| DeleteEnvironmentResponse {}))
    }
}

impl Environments {
    async fn create(&self, caller: Caller, request: CreateEnvironmentRequest) -> Result<wire::Environment, Fault> {
        valid_name("The environment's name", &request.name)?;
        valid_description(&request.description)?;
        let content = CreateEnvironmentRequest { request_id: String::new(), ..request.clone() };
        let id = RequestId::new(&request.request_id, caller.action, &content)?;
        let created = self.trust.store.write(move |connection| {
            if let Some(made) = id.made_before(connection)? {
                return environment::get(connection, &made);
            }
            let at = clock::now();
            let row = Row { name: request.name, description: request.description, created_at: at };
            environment::insert(connection, &row)?;
            id.remember(connection, &row.name, at)?;
            audit::record(connection, at, &caller.did(row.name.as_str(), ""))?;
            Ok(row)
        });
        created.await.map(Into::into)
    }
}

impl From<Row> for wire::Environment {
    fn from(row: Row) -> Self {
        Self { name: row.name, description: row.description, create_time: Some(clock::timestamp(row.created_at)) }
    }
}
