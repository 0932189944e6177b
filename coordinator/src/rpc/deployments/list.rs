//! Pages of deployments.

use proto::deployment::{ListDeploymentsRequest, ListDeploymentsResponse};
use shared::reason::{Fault, Reason};

use super::{Deployments, show};
use crate::store::{
    deployments,
    view::{Cursor, DeploymentFilter, Page},
};

/// 50: what fits a screen.
const PAGE: usize = 50;
/// 1,000: what fits a message.
const MAX_PAGE: usize = 1000;

impl Deployments {
    /// # Errors
    /// [`Reason::InvalidArgument`] for a page token that no answer held.
    pub(super) async fn list(&self, request: ListDeploymentsRequest) -> Result<ListDeploymentsResponse, Fault> {
        let page = Page { size: size(request.page_size)?, after: after(&request.page_token)? };
        let filter = DeploymentFilter { project: request.project, environment: request.environment };
        let found = self.store.read(move |connection| deployments::list_deployments(connection, &filter, page)).await?;
        Ok(ListDeploymentsResponse {
            deployments: found.deployments.into_iter().map(show::without_steps).collect(),
            next_page_token: found.next.map(token).unwrap_or_default(),
        })
    }
}

fn size(asked: i32) -> Result<usize, Fault> {
    match usize::try_from(asked) {
        Ok(0) => Ok(PAGE),
        Ok(size) => Ok(size.min(MAX_PAGE)),
        Err(_) => {
            Err(Fault::new(Reason::InvalidArgument, format!("`page_size` is {asked}; it is at most {MAX_PAGE}.")))
        }
    }
}

fn after(token: &str) -> Result<Option<Cursor>, Fault> {
    if token.is_empty() {
        return Ok(None);
    }
    let parse = |token: &str| {
        let (created_at, id) = token.split_once('.')?;
        Some(Cursor { created_at: created_at.parse().ok()?, id: id.parse().ok()? })
    };
    let unknown = || {
        Fault::new(Reason::InvalidArgument, "`page_token` is from no answer of this call: leave it out to begin anew.")
    };
    parse(token).map(Some).ok_or_else(unknown)
}

fn token(cursor: Cursor) -> String {
    format!("{}.{}", cursor.created_at, cursor.id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_token_leads_back_to_its_place_and_another_is_refused() {
        let cursor = Cursor { created_at: 1_790_000_000_123, id: shared::id::DeploymentId(uuid::Uuid::max()) };
        assert_eq!(after(&token(cursor)), Ok(Some(cursor)));
        assert_eq!(after("nonsense").expect_err("refused").reason, Reason::InvalidArgument);
    }
}
