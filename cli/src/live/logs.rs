//! Logs read on their own: byte for byte into a pipe or file, safe and readable on a terminal.

use std::io::{self, IsTerminal, Write};

use proto::deployment as d;

use super::{Following, follow, lines::Lines, records, wording};
use crate::{
    connection::Connection,
    failure::{Exit, Failure},
    screen::{Format, Screen, talk},
    view::LogFrameView,
};

/// Which logs to read, and how.
pub(crate) struct Reading {
    /// Form and colour.
    pub(crate) screen: Screen,
    /// Only this step's newest attempt.
    pub(crate) step: Option<String>,
    /// Until the log is complete.
    pub(crate) follow: bool,
}

/// Prints the logs of a deployment's steps, one after another.
///
/// # Errors
/// When there is no such step, or the coordinator cannot be asked.
pub(crate) async fn read_logs(
    connection: Connection,
    deployment: d::Deployment,
    reading: Reading,
) -> Result<Exit, Failure> {
    let screen = reading.screen;
    let Some(step) = &reading.step else {
        if reading.follow {
            return follow(connection, deployment, Following { screen, plain: true }).await;
        }
        for step in &deployment.steps {
            for attempt in step.attempts.iter().filter(|attempt| attempt.log_frames > 0) {
                let writer = Writer::new(screen, &step.name, &attempt.execution_id, true);
                print(&connection, &deployment.id, writer, false).await?;
            }
        }
        return Ok(Exit::Ok);
    };
    let Some(run) = deployment.steps.iter().find(|run| run.name.to_lowercase() == step.to_lowercase()) else {
        let names: Vec<_> = deployment.steps.iter().map(|run| format!("\"{}\"", run.name)).collect();
        return Err(Failure::new(
            Exit::NotFound,
            format!("This deployment has no step \"{step}\"; its steps are {}.", names.join(", ")),
        ));
    };
    let Some(attempt) = run.attempts.last() else {
        talk(&format!("Step \"{}\" has not run, so it has no log.", run.name));
        return Ok(Exit::Ok);
    };
    let writer = Writer::new(screen, &run.name, &attempt.execution_id, false);
    print(&connection, &deployment.id, writer, reading.follow).await?;
    Ok(Exit::Ok)
}

async fn print(
    connection: &Connection,
    deployment_id: &str,
    mut writer: Writer<'_>,
    follow: bool,
) -> Result<(), Failure> {
    let request = d::ReadLogRequest {
        deployment_id: deployment_id.to_owned(),
        step: String::new(),
        execution_id: writer.execution_id.to_owned(),
        from_sequence: 0,
        follow,
    };
    let mut client = connection.deployments();
    let mut chunks = connection.answer(client.read_log(request)).await?;
    while let Some(chunk) = chunks.message().await.map_err(|status| connection.failure(&status))? {
        for frame in &chunk.frames {
            writer.write(frame, io::stdout().lock())?;
        }
        if !chunk.incomplete_reason.is_empty() {
            talk(&format!("[{}] {}", writer.step, chunk.incomplete_reason));
        }
    }
    writer.finish()?;
    Ok(())
}

/// Writes the frames of one attempt.
struct Writer<'a> {
    form: Form,
    step: &'a str,
    execution_id: &'a str,
    lines: Lines,
}

enum Form {
    /// Every byte as it is.
    Exact,
    /// For eyes; with the step's name before each line, if not empty.
    Readable { prefix: String, colored: bool },
    /// An object a frame.
    Records(Format),
}

impl<'a> Writer<'a> {
    fn new(screen: Screen, step: &'a str, execution_id: &'a str, several: bool) -> Self {
        let colored = screen.colored();
        let form = match screen.output {
            form @ (Format::Json | Format::Yaml) => Form::Records(form),
            Format::Table if several => {
                Form::Readable { prefix: format!("{} ", wording::prefix(step, colored)), colored }
            }
            Format::Table if io::stdout().is_terminal() => Form::Readable { prefix: String::new(), colored },
            Format::Table => Form::Exact,
        };
        Self { form, step, execution_id, lines: Lines::default() }
    }

    fn write(&mut self, frame: &d::LogFrame, mut out: impl Write) -> io::Result<()> {
        match &self.form {
            Form::Exact => out.write_all(&frame.data)?,
            Form::Readable { prefix, colored } => {
                for line in self.lines.push(self.execution_id, frame) {
                    writeln!(out, "{prefix}{}", wording::log_line(&line, *colored))?;
                }
            }
            Form::Records(form) => {
                let view = LogFrameView::new(self.step, self.execution_id, frame);
                out.write_all(records::encoded(*form, &view)?.as_bytes())?;
            }
        }
        out.flush()
    }

    fn finish(&mut self) -> io::Result<()> {
        let mut out = io::stdout().lock();
        if let Form::Readable { prefix, colored } = &self.form {
            for line in self.lines.finish(self.execution_id) {
                writeln!(out, "{prefix}{}", wording::log_line(&line, *colored))?;
            }
        }
        out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_lines_of_json_and_documents_of_yaml() {
        let written = |form| {
            let mut writer =
                Writer { form: Form::Records(form), step: "S", execution_id: "e", lines: Lines::default() };
            let mut out = Vec::new();
            for sequence in [0, 1] {
                writer.write(&d::LogFrame { sequence, ..Default::default() }, &mut out).expect("written");
            }
            String::from_utf8(out).expect("text")
        };
        let yaml = written(Format::Yaml);
        assert_eq!(yaml.matches("---\nstep: S\n").count(), 2, "{yaml}");
        let json = written(Format::Json);
        assert_eq!(json.lines().filter(|line| line.starts_with('{') && line.ends_with('}')).count(), 2, "{json}");
    }
}
