//! A step's files, fetched by digest into its working folder.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use aws_lc_rs::digest::{Context, SHA256};
use futures_util::{StreamExt, TryStreamExt, stream};
use proto::worker::{FetchFileRequest, SpecFile};
use shared::{id::ExecutionId, plan::is_relative_path};
use tonic::{Code, Status};

use super::{Access, Client, persist};
use crate::{credentials::refusal, exec_dir::Refusal};

/// 4 files at once: enough to fill a link, few enough not to crowd out logs.
const AT_ONCE: usize = 4;

/// Lays a step's files into a folder, each verified.
///
/// # Errors
/// A refusal that names the file.
pub(super) async fn lay(
    access: &Access,
    execution: ExecutionId,
    files: &[SpecFile],
    folder: PathBuf,
) -> Result<(), Refusal> {
    let fetched: Vec<_> =
        files.iter().map(|file| lay_one(access.clone(), execution, file.clone(), folder.clone())).collect();
    stream::iter(fetched).buffer_unordered(AT_ONCE).try_collect().await
}

async fn lay_one(mut access: Access, execution: ExecutionId, file: SpecFile, folder: PathBuf) -> Result<(), Refusal> {
    // The coordinator checked that already; a path that leaves the folder must not be written even if it did not.
    if !is_relative_path(&file.path) {
        return Err(missing(&file, "its path leaves the working folder"));
    }
    let path = folder.join(&file.path);
    let request = FetchFileRequest { sha256: file.sha256.clone(), execution_id: execution.to_string() };
    let ask = |client: Client| fetch(client, request.clone(), path.clone(), file.executable);
    let found = persist(&mut access, ask).await.map_err(|status| missing(&file, status.message()))?;
    if found != file.sha256 {
        return Err(missing(&file, "what the coordinator sent has another digest"));
    }
    Ok(())
}

/// Writes the file and answers its digest.
async fn fetch(
    mut client: Client,
    request: FetchFileRequest,
    path: PathBuf,
    executable: bool,
) -> Result<String, Status> {
    let mut chunks = client.fetch_file(request).await?.into_inner();
    let mut file = create(&path, executable).map_err(|error| on_disk(&error))?;
    let mut digest = Context::new(&SHA256);
    while let Some(chunk) = chunks.message().await? {
        digest.update(&chunk.chunk);
        file.write_all(&chunk.chunk).map_err(|error| on_disk(&error))?;
    }
    Ok(digest.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect())
}

fn create(path: &Path, executable: bool) -> io::Result<File> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mode = if executable { 0o700 } else { 0o600 };
    OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(path)
}

/// As a status that is not tried again.
fn on_disk(error: &io::Error) -> Status {
    Status::new(Code::FailedPrecondition, format!("the worker cannot write it: {error}"))
}

fn missing(file: &SpecFile, why: &str) -> Refusal {
    refusal(
        "FILE_MISSING",
        format!(
            "The file \"{}\" of the step could not be had: {why}. Apply the project again, then deploy anew.",
            file.path
        ),
    )
}
