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
}

impl Plain {
    pub(super) fn new(colored: bool) -> Self {
        Self { colored, lines: Lines::default(), said: HashMap::new() }
    }

    fn print(&self, step: &str, lines: &[Line]) -> io::Result<()> {
        let prefix = wording::prefix(step, self.colored);
        let mut out = io::stdout().lock();
        for line in lines {
            writeln!(out, "{prefix} {}", wording::log_line(line, self.colored))?;
        }
        out.flush()
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
        for step in board.open_steps() {
            let Some(text) = wording::standing(step) else { continue };
            if self.said.get(&step.name) != Some(&text) {
                write_line(&format!("{} {}", wording::prefix(&step.name, self.colored), sanitise::cell(&text)))?;
                self.said.insert(step.name.clone(), text);
            }
        }
        Ok(())
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
