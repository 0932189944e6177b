//! Shows Longshore's main job on real parts, and checks every promise of it: steps run on workers under the AWS identity
//! they are told to have, secrets stay secret, outputs travel, and an agent that is killed loses nothing.
#![allow(clippy::print_stdout, reason = "what it shows is its purpose")]

mod act;
mod cast;
mod stage;

use std::process::ExitCode;

use cast::Cast;
use stage::Stage;

fn main() -> ExitCode {
    let mut stage = Stage::new();
    let played = match Cast::assemble(&mut stage) {
        Ok(mut cast) => {
            let played = act::play(&mut stage, &mut cast);
            if played.is_err() || stage.has_failures() {
                cast.show_logs();
            }
            played
        }
        Err(error) => Err(error),
    };
    if let Err(error) = &played {
        stage.fail("the demo runs to its end", &format!("{error:#}"));
    }
    stage.verdict()
}
