//! `docs/correctness.md`, from what was found out.

use std::process::Command;

use proof::{model::Explored, promise::PROMISES};

use crate::{Findings, Guard};

/// Where it is, from the project's root.
pub(crate) const PATH: &str = "docs/correctness.md";

pub(crate) fn page(findings: &Findings) -> String {
    let parts = [head(), promises(), model(findings), ways(findings), guards(&findings.guards), limits()];
    parts.join("\n")
}

fn head() -> String {
    format!(
        "# Correctness\n\n\
         What Longshore promises, and the evidence. `make proof` writes this page; nobody edits it. Commit `{}`, {} cores.\n\n\
         - **P1** Each attempt's process is started at most once, ever.\n\
         - **P2** A second attempt is never made silently: only if the first provably did not start, or provably ended and its file allows a\n  \
           retry, or a named person decided, on record.\n\
         - **P3** No accepted step is lost: it ends with a result, or it stands as unknown, holding its locks, with the evidence shown.\n\
         - **P4** A log marked complete is byte for byte what the process wrote, in the order read. A log that cannot be complete says so.\n\
         - **P5** None of this depends on any clock being right.\n",
        commit(),
        std::thread::available_parallelism().map_or(1, usize::from),
    )
}

fn promises() -> String {
    let lines: Vec<String> = PROMISES.iter().map(|(name, what)| format!("- **{name}** {what}")).collect();
    format!(
        "## What is checked in every state\n\n{}\n- **L1** once nothing goes wrong any more, every step settles or stands in doubt\n",
        lines.join("\n")
    )
}

fn model(findings: &Findings) -> String {
    let row = |explored: &Explored| {
        let extent = if explored.is_exhaustive { "all" } else { "the first" };
        let found = explored.breach.as_ref().map_or("holds".to_owned(), |found| format!("**broken**: {}", found.what));
        format!("| {} | {extent} {} | {:.0} s | {found} |", explored.name, thousands(explored.states), explored.seconds)
    };
    let table = |all: &[Explored]| all.iter().map(row).collect::<Vec<_>>().join("\n");
    let all = findings.small.iter().chain(&findings.large).map(|explored| explored.states).sum();
    format!(
        "## Every order of everything\n\n\
         The cores that are shipped, with a store, hosts, processes and a network around them that loses, repeats and reorders what is said\n\
         within a session. {} different states.\n\n\
         | fleet | states | took | every promise |\n|---|---|---|---|\n{}\n\n\
         With more faults at once, breadth first, as far as the bound:\n\n\
         | fleet | states | took | every promise |\n|---|---|---|---|\n{}\n",
        thousands(all),
        table(&findings.small),
        table(&findings.large)
    )
}

fn ways(findings: &Findings) -> String {
    let ways = &findings.ways;
    let faults: Vec<String> =
        ways.faults.iter().map(|(kind, times)| format!("| {kind} | {} |", thousands(*times))).collect();
    let found = match &ways.breach {
        None => "No promise was broken on any of them".to_owned(),
        Some((seed, breach)) => format!("**Seed {seed} breaks a promise: {breach}**"),
    };
    format!(
        "## Long ways\n\n\
         {} ways of up to 300 events by seed, each with faults of the seed's choice, then without any until everything has ended: {} events\n\
         and {} processes started. {found}; 0 failures in {} ways mean fewer than {:.1e} a way, at 95 %.\n\
         `SEED=NUMBER cargo test -p proof --test walks` goes one of them again.\n\n\
         | what befell them | times |\n|---|---|\n{}\n",
        thousands(ways.seeds as usize),
        thousands(ways.events),
        thousands(ways.starts as usize),
        thousands(ways.seeds as usize),
        3.0 / ways.seeds.max(1) as f64,
        faults.join("\n"),
    )
}

fn guards(guards: &[Guard]) -> String {
    let row = |guard: &Guard| {
        let found = guard.explored.breach.as_ref().map_or("not found".to_owned(), |found| {
            format!("{} events, {} states", found.way.len(), thousands(guard.explored.states))
        });
        let seed = guard.seed.map_or("not found".to_owned(), |seed| thousands(seed as usize + 1));
        format!("| {} | {found} | {seed} |", guard.name)
    };
    let found = guards.iter().filter(|guard| guard.is_found()).count();
    format!(
        "## Guards taken away\n\n\
         Each is what somebody might have built who does not know why it is built otherwise. {found} of {} are caught.\n\n\
         | taken away | by the model, after | by long ways, after so many seeds |\n|---|---|---|\n{}\n",
        guards.len(),
        guards.iter().map(row).collect::<Vec<_>>().join("\n")
    )
}

fn limits() -> String {
    "## What this does not cover\n\n\
     One coordinator, at most two workers and two attempts in the model; stores and journals that keep what they said they kept; no logs. \
     A disk\n\
     that silently goes back in time under a running coordinator is noticed when a worker says Hello that has seen a later offer; until then\n\
     another worker may be offered what had run. Real processes, disks, logs and networks are under `tests/hosts` and `worker/tests`, which\n\
     kill, cut off and starve the programs as they are shipped.\n"
        .to_owned()
}

fn commit() -> String {
    let output = Command::new("git").args(["rev-parse", "--short=12", "HEAD"]).output();
    let name = output.ok().filter(|output| output.status.success()).map(|output| output.stdout);
    name.map_or("unknown".into(), |name| String::from_utf8_lossy(&name).trim().to_owned())
}

/// `1,234,567`.
fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().map(|group| std::str::from_utf8(group).unwrap_or_default()).collect();
    groups.join(",")
}
