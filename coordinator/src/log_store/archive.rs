//! Streams that are whole: one compressed object each. Any `zstd -d` gives its frames, length-delimited, in order; a table at
//! the end, which zstd skips, says where to begin for a given frame.
//!
//! ```text
//! chunk (zstd frame of about 1 MiB) …  |  table (skippable zstd frame)
//! table = u32 magic | u32 size | { u64 first_seq, u64 offset, u32 raw bytes } … | u64 final_seq | 32 digest | u32 chunks | u32 crc32c | "LSLOG001"
//! ```

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use prost::{bytes::Bytes, encoding::encode_varint};
use shared::{id::ExecutionId, reason::Fault};
use zstd::{
    bulk::{Compressor, Decompressor},
    zstd_safe::CParameter,
};

use super::{
    error::{damaged, unreadable, unwritable},
    frames,
    reader::Page,
};

/// 1 MiB of frames a chunk: what reading one line of a large log costs.
const CHUNK_BYTES: usize = 1 << 20;

/// Level 1 keeps up with the disk; logs of scripts shrink ten times at any level.
const LEVEL: i32 = 1;

const SKIPPABLE: u32 = 0x184D_2A5E;
const SKIPPABLE_HEADER: usize = 8;
const MAGIC: &[u8; 8] = b"LSLOG001";
const ENTRY: usize = 20;
const FOOTER: usize = 56;

/// 16 MiB: more than a chunk can hold; a larger figure is damage.
const LARGEST_CHUNK: u32 = 16 << 20;

/// The folder of all objects.
#[derive(Clone)]
pub(super) struct Archive {
    dir: PathBuf,
}

impl Archive {
    /// Makes the folders when they are not there, and removes what a crash left half-written.
    pub(super) fn open(log_dir: &Path) -> Result<Self, Fault> {
        let dir = log_dir.join("archive");
        let prepare = || {
            make_dir(&dir.join("new"))?;
            for entry in fs::read_dir(dir.join("new"))? {
                fs::remove_file(entry?.path())?;
            }
            sync_dir(&dir)?;
            sync_dir(log_dir)
        };
        prepare().map_err(|error| unwritable(&dir, &error))?;
        Ok(Self { dir })
    }

    /// Objects are spread by the end of their id: its beginning is the time, alike for all of a day.
    pub(super) fn path(&self, execution: ExecutionId) -> PathBuf {
        let id = execution.to_string();
        self.dir.join(&id[id.len() - 2..]).join(format!("{id}.zst"))
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The object of a stream, if it was archived.
    pub(super) fn find(&self, execution: ExecutionId) -> Result<Option<Object>, Fault> {
        let path = self.path(execution);
        match File::open(&path) {
            Ok(file) => Object::open(path, file).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(unreadable(&path, &error)),
        }
    }

    /// Begins an object.
    pub(super) fn begin(&self, execution: ExecutionId) -> Result<Draft, Fault> {
        let path = self.dir.join("new").join(format!("{execution}.zst"));
        Draft::create(&path, self.path(execution)).map_err(|error| unwritable(&path, &error))
    }
}

fn make_dir(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

pub(super) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// An object that is being written; it is removed unless it is published.
pub(super) struct Draft {
    path: PathBuf,
    target: PathBuf,
    file: File,
    compressor: Compressor<'static>,
    chunk: Vec<u8>,
    packed: Vec<u8>,
    table: Vec<u8>,
    offset: u64,
    next_seq: u64,
    digest: [u8; 32],
    published: bool,
}

impl Draft {
    fn create(path: &Path, target: PathBuf) -> io::Result<Self> {
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
        let mut compressor = Compressor::new(LEVEL)?;
        compressor.set_parameter(CParameter::ChecksumFlag(true))?;
        Ok(Self {
            path: path.to_owned(),
            target,
            file,
            compressor,
            chunk: Vec::new(),
            packed: Vec::new(),
            table: Vec::new(),
            offset: 0,
            next_seq: 0,
            digest: frames::EMPTY,
            published: false,
        })
    }

    pub(super) fn push(&mut self, frame: &[u8]) -> Result<(), Fault> {
        if self.chunk.is_empty() {
            self.table.extend(self.next_seq.to_le_bytes());
            self.table.extend(self.offset.to_le_bytes());
        }
        encode_varint(frame.len() as u64, &mut self.chunk);
        self.chunk.extend_from_slice(frame);
        self.digest = frames::chain(&self.digest, frame);
        self.next_seq += 1;
        if self.chunk.len() >= CHUNK_BYTES {
            self.write_chunk().map_err(|error| unwritable(&self.path, &error))?;
        }
        Ok(())
    }

    /// The digest of all frames so far.
    pub(super) fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    pub(super) fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// Writes the rest and the table. It is not synced yet.
    pub(super) fn finish(&mut self) -> Result<(), Fault> {
        self.write_end().map_err(|error| unwritable(&self.path, &error))
    }

    pub(super) fn sync(&self) -> Result<(), Fault> {
        self.file.sync_all().map_err(|error| unwritable(&self.path, &error))
    }

    /// Gives a synced object its name; that is durable when the folder it answers with is synced.
    pub(super) fn publish(&mut self) -> Result<&Path, Fault> {
        self.rename().map_err(|error| unwritable(&self.target, &error))?;
        self.published = true;
        Ok(self.folder())
    }

    fn rename(&self) -> io::Result<()> {
        match fs::rename(&self.path, &self.target) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                make_dir(self.folder())?;
                sync_dir(self.folder().parent().unwrap_or(self.folder()))?;
                fs::rename(&self.path, &self.target)
            }
            renamed => renamed,
        }
    }

    fn folder(&self) -> &Path {
        self.target.parent().unwrap_or(&self.target)
    }

    fn write_chunk(&mut self) -> io::Result<()> {
        if self.chunk.is_empty() {
            return Ok(());
        }
        self.table.extend((self.chunk.len() as u32).to_le_bytes());
        self.packed.clear();
        self.packed.reserve(zstd::zstd_safe::compress_bound(self.chunk.len()));
        self.compressor.compress_to_buffer(&self.chunk[..], &mut self.packed)?;
        self.file.write_all(&self.packed)?;
        self.offset += self.packed.len() as u64;
        self.chunk.clear();
        Ok(())
    }

    fn write_end(&mut self) -> io::Result<()> {
        self.write_chunk()?;
        let chunks = (self.table.len() / ENTRY) as u32;
        let mut end = Vec::with_capacity(SKIPPABLE_HEADER + self.table.len() + FOOTER);
        end.extend(SKIPPABLE.to_le_bytes());
        end.extend(((self.table.len() + FOOTER) as u32).to_le_bytes());
        end.extend(&self.table);
        end.extend(self.next_seq.to_le_bytes());
        end.extend(self.digest);
        end.extend(chunks.to_le_bytes());
        end.extend(crc32c::crc32c(&end[SKIPPABLE_HEADER..]).to_le_bytes());
        end.extend(MAGIC);
        self.file.write_all(&end)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.published
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::warn!(file = %self.path.display(), %error, "a half-written log archive could not be removed");
        }
    }
}

/// An object that is read.
pub(super) struct Object {
    path: PathBuf,
    file: File,
    final_seq: u64,
    digest: [u8; 32],
    chunks: u32,
    crc: u32,
    /// Where the table begins.
    table_at: u64,
}

/// A chunk, as the table knows it.
#[derive(Clone, Copy)]
struct Chunk {
    first_seq: u64,
    offset: u64,
    raw_bytes: u32,
}

impl Object {
    fn open(path: PathBuf, file: File) -> Result<Self, Fault> {
        let length = file.metadata().map_err(|error| unreadable(&path, &error))?.len();
        let mut footer = [0; FOOTER];
        let footer_at = length.checked_sub(FOOTER as u64).ok_or_else(|| damaged(&path, "it is too short"))?;
        file.read_exact_at(&mut footer, footer_at).map_err(|error| unreadable(&path, &error))?;
        Self::parse(path, file, &footer, footer_at)
    }

    fn parse(path: PathBuf, file: File, footer: &[u8; FOOTER], footer_at: u64) -> Result<Self, Fault> {
        let parts = || {
            let (final_seq, rest) = footer.split_first_chunk()?;
            let (digest, rest) = rest.split_first_chunk()?;
            let (chunks, rest) = rest.split_first_chunk()?;
            let (crc, rest) = rest.split_first_chunk()?;
            let chunks = u32::from_le_bytes(*chunks);
            let table_at = footer_at.checked_sub(u64::from(chunks) * ENTRY as u64)?;
            (rest == MAGIC).then_some((
                u64::from_le_bytes(*final_seq),
                *digest,
                chunks,
                u32::from_le_bytes(*crc),
                table_at,
            ))
        };
        let Some((final_seq, digest, chunks, crc, table_at)) = parts() else {
            return Err(damaged(&path, "its end is not that of an archived log"));
        };
        Ok(Self { path, file, final_seq, digest, chunks, crc, table_at })
    }

    pub(super) fn final_seq(&self) -> u64 {
        self.final_seq
    }

    pub(super) fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// Reads on from where the page stands.
    pub(super) fn read(&self, page: &mut Page) -> Result<(), Fault> {
        if page.next_seq >= self.final_seq {
            return Ok(());
        }
        let table = self.table()?;
        let first = table.partition_point(|chunk| chunk.first_seq <= page.next_seq).saturating_sub(1);
        for (at, chunk) in table.iter().enumerate().skip(first) {
            if page.is_full() {
                break;
            }
            let end = table.get(at + 1).map_or(self.table_at - SKIPPABLE_HEADER as u64, |next| next.offset);
            page.take(&self.path, chunk.first_seq, &self.unpack(*chunk, end)?)?;
        }
        Ok(())
    }

    fn table(&self) -> Result<Vec<Chunk>, Fault> {
        // With the footer up to its checksum, which covers both.
        let mut bytes = vec![0; self.chunks as usize * ENTRY + FOOTER - MAGIC.len() - 4];
        self.file.read_exact_at(&mut bytes, self.table_at).map_err(|error| unreadable(&self.path, &error))?;
        if crc32c::crc32c(&bytes) != self.crc {
            return Err(damaged(&self.path, "its table has another checksum"));
        }
        let entries = bytes.chunks_exact(ENTRY).take(self.chunks as usize);
        entries.map(|entry| Chunk::decode(entry).ok_or_else(|| damaged(&self.path, "its table is not one"))).collect()
    }

    fn unpack(&self, chunk: Chunk, end: u64) -> Result<Bytes, Fault> {
        let wrong = || damaged(&self.path, &format!("the chunk at byte {} does not unpack", chunk.offset));
        let packed = end.checked_sub(chunk.offset).filter(|_| chunk.raw_bytes <= LARGEST_CHUNK).ok_or_else(wrong)?;
        let mut bytes = vec![0; packed as usize];
        self.file.read_exact_at(&mut bytes, chunk.offset).map_err(|error| unreadable(&self.path, &error))?;
        let raw = Decompressor::new().and_then(|mut d| d.decompress(&bytes, chunk.raw_bytes as usize));
        raw.map(Bytes::from).map_err(|_| wrong())
    }
}

impl Chunk {
    fn decode(entry: &[u8]) -> Option<Self> {
        let (first_seq, rest) = entry.split_first_chunk()?;
        let (offset, rest) = rest.split_first_chunk()?;
        Some(Self {
            first_seq: u64::from_le_bytes(*first_seq),
            offset: u64::from_le_bytes(*offset),
            raw_bytes: u32::from_le_bytes(*rest.first_chunk()?),
        })
    }
}
