//! Archives: the same files give the same bytes, wherever and whenever they are packed. Faults are ends of sentences.

use std::{
    fs::File,
    io::{self, BufWriter, Read, Seek, Write},
    path::Path,
};

use tempfile::NamedTempFile;
use zip::{CompressionMethod, DateTime, ZipWriter, write::SimpleFileOptions};

use super::{
    content::{self, Target},
    listing::{Listed, Listing},
    place,
};

/// 4 GiB less one: from here on a file's length needs the larger fields of the format.
const SMALL_BYTES: u64 = u32::MAX as u64;

/// Whether a file is an archive, with files or without.
pub(super) fn is_one(path: &Path) -> Result<bool, String> {
    let mut beginning = Vec::new();
    let read = File::open(path).and_then(|file| file.take(4).read_to_end(&mut beginning));
    read.map_err(|error| place::unreadable(&error))?;
    Ok(matches!(&beginning[..], b"PK\x03\x04" | b"PK\x05\x06"))
}

/// Writes an archive into the folder; it is removed when the handle is dropped. `sum` is what the files were when the archive got
/// its name.
pub(super) fn write(listing: &Listing, sum: &str, folder: &Path) -> Result<NamedTempFile, String> {
    let unwritable = |error: io::Error| format!("and its archive cannot be written: {error}");
    let archive = NamedTempFile::new_in(folder).map_err(unwritable)?;
    let mut writer = ZipWriter::new(BufWriter::new(archive.as_file()));
    let written = content::sum_of(listing, &mut writer)?;
    let ended = writer.finish().map_err(io::Error::from).and_then(|mut writer| writer.flush());
    ended.map_err(unwritable)?;
    match written == sum {
        true => Ok(archive),
        false => Err("and its files changed while they were packed: run the step again".into()),
    }
}

impl<W: Write + Seek> Target for ZipWriter<W> {
    fn begin(&mut self, file: &Listed, length: u64) -> io::Result<()> {
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .last_modified_time(DateTime::default())
            .unix_permissions(file.mode())
            .large_file(length >= SMALL_BYTES);
        Ok(self.start_file(&*file.name, options)?)
    }
}

#[cfg(test)]
mod tests;
