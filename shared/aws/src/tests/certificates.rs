//! TLS to whoever stands where AWS should.

use std::{fs, sync::Arc};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::{ServerConfig, crypto::aws_lc_rs};
use rustls_pki_types::PrivateKeyDer;
use shared::reason::Reason;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::{
    assert_says, aws, keys,
    server::{Server, caller},
};
use crate::Settings;

/// An authority that nobody knows.
pub(super) struct Authority {
    pub(super) pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(super) fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().expect("a key");
        let pem = params.self_signed(&key).expect("a certificate").pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    /// Serves over TLS, with a certificate that this change is made to.
    pub(super) async fn serve(&self, server: &Server, change: impl FnOnce(&mut CertificateParams)) -> String {
        let mut params = CertificateParams::new(["127.0.0.1".to_owned()]).expect("a name");
        params.distinguished_name.push(DnType::CommonName, "not AWS");
        change(&mut params);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
        let config = ServerConfig::builder_with_provider(aws_lc_rs::default_provider().into())
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .expect("a pair");
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("https://{}", listener.local_addr().expect("an address"));
        let server = server.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, server) = (acceptor.clone(), server.clone());
                tokio::spawn(async move {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        server.serve(stream).await;
                    }
                });
            }
        });
        url
    }
}

#[tokio::test]
async fn a_certificate_that_is_not_trusted_names_its_issuer_and_is_never_spoken_to() {
    let (authority, server) = (Authority::new("Shop Corp Proxy CA"), Server::new(&[caller("123456789012")]));
    let url = authority.serve(&server, |_| ()).await;
    let stranger = aws(Settings { endpoint_url: Some(url.clone()), ..Settings::default() });
    let fault = stranger.caller("worker-role", &keys(), "eu-west-1").await.expect_err("not trusted");
    assert_says(
        &fault,
        Reason::AwsCertificateNotTrusted,
        &[&url, "CN=not AWS", "CN=Shop Corp Proxy CA", "--ca-bundle"],
    );
    assert_eq!(server.asked(), 0);
}

#[tokio::test]
async fn with_the_bundle_it_is_trusted_beside_all_others() {
    let (authority, server) = (Authority::new("Shop Corp Proxy CA"), Server::new(&[caller("123456789012")]));
    let folder = tempfile::tempdir().expect("a folder");
    let bundle = folder.path().join("ca.pem");
    fs::write(&bundle, format!("# ours\n{}", authority.pem)).expect("written");
    let url = authority.serve(&server, |_| ()).await;
    let friend = aws(Settings { endpoint_url: Some(url), ca_bundle: Some(bundle.clone()), ..Settings::default() });
    friend.caller("worker-role", &keys(), "eu-west-1").await.expect("trusted");
    let all = friend.bundle_pem().expect("a bundle");
    let of_compiled = webpki_root_certs::TLS_SERVER_ROOT_CERTS.len();
    assert!(all.matches("BEGIN CERTIFICATE").count() > of_compiled, "the compiled-in ones and ours");
    let body: String = authority.pem.lines().filter(|line| !line.starts_with("--")).map(str::trim).collect();
    assert!(all.replace('\n', "").contains(&body), "the configured one");
    let whole = folder.path().join("whole.pem");
    fs::write(&whole, &all).expect("written");
    let settings = Settings { ca_bundle: Some(whole), ..Settings::default() };
    assert_eq!(settings.check(), Ok(()), "an action of a step trusts the whole of it");
    fs::remove_file(bundle).expect("removed");
    let fault = friend.bundle_pem().expect_err("it is gone");
    assert_says(&fault, Reason::InvalidArgument, &["ca.pem", "cannot be read"]);
}

#[tokio::test]
async fn a_certificate_for_another_name_or_time_is_told_from_an_unknown_one() {
    let (authority, server) = (Authority::new("Shop Corp Proxy CA"), Server::new(&[caller("123456789012")]));
    let folder = tempfile::tempdir().expect("a folder");
    let bundle = folder.path().join("ca.pem");
    fs::write(&bundle, &authority.pem).expect("written");
    for (change, parts) in [
        (
            (|params| params.subject_alt_names = Vec::new()) as fn(&mut CertificateParams),
            ["for another name", "CN=Shop Corp Proxy CA"],
        ),
        (|params| params.not_after = rcgen::date_time_ymd(2001, 2, 3), ["is valid from", "set it (NTP)"]),
    ] {
        let url = authority.serve(&server, change).await;
        let settings = Settings { endpoint_url: Some(url), ca_bundle: Some(bundle.clone()), ..Settings::default() };
        let fault = aws(settings).caller("worker-role", &keys(), "eu-west-1").await.expect_err("refused");
        assert_says(&fault, Reason::AwsCertificateNotTrusted, &parts);
    }
    assert_eq!(server.asked(), 0);
}

#[test]
fn a_bundle_that_is_none_is_refused_before_anything_is_asked() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("ca.pem");
    let nonsense = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for (text, part) in [("", "holds no certificate"), ("hello", "holds no certificate"), (nonsense, "number 1")] {
        fs::write(&path, text).expect("written");
        let settings = Settings { ca_bundle: Some(path.clone()), ..Settings::default() };
        assert_says(&settings.check().expect_err("refused"), Reason::InvalidArgument, &["ca.pem", part]);
    }
}
