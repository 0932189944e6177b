//! The coordinator's two certificate authorities: `server` vouches for the coordinator, `worker` for workers. Their keys
//! never leave the store, where they are sealed.

use std::{net::IpAddr, time::Duration};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SanType, SerialNumber,
};
use rusqlite::Connection;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use service::tls::{Pin, pin_of};
use shared::{
    id::WorkerId,
    limits,
    reason::{Fault, Reason},
};
use zeroize::Zeroizing;

use crate::{
    registry::authority,
    seal::{Place, Seal, random},
};

mod request;

pub use request::CertificateRequest;

/// 10 years: there is no rotation of authorities yet, and every host's trust hangs on them.
const AUTHORITY_TTL: Duration = Duration::from_secs(10 * 365 * 24 * 3600);
/// 30 days; made anew at every start and at half its life.
pub const SERVER_TTL: Duration = Duration::from_secs(30 * 24 * 3600);
/// 1 day: what a coordinator shows is valid before it was made, so that no host's clock need be right. Nobody gains by it: its
/// key did not exist then.
const BACKDATE: Duration = Duration::from_secs(24 * 3600);
/// 5 minutes: a worker's certificate is only looked at by the coordinator that made it, whose clock may be set back a little.
const WORKER_BACKDATE: Duration = Duration::from_secs(5 * 60);

/// Both authorities, ready to sign.
pub struct Pki {
    server: Authority,
    worker: Authority,
    trust_domain: String,
}

/// A certificate for a worker.
pub struct WorkerCertificate {
    /// The certificate.
    pub der: CertificateDer<'static>,
    /// Its number, 16 bytes.
    pub serial: Vec<u8>,
    /// SHA-256 of its public key.
    pub spki: Vec<u8>,
    /// Milliseconds since 1970.
    pub not_before: i64,
    /// Milliseconds since 1970.
    pub not_after: i64,
}

/// A chain and its key, as a TLS server shows it.
pub struct ServerCertificate {
    /// Leaf first, then the authority: who pins the authority must see it.
    pub chain: Vec<CertificateDer<'static>>,
    /// The leaf's key.
    pub key: PrivateKeyDer<'static>,
}

struct Authority {
    der: CertificateDer<'static>,
    pem: String,
    issuer: Issuer<'static, KeyPair>,
    not_after: i64,
}

impl Pki {
    /// Reads both authorities from the store, and makes the ones that are not there. `at` is milliseconds since 1970.
    ///
    /// # Errors
    /// [`Reason::MasterKey`] when their keys were sealed with another master key; those of the store.
    pub fn load_or_make(connection: &Connection, seal: &Seal, store_id: &str, at: i64) -> Result<Self, Fault> {
        Ok(Self {
            server: Authority::load_or_make(connection, seal, "server", at)?,
            worker: Authority::load_or_make(connection, seal, "worker", at)?,
            trust_domain: store_id.to_owned(),
        })
    }

    /// The authority that vouches for the coordinator, as CLIs and workers trust it.
    #[must_use]
    pub fn server_authority(&self) -> &CertificateDer<'static> {
        &self.server.der
    }

    /// The same, as text.
    #[must_use]
    pub fn server_authority_pem(&self) -> &str {
        &self.server.pem
    }

    /// The authority that vouches for workers.
    #[must_use]
    pub fn worker_authority(&self) -> &CertificateDer<'static> {
        &self.worker.der
    }

    /// What join strings pin.
    ///
    /// # Errors
    /// [`Reason::Internal`] when the stored authority cannot be read.
    pub fn server_pin(&self) -> Result<Pin, Fault> {
        pin_of(&self.server.der)
            .ok_or_else(|| Fault::new(Reason::Internal, "The coordinator's certificate authority cannot be read."))
    }

    /// A certificate with a new key for the coordinator under these names and addresses.
    ///
    /// # Errors
    /// [`Reason::InvalidArgument`] for a name that a certificate cannot carry.
    pub fn issue_server(&self, names: &[String], at: i64) -> Result<ServerCertificate, Fault> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(|error| broken(&error))?;
        let mut params = template(at, BACKDATE, self.server.not_after.min(after(at, SERVER_TTL)))?;
        params.distinguished_name = named("Longshore coordinator");
        params.subject_alt_names = names.iter().map(|name| subject_name(name)).collect::<Result<_, _>>()?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let leaf = params.signed_by(&key, &self.server.issuer).map_err(|error| broken(&error))?;
        Ok(ServerCertificate {
            chain: vec![leaf.der().clone(), self.server.der.clone()],
            key: PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der())),
        })
    }

    /// A certificate for a worker. Only the key is taken from its request: whoever asks for other names or to be an
    /// authority does not get it.
    ///
    /// # Errors
    /// [`Reason::Internal`] when it cannot be signed.
    pub fn issue_worker(
        &self,
        request: &CertificateRequest,
        id: WorkerId,
        at: i64,
    ) -> Result<WorkerCertificate, Fault> {
        let not_after = self.worker.not_after.min(after(at, limits::WORKER_CERTIFICATE_TTL));
        let mut params = template(at, WORKER_BACKDATE, not_after)?;
        let uri = worker_uri(&self.trust_domain, id);
        params.subject_alt_names = vec![SanType::URI(uri.try_into().map_err(|error| broken(&error))?)];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let serial = params.serial_number.as_ref().map(SerialNumber::to_bytes).unwrap_or_default();
        let certificate = params.signed_by(request.key(), &self.worker.issuer).map_err(|error| broken(&error))?;
        Ok(WorkerCertificate {
            der: certificate.der().clone(),
            serial,
            spki: request.spki().to_vec(),
            not_before: at - WORKER_BACKDATE.as_millis() as i64,
            not_after,
        })
    }

    /// Name space of worker certificates: the store's id.
    #[must_use]
    pub fn trust_domain(&self) -> &str {
        &self.trust_domain
    }
}

/// The one name in a worker's certificate.
#[must_use]
pub fn worker_uri(trust_domain: &str, id: WorkerId) -> String {
    format!("spiffe://{trust_domain}/worker/{id}")
}

impl Authority {
    fn load_or_make(connection: &Connection, seal: &Seal, name: &'static str, at: i64) -> Result<Self, Fault> {
        match authority::find(connection, name)? {
            Some(stored) => Self::load(seal, name, stored),
            None => Self::make(connection, seal, name, at),
        }
    }

    fn load(seal: &Seal, name: &str, stored: authority::Row) -> Result<Self, Fault> {
        let key = Zeroizing::new(seal.open(place(name), &stored.sealed_key)?);
        let key =
            KeyPair::from_pkcs8_der_and_sign_algo(&PrivatePkcs8KeyDer::from(key.to_vec()), &PKCS_ECDSA_P256_SHA256)
                .map_err(|error| broken(&error))?;
        let der = pem_to_der(&stored.cert_pem)?;
        let issuer = Issuer::from_ca_cert_der(&der, key).map_err(|error| broken(&error))?;
        Ok(Self { der, pem: stored.cert_pem, issuer, not_after: stored.not_after })
    }

    fn make(connection: &Connection, seal: &Seal, name: &'static str, at: i64) -> Result<Self, Fault> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(|error| broken(&error))?;
        let not_after = after(at, AUTHORITY_TTL);
        let mut params = template(at, BACKDATE, not_after)?;
        params.distinguished_name = named(&format!("Longshore {name} authority"));
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key).map_err(|error| broken(&error))?;
        let row = authority::Row {
            cert_pem: certificate.pem(),
            sealed_key: seal.seal(place(name), &Zeroizing::new(key.serialize_der()))?,
            not_after,
        };
        authority::insert(connection, name, &row)?;
        let der = certificate.der().clone();
        let issuer = Issuer::from_ca_cert_der(&der, key).map_err(|error| broken(&error))?;
        Ok(Self { der, pem: row.cert_pem, issuer, not_after })
    }
}

/// What every certificate here has; nothing of it comes from a request.
fn template(at: i64, backdate: Duration, not_after: i64) -> Result<CertificateParams, Fault> {
    let mut serial = random::<16>()?;
    // Positive and without a leading zero byte, so that it is 16 bytes in DER.
    serial[0] = (serial[0] & 0x3f) | 0x40;
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.serial_number = Some(SerialNumber::from_slice(serial.as_slice()));
    params.not_before = epoch + Duration::from_millis(at.max(0) as u64).saturating_sub(backdate);
    params.not_after = epoch + Duration::from_millis(not_after.max(0) as u64);
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

fn subject_name(name: &str) -> Result<SanType, Fault> {
    if let Ok(address) = name.parse::<IpAddr>() {
        return Ok(SanType::IpAddress(address));
    }
    name.try_into().map(SanType::DnsName).map_err(|_| {
        Fault::new(
            Reason::InvalidArgument,
            format!("--public-address \"{name}\" is neither a host name nor an IP address."),
        )
    })
}

fn named(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    name
}

fn place(name: &str) -> Place<'_> {
    Place { kind: "authority", id: name, field: "key", version: 1 }
}

fn after(at: i64, ttl: Duration) -> i64 {
    at + ttl.as_millis() as i64
}

fn pem_to_der(pem: &str) -> Result<CertificateDer<'static>, Fault> {
    use rustls_pki_types::pem::PemObject;
    CertificateDer::from_pem_slice(pem.as_bytes())
        .map_err(|_| Fault::new(Reason::Internal, "A stored certificate authority is not PEM: the store is damaged."))
}

fn broken(error: &dyn std::error::Error) -> Fault {
    Fault::new(Reason::Internal, format!("A certificate could not be made: {error}."))
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};
    use x509_parser::{certificate::X509Certificate, extensions::GeneralName, prelude::FromDer};

    use super::*;

    fn store() -> Connection {
        let connection = Connection::open_in_memory().expect("a store");
        connection.execute_batch(include_str!("store/schema.sql")).expect("its tables");
        connection
    }

    fn seal(folder: &tempfile::TempDir) -> Seal {
        Seal::make(&folder.path().join("master.key"), "store-1").expect("a key")
    }

    #[test]
    fn a_worker_that_asks_to_be_an_authority_with_other_names_gets_a_plain_certificate() {
        let (folder, at) = (tempfile::tempdir().expect("a folder"), 1_790_000_000_000);
        let pki = Pki::load_or_make(&store(), &seal(&folder), "store-1", at).expect("authorities");
        let mut greedy = CertificateParams::new(vec!["coordinator.internal".to_owned()]).expect("a name");
        greedy.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        greedy.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let der = greedy.serialize_request(&KeyPair::generate().expect("a key")).expect("a request").der().to_vec();
        let id = WorkerId(uuid::Uuid::now_v7());
        let request = CertificateRequest::from_der(&der).expect("a sound request");
        let issued = pki.issue_worker(&request, id, at).expect("signed");

        let (_, leaf) = X509Certificate::from_der(&issued.der).expect("a certificate");
        assert!(!leaf.is_ca());
        assert!(leaf.subject().iter().next().is_none(), "it has a subject");
        let names = &leaf.subject_alternative_name().expect("readable").expect("present").value.general_names;
        assert_eq!(names.as_slice(), [GeneralName::URI(&worker_uri("store-1", id))]);
        let usage = leaf.extended_key_usage().expect("readable").expect("present").value;
        assert!(usage.client_auth && !usage.server_auth && !usage.any);
        assert_eq!(leaf.tbs_certificate.raw_serial(), issued.serial);
        assert_eq!(leaf.validity().not_after.timestamp() * 1000, at + 24 * 3600 * 1000);
        assert_eq!(issued.not_after, at + 24 * 3600 * 1000);
    }

    #[test]
    fn authorities_are_made_once_and_stay_the_same() {
        let folder = tempfile::tempdir().expect("a folder");
        let (store, seal) = (store(), seal(&folder));
        let first = Pki::load_or_make(&store, &seal, "store-1", 0).expect("made");
        let second = Pki::load_or_make(&store, &seal, "store-1", 1).expect("read");
        assert_eq!(first.server_pin(), second.server_pin());
        assert_eq!(first.worker_authority(), second.worker_authority());
        assert_ne!(first.server_authority(), first.worker_authority());
    }
}
