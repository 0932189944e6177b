//! What the system says of a step, and that the page about variables names all of it and nothing else.

use std::{collections::BTreeSet, path::Path};

use super::*;
use crate::{
    prepare::{progress, scope},
    store::deployments::StepProgress,
};

#[tokio::test]
async fn a_script_knows_its_worker_and_what_decides_about_the_worker_does_not() {
    let bench = Bench::new().await;
    let spec = bench.spec_of(bash("echo #{Octopus.Machine.Name} #{Octopus.WorkerPool.Name}"), Vec::new()).await;
    assert_eq!(body(&spec.expect("rendered")), "echo red default");
    let refusal = bench.refusal_of(Step { pool: "#{Octopus.Machine.Name}".into(), ..bash("true") }, Vec::new()).await;
    assert_eq!(refusal.reason, "VARIABLE_UNSET", "{}", refusal.detail);
}

#[test]
fn the_page_about_variables_names_what_the_system_says() {
    let mut variables = Variables::new();
    let failed = StepProgress { name: "Name".into(), state: "failed".into(), detail: "So.".into() };
    progress::insert(&[failed], &mut variables);
    let mut known: BTreeSet<String> = variables.iter().map(|variable| variable.name.clone()).collect();
    known.extend(scope::system(&plan(), 0).map(|(name, _)| name.to_owned()));
    known.extend([WORKER_POOL, MACHINE, "Octopus.Action[Name].Output.Value"].map(str::to_owned));

    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/variables.md");
    let page = std::fs::read_to_string(page).expect("the page");
    let section = page.split("## What the system says").nth(1).expect("the section");
    let section = section.split("\n## ").next().unwrap_or_default();
    let cells = section.lines().filter_map(|line| line.strip_prefix("| `")).map(|rest| rest.split(" | ").next());
    let named: BTreeSet<String> = cells
        .flatten()
        .flat_map(|cell| cell.split("`").filter(|part| part.starts_with("Octopus.")).map(str::to_owned))
        .collect();
    assert_eq!(named, known);
}

fn plan() -> Plan {
    Plan {
        id: DeploymentId(Uuid::nil()),
        project: String::new(),
        environment: String::new(),
        number: 1,
        created_by: String::new(),
        process: one(bash("true")),
        snapshot: Snapshot::default(),
    }
}
