//! Projects and variables.

mod action;
mod step;
mod variable;

use jiff::Timestamp;
use proto::deployment as d;
use serde::Serialize;

pub(crate) use self::variable::VariableView;
use self::{
    action::ActionView,
    step::{AwsView, StepView},
};
use super::{View, short, time};
use crate::screen;

/// A project as it is stored.
#[derive(Serialize)]
pub(crate) struct ProjectView {
    /// Its name.
    pub(crate) name: String,
    description: String,
    /// Absent in a list, which carries neither these nor variables and files.
    #[serde(skip_serializing_if = "Option::is_none")]
    steps: Option<Vec<StepView>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    variables: Option<Vec<VariableView>>,
    /// Grows by one with each change of the process.
    pub(crate) revision: i64,
    update_time: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    files: Option<Vec<FileView>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    variables_from: Option<Vec<String>>,
}

#[derive(Serialize)]
struct FileView {
    path: String,
    sha256: String,
    size: i64,
    executable: bool,
}

impl From<d::Project> for ProjectView {
    fn from(it: d::Project) -> Self {
        Self {
            name: it.name,
            description: it.description,
            steps: Some(it.steps.into_iter().map(StepView::from).collect()),
            variables: Some(it.variables.into_iter().map(VariableView::from).collect()),
            revision: it.revision,
            update_time: time(it.update_time),
            files: Some(it.files.into_iter().map(FileView::from).collect()),
            variables_from: Some(it.variables_from),
        }
    }
}

impl ProjectView {
    /// As a list carries it.
    pub(crate) fn listed(it: d::Project) -> Self {
        Self { steps: None, variables: None, files: None, variables_from: None, ..Self::from(it) }
    }
}

impl From<d::ProjectFile> for FileView {
    fn from(it: d::ProjectFile) -> Self {
        Self { path: it.path, sha256: it.sha256, size: it.size, executable: it.executable }
    }
}

impl View for ProjectView {
    const MANY: &'static str = "projects";
    const COLUMNS: &'static [&'static str] = &["name", "revision", "changed", "description"];

    fn cells(&self) -> Vec<String> {
        vec![self.name.clone(), self.revision.to_string(), short(self.update_time), self.description.clone()]
    }

    fn page(&self) -> String {
        let mut page = screen::facts(&[
            ("name", self.name.clone()),
            ("description", self.description.clone()),
            ("revision", self.revision.to_string()),
            ("changed", short(self.update_time)),
            ("variables from", self.variables_from.as_deref().unwrap_or_default().join(", ")),
        ]);
        let steps = self.steps.iter().flatten().enumerate().map(|(at, step)| {
            vec![
                (at + 1).to_string(),
                step.name.clone(),
                step.pool.clone(),
                step.action.as_ref().map(ActionView::in_a_word).unwrap_or_default(),
                step.aws.as_ref().map_or_else(|| "none".to_owned(), AwsView::in_a_word),
                step.condition.clone(),
                step.environments.join(", "),
            ]
        });
        page.push('\n');
        page.push_str(&screen::table(&["#", "step", "pool", "does", "aws", "condition", "environments"], steps));
        let variables = self.variables.as_deref().unwrap_or_default();
        if !variables.is_empty() {
            page.push_str("\n\n");
            page.push_str(&screen::table(VariableView::COLUMNS, variables.iter().map(View::cells)));
        }
        page
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_does_not_say_that_a_project_has_no_steps() {
        let keys = |view| serde_json::to_value::<ProjectView>(view).expect("json");
        let (listed, shown) =
            (keys(ProjectView::listed(d::Project::default())), keys(ProjectView::from(d::Project::default())));
        for key in ["steps", "variables", "files"] {
            assert!(listed.get(key).is_none(), "{key} is in a list");
            assert_eq!(shown[key], serde_json::json!([]));
        }
    }
}
