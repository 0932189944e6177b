//! A copy of a data folder, made while the coordinator serves, and the way back. Whoever comes back from one is on hold: workers
//! have gone on since.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::Path,
};

use crate::{
    audit, clock,
    data_dir::DataDir,
    exit::Exit,
    store::{self, Store, hold},
    vault::on_host,
};

/// Folders of a data folder that are copied. Each file in them is written once, or only grows.
const FOLDERS: [&str; 3] = ["log", "files", "artifacts"];
/// What is under way within them, and of no use elsewhere.
const UNFINISHED: [&str; 1] = ["arriving"];
/// Where a store is made ready before it takes its place.
const RESTORING: &str = "restoring";

/// Copies a data folder to `into`, which must not be there. The master key is not copied: whoever has both has every
/// secret. Blocks.
///
/// # Errors
/// Exit 73 when `into` is there or cannot be written; those of the store.
pub fn back_up(data_dir: &Path, into: &Path) -> Result<(), Exit> {
    if into.exists() {
        return Err(Exit::data_folder(format!("{} is there already: name a folder that is not.", into.display())));
    }
    let unfinished = into.with_extension("unfinished");
    let cannot =
        |error: io::Error| Exit::data_folder(format!("The backup {} cannot be made: {error}.", into.display()));
    // Of one that was broken off.
    remove(&unfinished).map_err(cannot)?;
    private(&unfinished).map_err(cannot)?;
    copy_store(data_dir, &unfinished.join(store::FILE))?;
    // After the store: whatever it names is there.
    copy_folders(data_dir, &unfinished).map_err(cannot)?;
    fs::rename(&unfinished, into).map_err(cannot)?;
    sync_parent(into).map_err(cannot)
}

/// Makes a data folder out of a backup, or takes the store that is there for one that was restored by other means. Nothing is
/// offered or granted until somebody lifts the hold. Blocks.
///
/// # Errors
/// Exit 73 when the folder cannot be written, has a store although a backup was named, or has none although none was; those of the
/// store.
pub fn restore(data_dir: &DataDir, backup: Option<&Path>) -> Result<(), Exit> {
    let target = data_dir.path().join(store::FILE);
    let Some(backup) = backup else {
        if !target.exists() {
            return Err(Exit::data_folder(format!("{} has no store: name a backup.", data_dir.path().display())));
        }
        return put_on_hold(data_dir.path(), "Its data folder was restored.");
    };
    check_backup(backup, &target)?;
    let cannot = |error: io::Error| {
        Exit::data_folder(format!(
            "{} cannot be restored from {}: {error}.",
            data_dir.path().display(),
            backup.display()
        ))
    };
    copy_folders(backup, data_dir.path()).map_err(cannot)?;
    let aside = data_dir.path().join(RESTORING);
    remove(&aside).map_err(cannot)?;
    private(&aside).map_err(cannot)?;
    copy_file(&backup.join(store::FILE), &aside.join(store::FILE)).map_err(cannot)?;
    // The store is on hold before any coordinator can find it.
    put_on_hold(&aside, "It was restored from a backup.")?;
    fs::rename(aside.join(store::FILE), &target).map_err(cannot)?;
    sync_parent(&target).map_err(cannot)?;
    remove(&aside).map_err(cannot)
}

fn check_backup(backup: &Path, target: &Path) -> Result<(), Exit> {
    if !backup.join(store::FILE).is_file() {
        return Err(Exit::data_folder(format!(
            "{} is not a backup: it has no {}. Name a folder that `longshore-coordinator backup` made.",
            backup.display(),
            store::FILE
        )));
    }
    if target.exists() {
        return Err(Exit::data_folder(format!(
            "There is a store already: {}. Move its data folder away first and keep it: it may know what the backup does not.",
            target.display()
        )));
    }
    Ok(())
}

fn put_on_hold(folder: &Path, why: &str) -> Result<(), Exit> {
    let store = Store::open(folder)?;
    let why = why.to_owned();
    Ok(store.write_blocking(move |tx| {
        let at = clock::now();
        hold::begin(tx, at, &why)?;
        audit::record(tx, at, &on_host("store.restore", "store", &why))
    })?)
}

fn copy_store(data_dir: &Path, into: &Path) -> Result<(), Exit> {
    let cannot = |error: io::Error| Exit::data_folder(format!("{} cannot be written: {error}.", into.display()));
    // SQLite would make it readable to everybody.
    new_file(into).map_err(cannot)?;
    Store::copy(data_dir, into)?;
    File::open(into).and_then(|file| file.sync_all()).map_err(cannot)
}

fn copy_folders(from: &Path, to: &Path) -> io::Result<()> {
    for folder in FOLDERS {
        copy_folder(&from.join(folder), &to.join(folder))?;
    }
    Ok(())
}

/// Files before folders: what is moved from a file into a folder beside it meanwhile is found there.
fn copy_folder(from: &Path, to: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(from) {
        Ok(entries) => entries.collect::<io::Result<Vec<_>>>()?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    private(to)?;
    let (folders, files): (Vec<_>, Vec<_>) = entries.into_iter().partition(|entry| entry.path().is_dir());
    for file in files {
        match copy_file(&file.path(), &to.join(file.file_name())) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => other?,
        }
    }
    for folder in folders {
        if !UNFINISHED.iter().any(|name| folder.file_name() == *name) {
            copy_folder(&folder.path(), &to.join(folder.file_name()))?;
        }
    }
    File::open(to)?.sync_all()
}

fn copy_file(from: &Path, to: &Path) -> io::Result<()> {
    let mut source = File::open(from)?;
    // One that was broken off is written anew.
    match fs::remove_file(to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut copy = new_file(to)?;
    io::copy(&mut source, &mut copy)?;
    copy.sync_all()
}

fn new_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

fn private(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn sync_parent(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(parent)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn hold_of(folder: &Path) -> Option<hold::HoldRow> {
        Store::open(folder).expect("a store").read_blocking(hold::hold).expect("read")
    }

    #[test]
    fn a_backup_brings_back_what_was_there_and_a_hold() {
        let folder = tempfile::tempdir().expect("a folder");
        let (first, second, copy) =
            (folder.path().join("first"), folder.path().join("second"), folder.path().join("copy"));
        let _served = Store::open(&first).expect("a store");
        for (path, text) in [("log/1.seg", "frames"), ("files/2c/2cf2", "script"), ("artifacts/arriving/1", "half")] {
            let path = first.join(path);
            fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            fs::write(path, text).expect("written");
        }
        back_up(&first, &copy).expect("backed up");
        let again = back_up(&first, &copy).expect_err("it is there");
        assert!(again.sentence.contains("is there already"), "{again}");
        assert_eq!(hold_of(&first), None);
        assert!(!copy.join("artifacts/arriving").exists());
        for file in ["longshore.db", "log/1.seg"] {
            let mode = fs::metadata(copy.join(file)).expect("copied").permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{file}");
        }

        let held = DataDir::hold(&second).expect("held");
        restore(&held, Some(&copy)).expect("restored");
        assert_eq!(fs::read_to_string(second.join("files/2c/2cf2")).expect("there"), "script");
        assert_eq!(hold_of(&second).expect("on hold").why, "It was restored from a backup.");
        let again = restore(&held, Some(&copy)).expect_err("there is a store");
        assert!(again.sentence.contains("Move its data folder away"), "{again}");
        assert!(!second.join(RESTORING).exists());
    }

    #[test]
    fn a_folder_that_was_restored_by_other_means_is_put_on_hold() {
        let folder = tempfile::tempdir().expect("a folder");
        let held = DataDir::hold(folder.path()).expect("held");
        assert!(restore(&held, None).expect_err("no store").sentence.contains("has no store"));
        assert!(restore(&held, Some(folder.path())).expect_err("no backup").sentence.contains("is not a backup"));
        drop(Store::open(folder.path()).expect("a store"));
        restore(&held, None).expect("put on hold");
        let store = Store::open(folder.path()).expect("a store");
        assert_eq!(store.read_blocking(hold::restores).expect("read"), 1);
    }
}
