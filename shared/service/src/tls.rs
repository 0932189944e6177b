//! TLS as every connection here has it: 1.3 only, HTTP/2 only, one crypto provider, no resumption.

use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use rustls::{
    ClientConfig, RootCertStore, ServerConfig, SignatureScheme,
    client::{ResolvesClientCert, Resumption},
    crypto::{CryptoProvider, aws_lc_rs},
    server::{ClientHello, NoServerSessionStorage, ResolvesServerCert, WebPkiClientVerifier},
    sign::CertifiedKey,
    version::TLS13,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};

mod pin;

pub use pin::{Pin, pin_of};

/// Why a TLS configuration cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The text holds no certificate.
    #[error("There is no certificate in it: a PEM file with at least one CERTIFICATE block is needed.")]
    NoCertificate,
    /// The text is not PEM.
    #[error("It is not a PEM file of certificates.")]
    NotPem(#[source] rustls_pki_types::pem::Error),
    /// A certificate or key is of the wrong shape, or they do not belong together.
    #[error("The certificate or its key cannot be used.")]
    Unusable(#[from] rustls::Error),
    /// The verifier refused its roots.
    #[error("The certificate authorities cannot be used.")]
    Roots(#[from] rustls::client::VerifierBuilderError),
}

/// Makes aws-lc-rs the process's only crypto provider. Call it first in `main`; calling again changes nothing.
pub fn install_provider() {
    // An error means that it is installed.
    let _ = aws_lc_rs::default_provider().install_default();
}

/// The certificate and key that this side shows, as server or as client; can be replaced while connections use it: those
/// that are open keep the old one, the next ones show the new one.
pub struct Identity(RwLock<Arc<CertifiedKey>>);

impl Identity {
    /// Shows this chain, leaf first, proved by this key.
    ///
    /// # Errors
    /// [`TlsError::Unusable`] when the key is of an unknown kind or not the leaf's.
    pub fn new(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Result<Arc<Self>, TlsError> {
        Ok(Arc::new(Self(RwLock::new(certified(chain, key)?))))
    }

    /// Shows another chain from now on.
    ///
    /// # Errors
    /// As [`Identity::new`]; the old one stays.
    pub fn replace(&self, chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Result<(), TlsError> {
        let certified = certified(chain, key)?;
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = certified;
        Ok(())
    }

    fn current(&self) -> Arc<CertifiedKey> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity")
    }
}

impl ResolvesServerCert for Identity {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current())
    }
}

impl ResolvesClientCert for Identity {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.current())
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// What a server does. With `clients`, a connection without a certificate of one of these authorities is refused.
///
/// # Errors
/// [`TlsError`] when the authorities cannot be used.
pub fn server_config(identity: Arc<Identity>, clients: Option<RootCertStore>) -> Result<ServerConfig, TlsError> {
    let builder = ServerConfig::builder_with_provider(provider()).with_protocol_versions(&[&TLS13])?;
    let mut config = match clients {
        Some(roots) => {
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider()).build()?;
            builder.with_client_cert_verifier(verifier)
        }
        None => builder.with_no_client_auth(),
    }
    .with_cert_resolver(identity);
    // A resumed session skips the client certificate's check: somebody revoked or expired would come back in.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.max_early_data_size = 0;
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(config)
}

/// What a client does that trusts these authorities and shows `identity`, if it has one.
///
/// # Errors
/// [`TlsError`] when the provider does not fit.
pub fn client_config(roots: RootCertStore, identity: Option<Arc<Identity>>) -> Result<ClientConfig, TlsError> {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])?
        .with_root_certificates(roots);
    Ok(finish(match identity {
        Some(identity) => builder.with_client_cert_resolver(identity),
        None => builder.with_no_client_auth(),
    }))
}

/// What a client does that knows only fingerprints: the server must show, in its chain, an authority whose public key has
/// one of these pins, and everything else (path, name, time, purpose) is checked as usual.
///
/// # Errors
/// [`TlsError`] when the provider does not fit.
pub fn pinned_client_config(pins: &[Pin]) -> Result<ClientConfig, TlsError> {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])?
        .dangerous() // named so because the verifier is ours: see tls/pin.rs
        .with_custom_certificate_verifier(Arc::new(pin::PinnedAuthority::new(pins, provider())));
    Ok(finish(builder.with_no_client_auth()))
}

/// The certificates in a PEM text, as authorities to trust.
///
/// # Errors
/// [`TlsError`] when it is no PEM, or holds no certificate.
pub fn roots_from_pem(pem: &[u8]) -> Result<RootCertStore, TlsError> {
    let certificates = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>().map_err(TlsError::NotPem)?;
    roots(certificates)
}

/// These certificates, as authorities to trust.
///
/// # Errors
/// [`TlsError`] when there is none, or one cannot be read.
pub fn roots(certificates: impl IntoIterator<Item = CertificateDer<'static>>) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        roots.add(certificate)?;
    }
    if roots.is_empty() { Err(TlsError::NoCertificate) } else { Ok(roots) }
}

fn certified(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<Arc<CertifiedKey>, rustls::Error> {
    CertifiedKey::from_der(chain, key, &provider()).map(Arc::new)
}

fn finish(mut config: ClientConfig) -> ClientConfig {
    config.resumption = Resumption::disabled();
    config.alpn_protocols = vec![b"h2".to_vec()];
    config
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}
