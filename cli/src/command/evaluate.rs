//! `longshore evaluate`.

mod values;

use std::path::PathBuf;

use clap::{ArgGroup, Args};

use self::values::{Explained, Value, Values};
use crate::{
    connection::Connection,
    failure::{Exit, Failure},
    screen::{Format, Screen, encode, put, talk},
};

/// Show what the template engine makes of a text, without a coordinator
///
/// With --project, the variables are those that a coordinator has; sensitive values are never shown. What only a deployment knows,
/// like outputs of steps, has no value here.
#[derive(Args, Debug)]
#[command(group(ArgGroup::new("source").args(["variables", "project"]).required(true)))]
pub(super) struct Evaluate {
    /// File of variables, a value for each name; or a project file, or its folder
    #[arg(long, value_name = "FILE")]
    variables: Option<PathBuf>,
    /// The variables of this project on the coordinator, and of those it takes variables from
    #[arg(long, value_name = "NAME")]
    project: Option<String>,
    /// As in a deployment to this environment
    #[arg(long, short, value_name = "NAME", default_value = "", hide_default_value = true)]
    environment: String,
    /// As in this step
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    step: String,
    /// As in a step that runs in this pool
    #[arg(long, value_name = "NAME")]
    pool: Option<String>,
    /// Say where each value that was used comes from, and over which others it wins
    #[arg(long)]
    explain: bool,
    /// The text, with #{Name} in it
    text: String,
}

/// What came of a text.
#[derive(serde::Serialize)]
struct Answer {
    text: String,
    undefined: Vec<String>,
    faults: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    used: Option<Vec<Explained>>,
}

impl Evaluate {
    pub(super) async fn run(self, screen: Screen) -> Result<Exit, Failure> {
        let values = Values::new(self.read().await?, &self.environment, &self.step, self.pool.as_deref());
        let variables = values.variables();
        let evaluated =
            variables.evaluate(&self.text).map_err(|error| Failure::new(Exit::Failed, error.to_string()))?;
        let used = self.explain.then(|| evaluated.used.iter().filter_map(|name| values.explain(name)).collect());
        let answer = Answer {
            // What is secret is masked wherever it went.
            text: if evaluated.sensitive { values.mask(&evaluated.text) } else { evaluated.text },
            undefined: evaluated.undefined,
            faults: evaluated.faults.iter().map(ToString::to_string).collect(),
            used,
        };
        if screen.output == Format::Table { answer.tell() } else { put(&encode(screen.output, &answer)) }?;
        Ok(Exit::Ok)
    }

    async fn read(&self) -> Result<Vec<Value>, Failure> {
        match (&self.variables, &self.project) {
            (Some(path), _) => values::of_file(path),
            (None, Some(project)) => values::of_project(&Connection::open()?, project).await,
            (None, None) => Ok(Vec::new()),
        }
    }
}

impl Answer {
    fn tell(&self) -> Result<(), Failure> {
        put(&self.text)?;
        if !self.undefined.is_empty() {
            talk(&format!("Left as they are, because they have no value: {}.", self.undefined.join(", ")));
        }
        for fault in &self.faults {
            talk(&format!("Left as it is: {fault}."));
        }
        for explained in self.used.iter().flatten() {
            talk(&explained.sentence());
        }
        Ok(())
    }
}
