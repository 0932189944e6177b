//! One source and no other; what it gave stays good while it is silent, and not when it says that there is no role.

use std::{
    fs,
    sync::atomic::{AtomicUsize, Ordering},
};

use super::*;
use crate::{
    config::Options,
    credentials::stand_in::{Reply, StandIn, answer, in_seconds},
    environment::Surroundings,
};

fn asking(name: RoleSourceName, variables: RoleVariables, metadata: &str, aws: &str) -> RoleSource {
    service::tls::install_provider();
    let around = Surroundings { metadata_endpoint: Some(metadata.into()), ..Surroundings::default() };
    let config = Config::resolve(Options::default(), around).expect("sound");
    let config = Config { role_source: name, region: Some("eu-west-1".into()), ..config };
    let settings = aws::Settings { endpoint_url: Some(aws.into()), ..aws::Settings::default() };
    let way = aws::Aws::new(&settings).expect("sound");
    RoleSource::new(&config, variables, &Arc::new(Metadata::new(Some(metadata))), &way)
}

fn source(name: RoleSourceName, variables: RoleVariables, metadata: &str) -> RoleSource {
    asking(name, variables, metadata, NOWHERE)
}

fn document(key: &str, ends_in: i64) -> Reply {
    let ends = in_seconds(ends_in);
    answer(
        200,
        format!(
            r#"{{"Code":"Success","AccessKeyId":"{key}","SecretAccessKey":"s","Token":"t","Expiration":"{ends}"}}"#
        ),
    )
}

/// Metadata whose role document is another one at each question.
async fn metadata(document: impl Fn(usize) -> Reply + Send + Sync + 'static) -> StandIn {
    let asked = AtomicUsize::new(0);
    StandIn::start(move |request| match request.line.as_str() {
        "put /latest/api/token" => answer(200, "token"),
        "get /latest/meta-data/iam/security-credentials/" => answer(200, "shop"),
        _ => document(asked.fetch_add(1, Ordering::Relaxed)),
    })
    .await
}

async fn container() -> (StandIn, RoleVariables) {
    let server = StandIn::start(|_| document("ASIACONTAINER", 3600)).await;
    let variables =
        RoleVariables { container_full_uri: Some(format!("{}/x", server.url())), ..RoleVariables::default() };
    (server, variables)
}

const NOWHERE: &str = "http://127.0.0.1:1";

#[tokio::test]
async fn a_source_that_is_not_there_is_never_replaced_by_another() {
    let instance = metadata(|_| document("ASIAINSTANCE", 3600)).await;
    let (task, variables) = container().await;
    let folder = tempfile::tempdir().expect("a folder");
    let token = folder.path().join("token");
    fs::write(&token, "a-token").expect("written");
    let web_identity = RoleVariables {
        web_identity_token_file: Some(token.display().to_string()),
        role_arn: Some("arn:aws:iam::123456789012:role/pod".into()),
        ..variables.clone()
    };
    for (name, variables, metadata, reason) in [
        (RoleSourceName::Imds, web_identity.clone(), NOWHERE.to_owned(), "NOT_ON_EC2"),
        (RoleSourceName::Container, RoleVariables::default(), instance.url(), "ROLE_SOURCE"),
        (RoleSourceName::WebIdentity, variables.clone(), instance.url(), "ROLE_SOURCE"),
    ] {
        let refusal = source(name, variables, &metadata).session().await.expect_err(reason);
        assert_eq!(refusal.reason, reason, "{}", refusal.detail);
    }
    assert_eq!(instance.requests(), Vec::<String>::new(), "nobody asked the instance");
    assert_eq!(task.requests(), Vec::<String>::new(), "nobody asked the container");

    for (name, key) in [(RoleSourceName::Imds, "ASIAINSTANCE"), (RoleSourceName::Container, "ASIACONTAINER")] {
        let session = source(name, web_identity.clone(), &instance.url()).session().await.expect("a session");
        assert_eq!(session.credentials.access_key_id, key, "both are there, and the named one is taken");
    }
}

#[tokio::test]
async fn a_web_identity_names_the_variable_or_file_that_is_missing() {
    let folder = tempfile::tempdir().expect("a folder");
    let empty = folder.path().join("empty");
    fs::write(&empty, "\n").expect("written");
    let arn = Some("arn:aws:iam::123456789012:role/pod".to_owned());
    let file = |path: &str| Some(path.to_owned());
    for (role_arn, web_identity_token_file, part) in [
        (None, file("/x"), "AWS_ROLE_ARN"),
        (Some("pod".to_owned()), file("/x"), "AWS_ROLE_ARN in the agent's environment, \"pod\", is no ARN"),
        (arn.clone(), None, "AWS_WEB_IDENTITY_TOKEN_FILE"),
        (arn.clone(), file("/nonexistent/token"), "/nonexistent/token"),
        (arn.clone(), file(&empty.display().to_string()), "is empty"),
    ] {
        let variables = RoleVariables { role_arn, web_identity_token_file, ..RoleVariables::default() };
        let refusal = source(RoleSourceName::WebIdentity, variables, NOWHERE).session().await.expect_err(part);
        assert!(refusal.reason == "ROLE_SOURCE" && refusal.detail.contains(part), "{}", refusal.detail);
    }
}

#[tokio::test]
async fn a_web_identity_shows_the_token_that_is_in_its_file_now_and_asks_anew_only_when_the_session_nears_its_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let token = folder.path().join("token");
    let sts = StandIn::start(|request| {
        let key = if request.body.contains("WebIdentityToken=second.token") { "ASIASECOND" } else { "ASIAFIRST" };
        // The first one has ended when the next question comes.
        let ends = in_seconds(if key == "ASIAFIRST" { 0 } else { 3600 });
        answer(
            200,
            format!(
                "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
                 <AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>{key}</AccessKeyId><SecretAccessKey>s</SecretAccessKey>\
                 <SessionToken>t</SessionToken><Expiration>{ends}</Expiration></Credentials></AssumeRoleWithWebIdentityResult>\
                 </AssumeRoleWithWebIdentityResponse>"
            ),
        )
    })
    .await;
    let variables = RoleVariables {
        web_identity_token_file: Some(token.display().to_string()),
        role_arn: Some("arn:aws:iam::123456789012:role/pod".into()),
        ..RoleVariables::default()
    };
    let source = asking(RoleSourceName::WebIdentity, variables, NOWHERE, &sts.url());
    fs::write(&token, "first.token\n").expect("written");
    let session = source.session().await.expect("a session");
    assert_eq!((session.role.as_str(), session.credentials.access_key_id.as_str()), ("pod", "ASIAFIRST"));
    fs::write(&token, "second.token\n").expect("written");
    assert_eq!(source.look().await.session.expect("a session").credentials.access_key_id, "ASIASECOND");
    source.look().await;
    assert_eq!(sts.requests().len(), 2, "what is far from its end is kept");
}

#[tokio::test]
async fn steps_that_start_together_ask_once_and_a_look_asks_again() {
    let instance = metadata(|asked| document(&format!("ASIA{asked}"), 3600)).await;
    let source = source(RoleSourceName::Imds, RoleVariables::default(), &instance.url());
    let (one, other) = tokio::join!(source.session(), source.session());
    let keys = [one, other].map(|session| session.expect("a session").credentials.access_key_id);
    assert_eq!(keys, ["ASIA0", "ASIA0"]);
    let seen = source.look().await.session.expect("a session");
    assert_eq!(seen.credentials.access_key_id, "ASIA1", "an exchange is seen at once");
    let used = source.session().await.expect("a session");
    assert_eq!(used.credentials.access_key_id, "ASIA1", "and used by the next step");
}

#[tokio::test]
async fn a_session_is_served_while_its_source_fails_and_not_when_the_role_is_gone() {
    let instance = metadata(|asked| match asked {
        0 => document("ASIA0", 3600),
        // Three tries each.
        1..=3 => answer(500, ""),
        _ => answer(200, r#"{"Code":"AssumeRoleUnauthorizedAccess","Message":"no"}"#),
    })
    .await;
    let source = source(RoleSourceName::Imds, RoleVariables::default(), &instance.url());
    source.session().await.expect("a session");
    let look = source.look().await;
    assert_eq!(look.problem.map(|problem| problem.reason), Some("IMDS_ANSWER".into()));
    assert_eq!(look.session.map(|session| session.credentials.access_key_id), Some("ASIA0".into()));
    assert_eq!(source.session().await.expect("the kept one").credentials.access_key_id, "ASIA0");
    let look = source.look().await;
    assert!(look.session.is_none(), "what AWS took away is not used on");
    assert_eq!(source.session().await.expect_err("refused").reason, "INSTANCE_ROLE_REFUSED");
}

#[test]
fn what_has_ended_is_not_served() {
    let now = SystemTime::now();
    let past = Credentials { expires_at: 1, ..Credentials::default() };
    let session = Session { role: String::new(), credentials: past, obtained_at: now };
    let mut kept = Kept { session: Some(session), ..Kept::default() };
    kept.take(Err(Missing::source("It is away.", true)), now);
    assert!(kept.look().session.is_none());
}
