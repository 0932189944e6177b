//! What becomes an object: bytes, or a file that is read piece by piece, never as a whole.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    time::SystemTime,
};

use action::Failure;
use aws_sdk_s3::primitives::{ByteStream, Length};
use bytes::Bytes;
use shared::reason::Reason;
use tokio::task;

use crate::checksum::{Algorithm, Sum};

/// 256 KiB: pieces up to here are read once and kept while they are sent; longer ones are read again from the file. With some
/// dozen pieces at once that bounds what is in memory.
const KEPT_BYTES: u64 = 256 << 10;
/// 128 KiB at a time are read and summed.
const BUFFER_BYTES: usize = 128 << 10;

/// Where an object's bytes are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Source {
    /// Here.
    Bytes(Bytes),
    /// In a file, which must not change meanwhile.
    File(PathBuf),
}

impl From<Bytes> for Source {
    fn from(bytes: Bytes) -> Self {
        Self::Bytes(bytes)
    }
}

impl From<Vec<u8>> for Source {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes.into())
    }
}

impl From<String> for Source {
    fn from(text: String) -> Self {
        Self::Bytes(text.into())
    }
}

impl From<PathBuf> for Source {
    fn from(path: PathBuf) -> Self {
        Self::File(path)
    }
}

impl From<&Path> for Source {
    fn from(path: &Path) -> Self {
        Self::File(path.to_owned())
    }
}

/// A source that was looked at.
#[derive(Clone, Debug)]
pub(crate) struct Content {
    source: Source,
    /// Bytes.
    pub(crate) length: u64,
    modified: Option<SystemTime>,
}

/// Some bytes of a content.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Range {
    pub(crate) start: u64,
    pub(crate) length: u64,
}

/// Some bytes of a content, summed, and ready to be sent as often as it takes.
#[derive(Clone, Debug)]
pub(crate) struct Piece {
    body: Body,
    pub(crate) sum: Sum,
}

#[derive(Clone, Debug)]
enum Body {
    Bytes(Bytes),
    File { path: PathBuf, range: Range },
}

impl Content {
    /// Looks at the source.
    ///
    /// # Errors
    /// `UPLOAD_FAILED` for a file that cannot be read.
    pub(crate) async fn open(source: Source) -> Result<Self, Failure> {
        match source {
            Source::Bytes(bytes) => {
                Ok(Self { length: bytes.len() as u64, source: Source::Bytes(bytes), modified: None })
            }
            Source::File(path) => {
                let looked = tokio::fs::metadata(&path).await.map_err(|error| unreadable(&path, &error))?;
                Ok(Self { length: looked.len(), modified: looked.modified().ok(), source: Source::File(path) })
            }
        }
    }

    /// All of it.
    pub(crate) fn whole(&self) -> Range {
        Range { start: 0, length: self.length }
    }

    /// A piece of it, summed.
    ///
    /// # Errors
    /// `UPLOAD_FAILED` for a file that cannot be read, or has become shorter.
    pub(crate) async fn piece(&self, range: Range, algorithm: Algorithm) -> Result<Piece, Failure> {
        match &self.source {
            Source::Bytes(bytes) => Ok(piece_of(bytes, range, algorithm)),
            Source::File(path) => {
                let (file, read) = (path.clone(), move |path: PathBuf| read(path, range, algorithm));
                let piece = task::spawn_blocking(move || read(file)).await.map_err(io::Error::other);
                piece.flatten().map_err(|error| unreadable(path, &error))
            }
        }
    }

    /// The sum of all of it, of which nothing is kept.
    ///
    /// # Errors
    /// As [`Content::piece`].
    pub(crate) async fn sum(&self, range: Range, algorithm: Algorithm) -> Result<Sum, Failure> {
        self.piece(range, algorithm).await.map(|piece| piece.sum)
    }

    /// Makes sure that what was sent is what the file still is.
    ///
    /// # Errors
    /// `UPLOAD_FAILED` when it was changed since it was looked at.
    pub(crate) async fn unchanged(&self) -> Result<(), Failure> {
        let now = Self::open(self.source.clone()).await?;
        match &self.source {
            Source::File(path) if (now.length, now.modified) != (self.length, self.modified) => Err(failed(format!(
                "The file {} was changed while it was uploaded. Start the step when nobody writes to it.",
                path.display()
            ))),
            _ => Ok(()),
        }
    }
}

impl Piece {
    /// Its bytes, from the start.
    ///
    /// # Errors
    /// When the file is no longer there, or has become shorter.
    pub(crate) async fn stream(&self) -> io::Result<ByteStream> {
        match &self.body {
            Body::Bytes(bytes) => Ok(bytes.clone().into()),
            Body::File { path, range } => {
                let stream = ByteStream::read_from().path(path).offset(range.start).length(Length::Exact(range.length));
                stream.build().await.map_err(io::Error::other)
            }
        }
    }
}

fn piece_of(bytes: &Bytes, range: Range, algorithm: Algorithm) -> Piece {
    let start = usize::try_from(range.start).unwrap_or(usize::MAX).min(bytes.len());
    let length = usize::try_from(range.length).unwrap_or(usize::MAX).min(bytes.len() - start);
    let bytes = bytes.slice(start..start + length);
    Piece { sum: Sum::of(algorithm, &bytes), body: Body::Bytes(bytes) }
}

fn read(path: PathBuf, range: Range, algorithm: Algorithm) -> io::Result<Piece> {
    let mut file = File::open(&path)?;
    file.seek(SeekFrom::Start(range.start))?;
    let mut file = file.take(range.length);
    if range.length <= KEPT_BYTES {
        let mut bytes = Vec::with_capacity(usize::try_from(range.length).unwrap_or_default());
        file.read_to_end(&mut bytes)?;
        let sum = Sum::of(algorithm, &bytes);
        return complete(bytes.len() as u64, range).map(|()| Piece { body: Body::Bytes(bytes.into()), sum });
    }
    let (mut digest, mut buffer) = (algorithm.digest(), vec![0; BUFFER_BYTES]);
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            count => digest.update(&buffer[..count]),
        }
    }
    let sum = Sum::finished(algorithm, &digest);
    complete(digest.get_amount(), range).map(|()| Piece { body: Body::File { path, range }, sum })
}

fn complete(count: u64, range: Range) -> io::Result<()> {
    let short = || io::Error::new(io::ErrorKind::UnexpectedEof, "it has become shorter while it was read");
    (count == range.length).then_some(()).ok_or_else(short)
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    failed(format!("The file {} cannot be read: {error}.", path.display()))
}

fn failed(sentence: String) -> Failure {
    Failure::new(Reason::UploadFailed, sentence)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn collected(piece: &Piece) -> Vec<u8> {
        let stream = piece.stream().await.expect("a stream");
        stream.collect().await.expect("its bytes").to_vec()
    }

    #[tokio::test]
    async fn pieces_of_a_file_are_its_bytes_however_long_they_are() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("file");
        let bytes: Vec<u8> = (0..700_000_u32).map(|n| n.to_le_bytes()[1]).collect();
        std::fs::write(&path, &bytes).expect("a file");
        for content in [Content::open(path.clone().into()).await, Content::open(bytes.clone().into()).await] {
            let content = content.expect("a content");
            assert_eq!(content.length, 700_000);
            for (start, length) in [(0, 700_000), (0, 0), (10, 100), (300_000, 400_000)] {
                let piece = content.piece(Range { start, length }, Algorithm::Crc64Nvme).await.expect("a piece");
                let expected = &bytes[start as usize..(start + length) as usize];
                assert_eq!(collected(&piece).await, expected);
                assert_eq!(piece.sum, Sum::of(Algorithm::Crc64Nvme, expected));
            }
            content.unchanged().await.expect("unchanged");
        }
    }

    #[tokio::test]
    async fn a_file_that_grows_or_shrinks_meanwhile_is_not_taken_for_what_it_was() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("file");
        std::fs::write(&path, "longer").expect("a file");
        let content = Content::open(path.clone().into()).await.expect("a content");
        std::fs::write(&path, "short").expect("a file");
        let shorter = content.piece(content.whole(), Algorithm::Crc32).await.expect_err("shorter");
        assert!(shorter.sentence.contains("has become shorter"), "{}", shorter.sentence);
        std::fs::write(&path, "longer than before").expect("a file");
        let changed = content.unchanged().await.expect_err("changed");
        assert!(changed.sentence.contains("was changed while"), "{}", changed.sentence);
        assert!(Content::open(folder.path().join("none").into()).await.is_err());
    }
}
