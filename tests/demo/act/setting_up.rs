//! Login, pools, two workers by one-time join strings, an environment, accounts that are tested, a project.

use anyhow::{Context, Result, ensure};
use tests::{Cli, WorkerHost, parts::project};

use crate::{cast::Cast, stage::Stage};

/// What may be found nowhere at the end, by what it is called.
pub(crate) struct Secrets(pub(crate) Vec<(&'static str, String)>);

/// A database's password, of this demo alone.
const PASSWORD: &str = "correct-horse-battery-staple";

pub(crate) fn play(stage: &mut Stage, cast: &mut Cast) -> Result<Secrets> {
    stage.heading("An admin logs in");
    let (token, ca) = (cast.coordinator.token_file(), cast.coordinator.ca_file());
    let (token, ca) = (token.to_string_lossy(), ca.to_string_lossy());
    stage.run(
        &cast.cli,
        &["login", "--coordinator", &cast.coordinator.url(), "--token-file", &token, "--ca-file", &ca],
    )?;

    stage.heading("Two workers join, each with a string that is good once");
    stage.run(&cast.cli, &["pool", "create", "production-workers"])?;
    let first = join(stage, &cast.cli, &mut cast.build_host, "default")?;
    let second = join(stage, &cast.cli, &mut cast.deploy_host, "production-workers")?;
    stage.run(&cast.cli, &["worker", "list"])?;
    let again = cast.deploy_host.join(&first)?;
    stage.check_that("a join string that was used is refused", again.code != 0, &again.to_string());

    stage.heading("An AWS account, saved and tested");
    stage.run(&cast.cli, &["environment", "create", "staging"])?;
    stage.run(&cast.cli, &["environment", "create", "production"])?;
    for account in ["shop-staging", "shop-production"] {
        save_account(stage, cast, account)?;
    }
    let wrong =
        ["account", "create", "shop-typo", "aws", "--access-key-id", &cast.key.id, "--secret-key-stdin", "--test"];
    stage.show_command_line("longshore account create shop-typo aws … --test   < a wrong secret key");
    let refused = cast.cli.run_with_input(&wrong, "not-the-secret-key-of-this-access-key-id")?;
    stage.show(&refused.stderr);
    stage.check("a wrong secret key is found out when it is saved", "1", &refused.code.to_string());

    stage.heading("A project, applied from a file");
    let folder = project().join("deploy/examples/web-shop");
    stage.run(&cast.cli, &["project", "validate", "-f", &folder.to_string_lossy()])?;
    stage.run(&cast.cli, &["project", "apply", "-f", &folder.to_string_lossy()])?;
    let set = ["variable", "set", "web-shop", "Db.Password", "--sensitive"];
    stage.run_with_input(&cast.cli, &set, Some(("the database's password", PASSWORD)))?;

    Ok(Secrets(vec![
        ("the account's secret key", cast.key.secret.clone()),
        ("the database's password", PASSWORD.into()),
        ("a join string", first),
        ("a join string", second),
    ]))
}

fn join(stage: &mut Stage, cli: &Cli, host: &mut WorkerHost, pool: &str) -> Result<String> {
    let arguments = ["worker", "invite", "--pool", pool, "--name", host.name()];
    stage.show_command_line(&format!("longshore {}", arguments.join(" ")));
    let invitation = cli.json(&arguments)?;
    let join_string = invitation["join_string"].as_str().context("an invitation without a join string")?.to_owned();
    stage.show("LSJ1.… (a secret, good once)");
    stage.show_command_line("longshore-worker join --join-string-file -   < the join string");
    let answer = host.join(&join_string)?;
    stage.show(&answer.stdout);
    stage.show(&answer.stderr);
    ensure!(answer.code == 0, "{} could not join: {answer}", host.name());
    stage.show_command_line("longshore-worker run &");
    host.start()?;
    host.connected(cli)?;
    Ok(join_string)
}

fn save_account(stage: &mut Stage, cast: &Cast, name: &str) -> Result<()> {
    let arguments = ["account", "create", name, "aws", "--access-key-id", &cast.key.id, "--secret-key-stdin", "--test"];
    let said = stage.run_with_input(&cast.cli, &arguments, Some(("the secret key", &cast.key.secret)))?;
    stage.check_that(
        &format!("AWS says who {name} is"),
        said.contains("arn:aws:iam::123456789012:user/shop"),
        "the answer does not hold arn:aws:iam::123456789012:user/shop",
    );
    Ok(())
}
