//! Tokens for AWS, verified by PyJWT against the documents that the issuer serves.

use std::{
    io::Write,
    net::SocketAddr,
    path::Path,
    process::{Command, Output, Stdio},
};

use anyhow::{Context, Result};
use coordinator::{
    Running, clock,
    config::{Config, Settings},
    issuer::{AUDIENCE, Claims, Subject, rotate_at_once},
    seal::Seal,
    store::Store,
    vault::store_id,
};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use service::{shutdown::Shutdown, tls};
use tests::{
    parts::{environment, project},
    world,
};

const ISSUER: &str = "https://deploy.example.com/oidc";
const SUBJECT: &str = "longshore:project:web%20shop:environment:staging:pool:default:step:Who%20am%20I%3F";

#[tokio::test(flavor = "multi_thread")]
async fn pyjwt_takes_a_token_by_the_issuers_name_and_refuses_every_other() -> Result<()> {
    let folder = world::folder()?;
    let shutdown = Shutdown::new();
    let coordinator = issuing(folder.path(), shutdown.clone()).await?;
    let at = coordinator.oidc.context("the issuer is served")?;
    let token = token(&coordinator, clock::now()).await?;

    let taken = verify(&token, at, ISSUER, SUBJECT)?;
    assert!(taken.status.success(), "{}", String::from_utf8_lossy(&taken.stderr));
    let claims: Value = serde_json::from_slice(&taken.stdout)?;
    assert_eq!(
        claims["https://aws.amazon.com/tags"]["principal_tags"],
        json!({ "longshore:deployment": ["web shop -7"] })
    );
    assert_eq!(claims["https://aws.amazon.com/source_identity"], "token-first-admin");

    let another_issuer = "https://deploy.example.com/oidc2";
    assert_refused(&verify(&token, at, another_issuer, SUBJECT)?, "404");
    assert_refused(&verify(&token, at, ISSUER, "longshore:run:pool:default")?, "the subject is");
    let (rest, _) = token.expose_secret().rsplit_once('.').context("three parts")?;
    assert_refused(&verify(&SecretString::from(format!("{rest}.AAAA")), at, ISSUER, SUBJECT)?, "InvalidSignatureError");
    let eleven_minutes_ago = self::token(&coordinator, clock::now() - 11 * 60 * 1000).await?;
    assert_refused(&verify(&eleven_minutes_ago, at, ISSUER, SUBJECT)?, "ExpiredSignatureError");

    withdraw_the_key(&folder.path().join("data")).await?;
    let after = self::token(&coordinator, clock::now()).await?;
    assert!(verify(&after, at, ISSUER, SUBJECT)?.status.success());
    assert_refused(&verify(&token, at, ISSUER, SUBJECT)?, "KeyError");

    shutdown.request();
    coordinator.ended().await;
    Ok(())
}

async fn issuing(folder: &Path, shutdown: Shutdown) -> Result<Running> {
    tls::install_provider();
    let anywhere: Option<SocketAddr> = Some("127.0.0.1:0".parse()?);
    let settings = Settings {
        data_dir: Some(folder.join("data")),
        admin_listen: anywhere,
        join_listen: anywhere,
        worker_listen: anywhere,
        oidc_listen: anywhere,
        oidc_issuer: Some(ISSUER.into()),
        ..Settings::default()
    };
    Ok(coordinator::start(Config::resolve(settings)?, shutdown).await?)
}

async fn token(coordinator: &Running, now: i64) -> Result<SecretString> {
    let claims = Claims {
        subject: Subject::Step {
            project: "web shop".into(),
            environment: "staging".into(),
            pool: "default".into(),
            step: "Who am I?".into(),
        },
        tags: [("longshore:deployment".to_owned(), "web shop #7".to_owned())].into(),
        source_identity: "token first admin".into(),
    };
    Ok(coordinator.issuer.token(&claims, now).await?)
}

async fn withdraw_the_key(data: &Path) -> Result<()> {
    let data = data.to_owned();
    tokio::task::spawn_blocking(move || {
        let store = Store::open(&data)?;
        let seal = Seal::read(&data.join("master.key"), &store_id(&store)?)?;
        rotate_at_once(&store, &seal, clock::now())
    })
    .await??;
    Ok(())
}

pub(crate) fn verify(token: &SecretString, at: SocketAddr, issuer: &str, subject: &str) -> Result<Output> {
    let mut python = Command::new(environment("pyjwt")?);
    python.arg(project().join("tests/aws/verify_token.py"));
    python.args(["--issuer", issuer, "--reach", &format!("http://{at}"), "--audience", AUDIENCE, "--subject", subject]);
    let mut child = python.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    child.stdin.take().context("it reads the token")?.write_all(token.expose_secret().as_bytes())?;
    Ok(child.wait_with_output()?)
}

fn assert_refused(output: &Output, why: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(1) && said.contains(why), "{}: {said}", output.status);
}
