//! The process that owns one attempt: it starts the step's process, masks and writes down what that says, ends it on time
//! or by request, and records how it ended. It needs neither the agent nor the network, so both may fail meanwhile.
//!
//! It is small on purpose: no async runtime, files only, one thread; a second one while the step has AWS credentials, and one for
//! a moment for each artifact of a step with a user of its own.

mod artifacts;
mod attempt;
mod child_env;
mod log;
mod message;
mod output;
mod pump;
mod recorder;
mod redactor;
mod text;
mod timer;

use std::{fs, io, io::Write, path::Path, process::ExitCode};

use rustix::{
    fs::Mode,
    process::{DumpableBehavior, Resource, Rlimit, getpid, set_dumpable_behavior, setrlimit, setsid, umask},
    thread::set_no_new_privs,
};
use shared::outcome::Outcome;

use self::{attempt::Attempt, log::Log, recorder::Recorder};
use crate::{
    exec_dir::{ExecDir, ExitRecord, ExitSlot, RuntimeDir, ShimInfo, ShimOrder, let_nobody_pass, remove_tree},
    process::{Cgroup, Tree, start_ticks},
};

/// `EX_IOERR`: the attempt has no end that anyone may rely on.
const BROKEN: u8 = 74;

/// Runs the attempt of an exec folder from its order to its exit record. Started twice for one attempt, the second one
/// ends at once; started after the attempt was voided, too.
#[must_use]
pub fn main(exec_dir: &Path, runtime_dir: &Path) -> ExitCode {
    let (exec, runtime) = (ExecDir::new(exec_dir), RuntimeDir::new(runtime_dir));
    match withdraw().and_then(|()| run(&exec, &runtime)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Usually nobody reads it. The agent finds an attempt without an exit record and says what that means.
            let _ = writeln!(io::stderr(), "The shim of {} failed: {error}.", exec_dir.display());
            ExitCode::from(BROKEN)
        }
    }
}

/// Out of the agent's session and signals, and out of sight: this process knows the step's secrets.
fn withdraw() -> io::Result<()> {
    // Fails only for a process that leads a group already, which is as good.
    let _ = setsid();
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    set_no_new_privs(true)?;
    umask(Mode::RWXG | Mode::RWXO);
    Tree::adopt_orphans()
}

fn run(exec: &ExecDir, runtime: &RuntimeDir) -> io::Result<()> {
    let lock = exec.lock()?;
    if exec.is_void() || exec.is_started() {
        return Ok(());
    }
    let order = runtime.take_order()?;
    // Everything that needs space is made before `start`: without it, nothing has begun.
    let slot = ExitSlot::create(&exec.exit_path())?;
    let log = Log::create(&exec.events_path())?;
    let cgroup = own_cgroup(&order);
    exec.write_shim_info(&info(cgroup.as_ref())?)?;
    exec.make_start(&lock)?;

    let (outcome, mut recorder) = Attempt::new(order, exec, runtime, log).run(cgroup)?;
    if recorder.names_artifacts() {
        // What the step did is known, whatever becomes of this process while it copies files.
        record(&slot, &outcome, &mut recorder)?;
        keep_artifacts(exec, &mut recorder);
    }
    record(&slot, &outcome, &mut recorder)?;
    // What cannot be removed now is removed by the agent when the attempt is forgotten; until then nobody gets at it, not
    // even the next step with the same user.
    for folder in [exec.path(), runtime.path()] {
        let _ = let_nobody_pass(folder);
    }
    let _ = runtime.wipe();
    let _ = remove_tree(&exec.work());
    Ok(())
}

/// The log first: an exit record promises that all of it is there.
fn record(slot: &ExitSlot, outcome: &Outcome, recorder: &mut Recorder) -> io::Result<()> {
    recorder.seal()?;
    let (final_seq, digest) = recorder.end();
    slot.write(&ExitRecord { outcome: outcome.clone(), final_seq, digest })
}

/// Also of a script that failed or was ended: that is when people want its files. Whoever asks for its end now, does not.
fn keep_artifacts(exec: &ExecDir, recorder: &mut Recorder) {
    let asked = exec.cancel_request();
    recorder.keep_artifacts(&exec.artifacts(), &|| exec.cancel_request() != asked);
}

fn own_cgroup(order: &ShimOrder) -> Option<Cgroup> {
    let spec = order.spec.as_ref().filter(|_| order.refusal.is_none())?;
    Cgroup::create(&spec.execution_id)
}

fn info(cgroup: Option<&Cgroup>) -> io::Result<ShimInfo> {
    let pid = getpid().as_raw_nonzero().get();
    Ok(ShimInfo {
        pid,
        start_ticks: start_ticks(pid).ok_or_else(|| io::Error::other("/proc is not mounted"))?,
        boot_id: fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned(),
        cgroup: cgroup.map(|cgroup| cgroup.path().to_owned()),
    })
}
