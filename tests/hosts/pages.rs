//! The projects that the pages show can be applied, and do what the pages say.

use std::fs;

use anyhow::{Context, Result, ensure};
use tests::{World, parts::project};

#[test]
fn the_examples_of_the_pages_about_steps_scripts_and_variables_run() -> Result<()> {
    let world = World::without_aws()?;
    world.pool("large")?;
    let _small = world.host("small")?;
    for environment in ["production", "test"] {
        world.cli().ok(&["environment", "create", environment])?;
    }
    for page in ["artifacts", "moving-from-octopus", "scripts", "steps", "variables"] {
        let yaml = example(page)?;
        let name = yaml.lines().next().and_then(|line| line.strip_prefix("project: ")).context("a project")?.to_owned();
        world.apply(&name, &yaml)?;
        if yaml.contains("Db.Password") {
            let file = world.folder().join("password");
            fs::write(&file, "correct-horse")?;
            let file = file.display().to_string();
            world.cli().ok(&["variable", "set", &name, "Db.Password", "--sensitive", "--from-file", &file])?;
        }
        let id = world.start_deployment(&name)?;
        let ended = world.ended(&id)?;
        ensure!(ended["state"] == "succeeded", "docs/{page}.md: {ended:#}");
        if page == "moving-from-octopus" {
            let artifacts = world.cli().json(&["artifact", "list", &id])?;
            ensure!(artifacts[0]["name"] == "note.txt", "what a script module left behind: {artifacts:#}");
        }
        if page == "artifacts" {
            its_artifacts_are_there(&world, &id)?;
        }
    }
    the_most_specific_value_counts(&world)?;
    whoever_deploys_is_asked(&world)?;
    variables_are_shared(&world)
}

/// As docs/artifacts.md says of its example.
fn its_artifacts_are_there(world: &World, id: &str) -> Result<()> {
    let to = world.folder().join("artifacts");
    world.cli().ok(&["artifact", "download", id, "--to", &to.display().to_string()])?;
    for file in ["Build/build log.txt", "Build/app of test.tgz", "Check/report.json"] {
        ensure!(to.join(file).exists(), "{file}");
    }
    Ok(())
}

/// As docs/variables.md says of its example.
fn the_most_specific_value_counts(world: &World) -> Result<()> {
    for (environment, expected) in [("production", "3"), ("test", "1")] {
        let id = world.cli().ok(&["deploy", "shop", "--environment", environment, "--detach"])?.trim().to_owned();
        world.ended(&id)?;
        ensure!(world.log(&id, "Migrate")?.trim_end().ends_with('2'), "{environment}");
        ensure!(world.log(&id, "Serve")?.trim_end().ends_with(expected), "{environment}: {}", world.log(&id, "Serve")?);
    }
    world.apply("shop", &example("variables")?.replace("  - name: Serve\n", "  - name: Serve\n    pool: large\n"))?;
    let mut large = world.plain_host("large")?;
    world.bring_up(&mut large, "large")?;
    let id = world.cli().ok(&["deploy", "shop", "--environment", "production", "--detach"])?.trim().to_owned();
    world.ended(&id)?;
    ensure!(world.log(&id, "Serve")?.trim_end().ends_with('5'), "{}", world.log(&id, "Serve")?);
    Ok(())
}

/// As docs/variables.md says of what is asked for.
fn whoever_deploys_is_asked(world: &World) -> Result<()> {
    world.apply("greeter", &numbered("variables", 2)?)?;
    let deploy = ["deploy", "greeter", "--environment", "test", "--detach"];
    let refused = world.cli().refused(1, &deploy)?;
    ensure!(refused.stderr.contains("\"Version\" (Version to deploy)"), "{}", refused.stderr);
    let file = world.folder().join("key.txt");
    fs::write(&file, "canary-licence")?;
    let licence = format!("Licence={}", file.display());
    let given = [&deploy[..], &["--variable", "Version=1.2.3", "--variable-file", &licence]].concat();
    let id = world.cli().ok(&given)?.trim().to_owned();
    world.ended(&id)?;
    ensure!(world.log(&id, "Greet")?.contains("1.2.3 small"), "{}", world.log(&id, "Greet")?);
    let typed = world
        .cli()
        .refused(2, &[&deploy[..], &["--variable", "Version=1", "--variable", "Licence=canary-typed"]].concat())?;
    ensure!(typed.stderr.contains("--variable-file") && !typed.stderr.contains("canary"), "{}", typed.stderr);
    Ok(())
}

/// As docs/variables.md says of projects that take variables from others.
fn variables_are_shared(world: &World) -> Result<()> {
    let early = world.project("web-shop", &numbered("variables", 4)?)?.display().to_string();
    let refused = world.cli().refused(2, &["project", "apply", "-f", &early])?;
    ensure!(refused.stderr.contains("\"company\"") && refused.stderr.contains("does not exist"), "{}", refused.stderr);
    world.apply("company", &numbered("variables", 3)?)?;
    world.apply("web-shop", &numbered("variables", 4)?)?;
    for (environment, region) in [("production", "us-east-1"), ("test", "eu-west-1")] {
        let id = world.cli().ok(&["deploy", "web-shop", "--environment", environment, "--detach"])?.trim().to_owned();
        world.ended(&id)?;
        ensure!(world.log(&id, "Where")?.contains(region), "{environment}");
    }
    let asked = ["--project", "web-shop", "--environment", "production", "--explain", "#{Region}"];
    let told = world.cli().json(&[&["evaluate"][..], &asked].concat())?;
    ensure!(told["text"] == "us-east-1" && told["used"][0]["from"] == "project company", "{told:#}");
    ensure!(told["used"][0]["won_over"][0]["for"] == "everything else", "{told:#}");
    world.cli().refused(1, &["project", "delete", "company"])?;
    let nothing = world.cli().refused(1, &["deploy", "company", "--environment", "test", "--detach"])?;
    ensure!(nothing.stderr.contains("has no steps"), "{}", nothing.stderr);
    Ok(())
}

/// The first project of a page.
fn example(page: &str) -> Result<String> {
    numbered(page, 1)
}

/// The project of a page at a place, from 1.
fn numbered(page: &str, place: usize) -> Result<String> {
    let text = fs::read_to_string(project().join(format!("docs/{page}.md")))?;
    let block = text.split("```yaml\n").nth(place).and_then(|rest| rest.split("```").next());
    Ok(block.context("a project")?.to_owned())
}
