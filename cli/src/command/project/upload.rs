//! Files of a project on their way to the coordinator, each read from disk while it is sent.

mod parts;

use std::{
    collections::{BTreeMap, HashSet},
    sync::{Arc, atomic::Ordering},
};

use futures_util::{StreamExt, TryStreamExt, stream};
use proto::deployment as d;
use shared::limits;

use self::parts::{Parts, Reading};
use crate::{connection::Connection, failure::Failure, progress::Progress, project_file::Attachment};

/// 4 files at once: enough to hide that each waits for its answer.
const AT_ONCE: usize = 4;

/// Sends those that the coordinator lacks.
///
/// # Errors
/// The first that could not be read or sent.
pub(super) async fn missing(connection: &Connection, attachments: &[Attachment]) -> Result<(), Failure> {
    // Files of the same content are one to the coordinator.
    let by_digest: BTreeMap<&str, &Attachment> =
        attachments.iter().map(|attachment| (attachment.file.sha256.as_str(), attachment)).collect();
    let lacked = lacked(connection, by_digest.keys().copied()).await?;
    let wanted: Vec<_> = by_digest.into_values().filter(|it| lacked.contains(&it.file.sha256)).collect();
    let progress = Progress::new(wanted.len(), wanted.iter().map(|it| it.file.size).sum());
    let sends = wanted.into_iter().map(|attachment| send(connection, attachment, &progress));
    stream::iter(sends).buffer_unordered(AT_ONCE).try_collect().await
}

/// A project has at most as many files as one question may name.
async fn lacked<'a>(
    connection: &Connection,
    digests: impl Iterator<Item = &'a str>,
) -> Result<HashSet<String>, Failure> {
    let digests: Vec<_> = digests.map(str::to_owned).collect();
    let mut lacked = HashSet::new();
    for sha256 in digests.chunks(limits::FILES) {
        let request = d::FindMissingFilesRequest { sha256: sha256.to_vec() };
        let mut client = connection.projects();
        lacked.extend(connection.answer(client.find_missing_files(request)).await?.sha256);
    }
    Ok(lacked)
}

async fn send(connection: &Connection, attachment: &Attachment, progress: &Progress) -> Result<(), Failure> {
    let reading = Arc::new(Reading::default());
    let parts = Parts::open(attachment, Arc::clone(&reading), progress.counter());
    let mut client = connection.projects();
    let sent = || reading.sent.load(Ordering::Relaxed);
    let answer = connection.answer_while(client.upload_file(parts.into_stream()), sent).await;
    // The coordinator only knows that the bytes are others than those it was told of.
    if let Some(fault) = reading.fault.get() {
        return Err(Failure::usage(fault.clone()));
    }
    answer.map(|_| progress.file_done())
}
