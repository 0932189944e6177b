use std::os::unix::{ffi::OsStrExt, fs::symlink, net::UnixListener};

use super::*;

fn write(path: &Path, mode: u32) {
    fs::create_dir_all(path.parent().expect("a folder")).expect("folders");
    fs::write(path, path.as_os_str().as_bytes()).expect("a file");
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("permissions");
}

#[test]
fn a_folder_is_listed_by_name_with_what_may_be_run() {
    let root = tempfile::tempdir().expect("a folder");
    let code = root.path().join("code");
    for (name, mode) in [("z.py", 0o600), ("a/b.sh", 0o700), ("a.py", 0o664), (".hidden", 0o644), ("a/a/ä.txt", 0o645)]
    {
        write(&code.join(name), mode);
    }
    fs::create_dir(code.join("empty")).expect("a folder");
    write(&root.path().join("shared.py"), 0o644);
    symlink("../shared.py", code.join("linked.py")).expect("a link");
    let listing = Listing::of_folder(&code, root.path()).expect("a listing");
    let read: Vec<_> = listing.files.iter().map(|file| format!("{:o} {}", file.mode(), file.name)).collect();
    assert_eq!(read, ["644 .hidden", "644 a.py", "755 a/a/ä.txt", "755 a/b.sh", "644 linked.py", "644 z.py"]);
    let one = Listing::of_file(&code.join("a/b.sh")).expect("a listing");
    assert_eq!((&*one.files[0].name, one.files[0].mode(), one.files.len()), ("b.sh", 0o755, 1));
}

#[test]
fn what_cannot_be_packed_is_named() {
    let outside = tempfile::tempdir().expect("a folder");
    write(&outside.path().join("secret"), 0o600);
    let fault = |make: &dyn Fn(&Path)| {
        let root = outside.path().join("root");
        let code = root.join("code");
        fs::create_dir_all(code.join("sub")).expect("folders");
        write(&code.join("main.py"), 0o644);
        make(&code);
        let fault = Listing::of_folder(&code, &root).expect_err("a fault");
        fs::remove_dir_all(&root).expect("removed");
        fault
    };
    let stray = "is neither a file nor a folder, nor a link to a file of the project";
    let link = |to: &'static str| fault(&move |code| symlink(to, code.join("sub/link")).expect("a link"));
    assert_eq!(link("../../../secret"), format!("and \"sub/link\" in it {stray}"));
    assert_eq!(link("../sub"), format!("and \"sub/link\" in it {stray}"));
    assert_eq!(link("nowhere"), "and \"sub/link\" in it cannot be read: No such file or directory (os error 2)");
    let socket = |code: &Path| drop(UnixListener::bind(code.join("s")).expect("a socket"));
    assert_eq!(fault(&socket), format!("and \"s\" in it {stray}"));
    let bytes = |code: &Path| write(&code.join(OsStr::from_bytes(b"\xff")), 0o644);
    assert_eq!(fault(&bytes), "and the name \"\u{fffd}\" in it is no UTF-8");
    let emptied = |code: &Path| fs::remove_file(code.join("main.py")).expect("removed");
    assert_eq!(fault(&emptied), "which is a folder without files");
}
