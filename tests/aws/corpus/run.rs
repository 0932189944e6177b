//! A phase of all cases at once, and what must be true after it.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde_json::Value;
use tests::{Instance, World, world::EVERYTHING, world::Ec2Host};

use super::{
    case::{Case, End, FAILED, Phase},
    events::Expected,
    project,
    seen::{self, Seen},
};

/// So many stacks are worked on at once.
const SLOTS: &str = "12";

/// The one worker, with rights to everything.
pub(super) fn host(world: &World) -> Result<Ec2Host> {
    world.aws().create_instance_role("corpus", EVERYTHING)?;
    let mut host = world.unstarted_host("one", Instance::with_role("corpus"))?;
    host.host.settings_mut().flags = vec!["--slots".into(), SLOTS.into()];
    world.bring_up(&mut host.host, "default")?;
    Ok(host)
}

/// Deploys a phase of all cases that have it; answers a text for each case that did not go as it should.
pub(super) fn phase(world: &World, cases: &[Case], phase: Phase) -> Result<Vec<String>> {
    let folder = project::write(world, cases, phase)?;
    world.cli().ok(&["project", "apply", "-f", &folder.to_string_lossy()])?;
    let id = world.start_deployment(project::NAME)?;
    let shown = world.ended(&id)?;
    let logs = seen::logs(&world.cli().ok(&["deployment", "logs", &id])?);
    let statuses = statuses(world)?;
    let mut faults = Vec::new();
    for case in cases.iter().filter(|case| case.has(phase)) {
        let name = &case.name;
        let log = logs.get(name).map(Vec::as_slice).unwrap_or_default();
        let status = statuses.get(name).map_or("absent", String::as_str);
        let wrong = wrong(case, phase, step(&shown, name)?, log, status)?;
        if !wrong.is_empty() {
            faults.push(format!("{name}, {phase}: {}\nLog:\n  {}", wrong.join("\n"), log.join("\n  ")));
        }
    }
    Ok(faults)
}

fn wrong(case: &Case, phase: Phase, step: &Value, log: &[String], status: &str) -> Result<Vec<String>> {
    let end = case.end(phase);
    let mut wrong = Vec::new();
    let expected = end.fails.as_ref().map_or(("succeeded", "EXIT_ZERO"), |fails| ("failed", fails.reason.as_str()));
    let attempt = step["attempts"].as_array().and_then(|attempts| attempts.last());
    let of_attempt = attempt.and_then(|attempt| attempt["reason"].as_str()).unwrap_or_default();
    let reason = if of_attempt.is_empty() { step["reason"].as_str().unwrap_or_default() } else { of_attempt };
    let seen = (step["state"].as_str().unwrap_or_default(), reason);
    if seen != expected {
        wrong.push(format!("the step ends with {seen:?} instead of {expected:?}: {}", step["detail"]));
    }
    if status != case.status(phase) {
        wrong.push(format!("the stack is {status} instead of {}", case.status(phase)));
    }
    let last = last_words(end, step["detail"].as_str().unwrap_or_default(), log);
    let causes = end.fails.iter().flat_map(|fails| &fails.says).filter(|word| !last.contains(word.as_str()));
    wrong.extend(causes.map(|word| format!("the last words do not say {word:?}")));
    let has = |word: &&String| log.iter().any(|line| line.contains(word.as_str()));
    wrong.extend(end.says.iter().filter(|word| !has(word)).map(|word| format!("the log does not say {word:?}")));
    wrong.extend(end.hides.iter().filter(has).map(|word| format!("the log shows {word:?}")));
    let events = std::fs::read_to_string(case.folder.join("events.txt")).context("there is no events.txt")?;
    wrong.extend(Expected::parse(&events)?.differences(phase, &Seen::of(log)));
    Ok(wrong)
}

/// The last line of a log, which is the first cause; what is refused has the whole sentence there, which may have several lines.
fn last_words(end: &End, sentence: &str, log: &[String]) -> String {
    let is_refused = end.fails.as_ref().is_some_and(|fails| fails.reason != FAILED);
    let count = if is_refused { sentence.lines().count() } else { 1 };
    log[log.len().saturating_sub(count)..].join("\n")
}

fn step<'a>(deployment: &'a Value, name: &str) -> Result<&'a Value> {
    let mut steps = deployment["steps"].as_array().into_iter().flatten();
    steps.find(|step| step["name"] == name).with_context(|| format!("there is no step {name}: {deployment:#}"))
}

/// Where every stack that is there stands.
fn statuses(world: &World) -> Result<BTreeMap<String, String>> {
    let mut all = BTreeMap::new();
    let mut next = String::new();
    loop {
        let page = [("NextToken", next.as_str())];
        let answer =
            world.aws().as_root("cloudformation", "DescribeStacks", if next.is_empty() { &[] } else { &page })?;
        // A nested stack's outputs and parameters have elements of other names.
        let stacks = answer.split("<StackName>").skip(1);
        for stack in stacks {
            let name = stack.split("</").next().unwrap_or_default();
            let status = stack.split("<StackStatus>").nth(1).and_then(|rest| rest.split("</").next());
            let status = status.with_context(|| format!("{name} has no status in {answer}"))?;
            if status != "DELETE_COMPLETE" {
                all.insert(name.to_owned(), status.to_owned());
            }
        }
        match answer.split("<NextToken>").nth(1).and_then(|rest| rest.split("</").next()) {
            Some(token) if !token.is_empty() => next = token.to_owned(),
            _ => return Ok(all),
        }
    }
}
