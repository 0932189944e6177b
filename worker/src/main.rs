//! `longshore-worker`: the agent, and the small programs that it starts of itself.

use std::{env, path::Path, process::ExitCode};

fn main() -> ExitCode {
    // Before any runtime, argument parser or log is set up: a shim lives as long as its step, and there is one per step.
    let arguments: Vec<_> = env::args_os().skip(1).collect();
    match arguments.iter().map(|argument| argument.to_str()).collect::<Vec<_>>().as_slice() {
        [Some("shim"), _, _] => worker::shim::main(Path::new(&arguments[1]), Path::new(&arguments[2])),
        [Some("action"), _] => worker::action::main(Path::new(&arguments[1])),
        [Some("probe"), Some(user)] => worker::isolation::probe::main(user),
        [Some("tools")] => worker::tools::main(None),
        [Some("tools"), user] => worker::tools::main(*user),
        [Some("credentials"), _] => worker::endpoint::print_credentials(Path::new(&arguments[1])),
        _ => worker::command::main(),
    }
}
