//! A deployment followed live: what happens to it, what its steps print, and at the end what ran where as whom.

mod board;
mod lines;
mod logs;
mod plain;
mod presenter;
mod records;
mod row;
mod stream;
mod terminal;
#[cfg(test)]
mod tests;
mod wording;

use std::{io, pin::pin, time::Duration};

use proto::deployment as d;
use tokio::{
    sync::mpsc,
    time::{Instant, MissedTickBehavior, interval, sleep_until},
};

pub(crate) use logs::{Reading, read_logs};
pub(crate) use wording::quoted;

use self::{
    board::Board,
    plain::Plain,
    presenter::Presenter,
    records::Records,
    stream::{Streams, Update},
    terminal::Terminal,
};
use crate::{
    connection::Connection,
    failure::{Exit, Failure},
    screen::{Format, Screen, talk},
};

/// 100 ms between pictures: what an eye takes for movement.
const FRAME_TIME: Duration = Duration::from_millis(100);
/// 5 seconds between looks while a step waits: what it waits for may change without an event.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// 5 seconds without a line after the end: a log that has not come by then may never come, as when its worker is lost.
const LOG_GRACE: Duration = Duration::from_secs(5);

/// How to follow.
#[derive(Clone, Copy)]
pub(crate) struct Following {
    /// Form and colour.
    pub(crate) screen: Screen,
    /// Lines as they come, even on a terminal.
    pub(crate) plain: bool,
}

/// Follows a deployment until it has ended or needs a decision.
///
/// # Errors
/// Ctrl-C, or a coordinator that is out of reach for too long; the deployment goes on.
pub(crate) async fn follow(
    connection: Connection,
    deployment: d::Deployment,
    following: Following,
) -> Result<Exit, Failure> {
    let id = deployment.id.clone();
    let mut presenter = following.presenter();
    let answer = match show(presenter.begin(&deployment)) {
        Ok(()) => Follower::new(connection, deployment, presenter.as_mut()).run().await,
        Err(failure) => Err(failure),
    };
    // The terminal must be as it was before anything else is said on it.
    drop(presenter);
    if let Err(failure) = &answer
        && matches!(failure.exit, Exit::Interrupted | Exit::Unreachable)
    {
        let why = if failure.sentence.is_empty() { String::new() } else { format!("{}\n", failure.sentence) };
        talk(&format!(
            "{why}The deployment goes on. Follow it with `longshore deployment watch {id}`, or end it with `longshore \
             deployment cancel {id}`."
        ));
        return Err(Failure::new(failure.exit, ""));
    }
    answer
}

impl Following {
    fn presenter(self) -> Box<dyn Presenter> {
        match self.screen.output {
            Format::Table if self.screen.is_live() && !self.plain => Box::new(Terminal::new(self.screen.colored())),
            Format::Table => Box::new(Plain::new(self.screen.colored())),
            form => Box::new(Records::new(form)),
        }
    }
}

/// Brings together what the coordinator sends and what the presenter shows.
struct Follower<'a> {
    board: Board,
    streams: Streams,
    updates: mpsc::Receiver<Update>,
    presenter: &'a mut dyn Presenter,
    /// Whether the connection is broken, as far as has been said.
    out_of_reach: bool,
    /// Sequence of the newest event that was told.
    told: i64,
    /// Whether there will be no more events.
    told_all: bool,
    /// Since when nothing more is expected but the rest of the logs.
    waiting_for_logs: Option<Instant>,
}

impl<'a> Follower<'a> {
    fn new(connection: Connection, deployment: d::Deployment, presenter: &'a mut dyn Presenter) -> Self {
        let (streams, updates) = Streams::new(connection, deployment.id.clone());
        Self {
            board: Board::new(deployment),
            streams,
            updates,
            presenter,
            out_of_reach: false,
            told: 0,
            told_all: false,
            waiting_for_logs: None,
        }
    }

    async fn run(mut self) -> Result<Exit, Failure> {
        // Subscribed first and looked after that, so that nothing happens unseen in between.
        self.streams.watch();
        self.go_on()?;
        let mut interrupt = pin!(tokio::signal::ctrl_c());
        let mut picture = interval(FRAME_TIME);
        picture.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut look = interval(LOOK_AGAIN);
        look.set_missed_tick_behavior(MissedTickBehavior::Skip);
        while !self.is_done() {
            let patience = self.waiting_for_logs.map(|since| since + LOG_GRACE);
            tokio::select! {
                biased;
                _ = &mut interrupt => return Err(Failure::new(Exit::Interrupted, "")),
                update = self.updates.recv() => match update {
                    Some(update) => self.take(update)?,
                    None => return Err(Failure::new(Exit::Failed, "The streams ended without a word.")),
                },
                _ = picture.tick(), if self.presenter.is_animated() => show(self.presenter.tick(&self.board))?,
                _ = look.tick(), if self.board.is_waiting() => self.streams.look(),
                () = until(patience) => show(self.give_up_on_logs())?,
            }
        }
        show(self.presenter.end(self.board.deployment()))?;
        Ok(exit_of(self.board.deployment()))
    }

    fn is_done(&self) -> bool {
        let told_all = self.told_all || self.told >= self.board.deployment().last_event_sequence;
        self.board.is_over() && told_all && self.board.logs_are_read()
    }

    fn take(&mut self, update: Update) -> Result<(), Failure> {
        self.tell_reach(&update)?;
        match update {
            Update::Subscribed => self.streams.look(),
            Update::Event(event) => {
                show(self.presenter.event(&event))?;
                self.told = event.sequence;
                self.streams.look();
            }
            Update::Snapshot(deployment) => {
                self.streams.looked();
                self.renew(*deployment)?;
            }
            Update::Ended(deployment) => {
                self.told_all = true;
                self.renew(*deployment)?;
            }
            Update::Frames { execution_id, frames } => {
                let step = self.board.step_of(&execution_id).to_owned();
                for frame in &frames {
                    show(self.presenter.frame(&step, &execution_id, frame))?;
                }
                self.waiting_for_logs = self.waiting_for_logs.map(|_| Instant::now());
            }
            Update::LogEnded { execution_id, missing } => {
                let step = self.board.step_of(&execution_id).to_owned();
                show(self.presenter.log_ended(&step, &execution_id, &missing))?;
                self.board.log_ended(&execution_id);
            }
            Update::LookFailed => self.streams.looked(),
            Update::OutOfReach(_) => {}
            Update::Failed(failure) => return Err(failure),
        }
        self.go_on()
    }

    fn renew(&mut self, deployment: d::Deployment) -> Result<(), Failure> {
        if self.board.renew(deployment) {
            show(self.presenter.stands(&self.board))?;
        }
        Ok(())
    }

    /// Does what follows from how things stand.
    fn go_on(&mut self) -> Result<(), Failure> {
        for execution_id in self.board.logs_to_open() {
            self.streams.log(execution_id);
        }
        for step in self.board.newly_settled() {
            show(self.presenter.settled(&step))?;
        }
        if self.board.is_over() && self.waiting_for_logs.is_none() {
            self.waiting_for_logs = Some(Instant::now());
        }
        Ok(())
    }

    /// Says once that the connection is broken, and once that it is whole again.
    fn tell_reach(&mut self, update: &Update) -> Result<(), Failure> {
        match (update, self.out_of_reach) {
            (Update::OutOfReach(why), false) => {
                self.out_of_reach = true;
                show(self.presenter.say(&format!("{why} Trying again; the deployment goes on.")))
            }
            (Update::OutOfReach(_) | Update::Failed(_) | Update::LookFailed, _) | (_, false) => Ok(()),
            (_, true) => {
                self.out_of_reach = false;
                show(self.presenter.say("Connected again; nothing was missed."))
            }
        }
    }

    fn give_up_on_logs(&mut self) -> io::Result<()> {
        for execution_id in self.board.unread_logs() {
            let step = self.board.step_of(&execution_id).to_owned();
            let missing = "The rest of this log has not reached the coordinator.";
            self.presenter.log_ended(&step, &execution_id, missing)?;
            self.board.log_ended(&execution_id);
        }
        for step in self.board.newly_settled() {
            self.presenter.settled(&step)?;
        }
        Ok(())
    }
}

/// What a deployment's end means to whoever asked for it.
fn exit_of(deployment: &d::Deployment) -> Exit {
    use d::deployment::State;
    match deployment.state() {
        State::Succeeded => Exit::Ok,
        State::Unknown => Exit::Unknown,
        _ => Exit::Failed,
    }
}

/// Nobody reads what is shown any more: as good as Ctrl-C.
fn show(result: io::Result<()>) -> Result<(), Failure> {
    result.map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::new(Exit::Interrupted, ""),
        _ => Failure::new(Exit::Interrupted, format!("The output could not be written: {error}.")),
    })
}

async fn until(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}
