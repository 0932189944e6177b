//! The master key: 32 bytes in a file that only the coordinator's user may read.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use aws_lc_rs::digest;
use shared::reason::{Fault, Reason};
use zeroize::Zeroizing;

use super::{KEY, KEY_ID, random};

pub(super) struct MasterKey {
    pub(super) key: Zeroizing<[u8; KEY]>,
    /// First bytes of its digest: which key sealed a record.
    pub(super) id: [u8; KEY_ID],
    pub(super) file: PathBuf,
}

impl MasterKey {
    pub(super) fn read(file: &Path) -> Result<Self, Fault> {
        let bytes = Zeroizing::new(fs::read(file).map_err(|error| unreadable(file, &error))?);
        let mode = fs::metadata(file).map_err(|error| unreadable(file, &error))?.permissions().mode();
        if mode & 0o077 != 0 {
            return Err(fault(
                file,
                "can be read by others: make it readable to the coordinator's user only (chmod 600)",
            ));
        }
        let key = <[u8; KEY]>::try_from(bytes.as_slice())
            .map_err(|_| fault(file, "is not a master key: it must have exactly 32 bytes"))?;
        Ok(Self { id: id_of(&key), key: Zeroizing::new(key), file: file.to_owned() })
    }

    pub(super) fn make_unless_there(file: &Path) -> Result<(), Fault> {
        let key = random::<KEY>()?;
        match write_new(file, key.as_slice()) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(fault(file, &format!("could not be made: {error}"))),
            Ok(()) => Ok(()),
        }
    }
}

fn write_new(file: &Path, key: &[u8]) -> io::Result<()> {
    let mut opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
    opened.write_all(key)?;
    opened.sync_all()?;
    // The name must survive a power cut too: what is sealed with a lost key is lost.
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => File::open(folder)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}

fn id_of(key: &[u8]) -> [u8; KEY_ID] {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(b"longshore/master-key-id/v1");
    context.update(key);
    let mut id = [0; KEY_ID];
    id.copy_from_slice(&context.finish().as_ref()[..KEY_ID]);
    id
}

fn unreadable(file: &Path, error: &io::Error) -> Fault {
    fault(file, &format!("cannot be read: {error}. Without it the secrets in this data folder cannot be opened"))
}

fn fault(file: &Path, what: &str) -> Fault {
    Fault::new(Reason::MasterKey, format!("The master key file {} {what}.", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("master.key");
        MasterKey::make_unless_there(&file).expect("made");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).expect("chmod");
        let fault = MasterKey::read(&file).err().expect("refused");
        assert!(fault.sentence.contains("chmod 600"), "{fault}");
    }

    #[test]
    fn a_key_that_is_there_is_never_replaced() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("master.key");
        MasterKey::make_unless_there(&file).expect("made");
        let before = fs::read(&file).expect("read");
        MasterKey::make_unless_there(&file).expect("kept");
        assert_eq!(fs::read(&file).expect("read"), before);
    }
}
