//! AWS's own command line, as people run it.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use anyhow::{Context, Result, ensure};
use tests::{
    AccessKey, World,
    emulator::REGION,
    parts::{host_path, part},
};

/// Names a second client to compare with, e.g. of the next major version.
const ANOTHER: &str = "LONGSHORE_BENCH_AWS";

/// A client, and a user with every right.
pub(super) struct Client {
    /// E.g. `aws-cli/1.45.11`.
    pub(super) name: String,
    program: PathBuf,
    key: AccessKey,
    url: String,
    home: PathBuf,
}

impl Client {
    /// That of the parts, and the one that the environment names.
    pub(super) fn all(world: &World) -> Result<Vec<Self>> {
        let programs = [Some(part("aws")?), env::var_os(ANOTHER).map(PathBuf::from)];
        let key = world.deployer("bench")?;
        programs.into_iter().flatten().map(|program| Self::new(world, program, &key)).collect()
    }

    fn new(world: &World, program: PathBuf, key: &AccessKey) -> Result<Self> {
        let home = world.folder().join("client");
        let mut client = Self { name: String::new(), program, key: key.clone(), url: world.aws().url(), home };
        // The first run also has its program read from disk.
        let version = client.said(world.folder(), &["--version".into()])?;
        client.name = version.split_whitespace().next().unwrap_or("aws").to_owned();
        Ok(client)
    }

    /// Seconds that a command in a folder takes, its start included.
    pub(super) fn seconds_in(&self, folder: &Path, arguments: &[String]) -> Result<f64> {
        let began = Instant::now();
        self.said(folder, arguments)?;
        Ok(began.elapsed().as_secs_f64())
    }

    fn said(&self, folder: &Path, arguments: &[String]) -> Result<String> {
        let output = Command::new(&self.program)
            .args(arguments)
            .current_dir(folder)
            .env_clear()
            .env("PATH", host_path())
            .env("HOME", &self.home)
            .env("AWS_ENDPOINT_URL", &self.url)
            .env("AWS_REGION", REGION)
            .env("AWS_DEFAULT_REGION", REGION)
            .env("AWS_ACCESS_KEY_ID", &self.key.id)
            .env("AWS_SECRET_ACCESS_KEY", &self.key.secret)
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .output()
            .with_context(|| format!("{} cannot be run", self.program.display()))?;
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        ensure!(output.status.success(), "{} {arguments:?} failed: {said}", self.program.display());
        Ok(said)
    }
}
