//! The live view: finished steps as one line each, and below them, updated in place, what runs now with its last lines.

use std::{
    collections::{HashMap, VecDeque},
    io::{self, Write},
};

use anstyle::Style;
use jiff::Timestamp;
use proto::deployment::{self as d, step_run::State};

use super::{
    board::Board,
    lines::{Line, Lines},
    presenter::Presenter,
    row, wording,
};
use crate::{
    sanitise,
    screen::{paint, talk},
    view::took,
};

/// Pictures of the spinner.
const SPINNER: [&str; 10] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
/// 30 lines of a failed step stay in sight; the rest is in its log.
const TAIL: usize = 30;
/// 20 lines that stand out stay in sight when a step is done.
const KEPT: usize = 20;
/// 12 lines below a running step: what an eye follows.
const MOST_BELOW: usize = 12;
/// 80 columns and 24 rows: a terminal that does not say how large it is.
const USUAL_SIZE: (usize, usize) = (80, 24);

const CLEAR_BELOW: &str = "\x1b[J";
const NO_WRAP: &str = "\x1b[?7l";
const WRAP: &str = "\x1b[?7h";
const HIDE_CURSOR: &str = "\x1b[?25l";
const SHOW_CURSOR: &str = "\x1b[?25h";

/// Draws on a terminal. The terminal is as before when it is dropped.
pub(super) struct Terminal {
    colored: bool,
    lines: Lines,
    /// Whether every line stays in sight: what an ad-hoc command prints is what it was run for.
    whole: bool,
    panes: HashMap<String, Pane>,
    /// Rows that the last picture takes.
    drawn: usize,
    /// Rows to draw.
    picture: Vec<String>,
    ticks: usize,
}

/// What a step printed last, ready to show.
#[derive(Default)]
struct Pane {
    tail: VecDeque<String>,
    kept: VecDeque<String>,
}

impl Terminal {
    pub(super) fn new(colored: bool) -> Self {
        Self {
            colored,
            lines: Lines::default(),
            whole: false,
            panes: HashMap::new(),
            drawn: 0,
            picture: Vec::new(),
            ticks: 0,
        }
    }

    /// Shows lines above the picture, or keeps them for the next one: a log may come faster than anyone can read.
    fn take(&mut self, step: &str, lines: Vec<Line>) -> io::Result<()> {
        if !self.whole {
            self.keep(step, lines);
            return Ok(());
        }
        let above: Vec<_> = lines.iter().map(|line| wording::log_line(line, self.colored)).collect();
        if above.is_empty() { Ok(()) } else { self.print(&above) }
    }

    fn keep(&mut self, step: &str, lines: Vec<Line>) {
        let pane = self.panes.entry(step.to_owned()).or_default();
        for line in lines {
            let text = wording::log_line(&line, self.colored);
            if wording::stands_out(&line) {
                push(&mut pane.kept, text.clone(), KEPT);
            }
            push(&mut pane.tail, text, TAIL);
        }
    }

    /// Writes lines that stay, above the picture.
    fn print(&mut self, above: &[String]) -> io::Result<()> {
        let mut text = String::from("\r");
        if self.drawn > 0 {
            text.push_str(&format!("\x1b[{}A", self.drawn));
        }
        text.push_str(CLEAR_BELOW);
        for line in above {
            text.push_str(line);
            text.push('\n');
        }
        // A row that wrapped would take two, and the next picture would begin in the wrong place.
        text.push_str(NO_WRAP);
        let (columns, _) = size();
        for row in &self.picture {
            text.push_str(&row::fit(row, columns));
            text.push('\n');
        }
        text.push_str(WRAP);
        self.drawn = self.picture.len();
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())?;
        out.flush()
    }

    fn draw(&mut self, board: &Board, rows: usize, now: Timestamp) {
        let active: Vec<_> =
            board.open_steps().filter(|step| !matches!(step.state(), State::Pending | State::Unspecified)).collect();
        let pending = board.open_steps().filter(|step| step.state() == State::Pending).count();
        // One row for the steps to come, one that the cursor stands in.
        let room = rows.saturating_sub(2);
        let shown = active.len().min(room);
        let below = (room - shown).checked_div(shown).unwrap_or(0).min(MOST_BELOW);
        self.picture.clear();
        for step in &active[..shown] {
            let head = self.head(step, now);
            self.picture.push(head);
            let Some(pane) = self.panes.get(&step.name) else { continue };
            let first = pane.tail.len().saturating_sub(below);
            self.picture.extend(pane.tail.iter().skip(first).map(|line| format!("    {line}")));
        }
        let hidden = active.len() - shown;
        let mut rest = Vec::new();
        if hidden > 0 {
            rest.push(format!("{hidden} more at work"));
        }
        if pending > 0 {
            let turn = board.turn().map(|turn| format!(": {}", sanitise::cell(turn))).unwrap_or_default();
            rest.push(format!("{pending} to come{turn}"));
        }
        if !rest.is_empty() && rows > 1 {
            self.picture.push(paint(self.colored, Style::new().dimmed(), &format!("  {}", rest.join(", "))));
        }
    }

    fn head(&self, step: &d::StepRun, now: Timestamp) -> String {
        let mark = match step.state() {
            State::Running => SPINNER[self.ticks % SPINNER.len()],
            State::Queued => "·",
            _ => "?",
        };
        let name = paint(self.colored, Style::new().bold(), &sanitise::cell(&step.name));
        let elapsed = match step.state() {
            State::Running => {
                wording::running_since(step).map(|since| format!("  {}", took(now.duration_since(since))))
            }
            _ => None,
        };
        let note = wording::standing(step).unwrap_or_else(|| "is being handed to a worker".to_owned());
        let note = paint(self.colored, Style::new().dimmed(), &sanitise::cell(&note));
        format!("{mark} {name}{}  {note}", elapsed.unwrap_or_default())
    }
}

impl Presenter for Terminal {
    fn begin(&mut self, deployment: &d::Deployment) -> io::Result<()> {
        self.whole = wording::is_command(deployment);
        let opening = wording::opening(deployment);
        self.print(&[format!("{HIDE_CURSOR}{opening}")])
    }

    fn event(&mut self, _: &d::DeploymentEvent) -> io::Result<()> {
        Ok(())
    }

    fn stands(&mut self, board: &Board) -> io::Result<()> {
        self.draw(board, size().1, Timestamp::now());
        self.print(&[])
    }

    fn frame(&mut self, step: &str, execution_id: &str, frame: &d::LogFrame) -> io::Result<()> {
        let lines = self.lines.push(execution_id, frame);
        self.take(step, lines)
    }

    fn log_ended(&mut self, step: &str, execution_id: &str, missing: &str) -> io::Result<()> {
        let lines = self.lines.finish(execution_id);
        self.take(step, lines)?;
        if missing.is_empty() { Ok(()) } else { self.say(&format!("[{step}] {missing}")) }
    }

    fn settled(&mut self, step: &d::StepRun) -> io::Result<()> {
        let pane = self.panes.remove(&step.name).unwrap_or_default();
        let well = matches!(step.state(), State::Succeeded | State::Skipped);
        let stays = if well { pane.kept } else { pane.tail };
        let mut above = vec![wording::settled(step, self.colored)];
        above.extend(stays.into_iter().map(|line| format!("    {line}")));
        // The step's own rows must not stay below its last word.
        self.picture.clear();
        self.print(&above)
    }

    fn say(&mut self, text: &str) -> io::Result<()> {
        let picture = std::mem::take(&mut self.picture);
        self.print(&[])?;
        talk(text);
        self.picture = picture;
        self.print(&[])
    }

    fn end(&mut self, deployment: &d::Deployment) -> io::Result<()> {
        self.picture.clear();
        self.print(&[wording::closing(deployment, self.colored)])?;
        wording::decisions(deployment).iter().for_each(|decision| talk(decision));
        if let Some(way) = wording::way_to_logs(deployment) {
            talk(&way);
        }
        Ok(())
    }

    fn is_animated(&self) -> bool {
        true
    }

    fn tick(&mut self, board: &Board) -> io::Result<()> {
        self.ticks += 1;
        self.draw(board, size().1, Timestamp::now());
        self.print(&[])
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Nothing can be done about a terminal that has gone.
        let _ = write!(io::stdout(), "{WRAP}{SHOW_CURSOR}");
        let _ = io::stdout().flush();
    }
}

fn push(lines: &mut VecDeque<String>, line: String, max: usize) {
    if lines.len() == max {
        lines.pop_front();
    }
    lines.push_back(line);
}

/// Columns and rows.
fn size() -> (usize, usize) {
    rustix::termios::tcgetwinsize(io::stdout())
        .map(|size| (usize::from(size.ws_col), usize::from(size.ws_row)))
        .ok()
        .filter(|&(columns, rows)| columns > 0 && rows > 0)
        .unwrap_or(USUAL_SIZE)
}

#[cfg(test)]
mod tests {
    use proto::deployment::log_frame::{Level, Source};

    use super::*;

    fn board(steps: Vec<(&str, State)>) -> Board {
        let steps = steps.into_iter().map(|(name, state)| {
            let mut step = d::StepRun { name: name.into(), ..Default::default() };
            step.set_state(state);
            if state == State::Running {
                step.attempts.push(d::Attempt {
                    state: "RUNNING".into(),
                    worker: "worker-1".into(),
                    start_time: Some(prost_types::Timestamp { seconds: 100, nanos: 0 }),
                    ..Default::default()
                });
            }
            step
        });
        Board::new(d::Deployment { steps: steps.collect(), ..Default::default() })
    }

    fn line(text: &str, level: Level) -> Line {
        Line { level, source: Source::Stdout, text: text.into() }
    }

    #[test]
    fn a_running_step_has_its_last_lines_below_it() {
        let mut terminal = Terminal::new(false);
        terminal.keep("A", (1..=40).map(|n| line(&format!("line {n}"), Level::Info)).collect());
        let now = Timestamp::from_second(112).expect("a time");
        terminal.draw(&board(vec![("A", State::Running), ("B", State::Pending)]), 7, now);
        assert_eq!(
            terminal.picture,
            [
                "⠋ A  12s  running on worker-1",
                "    line 37",
                "    line 38",
                "    line 39",
                "    line 40",
                "  1 to come"
            ]
        );
    }

    #[test]
    fn a_deployment_says_what_it_waits_for() {
        let mut waits = d::StepRun { queue_reason: "#3 has not ended.".into(), ..Default::default() };
        waits.set_state(State::Pending);
        let board = Board::new(d::Deployment { steps: vec![waits], ..Default::default() });
        let mut terminal = Terminal::new(false);
        terminal.draw(&board, 24, Timestamp::UNIX_EPOCH);
        assert_eq!(terminal.picture, ["  1 to come: #3 has not ended."]);
    }

    #[test]
    fn what_a_command_prints_is_shown_and_not_folded() {
        let mut command = Terminal::new(false);
        command.begin(&d::Deployment::default()).expect("shown");
        command.take("Command", vec![line("its output", Level::Info)]).expect("shown");
        assert!(command.panes.is_empty(), "a line was kept to be folded");
        let mut project = Terminal::new(false);
        project.begin(&d::Deployment { project: "shop".into(), ..Default::default() }).expect("shown");
        project.take("A", vec![line("its output", Level::Info)]).expect("shown");
        assert_eq!(project.panes["A"].tail, ["its output"]);
    }

    #[test]
    fn the_picture_never_outgrows_the_terminal() {
        let many: Vec<_> = (0..50).map(|_| ("S", State::Running)).collect();
        for rows in 1..60 {
            let mut terminal = Terminal::new(false);
            terminal.keep("S", (0..40).map(|_| line("x", Level::Info)).collect());
            terminal.draw(&board(many.clone()), rows, Timestamp::UNIX_EPOCH);
            assert!(terminal.picture.len() < rows.max(2), "{} rows of {rows}", terminal.picture.len());
        }
    }

    #[test]
    fn lines_that_stand_out_stay_when_a_step_is_done() {
        let mut terminal = Terminal::new(false);
        terminal.keep("A", vec![line("usual", Level::Info), line("careful", Level::Warning)]);
        assert_eq!(terminal.panes["A"].kept, ["careful"]);
    }
}
