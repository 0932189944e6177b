//! What a client that knows only a pin believes, over real TLS on loopback.

use std::{net::Ipv4Addr, sync::Arc, time::Duration};

use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use service::{channel, tls};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tonic::{
    client::GrpcService,
    codegen::http::{Request, Uri},
};

struct Authority {
    der: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

fn authority() -> Authority {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let der = params.self_signed(&key).expect("signed").der().clone();
    let issuer = Issuer::from_ca_cert_der(&der, key).expect("an issuer");
    Authority { der, issuer }
}

fn params(names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|&name| name.into()).collect();
    let mut params = CertificateParams::new(names).expect("names");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params
}

/// A server that shows a leaf and this chain behind it; its port.
async fn server(by: &Authority, params: CertificateParams, chain: &[&Authority]) -> u16 {
    tls::install_provider();
    let key = KeyPair::generate().expect("a key");
    let leaf = params.signed_by(&key, &by.issuer).expect("signed");
    let mut shown = vec![leaf.der().clone()];
    shown.extend(chain.iter().map(|authority| authority.der.clone()));
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = tls::server_config(tls::Identity::new(shown, key).expect("an identity"), None).expect("a config");
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            // It shakes hands and hangs up: only the handshake is looked at.
            tokio::spawn(async move { drop(acceptor.accept(stream).await) });
        }
    });
    port
}

/// What a person is told when a call through this channel fails; every call here does.
async fn told(url: &str, config: rustls::ClientConfig) -> String {
    let mut channel = channel::channel(url, config).expect("a url");
    let call = async {
        std::future::poll_fn(|cx| GrpcService::<tonic::body::Body>::poll_ready(&mut channel, cx)).await?;
        let request =
            Request::builder().uri(Uri::from_static("/a.B/C")).body(tonic::body::Body::empty()).expect("a request");
        GrpcService::<tonic::body::Body>::call(&mut channel, request).await
    };
    let failed = tokio::time::timeout(Duration::from_secs(20), call)
        .await
        .expect("an answer")
        .expect_err("no server speaks here");
    channel::explain(&failed)
}

async fn told_with_pin(url: &str, pinned: &Authority) -> String {
    let pin = tls::pin_of(&pinned.der).expect("a pin");
    told(url, tls::pinned_client_config(&[pin]).expect("a config")).await
}

#[tokio::test]
async fn a_pinned_authority_that_vouches_for_the_name_is_believed() {
    let ours = authority();
    let port = server(&ours, params(&["localhost", "127.0.0.1"]), &[&ours]).await;
    for host in ["localhost", "127.0.0.1"] {
        let sentence = told_with_pin(&format!("https://{host}:{port}"), &ours).await;
        assert!(sentence.contains("connection to the coordinator broke"), "the handshake failed: {sentence}");
    }
}

#[tokio::test]
async fn another_authority_is_not_believed_even_behind_the_pinned_ones_certificate() {
    let (ours, theirs) = (authority(), authority());
    let plain = server(&theirs, params(&["localhost"]), &[&theirs]).await;
    let dressed_up = server(&theirs, params(&["localhost"]), &[&theirs, &ours]).await;
    let bare = server(&theirs, params(&["localhost"]), &[]).await;
    for port in [plain, dressed_up, bare] {
        let sentence = told_with_pin(&format!("https://localhost:{port}"), &ours).await;
        assert!(sentence.contains("is not trusted"), "{sentence}");
    }
}

#[tokio::test]
async fn a_leaf_with_the_pinned_key_is_no_authority() {
    tls::install_provider();
    let key = KeyPair::generate().expect("a key");
    let der = params(&["localhost"]).self_signed(&key).expect("signed").der().clone();
    let pin = tls::pin_of(&der).expect("a pin");
    let pkcs8 = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config =
        tls::server_config(tls::Identity::new(vec![der], pkcs8).expect("an identity"), None).expect("a config");
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let port = listener.local_addr().expect("bound").port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            drop(TlsAcceptor::from(Arc::new(config.clone())).accept(stream).await);
        }
    });
    let sentence =
        told(&format!("https://localhost:{port}"), tls::pinned_client_config(&[pin]).expect("a config")).await;
    assert!(sentence.contains("is not trusted"), "{sentence}");
}

#[tokio::test]
async fn the_right_authority_for_another_name_time_or_purpose_is_not_enough() {
    let ours = authority();
    let named = server(&ours, params(&["other.internal"]), &[&ours]).await;
    let sentence = told_with_pin(&format!("https://localhost:{named}"), &ours).await;
    assert!(sentence.contains("not made for the name \"localhost\""), "{sentence}");

    let mut old = params(&["localhost"]);
    old.not_after = rcgen::date_time_ymd(2020, 1, 1);
    let expired = server(&ours, old, &[&ours]).await;
    let sentence = told_with_pin(&format!("https://localhost:{expired}"), &ours).await;
    assert!(sentence.contains("expired"), "{sentence}");

    let mut client = params(&["localhost"]);
    client.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let for_clients = server(&ours, client, &[&ours]).await;
    let sentence = told_with_pin(&format!("https://localhost:{for_clients}"), &ours).await;
    assert!(sentence.contains("is not trusted"), "{sentence}");
}

#[test]
fn nobody_comes_back_into_a_session_of_before() {
    tls::install_provider();
    let ours = authority();
    let key = KeyPair::generate().expect("a key");
    let leaf = params(&["localhost"]).signed_by(&key, &ours.issuer).expect("signed");
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = tls::server_config(tls::Identity::new(vec![leaf.der().clone()], key).expect("an identity"), None)
        .expect("a config");
    assert_eq!(config.send_tls13_tickets, 0);
    assert!(!config.session_storage.can_cache());
    assert_eq!(config.max_early_data_size, 0);
    assert_eq!(config.alpn_protocols, [b"h2"]);
}

#[test]
fn a_key_that_is_not_the_certificates_is_noticed() {
    tls::install_provider();
    let ours = authority();
    let other = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(KeyPair::generate().expect("a key").serialize_der()));
    assert!(tls::Identity::new(vec![ours.der.clone()], other).is_err());
    assert!(tls::roots_from_pem(b"no certificate").is_err());
}
