//! Where the real parts and our own programs are.

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};

/// The project's own folder.
#[must_use]
pub fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map_or_else(PathBuf::new, Path::to_path_buf)
}

/// A program that `make parts` installs: `aws`, `grpcurl`, `ministack`, `python3`.
///
/// # Errors
/// When it is not there.
pub fn part(name: &str) -> Result<PathBuf> {
    let path = project().join(".parts/bin").join(name);
    ensure!(path.exists(), "{name} is not installed in .parts: run `make parts`");
    Ok(path)
}

/// The Python of a part that is a library, in a virtual environment of its own: `pyjwt`.
///
/// # Errors
/// When it is not there.
pub fn environment(name: &str) -> Result<PathBuf> {
    let path = project().join(".parts").join(name).join("bin/python3");
    ensure!(path.exists(), "{name} is not installed in .parts: run `make parts`");
    Ok(path)
}

/// One of our programs, built in the same profile as the one that asks.
///
/// # Errors
/// When it is not there.
pub fn program(name: &str) -> Result<PathBuf> {
    let own = env::current_exe().context("this program cannot tell where it is")?;
    let profile = own.parent().context("this program is in no folder")?;
    // Tests are built one folder deeper than the programs.
    let folder = if profile.ends_with("deps") { profile.parent().unwrap_or(profile) } else { profile };
    let path = folder.join(name);
    ensure!(path.exists(), "{name} is not built beside {}: run `make build`", own.display());
    Ok(path)
}

/// The PATH that hosts have: the AWS CLI and the Python of `.parts` first, then what this machine has.
#[must_use]
pub fn host_path() -> OsString {
    let mut folders = vec![project().join(".parts/bin")];
    folders.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()));
    env::join_paths(folders).unwrap_or_default()
}
