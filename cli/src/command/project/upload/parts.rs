//! The messages of one upload: a header that names the file, then its bytes.

use std::{
    path::PathBuf,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use aws_lc_rs::digest;
use futures_util::stream::{self, Stream};
use proto::deployment::{UploadFileRequest, upload_file_request::Part};
use shared::limits;
use tokio::{
    fs::File,
    io::{self, AsyncReadExt},
};

use crate::project_file::{Attachment, hex};

/// What is known about an upload apart from what the coordinator answers.
#[derive(Default)]
pub(super) struct Reading {
    /// Bytes that were read.
    pub(super) sent: AtomicU64,
    /// Why the file could not be sent as it was found, in a sentence.
    pub(super) fault: OnceLock<String>,
}

/// The messages to come.
pub(super) struct Parts {
    name: String,
    sha256: String,
    /// Bytes that it had when it was found.
    size: u64,
    state: State,
    digest: digest::Context,
    reading: Arc<Reading>,
    /// Bytes of all uploads.
    counter: Arc<AtomicU64>,
}

enum State {
    Header(PathBuf),
    Content(File),
    End,
}

impl Parts {
    /// Those of a file. Nothing is read yet.
    pub(super) fn open(attachment: &Attachment, reading: Arc<Reading>, counter: Arc<AtomicU64>) -> Self {
        Self {
            name: attachment.file.path.clone(),
            sha256: attachment.file.sha256.clone(),
            size: attachment.file.size,
            state: State::Header(attachment.place.clone()),
            digest: digest::Context::new(&digest::SHA256),
            reading,
            counter,
        }
    }

    /// As a stream, which ends early when the file cannot be read; the coordinator refuses it then.
    pub(super) fn into_stream(self) -> impl Stream<Item = UploadFileRequest> + Send + 'static {
        stream::unfold(self, |mut parts| async move {
            match parts.next().await {
                Ok(part) => part.map(|part| (UploadFileRequest { part: Some(part) }, parts)),
                Err(error) => {
                    parts.blame(format!("The file \"{}\" cannot be read: {error}.", parts.name));
                    None
                }
            }
        })
    }

    async fn next(&mut self) -> io::Result<Option<Part>> {
        match &mut self.state {
            State::Header(place) => {
                self.state = State::Content(File::open(place).await?);
                Ok(Some(Part::Sha256(self.sha256.clone())))
            }
            State::Content(file) => {
                let mut chunk = Vec::with_capacity(limits::CHUNK_BYTES);
                file.take(limits::CHUNK_BYTES as u64).read_to_end(&mut chunk).await?;
                Ok(self.content(chunk))
            }
            State::End => Ok(None),
        }
    }

    fn content(&mut self, chunk: Vec<u8>) -> Option<Part> {
        let count = chunk.len() as u64;
        let sent = self.reading.sent.fetch_add(count, Ordering::Relaxed) + count;
        // One that grows for ever, such as a log, would be sent for ever.
        if chunk.is_empty() || sent > self.size {
            self.end(sent);
            return None;
        }
        self.counter.fetch_add(count, Ordering::Relaxed);
        self.digest.update(&chunk);
        Some(Part::Chunk(chunk))
    }

    fn end(&mut self, sent: u64) {
        self.state = State::End;
        if sent != self.size || hex(self.digest.clone().finish().as_ref()) != self.sha256 {
            self.blame(format!(
                "The file \"{}\" changed while the project was applied: apply it again when nothing writes to it.",
                self.name
            ));
        }
    }

    fn blame(&self, sentence: String) {
        // The first is the cause of what follows.
        let _ = self.reading.fault.set(sentence);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use futures_util::StreamExt;
    use shared::plan;

    use super::*;

    fn attachment(folder: &tempfile::TempDir, content: &[u8]) -> Attachment {
        let place = folder.path().join("file");
        fs::write(&place, content).expect("written");
        let sha256 = hex(digest::digest(&digest::SHA256, content).as_ref());
        let file = plan::File { path: "dist/file".into(), sha256, size: content.len() as u64, executable: false };
        Attachment { file, place }
    }

    async fn send(attachment: &Attachment) -> (Vec<Part>, Option<String>) {
        let reading = Arc::new(Reading::default());
        let parts = Parts::open(attachment, Arc::clone(&reading), Arc::default());
        let messages: Vec<_> = parts.into_stream().filter_map(|message| async { message.part }).collect().await;
        (messages, reading.fault.get().cloned())
    }

    #[tokio::test]
    async fn a_file_travels_in_chunks_after_its_digest() {
        let folder = tempfile::tempdir().expect("a folder");
        let attachment = attachment(&folder, &vec![7; 2 * limits::CHUNK_BYTES + 5]);
        let (parts, fault) = send(&attachment).await;
        assert_eq!(fault, None);
        assert_eq!(parts[0], Part::Sha256(attachment.file.sha256.clone()));
        let sizes: Vec<_> = parts[1..]
            .iter()
            .map(|part| matches!(part, Part::Chunk(chunk) if chunk.len() <= limits::CHUNK_BYTES))
            .collect();
        assert_eq!(sizes, [true; 3]);
    }

    #[tokio::test]
    async fn a_file_that_changed_since_it_was_found_is_named() {
        for (now, why) in [(&b"other"[..], "other bytes"), (b"conten", "fewer"), (b"content that grew", "more")] {
            let folder = tempfile::tempdir().expect("a folder");
            let attachment = attachment(&folder, b"first");
            fs::write(&attachment.place, now).expect("written");
            let (_, fault) = send(&attachment).await;
            let fault = fault.expect(why);
            assert!(fault.contains("\"dist/file\" changed while"), "{fault}");
        }
    }

    #[tokio::test]
    async fn a_file_that_is_gone_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let attachment = attachment(&folder, b"first");
        fs::remove_file(&attachment.place).expect("removed");
        let (parts, fault) = send(&attachment).await;
        assert!(parts.is_empty() && fault.expect("a fault").contains("\"dist/file\" cannot be read"));
    }
}
