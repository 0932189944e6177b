//! CoordinatorService and AuditService.

use std::sync::Arc;

use proto::deployment::{
    AuditEvent, Coordinator as Shown, GetCoordinatorRequest, GetHoldRequest, Hold, LiftHoldRequest,
    ListAuditEventsRequest, ListAuditEventsResponse, audit_service_server::AuditService,
    coordinator_service_server::CoordinatorService,
};
use shared::reason::{Fault, Reason};
use tonic::{Request, Response, Status};

use super::{answer, open};
use crate::{
    audit,
    authorization::{Principal, Trust},
    clock,
    driver::Driver,
};

mod hold;

const DEFAULT_PAGE: usize = 100;
const MAX_PAGE: usize = 1000;

/// What the services are made of.
#[derive(Clone)]
pub struct Coordinator {
    /// Rows.
    pub trust: Arc<Trust>,
    /// The way to the core.
    pub driver: Driver,
    /// Of the store.
    pub store_id: Arc<str>,
}

#[tonic::async_trait]
impl CoordinatorService for Coordinator {
    async fn get_coordinator(&self, request: Request<GetCoordinatorRequest>) -> Result<Response<Shown>, Status> {
        let (caller, _) = open(request)?;
        let (name, role) = match caller.principal {
            Principal::Token { name, role } => (name, role.name()),
            Principal::Anyone | Principal::Worker { .. } => (String::new(), ""),
        };
        answer(Ok(Shown {
            version: env!("CARGO_PKG_VERSION").into(),
            store_id: self.store_id.to_string(),
            caller: name,
            caller_role: role.into(),
            time: Some(clock::timestamp(clock::now())),
        }))
    }

    async fn get_hold(&self, request: Request<GetHoldRequest>) -> Result<Response<Hold>, Status> {
        open(request)?;
        answer(self.hold().await)
    }

    async fn lift_hold(&self, request: Request<LiftHoldRequest>) -> Result<Response<Hold>, Status> {
        let (caller, request) = open(request)?;
        answer(self.lift_hold(caller, request).await)
    }
}

#[tonic::async_trait]
impl AuditService for Coordinator {
    async fn list_audit_events(
        &self,
        request: Request<ListAuditEventsRequest>,
    ) -> Result<Response<ListAuditEventsResponse>, Status> {
        let (_, request) = open(request)?;
        answer(self.page(&request).await)
    }
}

impl Coordinator {
    async fn page(&self, request: &ListAuditEventsRequest) -> Result<ListAuditEventsResponse, Fault> {
        let size = match usize::try_from(request.page_size) {
            Ok(0) => DEFAULT_PAGE,
            Ok(size) if size <= MAX_PAGE => size,
            _ => return Err(invalid(format!("`page_size` is {}; it must be 1 to {MAX_PAGE}.", request.page_size))),
        };
        let before = match request.page_token.as_str() {
            "" => None,
            token => Some(token.parse().map_err(|_| invalid("`page_token` is not one from an answer before.".into()))?),
        };
        // One more than asked for tells whether there is a next page.
        let account = Some(request.account.clone()).filter(|name| !name.is_empty());
        let mut lines = self
            .trust
            .store
            .read(move |connection| audit::list(connection, before, account.as_deref(), size + 1))
            .await?;
        let has_more = lines.len() > size;
        lines.truncate(size);
        let next_page_token =
            lines.last().filter(|_| has_more).map(|line| line.sequence.to_string()).unwrap_or_default();
        Ok(ListAuditEventsResponse { events: lines.into_iter().map(to_wire).collect(), next_page_token })
    }
}

fn to_wire(line: audit::Line) -> AuditEvent {
    AuditEvent {
        sequence: line.sequence,
        time: Some(clock::timestamp(line.at)),
        actor: line.actor,
        address: line.address,
        action: line.action,
        target: line.target,
        allowed: line.allowed,
        reason: line.reason,
        detail: line.detail,
    }
}

fn invalid(sentence: String) -> Fault {
    Fault::new(Reason::InvalidArgument, sentence)
}
