//! Files that an attempt leaves behind for people: the bytes of each and what is to be known of them, in a folder of their own.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{private_dir, sync_dir};

/// `<data>/exec/<execution id>/artifacts/`: `1` has the bytes of the first artifact, `1.json` tells of it. One that is told of is
/// whole; one that is settled has no bytes any more.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ArtifactsDir {
    path: PathBuf,
}

/// A file that was left behind.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Artifact {
    /// From 1.
    pub number: u32,
    /// What people call it, masked; no path.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// SHA-256 of its bytes, hex.
    pub sha256: String,
}

impl ArtifactsDir {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Makes the folder, 0700; one that is there already is taken as it is.
    ///
    /// # Errors
    /// Whatever the file system says.
    pub fn create(&self) -> io::Result<()> {
        private_dir(&self.path)
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where an artifact's bytes are, until it is settled.
    #[must_use]
    pub fn content(&self, number: u32) -> PathBuf {
        self.path.join(number.to_string())
    }

    /// Tells of an artifact, durably; its bytes are on disk already.
    ///
    /// # Errors
    /// Whatever the file system says.
    pub fn tell(&self, artifact: &Artifact) -> io::Result<()> {
        let new = self.path.join(format!("{}.new", artifact.number));
        let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&new)?;
        file.write_all(&serde_json::to_vec(artifact)?)?;
        file.sync_all()?;
        fs::rename(new, self.path.join(format!("{}.json", artifact.number)))?;
        sync_dir(&self.path)
    }

    /// Every artifact that is told of, in order.
    ///
    /// # Errors
    /// `InvalidData` when one is torn; otherwise whatever the file system says.
    pub fn list(&self) -> io::Result<Vec<Artifact>> {
        let entries = match fs::read_dir(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other?,
        };
        let mut artifacts = Vec::new();
        for entry in entries {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "json") {
                artifacts.push(serde_json::from_slice::<Artifact>(&fs::read(path)?)?);
            }
        }
        artifacts.sort_by_key(|artifact| artifact.number);
        Ok(artifacts)
    }

    /// Those of them that are not settled.
    ///
    /// # Errors
    /// As [`Self::list`].
    pub fn unsettled(&self) -> io::Result<Vec<Artifact>> {
        let mut artifacts = self.list()?;
        artifacts.retain(|artifact| self.content(artifact.number).exists());
        Ok(artifacts)
    }

    /// The coordinator has it, or does not want it: its bytes go. Saying so again changes nothing.
    ///
    /// # Errors
    /// Whatever the file system says.
    pub fn settle(&self, number: u32) -> io::Result<()> {
        match fs::remove_file(self.content(number)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_artifact_is_told_of_for_good_and_has_its_bytes_until_it_is_settled() {
        let folder = tempfile::tempdir().expect("a folder");
        let artifacts = ArtifactsDir::new(folder.path().join("artifacts"));
        assert_eq!(artifacts.list().expect("no folder is no artifact"), []);

        artifacts.create().expect("made");
        let of = |number| Artifact { number, name: format!("{number}.txt"), size: 1, sha256: "0".repeat(64) };
        for number in [2, 10, 1] {
            fs::write(artifacts.content(number), "x").expect("written");
            artifacts.tell(&of(number)).expect("told");
        }
        // Its shim was killed before it could tell of it.
        fs::write(artifacts.content(11), "x").expect("written");
        assert_eq!(artifacts.list().expect("readable"), [of(1), of(2), of(10)]);

        artifacts.settle(2).expect("settled");
        artifacts.settle(2).expect("once more");
        assert_eq!(artifacts.unsettled().expect("readable"), [of(1), of(10)]);
        assert_eq!(artifacts.list().expect("readable").len(), 3);
    }
}
