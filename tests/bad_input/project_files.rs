//! Project files with something wrong in them.

use std::fs;

use anyhow::Result;
use serde_json::json;
use tests::World;

/// Every faulty project, and what the sentence about it must hold.
const FAULTY: &[(&str, &str, &[&str])] = &[
    (
        "an unknown key",
        "project: shop\nsteps:\n  - name: One\n    scirpt: { shell: bash, body: \"true\" }\n",
        &["scirpt", "script", "4:"],
    ),
    (
        "a step name twice",
        "project: shop\nsteps:\n  - { name: One, script: { shell: bash, body: \"true\" } }\n  - { name: one, script: { shell: bash, body: \"true\" } }\n",
        &["one", "4:"],
    ),
    (
        "a file that is not there",
        "project: shop\nsteps:\n  - name: One\n    script: { shell: bash, file: scripts/missing.sh }\n",
        &["scripts/missing.sh", "4:"],
    ),
    (
        "a template of 10 MB",
        "project: shop\nsteps:\n  - name: One\n    aws: { identity: worker-role }\n    cloudformation: { deploy: { stack: s, template: big.yaml } }\n",
        &["big.yaml", "1000000"],
    ),
    (
        "a script that is not UTF-8",
        "project: shop\nsteps:\n  - name: One\n    script: { shell: bash, file: latin1.sh }\n",
        &["latin1.sh", "UTF-8"],
    ),
    ("no YAML at all", "project: [shop\n", &["longshore.yaml"]),
    (
        "a file outside the project",
        "project: shop\nsteps:\n  - name: One\n    script: { shell: bash, file: ../secret.sh }\n",
        &["../secret.sh"],
    ),
];

#[test]
fn a_faulty_project_is_refused_with_its_place_and_nothing_is_applied() -> Result<()> {
    let world = World::without_aws()?;
    for (number, (what, yaml, hints)) in FAULTY.iter().enumerate() {
        let folder = world.project(&format!("faulty-{number}"), yaml)?;
        fs::write(folder.join("big.yaml"), "a".repeat(10 << 20))?;
        fs::write(folder.join("latin1.sh"), b"echo caf\xe9\n")?;
        for command in ["validate", "apply"] {
            let answer = world.cli().refused(2, &["project", command, "-f", &folder.to_string_lossy()])?;
            for hint in *hints {
                let said = answer.stderr.replace(['\u{202f}', '\u{a0}'], "");
                assert!(said.contains(hint), "{what}: the sentence has no {hint:?}: {answer}");
            }
        }
    }
    assert_eq!(world.cli().json(&["project", "list"])?, json!([]));
    Ok(())
}

#[test]
fn variables_that_refer_to_each_other_in_a_circle_are_shown_as_a_chain() -> Result<()> {
    let world = World::without_aws()?;
    let host = world.host("one")?;
    let yaml = "project: circle\nvariables:\n  - { name: A, value: \"#{B}\" }\n  - { name: B, value: \"#{C}\" }\n  - { name: C, value: \"#{A}\" }\n\
                steps:\n  - name: Step\n    script: { shell: bash, body: \"echo #{A}\" }\n";
    let folder = world.project("circle", yaml)?;
    let applied = world.cli().run(&["project", "apply", "-f", &folder.to_string_lossy()])?;
    // Found out when it is applied, or, since values differ by environment, when it is deployed: never while a step runs.
    let refused = if applied.code == 0 {
        world.cli().ok(&["environment", "create", "test"])?;
        world.cli().run(&["deploy", "circle", "--environment", "test"])?
    } else {
        applied
    };
    assert!(matches!(refused.code, 1 | 2), "{refused}");
    for name in ["A", "B", "C", "→"] {
        assert!(refused.stderr.contains(name) || refused.stdout.contains(name), "the chain has no {name}: {refused}");
    }
    assert!(host.steps().is_empty());
    Ok(())
}

#[test]
fn a_good_project_stays_as_it_is_when_a_faulty_one_comes() -> Result<()> {
    let world = World::without_aws()?;
    world.apply("shop", "project: shop\nsteps:\n  - { name: One, script: { shell: bash, body: \"true\" } }\n")?;
    let before = world.cli().json(&["project", "show", "shop"])?;
    let folder = world.project("shop", FAULTY[1].1)?;
    world.cli().refused(2, &["project", "apply", "-f", &folder.to_string_lossy()])?;
    assert_eq!(world.cli().json(&["project", "show", "shop"])?, before);
    Ok(())
}
