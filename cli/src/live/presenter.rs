//! The ways to show a deployment that is being followed.

use std::io;

use proto::deployment as d;

use super::board::Board;

/// Shows a deployment while it runs. Every call fails when stdout cannot be written.
pub(super) trait Presenter {
    /// The first word.
    fn begin(&mut self, deployment: &d::Deployment) -> io::Result<()>;
    /// Something happened.
    fn event(&mut self, event: &d::DeploymentEvent) -> io::Result<()>;
    /// This is how it stands now.
    fn stands(&mut self, board: &Board) -> io::Result<()>;
    /// A step printed something.
    fn frame(&mut self, step: &str, execution_id: &str, frame: &d::LogFrame) -> io::Result<()>;
    /// An attempt's log is read; `missing` says what it lacks, or is empty.
    fn log_ended(&mut self, step: &str, execution_id: &str, missing: &str) -> io::Result<()>;
    /// A step has come to rest, and all it printed was shown.
    fn settled(&mut self, step: &d::StepRun) -> io::Result<()>;
    /// Talk, beside the data.
    fn say(&mut self, text: &str) -> io::Result<()>;
    /// The last word.
    fn end(&mut self, deployment: &d::Deployment) -> io::Result<()>;
    /// Whether it wants to be ticked.
    fn is_animated(&self) -> bool {
        false
    }
    /// Time went by.
    fn tick(&mut self, _: &Board) -> io::Result<()> {
        Ok(())
    }
}
