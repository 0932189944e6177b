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
    for page in ["scripts", "steps", "variables"] {
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
    }
    the_most_specific_value_counts(&world)
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

/// The first project of a page.
fn example(page: &str) -> Result<String> {
    let text = fs::read_to_string(project().join(format!("docs/{page}.md")))?;
    let block = text.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next());
    Ok(block.context("a project")?.to_owned())
}
