//! Looks for secrets where none may be: in files, and on command lines that every user of a machine can read.

use std::{
    fs,
    path::{Path, PathBuf},
};

use base64::{Engine, engine::general_purpose::STANDARD};

/// Files below these folders that hold one of the secrets, as it is or in base64.
#[must_use]
pub fn files_that_hold(secrets: &[&str], folders: &[&Path]) -> Vec<PathBuf> {
    let needles: Vec<Vec<u8>> = secrets
        .iter()
        .flat_map(|secret| [secret.as_bytes().to_vec(), STANDARD.encode(secret).trim_end_matches('=').into()])
        .collect();
    let mut found = Vec::new();
    let mut waiting: Vec<PathBuf> = folders.iter().map(|folder| folder.to_path_buf()).collect();
    while let Some(path) = waiting.pop() {
        // Files come and go while programs run; one that is gone holds nothing.
        let Ok(kind) = fs::symlink_metadata(&path).map(|metadata| metadata.file_type()) else {
            continue;
        };
        if kind.is_dir() {
            waiting.extend(fs::read_dir(&path).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path())));
        } else if kind.is_file() && fs::read(&path).is_ok_and(|bytes| holds_any(&bytes, &needles)) {
            found.push(path);
        }
    }
    found
}

/// Command lines of this machine, now, that hold one of the secrets.
#[must_use]
pub fn command_lines_that_hold(secrets: &[&str]) -> Vec<String> {
    let needles: Vec<Vec<u8>> = secrets.iter().map(|secret| secret.as_bytes().to_vec()).collect();
    let entries = fs::read_dir("/proc").into_iter().flatten().filter_map(Result::ok);
    entries
        .filter_map(|entry| fs::read(entry.path().join("cmdline")).ok())
        .filter(|line| holds_any(line, &needles))
        .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
        .collect()
}

fn holds_any(bytes: &[u8], needles: &[Vec<u8>]) -> bool {
    needles.iter().any(|needle| bytes.windows(needle.len()).any(|window| window == needle.as_slice()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_in_a_file_below_is_found_in_both_spellings() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("below")).unwrap();
        fs::write(folder.path().join("below/plain"), b"\0\xff..top-secret-value..").unwrap();
        fs::write(folder.path().join("encoded"), STANDARD.encode("top-secret-value")).unwrap();
        fs::write(folder.path().join("clean"), b"top-secret").unwrap();
        let mut found = files_that_hold(&["top-secret-value"], &[folder.path()]);
        found.sort();
        assert_eq!(found, [folder.path().join("below/plain"), folder.path().join("encoded")]);
    }
}
