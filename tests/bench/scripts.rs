//! (g) What a script has before its own first line, against the shell alone.

use std::{
    path::Path,
    process::{Command, Stdio},
    time::Instant,
};

use anyhow::{Context, Result, ensure};
use proto::worker::{ScriptAction, SpecVariable};
use worker::{exec_dir::RuntimeDir, script::Script};

use super::{
    Size,
    report::{Report, percentile},
};

/// 3,000 variables: of a large project with its shared sets.
const MANY: usize = 3000;

pub(crate) fn measure(report: &mut Report, size: Size) -> Result<()> {
    println!("scripts before their first line");
    let folder = tempfile::tempdir_in("/dev/shm")?;
    for (shell, program, alone, reads) in [
        ("bash", "bash", "true", "get_octopusvariable Name2999 > /dev/null"),
        ("python", "python3", "pass", "get_octopusvariable('Name2999')"),
    ] {
        let raw = times(size.samples, || {
            let mut command = Command::new(program);
            command.args(["-c", alone]);
            Ok(command)
        })?;
        let mut medians = Vec::new();
        for count in [1, MANY] {
            let script = lay_out(folder.path(), shell, reads, count)?;
            let median = times(size.samples, || {
                let mut command = Command::new(&script.program);
                command.args(&script.arguments).current_dir(folder.path());
                Ok(command)
            })?;
            medians.push(median);
            let what = format!("(g) {shell} script that reads one of {count} variables");
            report.add(
                what,
                format!("{median:.1} ms"),
                format!("{raw:.1} ms ({program} -c {alone})"),
                median / raw,
                "",
            );
        }
        report.note(
            format!("(g) {shell}: what {MANY} variables cost"),
            format!("{:.1} ms", medians[1] - medians[0]),
            "≤ 5 ms",
        );
    }
    Ok(())
}

fn lay_out(folder: &Path, shell: &str, body: &str, count: usize) -> Result<Script> {
    let step = RuntimeDir::new(folder.join(format!("{shell}-{count}"))).step();
    step.create()?;
    let variables: Vec<SpecVariable> = (0..count)
        .map(|at| SpecVariable {
            name: format!("Name{at}"),
            value: format!("value {at} of a project"),
            sensitive: false,
        })
        .collect();
    let action = ScriptAction { shell: shell.into(), body: body.into(), name: "script".into(), strict: true };
    Script::lay_out(&action, "Step", &variables, &step, folder)?.context("the shell is known")
}

/// Milliseconds of a command's run, p50.
fn times(samples: usize, command: impl Fn() -> Result<Command>) -> Result<f64> {
    let mut times = Vec::with_capacity(samples);
    for _ in 0..samples {
        let began = Instant::now();
        let output = command()?.stdin(Stdio::null()).output()?;
        times.push(began.elapsed().as_secs_f64() * 1000.0);
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(percentile(&mut times, 0.5))
}
