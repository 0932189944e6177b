//! The corpus: stacks of our own after every pattern that AWS documents, deployed, updated and deleted through the step, each with
//! what AWS tells of it beside it.
//!
//! Each folder of `templates/` is a case: a template, an `update` of it where that is another one, whatever they name, and
//!
//! - `case.yaml`: what it shows, and for each phase the step's own keys under `deploy` and how it ends ([`case::Case`]);
//! - `events.txt`: the events of each phase ([`events::Expected`]), recorded by `corpus/record.py` from the emulator's own
//!   DescribeStackEvents with AWS's own client, so that nothing of Longshore's has a part in what is expected.
//!
//! Where the emulator tells less than AWS is known to, that is what is recorded: an update tells of resources that it leaves alone,
//! says `UPDATE_…` of those that it adds, nothing of those that it removes, and has no `UPDATE_COMPLETE_CLEANUP_IN_PROGRESS`; a
//! nested stack is named only when it is done, and goes without events of its own. Those of AWS are in the stories of `scripted`. It
//! also wants CAPABILITY_NAMED_IAM where AWS wants CAPABILITY_IAM, for the name that each AWS::IAM::Policy must have.

mod case;
mod events;
mod project;
mod run;
mod seen;

use std::{collections::BTreeSet, fs, path::Path};

use anyhow::{Context, Result, ensure};
use tests::World;

use self::{
    case::{Case, FAILED, Phase},
    events::Expected,
};

/// So many there are to be at least, so that none is lost unseen.
const LEAST: usize = 60;

#[test]
fn every_folder_of_the_corpus_is_whole() -> Result<()> {
    let cases = Case::all()?;
    ensure!(cases.len() >= LEAST, "the corpus has {} cases, and {LEAST} are the least", cases.len());
    let faults: Vec<String> =
        cases.iter().filter_map(|case| whole(case).err()).map(|fault| format!("{fault:#}")).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    Ok(())
}

#[test]
fn every_stack_of_the_corpus_is_told_as_aws_tells_of_it() -> Result<()> {
    let world = World::start()?;
    let host = run::host(&world)?;
    let cases: Vec<Case> = Case::all()?.into_iter().filter(|case| !case.is_refused()).collect();
    let mut faults = Vec::new();
    for phase in Phase::ALL {
        faults.extend(run::phase(&world, &cases, phase)?);
    }
    drop(host);
    assert!(faults.is_empty(), "{} of {} cases:\n\n{}", faults.len(), cases.len(), faults.join("\n\n"));
    Ok(())
}

#[test]
fn a_template_that_cannot_be_one_is_refused_with_its_project() -> Result<()> {
    let world = World::without_aws()?;
    for case in Case::all()?.iter().filter(|case| case.is_refused()) {
        let folder = project::write(&world, std::slice::from_ref(case), Phase::Create)?;
        let refused = world.cli().refused(2, &["project", "apply", "-f", &folder.to_string_lossy()])?;
        for word in &case.refused {
            assert!(refused.stderr.contains(word), "{}: no {word:?} in {refused}", case.name);
        }
    }
    Ok(())
}

fn whole(case: &Case) -> Result<()> {
    let name = &case.name;
    ensure!(!case.shows.is_empty(), "{name}: case.yaml does not say what it shows");
    case.template(Phase::Create).with_context(|| format!("{name}: there is no template"))?;
    let text = fs::read_to_string(case.folder.join("events.txt"))
        .with_context(|| format!("{name}: there is no events.txt"))?;
    if case.is_refused() {
        ensure!(text.is_empty(), "{name}: it is refused, and events.txt has events");
        return Ok(());
    }
    let expected = Expected::parse(&text).with_context(|| format!("{name}: events.txt"))?;
    let phases: BTreeSet<_> = Phase::ALL.into_iter().filter(|phase| case.has(*phase)).collect();
    ensure!(expected.phases() == phases, "{name}: events.txt has {:?}, the case {phases:?}", expected.phases());
    for phase in phases {
        let lines = expected.of(phase);
        let goes_through = case.end(phase).fails.as_ref().is_none_or(|fails| fails.reason == FAILED);
        ensure!(goes_through || lines.is_empty(), "{name}: {phase} is refused, and events.txt has events of it");
    }
    case.others().try_for_each(|other| exists(&case.folder.join(&other.template)))
}

fn exists(path: &Path) -> Result<()> {
    ensure!(path.is_file(), "{} is not there", path.display());
    Ok(())
}
