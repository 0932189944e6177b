//! `longshore hold`.

use clap::Subcommand;
use proto::deployment as d;

use crate::{
    connection::Connection,
    failure::{Exit, Failure},
    screen::{Screen, talk},
    view::HoldView,
};

#[derive(Subcommand, Debug)]
pub(super) enum Hold {
    /// Whether there is one, and what is known so far
    Show,
    /// Go on: steps are offered and granted again
    ///
    /// Every worker that is awaited has to be given up by name. What such a worker has run since the state of the store may then
    /// run a second time.
    Lift {
        /// What it rests on that nothing runs twice; goes to the audit log
        #[arg(long)]
        reason: String,
        /// A worker that is given up; may be given several times
        #[arg(long, value_name = "WORKER")]
        without: Vec<String>,
    },
}

impl Hold {
    pub(super) async fn run(self, screen: Screen) -> Result<Exit, Failure> {
        let connection = Connection::open()?;
        let mut client = connection.coordinators();
        match self {
            Self::Show => {
                let hold = connection.answer(client.get_hold(d::GetHoldRequest {})).await?;
                screen.show(&HoldView::from(hold))?;
            }
            Self::Lift { reason, without } => {
                connection.answer(client.lift_hold(d::LiftHoldRequest { reason, without })).await?;
                talk("The hold is lifted. Workers connect again and tell how their steps stand.");
            }
        }
        Ok(Exit::Ok)
    }
}
