//! Accounts with a key: what of it a step gets, and what happens when it is exchanged.

use std::{fs, path::Path, time::Duration};

use anyhow::{Context, Result};
use serde_json::Value;
use tests::{AccessKey, World, canary, trust, until, world::EVERYTHING};

use super::{account_variable, by_account, wait_for};
use crate::deployed::{Deployed, WHO, begun, step};

/// 60 seconds: a step on a busy machine.
const SOON: Duration = Duration::from_secs(60);

#[test]
fn a_step_gets_a_session_and_the_key_itself_only_where_its_account_says_so() -> Result<()> {
    let world = World::start()?;
    let host = world.ec2_host("one", "default")?;
    let key = world.deployer("shop")?;
    for (name, flags) in [("session", &[][..]), ("raw", &["--delivery", "raw"]), ("withheld", &["--no-expose-keys"])] {
        save(&world, name, &key, flags)?;
    }
    let variables =
        [("Session", "session"), ("Raw", "raw"), ("Withheld", "withheld")].map(|(name, it)| account_variable(name, it));
    let (first, second) = (world.folder().join("first"), world.folder().join("second"));
    let reads =
        |variable: &str| format!("key=$(get_octopusvariable {variable}.SecretKey)\necho \"it has ${{#key}} letters\"");
    let steps = [
        step(
            "Of a session",
            &[&by_account("Session")],
            "bash",
            &format!("python3 - <<'EOF'\n{WHO}EOF\n{}", wait_for(&first)),
        ),
        step(
            "That reads",
            &[&by_account("Session")],
            "bash",
            &format!("{}\necho reading\n{}", reads("Session"), wait_for(&second)),
        ),
        step("Of the key", &[&by_account("Raw")], "python", WHO),
        step(
            "That may not read",
            &[&by_account("Withheld")],
            "bash",
            &format!("python3 - <<'EOF'\n{WHO}EOF\n{}", reads("Withheld")),
        ),
    ];
    let id = begun(&world, "delivering", &variables.join("\n"), &steps)?;
    until("the first step to say who it is", SOON, || {
        Ok(world.log(&id, "Of a session")?.contains("I am ").then_some(()))
    })?;
    let at_worker = [host.host.data_dir(), host.host.runtime_dir()];
    let held = |folders: &[&Path]| canary::files_that_hold(&[&key.secret], folders);
    assert_eq!(held(&at_worker), Vec::<std::path::PathBuf>::new(), "the key never came to the worker");
    fs::write(&first, "")?;
    until("the second step to be there", SOON, || {
        Ok((world.deployment(&id)?["steps"][1]["attempts"][0]["state"] == "running").then_some(()))
    })?;
    until("it to have read", SOON, || Ok(world.log(&id, "That reads")?.contains("reading").then_some(())))?;
    assert!(!held(&at_worker[1..]).is_empty(), "it is in memory now, for the script that reads it");
    assert_eq!(held(&at_worker[..1]), Vec::<std::path::PathBuf>::new(), "and never on disk");
    fs::write(&second, "")?;

    let deployed = Deployed::after(&world, id)?;
    for name in ["Of a session", "Of the key", "That may not read"] {
        assert_eq!(deployed.who(name)?, trust::user("shop"));
    }
    for name in ["Of a session", "That may not read"] {
        let log = deployed.log(name)?;
        assert!(log.contains(" by ASIA") && log.contains(" with a token"), "{log}");
        assert!(!log.contains(&key.id), "the key is not what signs: {log}");
    }
    assert!(deployed.log("Of the key")?.contains(&format!(" by {} without a token", key.id)));
    assert!(deployed.log("That reads")?.contains(&format!("it has {} letters", key.secret.len())));
    let log = deployed.log("That may not read")?;
    assert!(log.contains("KEYS_NOT_EXPOSED: the script reads \"Withheld.SecretKey\""), "{log}");
    assert!(log.contains("the account \"withheld\" forbids that"), "{log}");
    assert!(log.contains("it has 0 letters"), "{log}");
    // All three accounts have the same key, so each has a row for every step that it was sent to.
    let itself = "the access key itself, which the step reads by name";
    for (name, times) in [("That reads", 1), ("Of the key", 1), ("Of a session", 0), ("That may not read", 0)] {
        let rows = super::releases::of(&world, "session")?;
        let details = rows.iter().filter_map(|row| row["detail"].as_str());
        let told = details.filter(|it| it.contains(itself) && it.contains(&format!("step \"{name}\""))).count();
        assert_eq!(told, times, "{name}: {rows:#?}");
    }
    Ok(())
}

#[test]
fn a_running_step_keeps_its_session_while_the_account_gets_another_key() -> Result<()> {
    let world = World::start()?;
    let _host = world.ec2_host("one", "default")?;
    let old = world.deployer("shop")?;
    save(&world, "shop", &old, &[])?;
    let (first, second) = (world.folder().join("first"), world.folder().join("second"));
    let waits_and_asks = |file: &Path| format!("echo begun\n{}\npython3 - <<'EOF'\n{WHO}EOF", wait_for(file));
    let variables = account_variable("AWS Account", "shop");
    let steps = [("Before", &first), ("After", &second)]
        .map(|(name, file)| step(name, &[&by_account("AWS Account")], "bash", &waits_and_asks(file)));
    let id = begun(&world, "rotating", &variables, &steps)?;
    let has_begun =
        |name: &str| until("a step to begin", SOON, || Ok(world.log(&id, name)?.contains("begun").then_some(())));
    has_begun("Before")?;
    let new = world.aws().create_access_key("shop")?;
    let update = ["account", "update", "shop", "--access-key-id", &new.id, "--secret-key-stdin"];
    world.cli().ok_with_input(&update, &new.secret)?;
    fs::write(&first, "")?;
    until("the second step to be there", SOON, || {
        Ok((world.deployment(&id)?["steps"][1]["attempts"][0]["state"] == "running").then_some(()))
    })?;
    has_begun("After")?;
    let deactivate = [("UserName", "shop"), ("AccessKeyId", old.id.as_str()), ("Status", "Inactive")];
    world.aws().as_root("iam", "UpdateAccessKey", &deactivate)?;
    let refused = world.aws().call(&old, "sts", "GetCallerIdentity", &[]);
    assert!(refused.is_err(), "the old key is dead");
    fs::write(&second, "")?;

    let deployed = Deployed::after(&world, id)?;
    assert_eq!((deployed.who("Before")?, deployed.who("After")?), (trust::user("shop"), trust::user("shop")));
    let releases = super::releases::of(&world, "shop")?;
    let keys: Vec<_> = releases.iter().map(|row| row["detail"].as_str().unwrap_or_default()).collect();
    assert!(keys.len() == 2 && keys[0].contains(&new.id) && keys[1].contains(&old.id), "newest first: {keys:#?}");
    assert!(world.cli().run(&["account", "test", "shop"])?.code == 0);
    Ok(())
}

#[test]
fn a_role_is_had_with_the_external_id_that_was_made_for_the_account_and_not_without() -> Result<()> {
    let world = World::start()?;
    let _host = world.ec2_host("one", "default")?;
    let key = world.deployer("shop")?;
    let ran = world.folder().join("ran");
    let trusts = |id| trust::callers(&[&trust::user("shop")], Some(id));
    let deployer = world.aws().create_role("deployer", &trusts("of-somebody-else"), EVERYTHING)?;
    let stranger = trust::callers(&[&trust::user("nobody")], None);
    let closed = world.aws().create_role("closed", &stranger, EVERYTHING)?;
    let made = save(&world, "shop-role", &key, &["--role-arn", &deployer])?;
    save(&world, "shop-closed", &key, &["--role-arn", &closed])?;
    let external_id = made["external_id"].as_str().context("an external id")?;
    assert!(external_id.len() >= 32, "nobody guesses it: {external_id}");

    let variables =
        [("AWS Account", "shop-role"), ("Closed", "shop-closed")].map(|(name, it)| account_variable(name, it));
    let touches = format!("import pathlib; pathlib.Path('{}').touch()\n{WHO}", ran.display());
    let steps = [("Who", "AWS Account"), ("Else", "Closed")]
        .map(|(name, variable)| step(name, &["condition: always", &by_account(variable)], "python", &touches));
    let wrong = Deployed::to_its_end(&world, "web-shop", &variables.join("\n"), &steps)?;
    for (name, role, account) in [("Who", &deployer, "shop-role"), ("Else", &closed, "shop-closed")] {
        let said = format!("{}{}", wrong.step(name), wrong.log(name)?);
        assert_eq!(wrong.code(name), "ASSUME_ROLE_REFUSED", "{said}");
        for part in [role.as_str(), account, "trust policy", "external id", "sts:TagSession"] {
            assert!(said.contains(part), "there is no {part} in {said}");
        }
    }
    assert!(!ran.exists(), "nothing was started");
    let test = world.cli().refused(1, &["account", "test", "shop-role"])?;
    assert!(test.stdout.contains("sts:AssumeRole") && test.stdout.contains("with the external id"), "{test}");

    world.aws().update_trust("deployer", &trusts(external_id))?;
    let test = world.cli().json(&["account", "test", "shop-role"])?;
    let arn = test["results"][0]["identity"]["arn"].as_str().unwrap_or_default();
    assert!(arn.contains(":assumed-role/deployer/longshore-run-") && arn.ends_with("-1-coordinator"), "{test:#}");
    let right = Deployed::to_its_end(&world, "web-shop", &variables.join("\n"), &steps[..1])?;
    let session = "longshore-web-shop-2-Who-1-one";
    assert_eq!(right.who("Who")?, format!("arn:aws:sts::123456789012:assumed-role/deployer/{session}"));
    assert_eq!(right.source("Who")?, "account shop-role");
    super::releases::tell_both(&world, &wrong, &right, session)
}

/// Saves a key as an account; answers the account.
fn save(world: &World, name: &str, key: &AccessKey, flags: &[&str]) -> Result<Value> {
    let create =
        ["account", "create", name, "aws", "--access-key-id", &key.id, "--secret-key-stdin", "--output", "json"];
    let shown = world.cli().ok_with_input(&[&create[..], flags].concat(), &key.secret)?;
    serde_json::from_str(&shown).with_context(|| format!("no JSON: {shown}"))
}
