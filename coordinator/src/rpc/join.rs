//! JoinService: the only one that strangers reach.

use std::sync::Arc;

use proto::worker::{JoinRequest, JoinResponse, join_service_server::JoinService};
use tonic::{Request, Response, Status};

use super::{answer, fleet::Fleet, open};
use crate::enrolment::Enrolment;

/// What the service is made of.
pub struct Join {
    /// Decides.
    pub enrolment: Arc<Enrolment>,
    /// Is told of the new worker.
    pub fleet: Arc<dyn Fleet>,
}

#[tonic::async_trait]
impl JoinService for Join {
    async fn join(&self, request: Request<JoinRequest>) -> Result<Response<JoinResponse>, Status> {
        let (caller, request) = open(request)?;
        match self.enrolment.join(&caller, request).await {
            Ok((id, joined)) => {
                self.fleet.worker_changed(id).await;
                answer(Ok(joined))
            }
            Err(fault) => answer(Err(fault)),
        }
    }
}
