//! Which worker a verified certificate names.

use rustls_pki_types::CertificateDer;
use shared::id::WorkerId;
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;
use x509_parser::{certificate::X509Certificate, extensions::GeneralName, prelude::FromDer};

use super::WorkerPeer;
use crate::pki::worker_uri;

/// The worker at the other end; TLS has verified its certificate's path, time and purpose.
pub(super) fn worker_of(stream: &TlsStream<TcpStream>, trust_domain: &str) -> Result<WorkerPeer, &'static str> {
    let chain = stream.get_ref().1.peer_certificates().ok_or("no certificate was shown")?;
    let leaf = chain.first().ok_or("no certificate was shown")?;
    named_in(leaf, trust_domain)
}

fn named_in(certificate: &CertificateDer<'_>, trust_domain: &str) -> Result<WorkerPeer, &'static str> {
    let (_, parsed) = X509Certificate::from_der(certificate).map_err(|_| "the certificate cannot be read")?;
    let names = parsed.subject_alternative_name().map_err(|_| "the certificate's names cannot be read")?;
    let names = names.map(|extension| &extension.value.general_names).ok_or("the certificate names nobody")?;
    // Exactly one: with two, somebody else might read the other.
    let [GeneralName::URI(uri)] = names.as_slice() else {
        return Err("the certificate does not name exactly one worker");
    };
    let id: WorkerId = uri
        .rsplit_once('/')
        .and_then(|(_, id)| id.parse().ok())
        .filter(|id| worker_uri(trust_domain, *id) == *uri)
        .ok_or("the certificate is not of this coordinator's name space")?;
    Ok(WorkerPeer {
        id,
        serial: parsed.tbs_certificate.raw_serial().into(),
        not_after: parsed.validity().not_after.timestamp().saturating_mul(1000),
    })
}
