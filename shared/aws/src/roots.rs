//! Which certificate authorities are trusted for AWS: those compiled in, so that a host without any still reaches AWS; the host's;
//! and the configured ones.

use std::{collections::BTreeSet, fs, path::Path};

use pem::{EncodeConfig, LineEnding, Pem};
use rustls::RootCertStore;
use rustls_pki_types::{CertificateDer, pem::PemObject};
use shared::reason::Fault;

use crate::settings::invalid;

/// All of them as one PEM text; whatever is in it can be used.
pub(crate) fn pem(bundle: Option<&Path>) -> Result<String, Fault> {
    let configured = bundle.map(configured).transpose()?.unwrap_or_default();
    let host = rustls_native_certs::load_native_certs();
    for error in &host.errors {
        tracing::debug!(%error, "some of the host's certificate authorities cannot be read");
    }
    let mut seen = BTreeSet::new();
    let blocks: Vec<Pem> = webpki_root_certs::TLS_SERVER_ROOT_CERTS
        .iter()
        .cloned()
        .chain(host.certs.into_iter().filter(is_usable))
        .chain(configured)
        .filter(|certificate| seen.insert(certificate.to_vec()))
        .map(|certificate| Pem::new("CERTIFICATE", certificate.to_vec()))
        .collect();
    Ok(pem::encode_many_config(&blocks, EncodeConfig::new().set_line_ending(LineEnding::LF)))
}

/// The certificates of a PEM file; at least one.
pub(crate) fn configured(path: &Path) -> Result<Vec<CertificateDer<'static>>, Fault> {
    let wrong = |what: &str| invalid(format!("--ca-bundle names the file {}, which {what}.", path.display()));
    let text = fs::read(path).map_err(|error| wrong(&format!("cannot be read: {error}")))?;
    let certificates = CertificateDer::pem_slice_iter(&text)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| wrong("is not a PEM file of certificates"))?;
    if certificates.is_empty() {
        return Err(wrong("holds no certificate: a PEM file with at least one CERTIFICATE block is needed"));
    }
    match certificates.iter().position(|certificate| !is_usable(certificate)) {
        Some(at) => Err(wrong(&format!("has a CERTIFICATE block that is none: number {}", at + 1))),
        None => Ok(certificates),
    }
}

fn is_usable(certificate: &CertificateDer<'static>) -> bool {
    RootCertStore::empty().add(certificate.clone()).is_ok()
}
