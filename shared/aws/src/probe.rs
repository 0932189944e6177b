//! Looks at the certificates that are shown in place of AWS's, to say whose they are. The handshake is always broken off when
//! they were seen: nothing is ever sent on such a connection.

use std::sync::{Arc, Mutex, PoisonError};

use http::Uri;
use hyper_util::{
    client::{
        legacy::connect::{HttpConnector, proxy::Tunnel},
        proxy::matcher::Intercept,
    },
    rt::TokioIo,
};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::aws_lc_rs,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio::{net::TcpStream, time};
use tokio_rustls::TlsConnector;
use tower::Service;
use x509_parser::{certificate::X509Certificate, prelude::FromDer};

use crate::CONNECT_TIMEOUT;

/// 200 characters of a name that a stranger wrote.
const MOST_OF_A_NAME: usize = 200;

/// The certificates that whoever answers at an address shows, its own first; empty when nobody does.
pub(crate) async fn chain_at(uri: &Uri, proxy: Option<Intercept>) -> Vec<CertificateDer<'static>> {
    let onlooker = Arc::new(Onlooker::default());
    // How it ended does not matter, only what was seen.
    let _ = time::timeout(CONNECT_TIMEOUT, look(uri, proxy, Arc::clone(&onlooker))).await;
    onlooker.seen()
}

/// What was wrong with a certificate, whose it is, and what to do. `place` is where it was shown.
pub(crate) fn sentence(
    place: &str,
    host: &str,
    refused: &CertificateError,
    chain: &[CertificateDer<'static>],
) -> String {
    let parsed: Vec<_> = chain.iter().filter_map(|certificate| X509Certificate::from_der(certificate).ok()).collect();
    let (Some((_, shown)), Some((_, last))) = (parsed.first(), parsed.last()) else {
        return format!(
            "The certificate of {place} is not trusted on {host} ({refused}), and it could not be looked at again to see who issued it. \
             If a proxy of yours stands in between, name its authority's PEM file with --ca-bundle."
        );
    };
    let (subject, issuer) = (name(shown.subject()), name(shown.issuer()));
    match refused {
        CertificateError::Expired
        | CertificateError::ExpiredContext { .. }
        | CertificateError::NotValidYet
        | CertificateError::NotValidYetContext { .. } => format!(
            "The certificate of {place} (\"{subject}\", issued by \"{issuer}\") is valid from {} to {}, and the clock of {host} says {}. \
             If the clock is wrong, set it (NTP); if it is right, whoever runs that server must renew its certificate.",
            shown.validity().not_before,
            shown.validity().not_after,
            crate::clock::now()
        ),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => format!(
            "The certificate of {place} (\"{subject}\", issued by \"{issuer}\") is for another name. Check the address, and whether a proxy \
             stands in between."
        ),
        _ => {
            let root = name(last.issuer());
            let under = if root == issuer { String::new() } else { format!(", under the authority \"{root}\"") };
            format!(
                "The certificate of {place} is not trusted on {host}: it is for \"{subject}\" and was issued by \"{issuer}\"{under}. If \
                 that is your proxy or your own authority, put its certificate into a PEM file and name that with --ca-bundle; if not, \
                 somebody else answers in place of AWS."
            )
        }
    }
}

async fn look(uri: &Uri, proxy: Option<Intercept>, onlooker: Arc<Onlooker>) -> Option<()> {
    let name = ServerName::try_from(uri.host()?.trim_matches(['[', ']']).to_owned()).ok()?;
    let stream = connect(uri, proxy).await?;
    let config = ClientConfig::builder_with_provider(aws_lc_rs::default_provider().into())
        .with_safe_default_protocol_versions()
        .ok()?
        .dangerous()
        .with_custom_certificate_verifier(onlooker)
        .with_no_client_auth();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await.ok().map(drop)
}

async fn connect(uri: &Uri, proxy: Option<Intercept>) -> Option<TcpStream> {
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    let stream = match proxy {
        None => connector.call(uri.clone()).await.ok()?,
        Some(proxy) => {
            let mut tunnel = Tunnel::new(proxy.uri().clone(), connector);
            if let Some(auth) = proxy.basic_auth() {
                tunnel = tunnel.with_auth(auth.clone());
            }
            tunnel.call(uri.clone()).await.ok()?
        }
    };
    Some(TokioIo::into_inner(stream))
}

fn name(name: &x509_parser::x509::X509Name<'_>) -> String {
    let text = name.to_string();
    text.chars().filter(|letter| !letter.is_control() && *letter != '"').take(MOST_OF_A_NAME).collect()
}

/// Remembers what is shown, and trusts nobody.
#[derive(Debug, Default)]
struct Onlooker(Mutex<Vec<CertificateDer<'static>>>);

impl Onlooker {
    fn seen(&self) -> Vec<CertificateDer<'static>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ServerCertVerifier for Onlooker {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.push(end_entity.clone().into_owned());
        seen.extend(intermediates.iter().map(|certificate| certificate.clone().into_owned()));
        Err(CertificateError::ApplicationVerificationFailure.into())
    }

    // Never called: the certificate before it was refused.
    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(CertificateError::ApplicationVerificationFailure.into())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(CertificateError::ApplicationVerificationFailure.into())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        aws_lc_rs::default_provider().signature_verification_algorithms.supported_schemes()
    }
}
