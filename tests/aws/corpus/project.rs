//! The project whose steps are a phase of all cases.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};
use tests::World;

use super::case::{Case, Phase};

/// Name of the project: one for all phases, since the stacks stay those of the project that made them.
pub(super) const NAME: &str = "corpus";

/// Writes it with all files of the cases, each in the folder of its name; answers its folder.
pub(super) fn write(world: &World, cases: &[Case], phase: Phase) -> Result<PathBuf> {
    // JSON is YAML.
    let text = json!({ "project": NAME, "steps": steps(cases, phase) }).to_string();
    let folder = world.project(NAME, &text)?;
    for case in cases {
        copy(&case.folder, &folder.join(&case.name)).with_context(|| format!("{} cannot be copied", case.name))?;
    }
    Ok(folder)
}

/// What a case needs comes first, then all cases together.
fn steps(cases: &[Case], phase: Phase) -> Vec<Value> {
    let others = cases.iter().flat_map(|case| {
        let file = |template: &str| format!("{}/{template}", case.name);
        case.first(phase)
            .into_iter()
            .map(move |(name, other)| deploy(&name, &name, &file(&other.template), &other.deploy))
    });
    let own = cases.iter().filter(|case| case.has(phase)).map(|case| match phase {
        Phase::Delete => delete(&case.name),
        _ => {
            let template = format!("{}/{}", case.name, case.template(phase).unwrap_or_default());
            deploy(&case.name, &case.name, &template, &case.end(phase).deploy)
        }
    });
    together(others.collect()).into_iter().chain(together(own.collect())).collect()
}

/// All of them start when what is before them has ended.
fn together(mut steps: Vec<Value>) -> Vec<Value> {
    for step in steps.iter_mut().skip(1) {
        step["start"] = json!("with-previous");
    }
    steps
}

fn deploy(name: &str, stack: &str, template: &str, keys: &Map<String, Value>) -> Value {
    let mut deploy = json!({ "stack": stack, "template": template });
    for (key, value) in keys {
        deploy[key] = value.clone();
    }
    step(name, json!({ "deploy": deploy }))
}

fn delete(stack: &str) -> Value {
    step(stack, json!({ "delete": { "stack": stack } }))
}

fn step(name: &str, action: Value) -> Value {
    json!({
        "name": name,
        "condition": "always",
        "aws": { "identity": "worker-role", "region": tests::emulator::REGION },
        "cloudformation": action,
    })
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &to)?;
        } else {
            fs::copy(entry.path(), &to)?;
        }
    }
    Ok(())
}
