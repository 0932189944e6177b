//! Trust in an authority that is known only by the digest of its public key.

use std::{fmt, sync::Arc};

use aws_lc_rs::digest;
use rustls::{
    CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use x509_parser::{certificate::X509Certificate, prelude::FromDer};

/// SHA-256 of an authority's public key (its SubjectPublicKeyInfo in DER).
pub type Pin = [u8; 32];

/// The pin of a certificate's public key; `None` when it is no certificate.
#[must_use]
pub fn pin_of(certificate: &CertificateDer<'_>) -> Option<Pin> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    digest::digest(&digest::SHA256, parsed.public_key().raw).as_ref().try_into().ok()
}

/// Takes the shown authority that has a pin as the only trust anchor. The leaf's own key never counts as one.
pub(super) struct PinnedAuthority {
    pins: Vec<Pin>,
    provider: Arc<CryptoProvider>,
}

impl PinnedAuthority {
    pub(super) fn new(pins: &[Pin], provider: Arc<CryptoProvider>) -> Self {
        Self { pins: pins.to_vec(), provider }
    }

    fn is_pinned(&self, certificate: &CertificateDer<'_>) -> bool {
        pin_of(certificate).is_some_and(|pin| self.pins.contains(&pin))
    }
}

impl fmt::Debug for PinnedAuthority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PinnedAuthority").field("pins", &self.pins.len()).finish_non_exhaustive()
    }
}

impl ServerCertVerifier for PinnedAuthority {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let anchor = chain
            .iter()
            .find(|certificate| self.is_pinned(certificate))
            .ok_or(Error::InvalidCertificate(CertificateError::UnknownIssuer))?;
        let mut roots = RootCertStore::empty();
        roots.add(anchor.clone().into_owned())?;
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), self.provider.clone())
            .build()
            .map_err(|error| Error::General(error.to_string()))?
            .verify_server_cert(leaf, chain, name, ocsp, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
