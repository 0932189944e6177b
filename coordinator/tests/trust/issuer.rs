//! The issuer as AWS sees it: what strangers may fetch, and that it verifies the tokens made here. The verifying library is one that
//! nobody here wrote.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    process::Command,
    time::{Duration, Instant},
};

use coordinator::{
    clock,
    config::Settings,
    issuer::{AUDIENCE, Claims, Subject},
};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header, errors::ErrorKind, jwk::JwkSet};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use crate::world::{World, files_with, settings};

const URL: &str = "https://deploy.example.com/oidc";
const DISCOVERY: &str = "/oidc/.well-known/openid-configuration";
const JWKS: &str = "/oidc/.well-known/jwks.json";

async fn issuing() -> World {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings {
        oidc_issuer: Some(URL.into()),
        oidc_listen: Some("127.0.0.1:0".parse().unwrap()),
        ..settings(folder.path())
    };
    World::of(folder, settings).await
}

async fn token(world: &World) -> SecretString {
    let claims = Claims {
        subject: Subject::Run { pool: "default".into() },
        tags: [("longshore:pool".to_owned(), "default".to_owned())].into(),
        source_identity: "first-admin".into(),
    };
    world.running.issuer.token(&claims, clock::now()).await.expect("a token")
}

fn address(world: &World) -> SocketAddr {
    world.running.oidc.expect("the issuer's listener")
}

/// Sends these bytes, and answers with everything that comes back until the other side closes.
fn say(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    // Who is not heard to the end is still answered.
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn ask(address: SocketAddr, method: &str, path: &str) -> (u16, String, String) {
    let answer = say(address, format!("{method} {path} HTTP/1.1\r\nHost: deploy.example.com\r\n\r\n").as_bytes());
    let (head, body) = answer.split_once("\r\n\r\n").expect("an answer");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    (status, head.to_ascii_lowercase(), body.to_owned())
}

fn jwks(world: &World) -> JwkSet {
    serde_json::from_str(&ask(address(world), "GET", JWKS).2).expect("a set of keys")
}

fn verify(token: &SecretString, jwks: &JwkSet) -> Result<Value, ErrorKind> {
    let kid = decode_header(token.expose_secret()).expect("a header").kid.expect("a key's name");
    let key = jwks.find(&kid).ok_or(ErrorKind::InvalidSignature)?;
    let mut validation = Validation::new(Algorithm::RS256);
    validation.set_audience(&[AUDIENCE]);
    validation.set_issuer(&[URL]);
    validation.set_required_spec_claims(&["iss", "aud", "sub", "exp", "nbf"]);
    validation.validate_nbf = true;
    let decoded = decode::<Value>(token.expose_secret(), &DecodingKey::from_jwk(key).expect("a key"), &validation);
    decoded.map(|token| token.claims).map_err(|error| error.into_kind())
}

#[tokio::test(flavor = "multi_thread")]
async fn aws_finds_the_keys_by_the_issuers_name_and_they_verify_a_token() {
    let world = issuing().await;
    let (status, head, body) = ask(address(&world), "GET", DISCOVERY);
    assert_eq!(status, 200, "{head}");
    assert!(
        head.contains("content-type: application/json") && head.contains("cache-control: public, max-age=60"),
        "{head}"
    );
    let discovery: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(discovery["issuer"], URL);
    assert_eq!(discovery["jwks_uri"], format!("https://deploy.example.com{JWKS}"));
    assert_eq!(discovery["id_token_signing_alg_values_supported"], serde_json::json!(["RS256"]));

    let claims = verify(&token(&world).await, &jwks(&world)).expect("a good token");
    assert_eq!(claims["sub"], "longshore:run:pool:default");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_public_halves_are_published() {
    let world = issuing().await;
    let published: Value = serde_json::from_str(&ask(address(&world), "GET", JWKS).2).unwrap();
    for key in published["keys"].as_array().unwrap() {
        let members: Vec<&String> = key.as_object().unwrap().keys().collect();
        assert_eq!(members, ["alg", "e", "kid", "kty", "n", "use"]);
    }
    // How a PKCS #8 RSA key begins after its length.
    let pkcs8 = [0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
    assert_eq!(files_with(&world.folder.path().join("data"), &pkcs8), Vec::<std::path::PathBuf>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_get_two_documents_and_nothing_else() {
    let world = issuing().await;
    for (method, path) in [
        ("GET", "/"),
        ("GET", "/oidc"),
        ("GET", "/.well-known/openid-configuration"),
        ("GET", "/.well-known/jwks.json"),
        ("GET", "/oidc/.well-known/jwks.json/"),
        ("GET", "/oidc/../oidc/.well-known/jwks.json"),
        ("GET", "/oidcx/.well-known/jwks.json"),
        ("GET", "/longshore.deployment.v1.AccountService/ListAccounts"),
        ("POST", JWKS),
        ("PUT", DISCOVERY),
        ("DELETE", DISCOVERY),
        ("OPTIONS", JWKS),
    ] {
        let (status, head, body) = ask(address(&world), method, path);
        assert_eq!((status, body.as_str()), (404, ""), "{method} {path}: {head}");
    }
    let (status, head, body) = ask(address(&world), "HEAD", JWKS);
    assert_eq!((status, body.as_str()), (200, ""), "{head}");
    let length = ask(address(&world), "GET", JWKS).2.len();
    assert!(head.contains(&format!("content-length: {length}")), "{head}");
    assert_eq!(ask(address(&world), "GET", &format!("{JWKS}?fresh=1")).0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_sends_too_much_or_too_slowly_is_cut_off_and_others_are_served() {
    let world = issuing().await;
    let address = address(&world);
    let large = format!("GET {JWKS} HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "x".repeat(64 << 10));
    let answer = say(address, large.as_bytes());
    assert!(!answer.contains("200 OK"), "{answer}");
    assert!(!say(address, b"\x16\x03\x01\x02\x00\x01\x00 this is TLS").contains("200 OK"));
    assert!(!say(address, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").contains("200 OK"));

    // As many as there is room for, and none of them says anything.
    let silent: Vec<TcpStream> = (0..64).map(|_| TcpStream::connect(address).unwrap()).collect();
    let began = Instant::now();
    assert_eq!(ask(address, "GET", JWKS).0, 200, "the next one waits until their time is over, and is served");
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    drop(silent);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emergency_rotation_reaches_a_coordinator_that_serves() {
    let world = issuing().await;
    let (before, old_keys) = (token(&world).await, jwks(&world));
    verify(&before, &old_keys).expect("good before");
    let rotated = Command::new(env!("CARGO_BIN_EXE_longshore-coordinator"))
        .args(["oidc", "rotate", "--data-dir"])
        .arg(world.folder.path().join("data"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&rotated.stderr).into_owned();
    assert!(rotated.status.success(), "{said}");
    let kid = String::from_utf8_lossy(&rotated.stdout).trim().to_owned();
    assert!(said.contains(&kid) && said.contains("What this breaks") && said.contains("Revoke"), "{said}");

    // At once for tokens.
    let after = token(&world).await;
    assert_eq!(decode_header(after.expose_secret()).unwrap().kid, Some(kid.clone()));
    assert_eq!(verify(&after, &old_keys), Err(ErrorKind::InvalidSignature), "who has the old keys does not know it");
    // Reading for the token has renewed what is published, too.
    let keys = jwks(&world);
    assert_eq!(keys.keys.len(), 1);
    verify(&after, &keys).expect("good after");
    assert_eq!(verify(&before, &keys), Err(ErrorKind::InvalidSignature), "the key of the token before is withdrawn");
    let line = world.audited(|event| event.action == "oidc.rotate" && event.target == kid).await;
    assert!(line.detail.contains("emergency"), "{line:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_coordinator_without_an_issuer_opens_no_port_and_has_nothing_to_rotate() {
    let world = World::start().await;
    assert_eq!(world.running.oidc, None);
    assert!(world.running.issuer.url().is_none());
    let refused = Command::new(env!("CARGO_BIN_EXE_longshore-coordinator"))
        .args(["oidc", "rotate", "--data-dir"])
        .arg(world.folder.path().join("data"))
        .output()
        .unwrap();
    assert_eq!(refused.status.code(), Some(64));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("--oidc-issuer"));
}
