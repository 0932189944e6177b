//! One artifact into one file: resumed where it broke, in its place only when it is whole.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use aws_lc_rs::digest;
use proto::deployment as d;
use tokio::time::sleep;
use tonic::Status;

use crate::{
    connection::{Connection, is_out_of_reach},
    failure::{Exit, Failure},
    patience::Patience,
    project_file::hex,
    screen::talk,
    view::DownloadView,
};

/// 1 MiB at a time.
const PIECE: usize = 1 << 20;

/// What has arrived so far, in a file beside its place.
struct Partial {
    path: PathBuf,
    file: File,
    digest: digest::Context,
    size: u64,
}

/// Downloads an artifact to a path. A file that is it already stays; another is not touched.
pub(super) async fn download(
    connection: &Connection,
    deployment: &str,
    artifact: d::Artifact,
    path: PathBuf,
) -> Result<DownloadView, Failure> {
    let d::Artifact { id, step, name, size, sha256, .. } = artifact;
    let downloaded = DownloadView { path: path.clone(), step, name, size, sha256: sha256.clone() };
    if path.exists() {
        return match digest_of(&path).map_err(|error| unusable(&path, &error))? {
            found if found == sha256 => Ok(downloaded),
            _ => Err(Failure::new(
                Exit::Failed,
                format!(
                    "{} is there already and is another file: move it away, or name another place with --to or --as.",
                    path.display()
                ),
            )),
        };
    }
    let mut partial = Partial::open(&path).map_err(|error| unusable(&path, &error))?;
    let mut patience = Patience::new();
    while let Err(broken) = partial.go_on(connection, deployment, &id, size, &mut patience).await {
        match broken {
            Broken::Here(error) => return Err(unusable(&partial.path, &error)),
            Broken::There(status) if is_out_of_reach(&status) && !patience.is_over() => {
                talk(&format!("{} Trying again.", connection.failure(&status).sentence));
                sleep(patience.next()).await;
            }
            Broken::There(status) => return Err(connection.failure(&status)),
        }
    }
    partial.place(&path, &sha256)?;
    Ok(downloaded)
}

enum Broken {
    Here(io::Error),
    There(Status),
}

impl From<Status> for Broken {
    fn from(status: Status) -> Self {
        Self::There(status)
    }
}

impl Partial {
    /// Takes up what an earlier command left.
    fn open(target: &Path) -> io::Result<Self> {
        let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        let path = folder.join(format!(".{}.part", target.file_name().unwrap_or_default().to_string_lossy()));
        let mut file = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(&path)?;
        let (digest, size) = read_all(&mut file)?;
        Ok(Self { path, file, digest, size })
    }

    async fn go_on(
        &mut self,
        connection: &Connection,
        deployment: &str,
        id: &str,
        size: i64,
        patience: &mut Patience,
    ) -> Result<(), Broken> {
        let whole = size.max(0).cast_unsigned();
        if self.size > whole {
            // Of something else that was called the same.
            self.begin_anew().map_err(Broken::Here)?;
        }
        let request = d::ReadArtifactRequest {
            deployment_id: deployment.to_owned(),
            artifact_id: id.to_owned(),
            offset: self.size.cast_signed(),
        };
        let mut chunks = connection.deployments().read_artifact(request).await?.into_inner();
        patience.renew();
        while let Some(d::ArtifactChunk { chunk }) = chunks.message().await? {
            self.file.write_all(&chunk).map_err(Broken::Here)?;
            self.digest.update(&chunk);
            self.size += chunk.len() as u64;
        }
        if self.size < whole {
            return Err(Broken::There(Status::unavailable("The stream of the artifact ended early.")));
        }
        Ok(())
    }

    fn begin_anew(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        io::Seek::rewind(&mut self.file)?;
        (self.digest, self.size) = (digest::Context::new(&digest::SHA256), 0);
        Ok(())
    }

    /// Gives it its name, if it is what it shall be.
    fn place(self, path: &Path, sha256: &str) -> Result<(), Failure> {
        let found = hex(self.digest.finish().as_ref());
        let failed = |error: io::Error| unusable(path, &error);
        if found != sha256 {
            fs::remove_file(&self.path).map_err(failed)?;
            return Err(Failure::new(
                Exit::Failed,
                format!(
                    "{} arrived with the digest {found} instead of {sha256}: what an earlier download had left was of something \
                     else, or was changed. It is removed; download it again.",
                    path.display()
                ),
            ));
        }
        self.file.sync_all().map_err(failed)?;
        fs::rename(&self.path, path).map_err(failed)
    }
}

fn digest_of(path: &Path) -> io::Result<String> {
    let (digest, _) = read_all(&mut File::open(path)?)?;
    Ok(hex(digest.finish().as_ref()))
}

fn read_all(file: &mut File) -> io::Result<(digest::Context, u64)> {
    let (mut digest, mut size, mut piece) = (digest::Context::new(&digest::SHA256), 0, vec![0; PIECE]);
    loop {
        let read = file.read(&mut piece)?;
        if read == 0 {
            return Ok((digest, size));
        }
        digest.update(&piece[..read]);
        size += read as u64;
    }
}

fn unusable(path: &Path, error: &io::Error) -> Failure {
    Failure::new(Exit::Failed, format!("{} cannot be used: {error}.", path.display()))
}
