//! Plain lines, `[step] text`, for pipes, files and build logs.

use std::{
    collections::HashMap,
    io::{self, Write},
};

use proto::deployment as d;

use super::{
    board::Board,
    lines::{Line, Lines},
    presenter::Presenter,
    wording,
};
use crate::{sanitise, screen::talk};

/// Writes every line as it comes.
pub(super) struct Plain {
    colored: bool,
    lines: Lines,
    /// What was said last about each step.
    said: HashMap<String, String>,
    /// What was said last about the deployment's turn.
    turn: String,
}

impl Plain {
    pub(super) fn new(colored: bool) -> Self {
        Self { colored, lines: Lines::default(), said: HashMap::new(), turn: String::new() }
    }

    fn print(&self, step: &str, lines: &[Line]) -> io::Result<()> {
        let prefix = wording::prefix(step, self.colored);
        let mut out = io::stdout().lock();
        for line in lines {
            writeln!(out, "{prefix} {}", wording::log_line(line, self.colored))?;
        }
        out.flush()
    }

    /// What is new in how things stand, each said once.
    fn news(&mut self, board: &Board) -> Vec<String> {
        let mut news = Vec::new();
        if let Some(turn) = board.turn().filter(|&turn| turn != self.turn) {
            news.push(sanitise::cell(&format!("Waiting: {turn}")));
            self.turn = turn.to_owned();
        }
        for step in board.open_steps() {
            let Some(text) = wording::standing(step) else { continue };
            if self.said.get(&step.name) != Some(&text) {
                news.push(format!("{} {}", wording::prefix(&step.name, self.colored), sanitise::cell(&text)));
                self.said.insert(step.name.clone(), text);
            }
        }
        news
    }
}

impl Presenter for Plain {
    fn begin(&mut self, deployment: &d::Deployment) -> io::Result<()> {
        write_line(&wording::opening(deployment))
    }

    fn event(&mut self, _: &d::DeploymentEvent) -> io::Result<()> {
        Ok(())
    }

    fn stands(&mut self, board: &Board) -> io::Result<()> {
        self.news(board).iter().try_for_each(|line| write_line(line))
    }

    fn frame(&mut self, step: &str, execution_id: &str, frame: &d::LogFrame) -> io::Result<()> {
        let lines = self.lines.push(execution_id, frame);
        self.print(step, &lines)
    }

    fn log_ended(&mut self, step: &str, execution_id: &str, missing: &str) -> io::Result<()> {
        let lines = self.lines.finish(execution_id);
        self.print(step, &lines)?;
        if missing.is_empty() { Ok(()) } else { self.say(&format!("[{step}] {missing}")) }
    }

    fn settled(&mut self, step: &d::StepRun) -> io::Result<()> {
        let prefix = wording::prefix(&step.name, self.colored);
        write_line(&format!("{prefix} {}", wording::settled(step, self.colored)))
    }

    fn say(&mut self, text: &str) -> io::Result<()> {
        talk(text);
        Ok(())
    }

    fn end(&mut self, deployment: &d::Deployment) -> io::Result<()> {
        write_line(&wording::closing(deployment, self.colored))?;
        wording::decisions(deployment).iter().for_each(|decision| talk(decision));
        Ok(())
    }
}

fn write_line(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use proto::deployment::step_run::State;

    use super::*;

    #[test]
    fn what_a_deployment_waits_for_is_said_once() {
        let waits = |name: &str| {
            let mut step =
                d::StepRun { name: name.into(), queue_reason: "#3 has not ended.".into(), ..Default::default() };
            step.set_state(State::Pending);
            step
        };
        let board = Board::new(d::Deployment { steps: vec![waits("A"), waits("B")], ..Default::default() });
        let mut plain = Plain::new(false);
        assert_eq!(plain.news(&board), ["Waiting: #3 has not ended."]);
        assert!(plain.news(&board).is_empty());
    }
}
