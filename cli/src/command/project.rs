//! `longshore project`.

mod upload;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use proto::deployment as d;

use crate::{
    connection::Connection,
    failure::{Exit, Failure},
    project_file::{Draft, schema},
    screen::{Format, Screen, encode, put, talk},
    view::ProjectView,
};

#[derive(Subcommand, Debug)]
pub(super) enum Project {
    /// Make a project be as its file says
    Apply(Source),
    /// Check a project file, without a coordinator
    Validate(Source),
    /// One project with its steps and variables
    Show {
        /// Name of the project
        name: String,
    },
    /// All projects
    List,
    /// Remove a project; its deployments stay readable
    Delete {
        /// Name of the project
        name: String,
    },
    /// The JSON Schema of a project file, for editors
    Schema,
}

#[derive(Args, Debug)]
pub(super) struct Source {
    /// The project file, or the folder that holds longshore.yaml
    #[arg(long, short = 'f', value_name = "PATH", default_value = ".")]
    file: PathBuf,
}

impl Project {
    pub(super) async fn run(self, screen: Screen) -> Result<Exit, Failure> {
        match self {
            Self::Apply(source) => apply(&source, screen).await?,
            Self::Validate(source) => validate(&source)?,
            Self::Schema => put(&encode(Format::Json, &schema()))?,
            Self::Show { name } => {
                let connection = Connection::open()?;
                let mut client = connection.projects();
                let project = connection.answer(client.get_project(d::GetProjectRequest { name })).await?;
                screen.show(&ProjectView::from(project))?;
            }
            Self::List => {
                let connection = Connection::open()?;
                let mut client = connection.projects();
                let answer = connection.answer(client.list_projects(d::ListProjectsRequest {})).await?;
                screen.list(&answer.projects.into_iter().map(ProjectView::listed).collect::<Vec<_>>())?;
            }
            Self::Delete { name } => {
                let connection = Connection::open()?;
                let mut client = connection.projects();
                connection.answer(client.delete_project(d::DeleteProjectRequest { name: name.clone() })).await?;
                talk(&format!("Project \"{name}\" is removed."));
            }
        }
        Ok(Exit::Ok)
    }
}

fn read(source: &Source) -> Result<Draft, Failure> {
    let draft = Draft::read(&source.file)?;
    for warning in &draft.warnings {
        talk(&format!("warning: {warning}"));
    }
    Ok(draft)
}

fn validate(source: &Source) -> Result<(), Failure> {
    let draft = read(source)?;
    let count = |number: usize, thing: &str| format!("{number} {thing}{}", if number == 1 { "" } else { "s" });
    talk(&format!(
        "Project \"{}\" is in order: {}, {}, {}.",
        draft.project.name,
        count(draft.project.steps.len(), "step"),
        count(draft.project.variables.len(), "variable value"),
        count(draft.attachments.len(), "file"),
    ));
    Ok(())
}

async fn apply(source: &Source, screen: Screen) -> Result<(), Failure> {
    let draft = read(source)?;
    let connection = Connection::open()?;
    upload::missing(&connection, &draft.attachments).await?;
    let request = d::ApplyProjectRequest { project: Some(draft.project), validate_only: false };
    let mut client = connection.projects();
    let answer = connection.answer(client.apply_project(request)).await?;
    let project = ProjectView::from(answer.project.unwrap_or_default());
    let change = if answer.changed { "is now at" } else { "was already at" };
    talk(&format!("Project \"{}\" {change} revision {}.", project.name, project.revision));
    screen.show(&project)
}
