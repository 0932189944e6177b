use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    time::{Duration, SystemTime},
};

use zip::ZipArchive;

use super::*;
use crate::package::content::Content;

/// A folder of files, made in an order of its own.
fn folder<'a>(files: impl IntoIterator<Item = &'a (&'a str, &'a str, u32)>) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text, mode) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("folders");
        fs::write(&path, text).expect("a file");
        fs::set_permissions(&path, Permissions::from_mode(*mode)).expect("permissions");
    }
    folder
}

fn packed(folder: &Path) -> (String, Vec<u8>) {
    let listing = Listing::of_folder(folder, folder).expect("a listing");
    let sum = Content::Archive(listing.clone()).sum().expect("a sum");
    let elsewhere = tempfile::tempdir().expect("a folder");
    let archive = write(&listing, &sum, elsewhere.path()).expect("an archive");
    (sum, fs::read(archive.path()).expect("bytes"))
}

const FILES: [(&str, &str, u32); 4] = [
    ("main.py", "print('hello')\n", 0o644),
    ("bin/run", "#!/bin/sh\n", 0o755),
    ("lib/ä.txt", "", 0o600),
    ("a", "a", 0o644),
];

#[test]
fn the_same_files_give_the_same_bytes_whenever_and_in_whatever_order_they_were_written() {
    let (one, other) = (folder(&FILES), folder(FILES.iter().rev()));
    let old = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    let file = File::options().write(true).open(other.path().join("main.py")).expect("a file");
    file.set_modified(old).expect("a time");
    fs::set_permissions(other.path().join("a"), Permissions::from_mode(0o666)).expect("permissions");
    assert_eq!(packed(one.path()), packed(other.path()));
}

#[test]
fn every_change_of_a_file_changes_the_sum() {
    let (sum, _) = packed(folder(&FILES).path());
    for changed in [
        [("main.py", "print('hallo')\n", 0o644), FILES[1], FILES[2], FILES[3]],
        [("main2.py", FILES[0].1, 0o644), FILES[1], FILES[2], FILES[3]],
        [("main.py", FILES[0].1, 0o755), FILES[1], FILES[2], FILES[3]],
        [FILES[0], FILES[1], ("lib/ä.txt", "a", 0o644), ("a", "", 0o644)],
        [FILES[0], FILES[1], ("ä.txt", "", 0o644), FILES[3]],
    ] {
        assert_ne!(packed(folder(&changed).path()).0, sum, "{changed:?}");
    }
}

#[test]
fn an_archive_has_all_files_with_their_modes_and_no_times() {
    let (_, bytes) = packed(folder(&FILES).path());
    let mut archive = ZipArchive::new(io::Cursor::new(bytes)).expect("an archive");
    let mut read = Vec::new();
    for index in 0..archive.len() {
        let mut file = archive.by_index(index).expect("a file");
        let mut text = String::new();
        file.read_to_string(&mut text).expect("a text");
        let year = file.last_modified().map(|time| time.year());
        let name = file.name().expect("a name").into_owned();
        read.push((name, text, file.unix_mode().map(|mode| mode & 0o777), year));
    }
    let file = |name: &str, text: &str, mode| (name.to_owned(), text.to_owned(), Some(mode), Some(1980));
    assert_eq!(
        read,
        [
            file("a", "a", 0o644),
            file("bin/run", "#!/bin/sh\n", 0o755),
            file("lib/ä.txt", "", 0o644),
            file("main.py", "print('hello')\n", 0o644),
        ]
    );
}

#[test]
fn archives_are_told_from_other_files() {
    let folder = folder(&FILES);
    let (_, bytes) = packed(folder.path());
    let path = folder.path().join("x");
    for (bytes, expected) in [
        (&bytes[..], true),
        (b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", true),
        (b"PK", false),
        (b"", false),
        (b"print('PK')", false),
    ] {
        fs::write(&path, bytes).expect("a file");
        assert_eq!(is_one(&path), Ok(expected));
    }
}

#[test]
fn files_that_change_meanwhile_are_noticed_and_nothing_is_left_behind() {
    let code = folder(&FILES);
    let listing = Listing::of_folder(code.path(), code.path()).expect("a listing");
    let sum = Content::Archive(listing.clone()).sum().expect("a sum");
    fs::write(code.path().join("main.py"), "changed").expect("a file");
    let elsewhere = tempfile::tempdir().expect("a folder");
    let fault = write(&listing, &sum, elsewhere.path()).map(|_| ()).expect_err("a fault");
    assert_eq!(fault, "and its files changed while they were packed: run the step again");
    fs::remove_file(code.path().join("a")).expect("removed");
    let fault = write(&listing, &sum, elsewhere.path()).map(|_| ()).expect_err("a fault");
    assert_eq!(fault, "and \"a\" in it cannot be read: No such file or directory (os error 2)");
    assert_eq!(fs::read_dir(elsewhere.path()).expect("a folder").count(), 0);
}
