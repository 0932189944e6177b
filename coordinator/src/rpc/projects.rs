//! ProjectService.

use std::sync::Arc;

use proto::{
    convert::project::{Described, scope, variable_key, wire_kind},
    deployment::{
        self as wire, ApplyProjectRequest, ApplyProjectResponse, DeleteProjectRequest, DeleteProjectResponse,
        DeleteVariableRequest, DeleteVariableResponse, FindMissingFilesRequest, FindMissingFilesResponse,
        GetProjectRequest, ListProjectsRequest, ListProjectsResponse, ListVariablesRequest, ListVariablesResponse,
        SetVariableRequest, UploadFileRequest, UploadFileResponse, project_service_server::ProjectService,
    },
};
use shared::{
    plan::VariableKind,
    reason::{Fault, Reason},
};
use tonic::{Request, Response, Status, Streaming};
use zeroize::Zeroizing;

use super::{answer, open};
use crate::{
    audit,
    authorization::{Caller, Trust},
    clock,
    files::{Files, blocking},
    registry::{
        project::{self, Row},
        variable,
    },
};

mod apply;
mod upload;

/// 10,000 digests in one question: no project has more files.
const MAX_ASKED: usize = 10_000;

/// What the service is made of.
pub struct Projects {
    /// Rows, and what seals sensitive values.
    pub trust: Arc<Trust>,
    /// Files beside project files.
    pub files: Files,
}

#[tonic::async_trait]
impl ProjectService for Projects {
    async fn find_missing_files(
        &self,
        request: Request<FindMissingFilesRequest>,
    ) -> Result<Response<FindMissingFilesResponse>, Status> {
        let (_, request) = open(request)?;
        if request.sha256.len() > MAX_ASKED {
            let sentence = format!("{} digests are too many; at most {MAX_ASKED} are allowed.", request.sha256.len());
            return answer(Err(Fault::new(Reason::InvalidArgument, sentence)));
        }
        let files = self.files.clone();
        let missing =
            blocking(move || Ok(request.sha256.into_iter().filter(|digest| files.size(digest).is_none()).collect()));
        answer(missing.await.map(|sha256| FindMissingFilesResponse { sha256 }))
    }

    async fn upload_file(
        &self,
        request: Request<Streaming<UploadFileRequest>>,
    ) -> Result<Response<UploadFileResponse>, Status> {
        let (_, parts) = open(request)?;
        answer(upload::receive(&self.files, parts).await.map(|size| UploadFileResponse { size: size.cast_signed() }))
    }

    async fn apply_project(
        &self,
        request: Request<ApplyProjectRequest>,
    ) -> Result<Response<ApplyProjectResponse>, Status> {
        let (caller, request) = open(request)?;
        answer(self.apply(caller, request).await)
    }

    async fn get_project(&self, request: Request<GetProjectRequest>) -> Result<Response<wire::Project>, Status> {
        let (_, request) = open(request)?;
        let found = self.trust.store.read(move |connection| {
            let row = project::get(connection, &request.name)?;
            let variables = variable::list(connection, &row.name)?;
            Ok(to_wire(&row, &variables))
        });
        answer(found.await)
    }

    async fn list_projects(&self, _: Request<ListProjectsRequest>) -> Result<Response<ListProjectsResponse>, Status> {
        let rows = self.trust.store.read(project::list).await;
        answer(rows.map(|rows| ListProjectsResponse { projects: rows.iter().map(summary).collect() }))
    }

    async fn delete_project(
        &self,
        request: Request<DeleteProjectRequest>,
    ) -> Result<Response<DeleteProjectResponse>, Status> {
        let (caller, request) = open(request)?;
        let deleted = self.trust.store.write(move |connection| {
            project::delete(connection, &request.name)?;
            audit::record(connection, clock::now(), &caller.did(request.name, ""))
        });
        answer(deleted.await.map(|()| DeleteProjectResponse {}))
    }

    async fn set_variable(&self, request: Request<SetVariableRequest>) -> Result<Response<wire::Variable>, Status> {
        let (caller, request) = open(request)?;
        answer(self.set(caller, request).await)
    }

    async fn list_variables(
        &self,
        request: Request<ListVariablesRequest>,
    ) -> Result<Response<ListVariablesResponse>, Status> {
        let (_, request) = open(request)?;
        let rows = self.trust.store.read(move |connection| {
            project::get(connection, &request.project)?;
            variable::list(connection, &request.project)
        });
        answer(rows.await.map(|rows| ListVariablesResponse { variables: rows.iter().map(variable_to_wire).collect() }))
    }

    async fn delete_variable(
        &self,
        request: Request<DeleteVariableRequest>,
    ) -> Result<Response<DeleteVariableResponse>, Status> {
        let (caller, request) = open(request)?;
        answer(self.delete_value(caller, request).await.map(|()| DeleteVariableResponse {}))
    }
}

impl Projects {
    async fn apply(&self, caller: Caller, request: ApplyProjectRequest) -> Result<ApplyProjectResponse, Fault> {
        let wanted = request.project.unwrap_or_default();
        let described = Described::try_from(&wanted)?;
        let (files, process) = (self.files.clone(), described.process.clone());
        blocking(move || apply::ensure_uploaded(&files, &process)).await?;
        let validate_only = request.validate_only;
        self.trust
            .store
            .write(move |connection| apply::apply(connection, &caller, &described, validate_only, clock::now()))
            .await
    }

    async fn set(&self, caller: Caller, request: SetVariableRequest) -> Result<wire::Variable, Fault> {
        let wanted = request.variable.unwrap_or_default();
        let key = variable_key(&wanted).map_err(|sentence| Fault::new(Reason::InvalidArgument, sentence))?;
        let value = wanted.value.map(Zeroizing::new).ok_or_else(|| {
            Fault::new(Reason::InvalidArgument, format!("Variable \"{}\": there is no value to set.", key.name))
        })?;
        let seal = self.trust.seal.clone();
        let set = self.trust.store.write(move |connection| {
            project::get(connection, &request.project)?;
            let mut rows = variable::list(connection, &request.project)?;
            let at = match rows.iter().position(|row| row.is_for(&key.name, &key.scope)) {
                Some(at) => at,
                None => {
                    rows.push(variable::Row::new(key.clone(), false));
                    // Values of one name stand together.
                    rows.sort_by_key(|row| (row.key.name.to_lowercase(), row.key.scope.clone()));
                    rows.iter().position(|row| row.is_for(&key.name, &key.scope)).unwrap_or_default()
                }
            };
            let row = &mut rows[at];
            row.key.kind = key.kind;
            row.from_file = false;
            row.set(&seal, &value)?;
            let row = row.clone();
            refuse(Reason::InvalidArgument, variable::faults(connection, &rows)?)?;
            variable::put(connection, &request.project, &row)?;
            let detail = format!("For {}.", row.key.scope);
            let target = format!("{}/{}", request.project, row.key.name);
            audit::record(connection, clock::now(), &caller.did(target, detail))?;
            Ok(row)
        });
        set.await.map(|row| variable_to_wire(&row))
    }

    async fn delete_value(&self, caller: Caller, request: DeleteVariableRequest) -> Result<(), Fault> {
        let scope = scope(&request.environments, &request.steps, &request.pools);
        let deleted = self.trust.store.write(move |connection| {
            project::get(connection, &request.project)?;
            let rows = variable::list(connection, &request.project)?;
            let row = rows.iter().find(|row| row.is_for(&request.name, &scope)).ok_or_else(|| {
                Fault::new(
                    Reason::VariableNotFound,
                    format!(
                        "Project \"{}\" has no variable \"{}\" for {}: `longshore variable list {0}` shows those it has.",
                        request.project,
                        request.name,
                        scope
                    ),
                )
            })?;
            variable::delete(connection, &row.id)?;
            let target = format!("{}/{}", request.project, row.key.name);
            audit::record(connection, clock::now(), &caller.did(target, format!("For {scope}.")))
        });
        deleted.await
    }
}

fn refuse(reason: Reason, faults: Vec<String>) -> Result<(), Fault> {
    if faults.is_empty() { Ok(()) } else { Err(Fault::new(reason, faults.join("\n"))) }
}

fn to_wire(row: &Row, variables: &[variable::Row]) -> wire::Project {
    wire::Project {
        steps: row.process.steps.iter().map(Into::into).collect(),
        variables: variables.iter().map(variable_to_wire).collect(),
        files: row.process.files.iter().map(Into::into).collect(),
        variables_from: row.variables_from.clone(),
        ..summary(row)
    }
}

fn summary(row: &Row) -> wire::Project {
    wire::Project {
        name: row.name.clone(),
        description: row.description.clone(),
        revision: row.revision,
        update_time: Some(clock::timestamp(row.updated_at)),
        ..wire::Project::default()
    }
}

fn variable_to_wire(row: &variable::Row) -> wire::Variable {
    wire::Variable {
        name: row.key.name.clone(),
        r#type: wire_kind(row.key.kind) as i32,
        value: row.value.clone().filter(|_| row.key.kind != VariableKind::Sensitive),
        environments: row.key.scope.environments.iter().cloned().collect(),
        steps: row.key.scope.steps.iter().cloned().collect(),
        pools: row.key.scope.pools.iter().cloned().collect(),
        is_set: row.is_set(),
        from_file: row.from_file,
        prompt: row.prompt.clone(),
    }
}

/// A stream that broke off, as a fault.
fn broken_off(status: &Status) -> Fault {
    Fault::new(Reason::InvalidFile, format!("The upload broke off: {}", status.message()))
}
