//! Why a step is not running yet, and what gets it going.

use std::time::Duration;

use anyhow::Result;
use serde_json::Value;
use tests::{World, until, worker_host::invite_and_join};

#[test]
fn a_step_without_a_fitting_worker_says_what_is_missing_and_starts_when_it_comes() -> Result<()> {
    let world = World::without_aws()?;
    world.pool("empty")?;
    let yaml = "project: picky\nsteps:\n  - name: Step\n    pool: empty\n    requires: { zone: b }\n    script: { shell: bash, body: \"echo hello\" }\n";
    world.apply("picky", yaml)?;
    let id = world.start_deployment("picky")?;
    let reason = queue_reason(&world, &id, 0, "empty")?;
    assert!(reason.contains("worker"), "{reason}");

    let mut wrong = world.plain_host("wrong")?;
    invite_and_join(world.cli(), &wrong, "empty", &["zone=a"])?;
    wrong.start()?;
    queue_reason(&world, &id, 0, "zone")?;

    let mut right = world.plain_host("right")?;
    invite_and_join(world.cli(), &right, "empty", &["zone=b"])?;
    right.start()?;
    let deployment = world.ended(&id)?;
    assert_eq!(deployment["state"], "succeeded", "{deployment:#}");
    assert_eq!(deployment["steps"][0]["attempts"][0]["worker"], "right");
    Ok(())
}

#[test]
fn a_step_runs_where_its_tools_are_and_says_what_the_others_have() -> Result<()> {
    let world = World::without_aws()?;
    let _host = world.host("one")?;
    let needing = |tools: &str| {
        format!(
            "project: tools\nsteps:\n  - name: Step\n    requires: {{ tool: \"{tools}\" }}\n    script: {{ shell: bash, body: \"bash --version; aws --version\" }}\n"
        )
    };
    world.apply("tools", &needing("bash>=4, aws>=1, python>=3"))?;
    let id = world.start_deployment("tools")?;
    assert_eq!(world.ended(&id)?["state"], "succeeded");

    // What it reports is what its steps find.
    let worker = world.cli().json(&["worker", "show", "one"])?;
    let log = world.log(&id, "Step")?;
    for (tool, begins) in [("bash", "GNU bash, version "), ("aws", "aws-cli/")] {
        let version = worker["equipment"]["tools"][tool].as_str().unwrap_or_default();
        assert!(
            !version.is_empty() && log.contains(&format!("{begins}{version}")),
            "{tool} {version}: {log}\n{worker:#}"
        );
    }

    world.apply("tools", &needing("bash>=99"))?;
    let id = world.start_deployment("tools")?;
    let reason = queue_reason(&world, &id, 0, "bash>=99")?;
    assert!(reason.contains("worker one has bash "), "{reason}");
    world.cli().ok(&["deployment", "cancel", &id])?;

    let typed = world.project("typed", &needing("bassh"))?.display().to_string();
    let refused = world.cli().run(&["project", "apply", "-f", &typed])?;
    assert!(refused.code == 2 && refused.stderr.contains("\"bassh\", for which no worker looks"), "{refused}");
    Ok(())
}

#[test]
fn a_step_that_nobody_takes_in_time_fails_and_the_steps_that_ask_for_that_run() -> Result<()> {
    let world = World::without_aws()?;
    world.pool("empty")?;
    let _host = world.host("one")?;
    let yaml = r##"project: impatient
steps:
  - name: Nobody
    pool: empty
    queue_timeout: 1s
    script: { shell: bash, body: "echo never" }
  - name: Next
    script: { shell: bash, body: "echo never" }
  - name: Tell
    condition: "#{if Octopus.Step[Nobody].Status.Code == \"Failed\"}True#{/if}"
    script: { shell: bash, body: "echo \"#{Octopus.Deployment.Error}\"" }
  - name: Celebrate
    condition: "#{unless Octopus.Deployment.Error}True#{/unless}"
    script: { shell: bash, body: "echo never" }
"##;
    world.apply("impatient", yaml)?;
    let id = world.start_deployment("impatient")?;
    let deployment = world.ended(&id)?;
    let steps = &deployment["steps"];
    let states: Vec<_> = (0..4).map(|at| steps[at]["state"].as_str().unwrap_or_default()).collect();
    assert_eq!(states, ["failed", "skipped", "succeeded", "skipped"], "{deployment:#}");
    assert_eq!(steps[0]["reason"], "QUEUE_TIMEOUT");
    assert!(
        steps[0]["detail"].as_str().is_some_and(|why| why.contains("Pool \"empty\" has no worker")),
        "{deployment:#}"
    );
    assert!(world.log(&id, "Tell")?.contains("Step Nobody has failed."));
    Ok(())
}

#[test]
fn a_step_is_tried_again_after_the_exit_codes_it_names_and_each_attempt_keeps_its_log() -> Result<()> {
    let world = World::without_aws()?;
    let _host = world.host("one")?;
    let yaml = r#"project: flaky
steps:
  - name: Flaky
    retries: { count: 5, backoff: 10ms, exit_codes: [75] }
    script: { shell: bash, body: "echo attempt $LONGSHORE_ATTEMPT; if ((LONGSHORE_ATTEMPT < 3)); then exit 75; fi; exit 1" }
"#;
    world.apply("flaky", yaml)?;
    let id = world.start_deployment("flaky")?;
    let deployment = world.ended(&id)?;
    let attempts = deployment["steps"][0]["attempts"].as_array().cloned().unwrap_or_default();
    let codes: Vec<_> = attempts.iter().map(|attempt| attempt["exit_code"].as_i64()).collect();
    assert_eq!(codes, [Some(75), Some(75), Some(1)], "{deployment:#}");
    Ok(())
}

#[test]
fn a_script_has_the_grace_that_it_asks_for_to_clean_up_after_a_cancel() -> Result<()> {
    let world = World::without_aws()?;
    let _host = world.host("one")?;
    let yaml = r#"project: careful
steps:
  - name: Careful
    cancel_grace: 2m
    script:
      shell: bash
      strict: false
      body: |
        trap 'sleep 12; echo cleaned up; exit 0' TERM
        echo ready
        while :; do sleep 0.05; done
"#;
    world.apply("careful", yaml)?;
    let id = world.start_deployment("careful")?;
    until("a script that is ready", Duration::from_secs(60), || {
        Ok(world.log(&id, "Careful").ok().filter(|log| log.contains("ready")))
    })?;
    world.cli().ok(&["deployment", "cancel", &id, "--reason", "a test"])?;
    let deployment = world.ended(&id)?;
    assert_eq!(deployment["state"], "cancelled", "{deployment:#}");
    let log = world.log(&id, "Careful")?;
    assert!(log.contains("have 2m for that") && log.contains("cleaned up"), "{log}");
    Ok(())
}

#[test]
fn a_busy_worker_and_a_held_lock_are_named() -> Result<()> {
    let world = World::without_aws()?;
    let mut host = world.plain_host("one")?;
    host.settings_mut().flags = vec!["--slots".into(), "1".into()];
    world.bring_up(&mut host, "default")?;
    let go_on = world.folder().join("go-on");
    let wait = format!("until [ -e '{}' ]; do sleep 0.05; done", go_on.display());
    let first = world.start_script("first", &wait)?;
    running(&world, &first)?;
    let second = world.start_script("second", "echo hello")?;
    queue_reason(&world, &second, 0, "busy")?;

    let locked = |name: &str| {
        format!(
            "project: {name}\nsteps:\n  - name: Step\n    locks: [database]\n    script: {{ shell: bash, body: \"{wait}\" }}\n"
        )
    };
    let mut other = world.plain_host("two")?;
    world.bring_up(&mut other, "default")?;
    std::fs::write(&go_on, "")?;
    world.ended(&first)?;
    world.ended(&second)?;
    std::fs::remove_file(&go_on)?;
    for name in ["holder", "waiter"] {
        world.apply(name, &locked(name))?;
    }
    let holder = world.start_deployment("holder")?;
    running(&world, &holder)?;
    let waiter = world.start_deployment("waiter")?;
    queue_reason(&world, &waiter, 0, "database")?;
    std::fs::write(&go_on, "")?;
    assert_eq!(world.ended(&holder)?["state"], "succeeded");
    assert_eq!(world.ended(&waiter)?["state"], "succeeded");
    Ok(())
}

#[test]
fn a_draining_worker_finishes_what_it_has_and_takes_nothing_new() -> Result<()> {
    let world = World::without_aws()?;
    let _host = world.host("one")?;
    let go_on = world.folder().join("go-on");
    let first = world.start_script("first", &format!("until [ -e '{}' ]; do sleep 0.05; done", go_on.display()))?;
    running(&world, &first)?;
    world.cli().ok(&["worker", "drain", "one"])?;
    let second = world.start_script("second", "echo hello")?;
    queue_reason(&world, &second, 0, "drain")?;
    std::fs::write(&go_on, "")?;
    assert_eq!(world.ended(&first)?["state"], "succeeded");
    world.cli().ok(&["worker", "resume", "one"])?;
    assert_eq!(world.ended(&second)?["state"], "succeeded");
    Ok(())
}

#[test]
fn conditions_and_retries_are_kept() -> Result<()> {
    let world = World::without_aws()?;
    let _host = world.host("one")?;
    let tries = world.folder().join("tries");
    let yaml = format!(
        r#"project: order
steps:
  - name: Flaky
    retries: {{ count: 2, backoff: 100ms }}
    script: {{ shell: bash, body: "echo try >> '{tries}'; [ $(wc -l < '{tries}') = 3 ]" }}
  - name: Broken
    script: {{ shell: bash, body: "exit 7" }}
  - name: After success
    script: {{ shell: bash, body: "true" }}
  - name: After failure
    condition: failure
    script: {{ shell: bash, body: "true" }}
  - name: In any case
    condition: always
    script: {{ shell: bash, body: "true" }}
  - name: Elsewhere
    condition: always
    environments: [nowhere]
    script: {{ shell: bash, body: "true" }}
"#,
        tries = tries.display()
    );
    world.cli().ok(&["environment", "create", "nowhere"])?;
    world.apply("order", &yaml)?;
    let deployment = world.ended(&world.start_deployment("order")?)?;
    let states: Vec<&str> =
        (0..6).map(|step| deployment["steps"][step]["state"].as_str().unwrap_or_default()).collect();
    assert_eq!(states, ["succeeded", "failed", "skipped", "succeeded", "succeeded", "skipped"], "{deployment:#}");
    assert_eq!(deployment["steps"][0]["attempts"].as_array().map(Vec::len), Some(3), "{deployment:#}");
    assert_eq!(deployment["steps"][1]["attempts"][0]["exit_code"], 7, "{deployment:#}");
    assert_eq!(deployment["state"], "failed");
    Ok(())
}

fn queue_reason(world: &World, id: &str, step: usize, word: &str) -> Result<String> {
    until(&format!("the step to say it waits because of {word}"), Duration::from_secs(30), || {
        let deployment = world.deployment(id)?;
        let reason = deployment["steps"][step]["queue_reason"].as_str().unwrap_or_default().to_owned();
        Ok(reason.contains(word).then_some(reason))
    })
}

fn running(world: &World, id: &str) -> Result<Value> {
    until("the step to run", Duration::from_secs(60), || {
        let deployment = world.deployment(id)?;
        Ok((deployment["steps"][0]["attempts"][0]["state"] == "running").then_some(deployment))
    })
}
