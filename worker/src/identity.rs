//! Who this worker is: certificate and key, whom it trusts, where the coordinator is. Kept in `<data>/id/`; the key is
//! made here and never leaves the host.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use proto::worker::JoinResponse;
use rcgen::{CertificateParams, DistinguishedName, KeyPair, PKCS_ECDSA_P256_SHA256, PublicKeyData};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use serde::{Deserialize, Serialize};
use service::tls;
use x509_parser::{certificate::X509Certificate, prelude::FromDer};

use crate::failure::{Exit, Failure};

const KEY: &str = "key.pem";
const CERTIFICATE: &str = "cert.pem";
const AUTHORITIES: &str = "ca.pem";
const MEMBERSHIP: &str = "worker.json";

/// What the coordinator said when this worker joined.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Membership {
    /// UUID.
    pub worker_id: String,
    /// Name given by the invitation.
    pub worker_name: String,
    /// Pool given by the invitation.
    pub pool: String,
    /// Worker listeners, best first.
    pub worker_urls: Vec<String>,
}

/// The worker's identity, ready for use.
#[derive(Debug)]
pub struct WorkerIdentity {
    folder: PathBuf,
    membership: Membership,
    shown: Arc<tls::Identity>,
    renewable: Mutex<Renewable>,
}

/// What a renewal replaces besides the certificate.
#[derive(Debug)]
struct Renewable {
    ends: SystemTime,
    roots: RootCertStore,
}

/// A key and the request for its certificate.
pub struct Request {
    key: KeyPair,
    /// PKCS #10, DER: no name and no extension, since only the key is used.
    pub csr_der: Vec<u8>,
}

impl WorkerIdentity {
    /// Reads the identity; none when this worker has not joined.
    ///
    /// # Errors
    /// With exit code 73, when the files are there and cannot be used.
    pub fn load(folder: &Path) -> Result<Option<Self>, Failure> {
        let Some(membership) = Membership::read(folder)? else { return Ok(None) };
        let (key, certificate) = settle_pair(folder)?;
        let authorities = read(folder, AUTHORITIES)?;
        let roots = tls::roots_from_pem(&authorities).map_err(|error| unusable(folder, &error))?;
        let shown = tls::Identity::new(vec![certificate.clone()], private_key(&key))
            .map_err(|error| unusable(folder, &error))?;
        let ends = end_of(&certificate).ok_or_else(|| unusable(folder, &"its certificate cannot be read"))?;
        Ok(Some(Self { folder: folder.into(), membership, shown, renewable: Mutex::new(Renewable { ends, roots }) }))
    }

    /// What the coordinator said at joining.
    #[must_use]
    pub fn membership(&self) -> &Membership {
        &self.membership
    }

    /// When the certificate ends.
    #[must_use]
    pub fn certificate_ends(&self) -> SystemTime {
        self.renewable().ends
    }

    /// What a connection to the worker listener is made with.
    ///
    /// # Errors
    /// With exit code 70, when TLS cannot be set up.
    pub fn client_config(&self) -> Result<ClientConfig, Failure> {
        tls::client_config(self.renewable().roots.clone(), Some(self.shown.clone()))
            .map_err(|error| Failure::new(Exit::Internal, format!("TLS cannot be set up: {error}")))
    }

    /// Takes the next certificate: first to disk, so that a crash at any point leaves one pair that belongs together, then
    /// for every new connection.
    ///
    /// # Errors
    /// With exit code 73, when it cannot be kept; the old one stays in use.
    pub fn renew(&self, request: &Request, certificate_der: &[u8], authorities_der: &[Vec<u8>]) -> Result<(), Failure> {
        let certificate = CertificateDer::from(certificate_der.to_vec());
        let ends = end_of(&certificate).filter(|_| belongs(&request.key, &certificate));
        let ends = ends.ok_or_else(|| unusable(&self.folder, &"the renewed certificate is of another key"))?;
        keep_pair(&self.folder, &request.key, &certificate).map_err(|error| Failure::data(&self.folder, &error))?;
        self.shown
            .replace(vec![certificate], private_key(&request.key))
            .map_err(|error| unusable(&self.folder, &error))?;
        self.renewable().ends = ends;
        if !authorities_der.is_empty() {
            self.trust(authorities_der)?;
        }
        Ok(())
    }

    fn trust(&self, authorities_der: &[Vec<u8>]) -> Result<(), Failure> {
        let authorities = authorities_der.iter().map(|der| CertificateDer::from(der.clone()));
        let roots = tls::roots(authorities).map_err(|error| unusable(&self.folder, &error))?;
        let text: String = authorities_der.iter().map(|der| pem(der)).collect();
        write_durably(&self.folder.join(AUTHORITIES), text.as_bytes())
            .map_err(|error| Failure::data(&self.folder, &error))?;
        self.renewable().roots = roots;
        Ok(())
    }

    fn renewable(&self) -> MutexGuard<'_, Renewable> {
        self.renewable.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Membership {
    /// Reads what the coordinator said at joining; none when this worker has not joined.
    ///
    /// # Errors
    /// With exit code 73, when the file cannot be read.
    pub fn read(folder: &Path) -> Result<Option<Self>, Failure> {
        let path = folder.join(MEMBERSHIP);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Failure::data(&path, &error)),
        };
        serde_json::from_slice(&bytes).map(Some).map_err(|error| unusable(folder, &error))
    }
}

/// When the certificate in the folder of an identity ends; none when there is none.
#[must_use]
pub fn certificate_end(folder: &Path) -> Option<SystemTime> {
    end_of(&CertificateDer::from_pem_file(folder.join(CERTIFICATE)).ok()?)
}

fn end_of(certificate: &CertificateDer<'_>) -> Option<SystemTime> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let seconds = u64::try_from(parsed.validity().not_after.timestamp()).ok()?;
    Some(UNIX_EPOCH + Duration::from_secs(seconds))
}

impl Request {
    /// A request with a key of its own.
    ///
    /// # Errors
    /// With exit code 70, when no key can be made.
    pub fn new() -> Result<Self, Failure> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(|error| no_request(&error))?;
        Self::with_key(key)
    }

    /// The request of a join: with the key of an earlier try, so that a lost answer does not waste the invitation.
    ///
    /// # Errors
    /// With exit code 73, when the key cannot be kept.
    pub fn for_join(folder: &Path) -> Result<Self, Failure> {
        if let Ok(pem) = fs::read_to_string(folder.join(KEY))
            && let Ok(key) = KeyPair::from_pem(&pem)
        {
            return Self::with_key(key);
        }
        let request = Self::new()?;
        make_folder(folder)?;
        write_durably(&folder.join(KEY), request.key.serialize_pem().as_bytes())
            .map_err(|error| Failure::data(folder, &error))?;
        Ok(request)
    }

    fn with_key(key: KeyPair) -> Result<Self, Failure> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        let csr = params.serialize_request(&key).map_err(|error| no_request(&error))?;
        Ok(Self { csr_der: csr.der().to_vec(), key })
    }
}

/// Keeps what a join answered; the membership last, since it says that the rest is there.
///
/// # Errors
/// With exit code 73, when a file cannot be written.
pub fn keep(folder: &Path, response: &JoinResponse) -> Result<Membership, Failure> {
    let failed = |error: io::Error| Failure::data(folder, &error);
    let authorities: String = response.coordinator_cas_der.iter().map(|der| pem(der)).collect();
    write_durably(&folder.join(CERTIFICATE), pem(&response.certificate_der).as_bytes()).map_err(failed)?;
    write_durably(&folder.join(AUTHORITIES), authorities.as_bytes()).map_err(failed)?;
    let membership = Membership {
        worker_id: response.worker_id.clone(),
        worker_name: response.worker_name.clone(),
        pool: response.pool.clone(),
        worker_urls: response.worker_urls.clone(),
    };
    let json = serde_json::to_vec_pretty(&membership).map_err(|error| failed(error.into()))?;
    write_durably(&folder.join(MEMBERSHIP), &json).map_err(failed)?;
    Ok(membership)
}

fn make_folder(folder: &Path) -> Result<(), Failure> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|error| Failure::data(folder, &error))
}

/// The key and certificate that belong together. After a crash during a renewal that may be a new key with the new
/// certificate still under its other name.
fn settle_pair(folder: &Path) -> Result<(KeyPair, CertificateDer<'static>), Failure> {
    let key =
        KeyPair::from_pem(&String::from_utf8_lossy(&read(folder, KEY)?)).map_err(|error| unusable(folder, &error))?;
    for name in [CERTIFICATE.to_owned(), format!("{CERTIFICATE}.new")] {
        let Ok(certificate) = CertificateDer::from_pem_file(folder.join(&name)) else { continue };
        if belongs(&key, &certificate) {
            if name != CERTIFICATE {
                fs::rename(folder.join(name), folder.join(CERTIFICATE))
                    .map_err(|error| Failure::data(folder, &error))?;
            }
            return Ok((key, certificate));
        }
    }
    Err(unusable(folder, &"key and certificate do not belong together"))
}

fn keep_pair(folder: &Path, key: &KeyPair, certificate: &CertificateDer<'_>) -> io::Result<()> {
    let (new_key, new_certificate) = (folder.join(format!("{KEY}.new")), folder.join(format!("{CERTIFICATE}.new")));
    write_synced(&new_certificate, pem(certificate).as_bytes())?;
    write_synced(&new_key, key.serialize_pem().as_bytes())?;
    File::open(folder)?.sync_all()?;
    fs::rename(new_key, folder.join(KEY))?;
    fs::rename(new_certificate, folder.join(CERTIFICATE))?;
    File::open(folder)?.sync_all()
}

fn belongs(key: &KeyPair, certificate: &CertificateDer<'_>) -> bool {
    X509Certificate::from_der(certificate)
        .is_ok_and(|(_, parsed)| parsed.public_key().raw == key.subject_public_key_info())
}

fn private_key(key: &KeyPair) -> PrivateKeyDer<'static> {
    PrivateKeyDer::Pkcs8(key.serialize_der().into())
}

fn pem(der: &[u8]) -> String {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let body = STANDARD.encode(der);
    let lines: Vec<_> = body.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}

fn read(folder: &Path, name: &str) -> Result<Vec<u8>, Failure> {
    let path = folder.join(name);
    fs::read(&path).map_err(|error| Failure::data(&path, &error))
}

fn write_durably(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let new = path.with_extension("writing");
    write_synced(&new, bytes)?;
    fs::rename(&new, path)?;
    File::open(path.parent().unwrap_or(path))?.sync_all()
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn unusable(folder: &Path, why: &dyn std::fmt::Display) -> Failure {
    let sentence = format!(
        "The identity in {} cannot be used: {why}. Run `longshore-worker reset` and join again with a new invitation.",
        folder.display()
    );
    Failure::new(Exit::Data, sentence)
}

fn no_request(error: &rcgen::Error) -> Failure {
    Failure::new(Exit::Internal, format!("No key could be made: {error}."))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As a coordinator would certify a request: only its key counts.
    fn certify(request: &Request) -> Vec<u8> {
        let issuer = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key");
        let issuer = rcgen::Issuer::new(CertificateParams::default(), issuer);
        CertificateParams::default().signed_by(&request.key, &issuer).expect("a certificate").der().to_vec()
    }

    fn joined(folder: &Path) -> Request {
        service::tls::install_provider();
        let request = Request::for_join(folder).expect("a request");
        let certificate_der = certify(&request);
        let response = JoinResponse {
            worker_name: "red".into(),
            coordinator_cas_der: vec![certificate_der.clone()],
            certificate_der,
            ..JoinResponse::default()
        };
        keep(folder, &response).expect("kept");
        request
    }

    #[test]
    fn a_join_tried_again_uses_the_same_key() {
        let folder = tempfile::tempdir().expect("a folder");
        let first = Request::for_join(folder.path()).expect("a request");
        let second = Request::for_join(folder.path()).expect("a request");
        assert_eq!(first.key.subject_public_key_info(), second.key.subject_public_key_info());
    }

    #[test]
    fn what_was_joined_is_read_again_and_nobody_else_may_read_the_key() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a folder");
        assert!(WorkerIdentity::load(folder.path()).expect("readable").is_none());
        joined(folder.path());
        let identity = WorkerIdentity::load(folder.path()).expect("readable").expect("joined");
        assert_eq!(identity.membership().worker_name, "red");
        let mode = fs::metadata(folder.path().join(KEY)).expect("a key").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_crash_in_the_middle_of_a_renewal_leaves_a_pair_that_belongs_together() {
        let folder = tempfile::tempdir().expect("a folder");
        joined(folder.path());
        let next = Request::new().expect("a request");
        let certificate = CertificateDer::from(certify(&next));
        // As keep_pair leaves it between its two renames.
        fs::write(folder.path().join("cert.pem.new"), pem(&certificate)).expect("written");
        fs::write(folder.path().join(KEY), next.key.serialize_pem()).expect("written");
        let (key, settled) = settle_pair(folder.path()).expect("a pair");
        assert_eq!(key.subject_public_key_info(), next.key.subject_public_key_info());
        assert_eq!(settled, certificate);
        assert!(WorkerIdentity::load(folder.path()).expect("readable").is_some());
    }

    #[test]
    fn a_renewed_certificate_of_another_key_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        joined(folder.path());
        let identity = WorkerIdentity::load(folder.path()).expect("readable").expect("joined");
        let (next, other) = (Request::new().expect("a request"), Request::new().expect("a request"));
        let failure = identity.renew(&next, &certify(&other), &[]).expect_err("refused");
        assert!(failure.sentence.contains("another key"), "{failure}");
        identity.renew(&next, &certify(&next), &[]).expect("renewed");
        assert!(
            settle_pair(folder.path())
                .is_ok_and(|(key, _)| key.subject_public_key_info() == next.key.subject_public_key_info())
        );
    }
}
