//! Join strings and what becomes of a worker's right to connect.

use std::{fs, time::Duration};

use anyhow::{Context, Result};
use proto::join_string;
use serde_json::Value;
use tests::{Answer, World, until, worker_host::invite_and_join};

/// Exit code of a refusal.
const REFUSED: i32 = 77;
/// Exit code of something that is no join string.
const USAGE: i32 = 64;

#[test]
fn a_join_string_is_good_once() -> Result<()> {
    let world = World::without_aws()?;
    let string = invite(&world, "one", &[])?;
    let first = world.plain_host("one")?.join(&string)?;
    assert_eq!(first.code, 0, "{first}");
    let thief = world.plain_host("thief")?.join(&string)?;
    is_refused(&thief, &string);
    assert_eq!(worker_names(&world)?, ["one"]);
    // The worker is told nothing of why; the admin is.
    let audit = world.cli().json(&["audit", "list"])?;
    let refusals: Vec<&Value> = events(&audit).iter().filter(|event| event["allowed"] == false).collect();
    assert!(
        refusals.iter().any(|event| event["detail"].as_str().is_some_and(|detail| detail.contains("used"))),
        "{audit:#}"
    );
    Ok(())
}

#[test]
fn an_expired_join_string_is_refused() -> Result<()> {
    let world = World::without_aws()?;
    let invitation = world.cli().json(&["worker", "invite", "--pool", "default", "--name", "late", "--ttl", "1s"])?;
    let string = invitation["join_string"].as_str().context("no join string")?.to_owned();
    let end: jiff::Timestamp = invitation["expire_time"].as_str().context("no end")?.parse()?;
    until("the join string to expire", Duration::from_secs(10), || Ok((jiff::Timestamp::now() > end).then_some(())))?;
    let answer = world.plain_host("late")?.join(&string)?;
    is_refused(&answer, &string);
    assert!(worker_names(&world)?.is_empty());
    Ok(())
}

#[test]
fn a_mistyped_join_string_is_found_out_without_asking_anybody() -> Result<()> {
    let world = World::without_aws()?;
    let string = invite(&world, "one", &[])?;
    let mut typed = string.clone().into_bytes();
    let at = typed.len() / 2;
    typed[at] = if typed[at] == b'x' { b'y' } else { b'x' };
    let typed = String::from_utf8(typed)?;
    let answer = world.plain_host("one")?.join(&typed)?;
    assert_eq!(answer.code, USAGE, "{answer}");
    assert!(answer.stderr.contains("checksum"), "{answer}");
    assert!(!answer.stderr.contains(&typed[5..30]), "the string is a secret, mistyped or not");
    // It was not used up by that.
    let answer = world.plain_host("one")?.join(&string)?;
    assert_eq!(answer.code, 0, "{answer}");
    Ok(())
}

#[test]
fn a_join_string_does_not_hand_its_secret_to_another_coordinator() -> Result<()> {
    let world = World::without_aws()?;
    let other = World::without_aws()?;
    let string = invite(&world, "one", &[])?;
    let mut tampered = join_string::decode(&string)?;
    let elsewhere = join_string::decode(&invite(&other, "one", &[])?)?;
    tampered.urls = elsewhere.urls;
    let answer = world.plain_host("one")?.join(&join_string::encode(&tampered))?;
    assert_ne!(answer.code, 0, "{answer}");
    assert!(
        answer.stderr.contains("trust") || answer.stderr.contains("pin") || answer.stderr.contains("authority"),
        "{answer}"
    );
    let audit = other.cli().json(&["audit", "list"])?;
    assert!(!events(&audit).iter().any(|event| event["action"] == "worker.join"), "it was never asked: {audit:#}");
    let answer = world.plain_host("two")?.join(&string)?;
    assert_eq!(answer.code, 0, "the true string is as good as before: {answer}");
    Ok(())
}

#[test]
fn a_revoked_worker_is_cut_off_at_once_and_for_ever() -> Result<()> {
    let world = World::without_aws()?;
    let mut host = world.host("one")?;
    world.cli().ok(&["worker", "revoke", "one", "--reason", "its host was sold"])?;
    until("the session to be closed", Duration::from_secs(2), || {
        let worker = world.cli().json(&["worker", "show", "one"])?;
        Ok((worker["connected"] == false).then_some(()))
    })?;
    host.kill9();
    host.start()?;
    until("the agent to be told", Duration::from_secs(30), || Ok(host.log().contains("revoked").then_some(())))?;
    let worker = world.cli().json(&["worker", "show", "one"])?;
    assert_eq!((&worker["state"], &worker["connected"]), (&"revoked".into(), &false.into()), "{worker:#}");
    Ok(())
}

#[test]
fn a_worker_is_who_its_certificate_says_whatever_it_claims() -> Result<()> {
    let world = World::without_aws()?;
    let one = world.plain_host("one")?;
    invite_and_join(world.cli(), &one, "default", &[])?;
    let mut two = world.plain_host("two")?;
    invite_and_join(world.cli(), &two, "default", &[])?;
    // The second host calls itself by the first one's name and id, with its own certificate.
    fs::copy(one.data_dir().join("id/worker.json"), two.data_dir().join("id/worker.json"))?;
    two.start()?;
    until("a session of the second or a refusal", Duration::from_secs(30), || {
        let worker = world.cli().json(&["worker", "show", "two"])?;
        Ok((worker["connected"] == true || two.ended_early()).then_some(()))
    })?;
    let worker = world.cli().json(&["worker", "show", "one"])?;
    assert_eq!(worker["connected"], false, "nobody may be taken for the first: {worker:#}");
    Ok(())
}

#[test]
fn a_fresh_certificate_is_not_renewed_before_half_its_life() -> Result<()> {
    let world = World::without_aws()?;
    let host = world.host("one")?;
    assert_eq!(world.run_script("hello", "echo hello")?["state"], "succeeded");
    assert!(!host.log().contains("renew"), "{}", host.log());
    Ok(())
}

#[test]
fn a_name_that_a_worker_has_is_not_given_again() -> Result<()> {
    let world = World::without_aws()?;
    let host = world.plain_host("one")?;
    invite_and_join(world.cli(), &host, "default", &[])?;
    let answer = world.cli().refused(1, &["worker", "invite", "--pool", "default", "--name", "one"])?;
    assert!(answer.stderr.contains("one"), "{answer}");
    assert_eq!(worker_names(&world)?, ["one"]);
    Ok(())
}

#[test]
fn labels_and_pool_come_from_the_invitation() -> Result<()> {
    let world = World::without_aws()?;
    world.pool("production")?;
    let mut host = world.plain_host("one")?;
    invite_and_join(world.cli(), &host, "production", &["zone=a", "disk=large"])?;
    host.start()?;
    host.connected(world.cli())?;
    let worker = world.cli().json(&["worker", "show", "one"])?;
    assert_eq!(worker["pool"], "production");
    assert_eq!(worker["labels"], serde_json::json!({ "zone": "a", "disk": "large" }));
    Ok(())
}

fn invite(world: &World, name: &str, more: &[&str]) -> Result<String> {
    let arguments = [&["worker", "invite", "--pool", "default", "--name", name], more].concat();
    let invitation = world.cli().json(&arguments)?;
    Ok(invitation["join_string"].as_str().context("no join string")?.to_owned())
}

fn worker_names(world: &World) -> Result<Vec<String>> {
    let workers = world.cli().json(&["worker", "list"])?;
    let names = workers.as_array().into_iter().flatten();
    Ok(names.filter_map(|worker| worker["name"].as_str().map(str::to_owned)).collect())
}

fn events(audit: &Value) -> &[Value] {
    audit.as_array().map_or(&[], Vec::as_slice)
}

/// Every refusal reads the same, so that nothing can be learned by trying.
fn is_refused(answer: &Answer, string: &str) {
    assert_eq!(answer.code, REFUSED, "{answer}");
    assert!(answer.stderr.contains("audit log"), "it says where the reason is: {answer}");
    assert!(!answer.stderr.contains(string), "a join string is a secret");
}
