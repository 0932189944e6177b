//! Accounts: saved, tested, never readable back, and what wrong ones get.

use anyhow::Result;
use tests::{AccessKey, World};

#[test]
fn an_account_is_tested_from_the_coordinator_and_from_a_worker() -> Result<()> {
    let world = World::start()?;
    let key = world.deployer("shop")?;
    world.account("shop", &key)?;
    let host = world.ec2_host("one", "default")?;
    for (from, asked_from) in [(&[][..], "coordinator"), (&["--pool", "default"], "one"), (&["--worker", "one"], "one")]
    {
        let test = world.cli().json(&[&["account", "test", "shop"], from].concat())?;
        let text = test.to_string();
        assert!(text.contains("arn:aws:iam::123456789012:user/shop"), "{test:#}");
        assert_eq!(test["results"][0]["asked_from"], asked_from, "{test:#}");
    }
    drop(host);
    let shown = world.cli().ok(&["account", "show", "shop", "--output", "json"])?;
    assert!(!shown.contains(&key.secret), "a secret key is never readable back");
    Ok(())
}

#[test]
fn a_wrong_secret_key_is_an_answer_that_says_who_refused_and_what_to_check() -> Result<()> {
    let world = World::start()?;
    let key = world.deployer("shop")?;
    let wrong = AccessKey { secret: "wrong/secret/key/wrong/secret/key/wrong1".into(), ..key.clone() };
    let answer = save_and_test(&world, "typo", &wrong)?;
    assert_eq!(answer.code, 1, "{answer}");
    assert!(answer.stderr.contains("AWS") && answer.stderr.contains(&key.id), "{answer}");
    assert!(answer.stderr.to_lowercase().contains("secret"), "it says what to check: {answer}");
    assert!(!answer.to_string().contains(&wrong.secret), "{answer}");
    assert_eq!(world.cli().json(&["account", "list"])?, serde_json::json!([]), "nothing is saved");
    Ok(())
}

#[test]
fn an_unknown_access_key_is_told_from_a_wrong_secret() -> Result<()> {
    let world = World::start()?;
    let unknown = AccessKey {
        id: "AKIAUNKNOWNUNKNOWN00".into(),
        secret: "a-secret-key-that-fits-no-access-key-id1".into(),
        session_token: None,
        expiration: None,
    };
    let answer = save_and_test(&world, "unknown", &unknown)?;
    assert_eq!(answer.code, 1, "{answer}");
    assert!(answer.stderr.contains("AWS does not know"), "{answer}");
    assert!(answer.stderr.contains(&unknown.id), "{answer}");
    Ok(())
}

#[test]
fn a_key_that_was_deactivated_is_one_that_aws_does_not_know_and_no_step_starts_with_it() -> Result<()> {
    let world = World::start()?;
    let key = world.deployer("shop")?;
    world.account("shop", &key)?;
    let _host = world.ec2_host("one", "default")?;
    let deactivate = [("UserName", "shop"), ("AccessKeyId", key.id.as_str()), ("Status", "Inactive")];
    world.aws().as_root("iam", "UpdateAccessKey", &deactivate)?;
    let ran = world.folder().join("ran");
    let touch = format!("touch '{}'", ran.display());
    let run = ["run", "--pool", "default", "--account", "shop", "--region", "eu-west-1", "--", &touch];
    for asked in [&["account", "test", "shop"][..], &run] {
        let answer = world.cli().run(asked)?;
        let said = format!("{}{}", answer.stdout, answer.stderr);
        assert_eq!(answer.code, 1, "{answer}");
        assert!(said.contains("deactivated") && said.contains(&key.id), "{said}");
    }
    assert!(!ran.exists());
    Ok(())
}

#[test]
fn a_key_of_the_wrong_shape_is_refused_and_nothing_is_saved() -> Result<()> {
    let world = World::start()?;
    for (id, hint) in [("ASIAIOSFODNN7EXAMPLE", "ASIA"), ("AKIA", "AKIA"), ("a-secret-key-in-the-wrong-place", "AKIA")]
    {
        let key = AccessKey { id: id.into(), secret: "x".repeat(40), session_token: None, expiration: None };
        let answer = save_and_test(&world, "bad", &key)?;
        assert_eq!(answer.code, 2, "{answer}");
        assert!(answer.stderr.contains(hint), "{answer}");
        assert!(!answer.stderr.contains("a-secret-key"), "it may be a secret: {answer}");
    }
    assert_eq!(world.cli().json(&["account", "list"])?, serde_json::json!([]));
    Ok(())
}

#[test]
fn aws_that_cannot_be_reached_is_not_a_wrong_key() -> Result<()> {
    let nowhere = format!("http://127.0.0.1:{}", tests::port::free_port());
    let world = World::without_aws_but(|settings| settings.aws_endpoint_url = Some(nowhere.clone()))?;
    let key =
        AccessKey { id: "AKIAIOSFODNN7EXAMPLE".into(), secret: "x".repeat(40), session_token: None, expiration: None };
    let answer = save_and_test(&world, "far", &key)?;
    assert_eq!(answer.code, 1, "{answer}");
    assert!(answer.stderr.contains(&nowhere), "it names where AWS was sought: {answer}");
    Ok(())
}

fn save_and_test(world: &World, name: &str, key: &AccessKey) -> Result<tests::Answer> {
    let create = ["account", "create", name, "aws", "--access-key-id", &key.id, "--secret-key-stdin", "--test"];
    world.cli().run_with_input(&create, &key.secret)
}
