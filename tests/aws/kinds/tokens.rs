//! Accounts that are had by a token of the coordinator's. The emulator compares a token's issuer, audience and subject with the
//! role's trust policy; it does not look at the signature, which PyJWT does here in its place.

use anyhow::{Context, Result};
use secrecy::SecretString;
use serde_json::Value;
use tests::{World, port::free_port, tap::Tap, trust, world::EVERYTHING};

use super::{account, account_variable, by_account};
use crate::{
    deployed::{Deployed, WHO, step},
    tokens::verify,
};

const ISSUER: &str = "longshore.example.com";
const SUBJECT: &str = "longshore:project:shop:environment:test:pool:default:step:Who%20am%20I";

#[test]
fn a_token_makes_one_step_of_one_project_the_role_and_no_other() -> Result<()> {
    let issuer = format!("https://{ISSUER}");
    let at = format!("127.0.0.1:{}", free_port());
    let mut world = World::start_but("127.0.0.1", |settings| {
        settings.flags = ["--oidc-issuer", &issuer, "--oidc-listen", &at].map(str::to_owned).into();
    })?;
    let provider = [("Url", issuer.as_str()), ("ClientIDList.member.1", "sts.amazonaws.com")];
    world.aws().as_root("iam", "CreateOpenIDConnectProvider", &provider)?;
    let trusts = trust::subjects(ISSUER, &[SUBJECT, "longshore:account-test:account:shop-token"]);
    let role = world.aws().create_role("deployer", &trusts, EVERYTHING)?;
    for name in ["shop-token", "other-token"] {
        account(&world, &[name, "aws-oidc", "--role-arn", &role])?;
    }
    world.aws().create_instance_role("one-role", EVERYTHING)?;
    let tap = Tap::before(world.aws().url().trim_start_matches("http://"))?;
    let mut host = world.unstarted_host("one", tests::Instance::with_role("one-role"))?;
    host.host.settings_mut().aws_endpoint_url = Some(tap.url());
    world.bring_up(&mut host.host, "default")?;

    world.cli().ok(&["account", "test", "shop-token"])?;
    let other = world.cli().refused(1, &["account", "test", "other-token"])?;
    assert!(other.stdout.contains("does not take the web identity"), "another subject: {other}");
    let deployed = deploy(&world, "shop")?;
    let session = "longshore-shop-1-Who-am-I-1-one";
    assert_eq!(deployed.who("Who am I")?, format!("arn:aws:sts::123456789012:assumed-role/deployer/{session}"));
    assert_eq!(deployed.source("Who am I")?, "account shop-token");
    is_a_good_token(&tap, &at, &deployed)?;

    let thief = deploy(&world, "thief")?;
    refused(&world, &thief, "WEB_IDENTITY_REFUSED", &[&role, "subject"])?;
    assert!(thief.attempt("Who am I")["identity"].is_null(), "{:#}", thief.shown);
    let rows = super::releases::of(&world, "shop-token")?;
    assert!(rows[1]["detail"].as_str().is_some_and(|detail| detail.contains(session)), "{rows:#?}");

    world.coordinator_mut().stop()?;
    world.coordinator_mut().settings_mut().flags.clear();
    world.coordinator_mut().restart()?;
    host.host.connected(world.cli())?;
    let without = deploy(&world, "shop")?;
    refused(&world, &without, "OIDC_NOT_CONFIGURED", &["--oidc-issuer"])?;
    let test = world.cli().refused(1, &["account", "test", "shop-token"])?;
    assert!(test.to_string().contains("--oidc-issuer"), "{test}");
    Ok(())
}

fn deploy<'a>(world: &'a World, project: &str) -> Result<Deployed<'a>> {
    let ran = world.folder().join(format!("{project}-ran"));
    let _ = std::fs::remove_file(&ran);
    let script = format!("import pathlib; pathlib.Path('{}').touch()\n{WHO}", ran.display());
    let steps = [step("Who am I", &[&by_account("AWS Account")], "python", &script)];
    Deployed::to_its_end(world, project, &account_variable("AWS Account", "shop-token"), &steps)
}

fn refused(world: &World, deployed: &Deployed<'_>, code: &str, parts: &[&str]) -> Result<()> {
    let log = deployed.log("Who am I").unwrap_or_default();
    let said = format!("{:#}\n{log}", deployed.shown);
    assert_eq!((deployed.shown["state"].as_str(), deployed.code("Who am I")), (Some("failed"), code), "{said}");
    for part in parts {
        assert!(said.contains(part), "there is no {part} in {said}");
    }
    let project = deployed.shown["project"].as_str().context("a project")?;
    assert!(!world.folder().join(format!("{project}-ran")).exists(), "nothing was started: {said}");
    Ok(())
}

/// What the worker showed STS: who it is for, and that nobody but the issuer made it.
fn is_a_good_token(tap: &Tap, issuer_at: &str, deployed: &Deployed<'_>) -> Result<()> {
    let heard = tap.heard();
    let token = heard.split_once("WebIdentityToken=").context("the worker showed a token")?.1;
    let token = token.split(['&', '\r', '\n', ' ']).next().unwrap_or_default();
    let token = SecretString::from(token[..token.len().min(8192)].to_owned());
    let issuer = format!("https://{ISSUER}");
    let taken = verify(&token, issuer_at.parse()?, &issuer, SUBJECT)?;
    assert!(taken.status.success(), "{}", String::from_utf8_lossy(&taken.stderr));
    let claims: Value = serde_json::from_slice(&taken.stdout)?;
    let life = claims["exp"].as_i64().zip(claims["iat"].as_i64()).map(|(end, start)| end - start);
    assert_eq!(life, Some(600), "{claims:#}");
    let tags = &claims["https://aws.amazon.com/tags"]["principal_tags"];
    assert_eq!(tags["longshore:deployment"][0], deployed.id.as_str(), "{claims:#}");
    assert_eq!((&tags["longshore:project"][0], &tags["longshore:worker"][0]), (&"shop".into(), &"one".into()));
    Ok(())
}
