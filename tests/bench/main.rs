//! Measures Longshore against raw limits that are taken in the same run, on the same machine: a figure alone says nothing on a
//! machine that others use too. `--quick` measures less of everything.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a program for people; what goes wrong ends it")]

use anyhow::Result;

mod admin;
mod aws;
mod dispatch;
mod latency;
mod logs;
mod memory;
mod raw;
mod report;
mod scripts;
mod simulated;
mod steps;

use report::Report;

/// How much is measured.
#[derive(Clone, Copy)]
pub(crate) struct Size {
    /// Steps of one throughput round.
    pub(crate) steps: usize,
    /// Deployments timed one by one.
    pub(crate) samples: usize,
    /// Bytes of one log.
    pub(crate) log_bytes: usize,
    /// Simulated workers connected at once.
    pub(crate) workers: usize,
    /// Steps dispatched to simulated workers.
    pub(crate) dispatched: usize,
    /// Bytes of one file that is uploaded.
    pub(crate) uploaded_bytes: usize,
    /// Files that are uploaded at once.
    pub(crate) uploaded_files: usize,
    /// Stacks deployed one by one, each twice.
    pub(crate) stacks: usize,
}

const FULL: Size = Size {
    steps: 2000,
    samples: 200,
    log_bytes: 512 << 20,
    workers: 1000,
    dispatched: 20_000,
    uploaded_bytes: 1 << 30,
    uploaded_files: 5000,
    stacks: 7,
};
const QUICK: Size = Size {
    steps: 300,
    samples: 30,
    log_bytes: 64 << 20,
    workers: 100,
    dispatched: 2_000,
    uploaded_bytes: 64 << 20,
    uploaded_files: 500,
    stacks: 3,
};

fn main() -> Result<()> {
    service::tls::install_provider();
    let quick = std::env::args().any(|argument| argument == "--quick");
    let size = if quick { QUICK } else { FULL };
    let only: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let wanted = |part: &str| only.is_empty() || only.iter().any(|name| name == part);
    let mut report = Report::new();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    if wanted("masking") {
        logs::masking(&mut report, size);
        logs::adversarial_masking(&mut report, size);
    }
    if wanted("scripts") {
        scripts::measure(&mut report, size)?;
    }
    if wanted("dispatch") {
        runtime.block_on(dispatch::measure(&mut report, size))?;
    }
    if wanted("memory") {
        runtime.block_on(memory::measure(&mut report, size))?;
    }
    if wanted("steps") {
        runtime.block_on(steps::measure(&mut report, size))?;
    }
    if wanted("latency") {
        runtime.block_on(latency::measure(&mut report, size))?;
    }
    if wanted("logs") {
        runtime.block_on(logs::measure(&mut report, size))?;
    }
    if wanted("aws") {
        aws::measure(&mut report, size)?;
    }
    report.print();
    Ok(())
}
