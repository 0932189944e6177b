//! WorkerService.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use coordinator_core::report::is_reported;
use proto::deployment::{
    self as wire, DeleteWorkerRequest, DeleteWorkerResponse, DisableWorkerRequest, DrainWorkerRequest,
    GetWorkerRequest, InviteWorkerRequest, InviteWorkerResponse, ListWorkersRequest, ListWorkersResponse,
    ResumeWorkerRequest, RevokeWorkerRequest, worker_service_server::WorkerService,
};
use shared::{
    limits,
    reason::{Fault, Reason},
};
use tonic::{Request, Response, Status};

use super::{
    answer,
    fleet::{Fleet, Pulse},
    open, valid_labels, valid_name,
};
use crate::{
    audit,
    authorization::{Caller, Trust},
    clock,
    enrolment::{Enrolment, Wish},
    registry::{
        pool,
        request_id::RequestId,
        worker::{self, Row, State},
    },
};

/// What the service is made of.
pub struct Workers {
    /// Rows.
    pub trust: Arc<Trust>,
    /// Makes join strings.
    pub enrolment: Arc<Enrolment>,
    /// Is told of changes.
    pub fleet: Arc<dyn Fleet>,
}

#[tonic::async_trait]
impl WorkerService for Workers {
    async fn invite_worker(
        &self,
        request: Request<InviteWorkerRequest>,
    ) -> Result<Response<InviteWorkerResponse>, Status> {
        let (caller, request) = open(request)?;
        answer(self.invite(caller, request).await)
    }

    async fn get_worker(&self, request: Request<GetWorkerRequest>) -> Result<Response<wire::Worker>, Status> {
        let (_, request) = open(request)?;
        let row = self.trust.store.read(move |connection| worker::get(connection, &request.worker)).await;
        match row {
            Ok(row) => answer(Ok(self.show(row).await)),
            Err(fault) => answer(Err(fault)),
        }
    }

    async fn list_workers(
        &self,
        request: Request<ListWorkersRequest>,
    ) -> Result<Response<ListWorkersResponse>, Status> {
        let (_, request) = open(request)?;
        answer(self.list(request.pool).await)
    }

    async fn drain_worker(&self, request: Request<DrainWorkerRequest>) -> Result<Response<wire::Worker>, Status> {
        let (caller, request) = open(request)?;
        answer(self.want(caller, request.worker, State::Draining).await)
    }

    async fn resume_worker(&self, request: Request<ResumeWorkerRequest>) -> Result<Response<wire::Worker>, Status> {
        let (caller, request) = open(request)?;
        answer(self.want(caller, request.worker, State::Active).await)
    }

    async fn disable_worker(&self, request: Request<DisableWorkerRequest>) -> Result<Response<wire::Worker>, Status> {
        let (caller, request) = open(request)?;
        answer(self.want(caller, request.worker, State::Disabled).await)
    }

    async fn revoke_worker(&self, request: Request<RevokeWorkerRequest>) -> Result<Response<wire::Worker>, Status> {
        let (caller, request) = open(request)?;
        answer(self.revoke(caller, request).await)
    }

    async fn delete_worker(
        &self,
        request: Request<DeleteWorkerRequest>,
    ) -> Result<Response<DeleteWorkerResponse>, Status> {
        let (caller, request) = open(request)?;
        answer(self.delete(caller, request.worker).await)
    }
}

impl Workers {
    async fn invite(&self, caller: Caller, request: InviteWorkerRequest) -> Result<InviteWorkerResponse, Fault> {
        let wish = wish_of(&request)?;
        // Labels are a map, whose order in bytes is not fixed: the id alone tells a repetition, which is refused anyway.
        let id = RequestId::new(&request.request_id, caller.action, &())?;
        let enrolment = Arc::clone(&self.enrolment);
        let invited = self.trust.store.write(move |connection| {
            if let Some(name) = id.made_before(connection)? {
                return Err(shown_once(&name));
            }
            let at = clock::now();
            let invited = enrolment.invite(connection, &wish, &caller.actor(), at)?;
            id.remember(connection, &invited.worker_name, at)?;
            let detail = format!("Into pool \"{}\", good for {} s.", wish.pool, wish.ttl.as_secs());
            audit::record(connection, at, &caller.did(invited.worker_name.as_str(), detail))?;
            Ok(invited)
        });
        let invited = invited.await?;
        Ok(InviteWorkerResponse {
            join_string: invited.join_string,
            worker_name: invited.worker_name,
            expire_time: Some(clock::timestamp(invited.expires_at)),
        })
    }

    async fn list(&self, pool: String) -> Result<ListWorkersResponse, Fault> {
        let wanted = (!pool.is_empty()).then_some(pool);
        let rows = self.trust.store.read(move |connection| {
            if let Some(pool) = &wanted {
                pool::get(connection, pool)?;
            }
            worker::list(connection, wanted.as_deref())
        });
        let rows = rows.await?;
        let ids: Vec<_> = rows.iter().map(|row| row.id).collect();
        let pulses = self.fleet.pulses(&ids).await;
        Ok(ListWorkersResponse {
            workers: rows.into_iter().zip(pulses).map(|(row, pulse)| to_wire(row, pulse)).collect(),
        })
    }

    async fn want(&self, caller: Caller, worker: String, state: State) -> Result<wire::Worker, Fault> {
        let row = self.trust.store.write(move |connection| {
            let row = worker::get(connection, &worker)?;
            worker::set_state(connection, &row, state)?;
            audit::record(connection, clock::now(), &caller.did(row.name.as_str(), ""))?;
            Ok(Row { state, ..row })
        });
        let row = row.await?;
        self.fleet.worker_changed(row.id).await;
        Ok(self.show(row).await)
    }

    async fn revoke(&self, caller: Caller, request: RevokeWorkerRequest) -> Result<wire::Worker, Fault> {
        if request.reason.trim().is_empty() {
            return Err(Fault::new(
                Reason::InvalidArgument,
                "`reason` is empty: say why the worker is revoked, for whoever reads the audit log.",
            ));
        }
        let row = self.trust.store.write(move |connection| {
            let row = worker::get(connection, &request.worker)?;
            worker::revoke(connection, row.id)?;
            audit::record(connection, clock::now(), &caller.did(row.name.as_str(), request.reason))?;
            worker::get(connection, &row.id.to_string())
        });
        let row = row.await?;
        // Its connections end before anybody is told that it is revoked.
        self.trust.standings.revoke(row.id);
        self.fleet.worker_changed(row.id).await;
        Ok(self.show(row).await)
    }

    async fn delete(&self, caller: Caller, worker: String) -> Result<DeleteWorkerResponse, Fault> {
        let id = self.trust.store.write(move |connection| {
            let row = worker::get(connection, &worker)?;
            worker::delete(connection, &row)?;
            audit::record(connection, clock::now(), &caller.did(row.name, format!("Worker {}.", row.id)))?;
            Ok(row.id)
        });
        let id = id.await?;
        self.trust.standings.forget(id);
        self.fleet.worker_deleted(id).await;
        Ok(DeleteWorkerResponse {})
    }

    async fn show(&self, row: Row) -> wire::Worker {
        let pulse = self.fleet.pulses(&[row.id]).await.pop().unwrap_or_default();
        to_wire(row, pulse)
    }
}

fn wish_of(request: &InviteWorkerRequest) -> Result<Wish, Fault> {
    let invalid = |sentence: String| Fault::new(Reason::InvalidArgument, sentence);
    if !request.name.is_empty() {
        valid_name("The worker's name", &request.name)?;
    }
    valid_labels("The worker", &request.labels)?;
    if let Some(label) = request.labels.keys().find(|label| is_reported(label)) {
        return Err(invalid(format!(
            "The label \"{label}\" cannot be given: labels that begin with \"aws.\" are what a worker reports of its own AWS identity."
        )));
    }
    let labels: BTreeMap<_, _> = request.labels.iter().collect();
    let labels =
        serde_json::to_string(&labels).map_err(|error| invalid(format!("The labels cannot be written: {error}.")))?;
    let ttl = match request.ttl {
        None => limits::INVITATION_TTL,
        Some(ttl) => Duration::try_from(ttl).map_err(|_| invalid("`ttl` is not a length of time.".into()))?,
    };
    if ttl.is_zero() || ttl > limits::MAX_INVITATION_TTL {
        return Err(invalid("`ttl` must be more than 0 and at most 24h: a join string is a secret.".into()));
    }
    Ok(Wish { pool: request.pool.clone(), name: request.name.clone(), labels, ttl })
}

fn shown_once(name: &str) -> Fault {
    Fault::new(
        Reason::RequestIdReused,
        format!(
            "The join string for the worker \"{name}\" was shown when it was made, and is shown only once: invite again with a new request_id."
        ),
    )
}

fn to_wire(row: Row, pulse: Pulse) -> wire::Worker {
    let said = row.identity.unwrap_or_default();
    let at = |seconds: i64| (seconds > 0).then(|| clock::timestamp(seconds.saturating_mul(1000)));
    wire::Worker {
        id: row.id.to_string(),
        name: row.name,
        pool: row.pool,
        labels: row.labels.into_iter().collect(),
        state: match row.state {
            State::Active => wire::worker::State::Active,
            State::Draining => wire::worker::State::Draining,
            State::Disabled => wire::worker::State::Disabled,
            State::Revoked => wire::worker::State::Revoked,
        } as i32,
        connected: pulse.connected,
        last_seen_time: pulse.last_heard_at.max(row.last_seen_at).map(clock::timestamp),
        version: row.version,
        slots: i32::try_from(row.slots).unwrap_or(i32::MAX),
        running: i32::try_from(pulse.running).unwrap_or(i32::MAX),
        identity_problem: said.problem.clone(),
        identity_problem_reason: said.reason.clone(),
        imds_isolated: said.isolated,
        isolation_detail: said.isolation_detail.clone(),
        identity: (!said.arn.is_empty()).then(|| wire::WorkerIdentity {
            account: said.account,
            arn: said.arn,
            region: said.region,
            source: said.source,
            partition: said.partition,
            obtain_time: at(said.obtained_at),
            expire_time: at(said.expires_at),
        }),
        certificate_expire_time: Some(clock::timestamp(row.not_after)),
        create_time: Some(clock::timestamp(row.created_at)),
        disk_free_bytes: i64::try_from(pulse.disk_free_bytes).unwrap_or(i64::MAX),
        clock_offset_ms: row.clock_offset,
        equipment: pulse.equipment.map(|it| wire::WorkerEquipment {
            tools: it.tools,
            cgroups: it.cgroups,
            cgroups_detail: it.cgroups_detail,
        }),
    }
}
