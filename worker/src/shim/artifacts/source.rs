//! Opening a file that a script names: only a file itself, and only with the rights of the step.

use std::{
    fs::{self, File, FileType},
    io,
    os::unix::fs::FileTypeExt,
    path::{Path, PathBuf},
    thread,
};

use rustix::{
    fs::{Mode, OFlags, fstatfs, open as open_file},
    thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid},
};

/// File systems whose files are no files, but the kernel's own words (linux/magic.h: proc, sysfs).
const KERNELS: [u32; 2] = [0x9fa0, 0x6265_6572];

/// Why a path is not taken.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Unfit {
    /// Nothing is there.
    Missing,
    /// A symbolic link, and to what.
    Link(PathBuf),
    /// A folder.
    Folder,
    /// Something else that is no file, in a word.
    NoFile(&'static str),
    /// The step may not read it, or nobody can.
    Unreadable(String),
}

/// Opens a file with the rights of the step's user; never waits for what is at the other end of a pipe.
///
/// # Errors
/// Why it is not taken.
pub(super) fn open(path: &Path, user: Option<u32>) -> Result<File, Unfit> {
    let opened = match user {
        None => open_itself(path),
        Some(user) => thread::scope(|scope| {
            let opening = scope.spawn(|| assume(user).map_err(unreadable).and_then(|()| open_itself(path)));
            opening.join().unwrap_or_else(|_| Err(Unfit::Unreadable("the thread that opens it panicked".into())))
        }),
    };
    let file = opened?;
    let kind = fstatfs(&file).map_err(|error| unreadable(error.into()))?;
    // Magic numbers are 32 bits wide, whatever the field is.
    if KERNELS.contains(&(kind.f_type as u32)) {
        return Err(Unfit::NoFile("a file of the kernel's"));
    }
    Ok(file)
}

/// Looks first, since to open a device may do something; and again at what was opened, since that may be another by then.
fn open_itself(path: &Path) -> Result<File, Unfit> {
    let found = fs::symlink_metadata(path).map_err(unreadable)?;
    if found.file_type().is_symlink() {
        return Err(Unfit::Link(fs::read_link(path).unwrap_or_default()));
    }
    ensure_file(found.file_type())?;
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = File::from(open_file(path, flags, Mode::empty()).map_err(|error| unreadable(error.into()))?);
    ensure_file(file.metadata().map_err(unreadable)?.file_type())?;
    Ok(file)
}

fn ensure_file(kind: FileType) -> Result<(), Unfit> {
    match kind {
        kind if kind.is_file() => Ok(()),
        kind if kind.is_dir() => Err(Unfit::Folder),
        kind if kind.is_fifo() => Err(Unfit::NoFile("a named pipe")),
        kind if kind.is_socket() => Err(Unfit::NoFile("a socket")),
        _ => Err(Unfit::NoFile("a device")),
    }
}

/// Makes the calling thread see files as a step's user does. Only what it is to the file system changes: to that user's signals it
/// stays ours. Raw system calls are of one thread, unlike those of the C library.
fn assume(user: u32) -> io::Result<()> {
    let (uid, gid) = (rustix::process::Uid::from_raw(user), rustix::process::Gid::from_raw(user));
    set_thread_groups(&[])?;
    set_thread_res_gid(None, gid, None)?;
    set_thread_res_uid(None, uid, None)?;
    Ok(())
}

fn unreadable(error: io::Error) -> Unfit {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Unfit::Missing,
        _ => Unfit::Unreadable(error.to_string()),
    }
}

impl Unfit {
    /// What is wrong with a path.
    pub(super) fn sentence(&self, path: &Path) -> String {
        let path = path.display();
        match self {
            Self::Missing => {
                format!(
                    "There was no file \"{path}\" when the script had ended. Artifacts are taken then: leave it there."
                )
            }
            Self::Link(target) => format!(
                "\"{path}\" is a symbolic link to \"{}\", and links are not followed. Name the file itself.",
                target.display()
            ),
            Self::Folder => format!("\"{path}\" is a folder. Pack it into one file, for example with tar."),
            Self::NoFile(kind) => format!("\"{path}\" is {kind}, and only files can be artifacts."),
            Self::Unreadable(error) => format!("\"{path}\" cannot be read by the step: {error}."),
        }
    }
}
