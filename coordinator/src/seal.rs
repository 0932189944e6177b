//! Secrets at rest. Each record has a key of its own, wrapped by the master key; both are bound to the place the record
//! belongs to, so that a record copied to another place does not open.
//!
//! Record: `1 | master key id (8) | nonce (12) | wrapped key (32 + 16) | nonce (12) | text | tag (16)`.

use std::{fmt, path::Path, sync::Arc};

use aws_lc_rs::{
    aead::{AES_256_GCM_SIV, Aad, LessSafeKey, Nonce, UnboundKey},
    constant_time, hmac, rand,
};
use shared::{
    id::ExecutionId,
    reason::{Fault, Reason},
};
use zeroize::{Zeroize, Zeroizing};

mod master_key;

use master_key::MasterKey;

const FORMAT: u8 = 1;
const KEY: usize = 32;
const NONCE: usize = 12;
const TAG: usize = 16;
const KEY_ID: usize = 8;
const WRAPPED: usize = KEY + TAG;
const HEADER: usize = 1 + KEY_ID + NONCE + WRAPPED + NONCE;

/// Seals and opens the secrets of one store. Clones share the master key.
#[derive(Clone)]
pub struct Seal {
    master: Arc<MasterKey>,
    store_id: Arc<str>,
}

/// Where a sealed record belongs: it opens nowhere else.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place<'a> {
    /// Kind of the thing, e.g. `account`.
    pub kind: &'a str,
    /// Its key in the store.
    pub id: &'a str,
    /// Which of its secrets, e.g. `secret_access_key`.
    pub field: &'a str,
    /// Grows with each new value, so that an old value cannot be put back in its place.
    pub version: i64,
}

impl Seal {
    /// Reads the master key from its file.
    ///
    /// # Errors
    /// [`Reason::MasterKey`] when it is not there, others may read it, or it is not a key.
    pub fn read(file: &Path, store_id: &str) -> Result<Self, Fault> {
        Ok(Self { master: Arc::new(MasterKey::read(file)?), store_id: store_id.into() })
    }

    /// Makes a master key in a new file, for a store that has no secrets yet; reads it when the file is there.
    ///
    /// # Errors
    /// As [`Seal::read`], and when the file cannot be written.
    pub fn make(file: &Path, store_id: &str) -> Result<Self, Fault> {
        MasterKey::make_unless_there(file)?;
        Self::read(file, store_id)
    }

    /// Seals `text` for its place.
    ///
    /// # Errors
    /// [`Reason::Internal`] when the system has no randomness.
    pub fn seal(&self, place: Place<'_>, text: &[u8]) -> Result<Vec<u8>, Fault> {
        let aad = self.aad(place);
        let record_key = random::<KEY>()?;
        let (wrap_nonce, text_nonce) = (random::<NONCE>()?, random::<NONCE>()?);
        let wrapped = encrypt(&self.master.key, *wrap_nonce, &aad, record_key.as_slice())?;
        let sealed = encrypt(&record_key, *text_nonce, &aad, text)?;

        let mut record = Vec::with_capacity(HEADER + sealed.len());
        record.push(FORMAT);
        record.extend_from_slice(&self.master.id);
        record.extend_from_slice(wrap_nonce.as_slice());
        record.extend_from_slice(&wrapped);
        record.extend_from_slice(text_nonce.as_slice());
        record.extend_from_slice(&sealed);
        Ok(record)
    }

    /// Opens what was sealed for this place.
    ///
    /// # Errors
    /// [`Reason::MasterKey`] when another master key sealed it; [`Reason::Internal`] when it was changed or belongs elsewhere.
    pub fn open(&self, place: Place<'_>, record: &[u8]) -> Result<Zeroizing<Vec<u8>>, Fault> {
        let parts = Parts::of(record).ok_or_else(|| damaged(place))?;
        if parts.key_id != self.master.id {
            return Err(Fault::new(
                Reason::MasterKey,
                format!(
                    "The {} \"{}\" was sealed with another master key than {}: start the coordinator with the key file this data \
                     folder was made with (--master-key-file).",
                    place.kind,
                    place.id,
                    self.master.file.display()
                ),
            ));
        }
        let aad = self.aad(place);
        let record_key = decrypt(&self.master.key, parts.wrap_nonce, &aad, parts.wrapped);
        let record_key = record_key.and_then(|key| <[u8; KEY]>::try_from(key.as_slice()).ok().map(Zeroizing::new));
        record_key.and_then(|key| decrypt(&key, parts.text_nonce, &aad, parts.sealed)).ok_or_else(|| damaged(place))
    }

    /// As [`Seal::open`], for a text.
    ///
    /// # Errors
    /// As [`Seal::open`].
    pub fn open_text(&self, place: Place<'_>, record: &[u8]) -> Result<Zeroizing<String>, Fault> {
        let bytes = self.open(place, record)?;
        std::str::from_utf8(&bytes).map(|text| Zeroizing::new(text.to_owned())).map_err(|_| damaged(place))
    }

    /// The key that a worker seals an attempt's sensitive outputs and journal with: the same for every asking.
    #[must_use]
    pub fn output_key(&self, execution: ExecutionId) -> Zeroizing<[u8; KEY]> {
        self.derive("output-key", execution.0.as_bytes())
    }

    /// A keyed digest: tells equal secrets from different ones, and nothing else, to who does not have the master key.
    #[must_use]
    pub fn digest(&self, purpose: &str, secret: &[u8]) -> [u8; KEY] {
        *self.derive(purpose, secret)
    }

    /// Whether `digest` is the one of `secret`, in the same time whatever the answer.
    #[must_use]
    pub fn matches(&self, purpose: &str, secret: &[u8], digest: &[u8]) -> bool {
        constant_time::verify_slices_are_equal(&self.digest(purpose, secret), digest).is_ok()
    }

    fn derive(&self, purpose: &str, context: &[u8]) -> Zeroizing<[u8; KEY]> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.master.key.as_slice());
        let mut input = Zeroizing::new(Vec::new());
        for part in [b"longshore/derive/v1".as_slice(), self.store_id.as_bytes(), purpose.as_bytes(), context] {
            put(&mut input, part);
        }
        let tag = hmac::sign(&key, &input);
        let mut derived = Zeroizing::new([0; KEY]);
        derived.copy_from_slice(tag.as_ref());
        derived
    }

    /// Every part with its length in front, so that no two places share one text.
    fn aad(&self, place: Place<'_>) -> Vec<u8> {
        let mut aad = b"longshore/secret/v1".to_vec();
        for part in [&self.store_id, place.kind, place.id, place.field] {
            put(&mut aad, part.as_bytes());
        }
        put(&mut aad, &place.version.to_be_bytes());
        aad
    }
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seal").field("master", &self.master.file).finish_non_exhaustive()
    }
}

struct Parts<'a> {
    key_id: [u8; KEY_ID],
    wrap_nonce: [u8; NONCE],
    wrapped: &'a [u8],
    text_nonce: [u8; NONCE],
    sealed: &'a [u8],
}

impl<'a> Parts<'a> {
    fn of(record: &'a [u8]) -> Option<Self> {
        let record = record.strip_prefix(&[FORMAT])?;
        let (key_id, record) = record.split_first_chunk()?;
        let (wrap_nonce, record) = record.split_first_chunk()?;
        let (wrapped, record) = record.split_at_checked(WRAPPED)?;
        let (text_nonce, sealed) = record.split_first_chunk()?;
        Some(Self { key_id: *key_id, wrap_nonce: *wrap_nonce, wrapped, text_nonce: *text_nonce, sealed })
    }
}

/// Random bytes that are wiped after use.
///
/// # Errors
/// [`Reason::Internal`] when the system has none.
pub fn random<const N: usize>() -> Result<Zeroizing<[u8; N]>, Fault> {
    let mut bytes = Zeroizing::new([0; N]);
    rand::fill(bytes.as_mut_slice()).map_err(|_| Fault::new(Reason::Internal, "The system gave no random bytes."))?;
    Ok(bytes)
}

fn encrypt(key: &[u8; KEY], nonce: [u8; NONCE], aad: &[u8], text: &[u8]) -> Result<Vec<u8>, Fault> {
    let refused = |_| Fault::new(Reason::Internal, "A secret could not be sealed.");
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM_SIV, key).map_err(refused)?);
    let mut buffer = Vec::with_capacity(text.len() + TAG);
    buffer.extend_from_slice(text);
    let sealed = key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(aad), &mut buffer);
    if sealed.is_err() {
        buffer.zeroize();
    }
    sealed.map_err(refused).map(|()| buffer)
}

fn decrypt(key: &[u8; KEY], nonce: [u8; NONCE], aad: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM_SIV, key).ok()?);
    let mut buffer = Zeroizing::new(sealed.to_vec());
    let text = key.open_in_place(Nonce::assume_unique_for_key(nonce), Aad::from(aad), buffer.as_mut_slice()).ok()?;
    let len = text.len();
    buffer.truncate(len);
    Some(buffer)
}

fn put(buffer: &mut Vec<u8>, part: &[u8]) {
    buffer.extend_from_slice(&(part.len() as u64).to_be_bytes());
    buffer.extend_from_slice(part);
}

fn damaged(place: Place<'_>) -> Fault {
    Fault::new(
        Reason::Internal,
        format!(
            "The sealed {} of the {} \"{}\" does not open: the store was changed from outside, or is damaged. Set it anew.",
            place.field, place.kind, place.id
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place<'static> = Place { kind: "account", id: "shop", field: "secret_access_key", version: 3 };

    fn seal_in(folder: &tempfile::TempDir) -> Seal {
        Seal::make(&folder.path().join("master.key"), "store-1").expect("a new key")
    }

    #[test]
    fn what_was_sealed_opens_in_its_place_and_nowhere_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let seal = seal_in(&folder);
        let record = seal.seal(PLACE, b"canary").expect("sealed");
        assert_eq!(seal.open(PLACE, &record).expect("its place").as_slice(), b"canary");
        for other in [
            Place { kind: "variable", ..PLACE },
            Place { id: "shop-2", ..PLACE },
            Place { field: "value", ..PLACE },
            Place { version: 2, ..PLACE },
            // The same letters, split otherwise.
            Place { kind: "accounts", id: "hop", ..PLACE },
        ] {
            assert!(seal.open(other, &record).is_err(), "opened as {other:?}");
        }
        let elsewhere = Seal { store_id: "store-2".into(), ..seal.clone() };
        assert!(elsewhere.open(PLACE, &record).is_err(), "opened in another store");
    }

    #[test]
    fn every_flipped_byte_and_every_cut_is_noticed() {
        let folder = tempfile::tempdir().expect("a folder");
        let seal = seal_in(&folder);
        let record = seal.seal(PLACE, b"canary").expect("sealed");
        for at in 0..record.len() {
            let mut flipped = record.clone();
            flipped[at] ^= 1;
            assert!(seal.open(PLACE, &flipped).is_err(), "flip at {at}");
            assert!(seal.open(PLACE, &record[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn another_master_key_says_that_it_is_another() {
        let folder = tempfile::tempdir().expect("a folder");
        let record = seal_in(&folder).seal(PLACE, b"canary").expect("sealed");
        let other = Seal::make(&folder.path().join("other.key"), "store-1").expect("a new key");
        let fault = other.open(PLACE, &record).expect_err("another key");
        assert_eq!(fault.reason, Reason::MasterKey);
        assert!(fault.sentence.contains("--master-key-file"), "{fault}");
    }

    #[test]
    fn two_seals_of_one_text_differ_and_a_digest_does_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let seal = seal_in(&folder);
        assert_ne!(seal.seal(PLACE, b"canary").expect("one"), seal.seal(PLACE, b"canary").expect("two"));
        assert!(seal.matches("token", b"canary", &seal.digest("token", b"canary")));
        assert!(!seal.matches("token", b"canary", &seal.digest("invitation", b"canary")));
    }

    #[test]
    fn the_master_key_is_nowhere_in_debug() {
        let folder = tempfile::tempdir().expect("a folder");
        let seal = seal_in(&folder);
        let key = std::fs::read(folder.path().join("master.key")).expect("the file");
        let shown = format!("{seal:?}");
        assert!(!shown.contains(&format!("{:?}", &key[..4])), "{shown}");
        assert!(!shown.contains("key: ["), "{shown}");
    }
}
