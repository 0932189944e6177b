//! What happens, in order.

mod crash;
mod identities;
mod setting_up;

use anyhow::Result;

use crate::{cast::Cast, stage::Stage};

/// Plays everything; a promise that does not hold is the stage's to remember, an error ends the play.
pub(crate) fn play(stage: &mut Stage, cast: &mut Cast) -> Result<()> {
    let secrets = setting_up::play(stage, cast)?;
    identities::play(stage, cast)?;
    crash::play(stage, cast)?;
    identities::check_secrets(stage, cast, &secrets);
    identities::show_table(stage, cast)
}
