//! Tokens and the rotation of keys in a real store; other times are arguments.

use jsonwebtoken::{
    Algorithm, DecodingKey, Validation, decode, decode_header,
    jwk::{JwkSet, ThumbprintHash},
};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{documents::Jwks, *};
use crate::audit;

const DAY: i64 = 24 * 3600 * 1000;
/// 2026-01-01.
const START: i64 = 1_767_225_600_000;

struct World {
    _folder: TempDir,
    store: Store,
    seal: Seal,
    issuer: Issuer,
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(folder.path()).expect("a store");
        let seal = Seal::make(&folder.path().join("master.key"), "store-1").expect("a master key");
        let url = "https://deploy.example.com/oidc".parse().expect("a url");
        let issuer = Issuer::open(url, store.clone(), seal.clone(), START).await.expect("an issuer");
        Self { _folder: folder, store, seal, issuer }
    }

    async fn jwks(&self) -> JwkSet {
        let keys = self.issuer.0.as_ref().expect("enabled").ring.keys().await.expect("keys");
        let keys = keys.iter().map(|opened| opened.jwk().clone()).collect();
        serde_json::from_value(serde_json::to_value(Jwks { keys }).expect("JSON")).expect("a set of keys")
    }

    async fn kids(&self) -> Vec<String> {
        self.jwks().await.keys.into_iter().filter_map(|key| key.common.key_id).collect()
    }

    /// Name of the key that signs at a time.
    async fn signer(&self, now: i64) -> String {
        let token = self.issuer.token(&claims(), now).await.expect("a token");
        decode_header(token.expose_secret()).expect("a header").kid.expect("a key's name")
    }

    async fn rotate(&self, now: i64) -> i64 {
        keeper::rotate(&self.store, &self.seal, now).await.expect("rotated")
    }
}

fn claims() -> Claims {
    Claims {
        subject: Subject::Step {
            project: "web shop".into(),
            environment: "staging".into(),
            pool: "default".into(),
            step: "Who am I?".into(),
        },
        tags: [("longshore:deployment", "web shop #7"), ("longshore:step", "Who am I?")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
        source_identity: "token first admin".into(),
    }
}

#[tokio::test]
async fn a_token_says_to_aws_who_and_for_how_long() {
    let world = World::new().await;
    let token = world.issuer.token(&claims(), START + 999).await.expect("a token");
    let header = decode_header(token.expose_secret()).expect("a header");
    let jwks = world.jwks().await;
    let jwk = jwks.find(&header.kid.clone().expect("a key's name")).expect("it is published");
    assert_eq!(jwk.thumbprint(ThumbprintHash::SHA256).ok(), header.kid);
    let mut validation = Validation::new(Algorithm::RS256);
    validation.set_audience(&[AUDIENCE]);
    validation.set_issuer(&["https://deploy.example.com/oidc"]);
    // The token's time is the test's, not the clock's.
    validation.validate_exp = false;
    let key = DecodingKey::from_jwk(jwk).expect("a key");
    let mut said = decode::<Value>(token.expose_secret(), &key, &validation).expect("a good signature").claims;
    let jti = said.as_object_mut().expect("an object").remove("jti").expect("a number of its own");
    assert_eq!(jti.as_str().and_then(|jti| jti.parse::<Uuid>().ok()).map(|jti| jti.get_version_num()), Some(4));
    let second = START / 1000;
    assert_eq!(
        said,
        json!({
            "iss": "https://deploy.example.com/oidc",
            "aud": "sts.amazonaws.com",
            "sub": "longshore:project:web%20shop:environment:staging:pool:default:step:Who%20am%20I%3F",
            "iat": second,
            "nbf": second - 60,
            "exp": second + 600,
            "https://aws.amazon.com/tags": {
                "principal_tags": { "longshore:deployment": ["web shop -7"], "longshore:step": ["Who am I-"] },
                "transitive_tag_keys": ["longshore:deployment", "longshore:step"],
            },
            "https://aws.amazon.com/source_identity": "token-first-admin",
        })
    );
}

#[tokio::test]
async fn two_tokens_for_the_same_step_are_two() {
    let world = World::new().await;
    let one = world.issuer.token(&claims(), START).await.expect("a token");
    let other = world.issuer.token(&claims(), START).await.expect("a token");
    assert_ne!(one.expose_secret(), other.expose_secret());
    assert!(!format!("{one:?}").contains(one.expose_secret()), "a token is a secret");
}

#[tokio::test]
async fn without_an_issuer_a_token_is_refused_with_the_flag_that_makes_one() {
    let fault = Issuer::disabled().token(&claims(), START).await.expect_err("no issuer");
    assert_eq!(fault.reason, Reason::OidcNotConfigured);
    assert!(fault.sentence.contains("--oidc-issuer"), "{fault}");
    assert_eq!(Issuer::disabled().url(), None);
}

#[tokio::test]
async fn a_subject_that_aws_would_not_take_gets_no_token() {
    let world = World::new().await;
    let claims = Claims { subject: Subject::Run { pool: "x".repeat(300) }, ..claims() };
    assert_eq!(world.issuer.token(&claims, START).await.expect_err("too long").reason, Reason::InvalidName);
}

#[tokio::test]
async fn keys_come_sign_and_go_and_the_audit_log_knows() {
    let world = World::new().await;
    let first = world.signer(START).await;
    assert_eq!(world.kids().await, std::slice::from_ref(&first));
    let made = world.rotate(START).await;
    assert_eq!(made, START + 83 * DAY);

    let gone = world.rotate(made).await;
    let second = world.kids().await.pop().expect("two keys");
    assert_eq!(world.kids().await, [first.clone(), second.clone()]);
    assert_eq!(world.signer(START + 90 * DAY - 1).await, first);
    assert_eq!(world.signer(START + 90 * DAY).await, second);

    world.rotate(gone - 1).await;
    assert_eq!(world.kids().await, [first.clone(), second.clone()]);
    world.rotate(gone).await;
    assert_eq!(world.kids().await, std::slice::from_ref(&second));

    let lines = world.store.read(|connection| audit::list(connection, None, None, 9)).await.expect("the log");
    let told: Vec<_> = lines.iter().rev().map(|line| (line.action.as_str(), line.target.clone(), line.at)).collect();
    let action = "oidc.rotate";
    assert_eq!(told, [(action, first.clone(), START), (action, second, made), (action, first, gone)]);
    assert!(lines[1].detail.contains("2026-04-01T00:00:00Z"), "{}", lines[1].detail);
}

#[tokio::test]
async fn keys_outlive_the_coordinator_that_made_them() {
    let world = World::new().await;
    let url = world.issuer.url().expect("enabled").clone();
    let again = Issuer::open(url, world.store.clone(), world.seal.clone(), START + DAY).await.expect("opened again");
    let token = again.token(&claims(), START + DAY).await.expect("a token");
    assert_eq!(decode_header(token.expose_secret()).expect("a header").kid, world.kids().await.pop());
}

async fn rotated_at_once(world: &World, now: i64) -> Result<Rotated, Fault> {
    let (store, seal) = (world.store.clone(), world.seal.clone());
    tokio::task::spawn_blocking(move || rotate_at_once(&store, &seal, now)).await.expect("it does not panic")
}

#[tokio::test]
async fn in_an_emergency_the_published_key_signs_at_once_and_the_other_is_gone() {
    let world = World::new().await;
    let first = world.signer(START).await;
    let now = START + 84 * DAY;
    world.rotate(now).await;
    let second = world.kids().await.pop().expect("two keys");

    let rotated = rotated_at_once(&world, now + DAY).await.expect("rotated");
    assert_eq!(rotated, Rotated { kid: second.clone(), published_at: now, withdrawn: vec![first] });
    assert_eq!((world.signer(now + DAY).await, world.kids().await), (second.clone(), vec![second.clone()]));
    assert_eq!(world.rotate(now + DAY).await, now + DAY + 83 * DAY, "the rotation goes on from there");
    let line = world.store.read(|connection| audit::list(connection, None, None, 1)).await.expect("the log").remove(0);
    assert_eq!((line.action.as_str(), line.target), ("oidc.rotate", second));
}

#[tokio::test]
async fn in_an_emergency_without_a_published_key_a_new_one_signs() {
    let world = World::new().await;
    let first = world.signer(START).await;
    let rotated = rotated_at_once(&world, START + 1).await.expect("rotated");
    assert_eq!((rotated.withdrawn, rotated.published_at), (vec![first.clone()], START + 1));
    assert_ne!(rotated.kid, first);
    assert_eq!((world.signer(START + 1).await, world.kids().await), (rotated.kid.clone(), vec![rotated.kid]));
}

#[tokio::test]
async fn there_is_no_emergency_where_there_are_no_keys() {
    let world = World::new().await;
    let dropped = |connection: &rusqlite::Connection| {
        use crate::store::Stored;
        connection.execute("DELETE FROM oidc_key", []).map(drop).stored("removing")
    };
    world.store.write(dropped).await.expect("removed");
    assert_eq!(rotated_at_once(&world, START).await.expect_err("no key").reason, Reason::OidcNotConfigured);
    assert!(world.issuer.token(&claims(), START).await.is_err(), "a key that the store does not have never signs");
}
