//! One object for every event and log frame, for programs: a line each as JSON, a document each as YAML.

use std::io::{self, Write};

use proto::deployment as d;
use serde::Serialize;

use super::{board::Board, presenter::Presenter, wording};
use crate::{
    screen::{Format, encode, talk},
    view::{DeploymentView, EventView, LogFrameView},
};

/// Writes objects with one key, which says what they are.
pub(super) struct Records {
    form: Format,
}

/// What a record is about.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Record {
    Event(EventView),
    Log(LogFrameView),
    Deployment(Box<DeploymentView>),
}

impl Records {
    pub(super) fn new(form: Format) -> Self {
        Self { form }
    }

    fn write(&self, record: &Record) -> io::Result<()> {
        let mut out = io::stdout().lock();
        out.write_all(encoded(self.form, record)?.as_bytes())?;
        out.flush()
    }
}

/// One of many: a line as JSON, a document as YAML.
pub(super) fn encoded(form: Format, record: &impl Serialize) -> io::Result<String> {
    Ok(match form {
        Format::Yaml => format!("---\n{}", encode(Format::Yaml, record)),
        Format::Json | Format::Table => format!("{}\n", serde_json::to_string(record)?),
    })
}

impl Presenter for Records {
    fn begin(&mut self, _: &d::Deployment) -> io::Result<()> {
        Ok(())
    }

    fn event(&mut self, event: &d::DeploymentEvent) -> io::Result<()> {
        self.write(&Record::Event(EventView::from(event)))
    }

    fn stands(&mut self, _: &Board) -> io::Result<()> {
        Ok(())
    }

    fn frame(&mut self, step: &str, execution_id: &str, frame: &d::LogFrame) -> io::Result<()> {
        self.write(&Record::Log(LogFrameView::new(step, execution_id, frame)))
    }

    fn log_ended(&mut self, step: &str, _: &str, missing: &str) -> io::Result<()> {
        if missing.is_empty() { Ok(()) } else { self.say(&format!("[{step}] {missing}")) }
    }

    fn settled(&mut self, _: &d::StepRun) -> io::Result<()> {
        Ok(())
    }

    fn say(&mut self, text: &str) -> io::Result<()> {
        talk(text);
        Ok(())
    }

    fn end(&mut self, deployment: &d::Deployment) -> io::Result<()> {
        self.write(&Record::Deployment(Box::new(DeploymentView::from(deployment.clone()))))?;
        wording::decisions(deployment).iter().for_each(|decision| talk(decision));
        Ok(())
    }
}
