//! What steps do.

mod stack;
mod upload;

use proto::deployment as d;
use serde::Serialize;

use self::{
    stack::{ApplyChangeSetView, DeleteStackView, DeployStackView},
    upload::UploadToS3View,
};
use super::super::word;

/// What a step does, under the name that the contract has for it.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ActionView {
    Script(ScriptView),
    DeployStack(Box<DeployStackView>),
    ApplyChangeSet(ApplyChangeSetView),
    DeleteStack(DeleteStackView),
    UploadToS3(Box<UploadToS3View>),
}

#[derive(Serialize)]
pub(super) struct ScriptView {
    shell: String,
    #[serde(flatten)]
    source: SourceView,
    strict: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum SourceView {
    Body(String),
    File(String),
}

impl ActionView {
    /// Absent when a newer coordinator sent a source that this version does not know.
    pub(super) fn read(action: d::step::Action) -> Option<Self> {
        use d::{script::Source, step::Action};
        Some(match action {
            Action::Script(it) => Self::Script(ScriptView {
                shell: word(it.shell().as_str_name(), "SHELL_"),
                strict: it.strict(),
                source: match it.source? {
                    Source::Body(text) => SourceView::Body(text),
                    Source::File(path) => SourceView::File(path),
                },
            }),
            Action::DeployStack(it) => Self::DeployStack(Box::new(DeployStackView::read(it)?)),
            Action::ApplyChangeSet(it) => Self::ApplyChangeSet(it.into()),
            Action::DeleteStack(it) => Self::DeleteStack(it.into()),
            Action::UploadToS3(it) => Self::UploadToS3(Box::new(it.into())),
        })
    }

    /// For a table.
    pub(super) fn in_a_word(&self) -> String {
        match self {
            Self::Script(ScriptView { shell, source: SourceView::Body(_), .. }) => format!("{shell} script"),
            Self::Script(ScriptView { shell, source: SourceView::File(path), .. }) => format!("{shell} script {path}"),
            Self::DeployStack(it) => it.in_a_word(),
            Self::ApplyChangeSet(it) => format!("change set of stack {}", it.stack),
            Self::DeleteStack(it) => format!("deletion of stack {}", it.stack),
            Self::UploadToS3(it) => it.in_a_word(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proto::action as a;

    use super::*;

    fn keys(action: d::step::Action) -> serde_json::Value {
        serde_json::to_value(ActionView::read(action).expect("known")).expect("json")
    }

    #[test]
    fn every_action_has_its_name_and_its_fields_as_in_the_contract() {
        let stack = a::DeployStack {
            stack: "s".into(),
            template: Some(a::deploy_stack::Template::File("t.yaml".into())),
            parameters: [("P".to_owned(), a::StackParameter { value: "v".into(), use_previous: false, no_echo: true })]
                .into(),
            policy: Some(a::deploy_stack::Policy::PolicyFile("p.json".into())),
            rollback_triggers: Some(a::RollbackTriggers {
                alarms: vec!["arn".into()],
                monitoring: Some(prost_types::Duration { seconds: 600, nanos: 0 }),
            }),
            continue_rollback: Some(a::ContinueRollback { skip: vec!["A".into()] }),
            staging: Some(a::Staging { bucket: "b".into(), ..a::Staging::default() }),
            change_set: a::deploy_stack::ChangeSet::Review.into(),
            ..a::DeployStack::default()
        };
        let upload = a::UploadToS3 {
            bucket: "b".into(),
            source: vec!["dist/**".into()],
            settings: Some(a::ObjectSettings { cache_control: "no-cache".into(), ..a::ObjectSettings::default() }),
            rules: vec![a::ObjectRule { files: vec!["*.html".into()], settings: None }],
            delete_extraneous: Some(a::DeleteExtraneous { at_most: 5 }),
            ..a::UploadToS3::default()
        };
        let all = [
            keys(d::step::Action::DeployStack(stack)),
            keys(d::step::Action::ApplyChangeSet(a::ApplyChangeSet::default())),
            keys(d::step::Action::DeleteStack(a::DeleteStack::default())),
            keys(d::step::Action::UploadToS3(upload)),
        ];
        insta::assert_snapshot!(serde_json::to_string_pretty(&all).expect("json"));
    }

    #[test]
    fn an_action_is_told_in_a_word() {
        let upload = a::UploadToS3 { bucket: "b".into(), source: vec!["dist/**".into()], ..a::UploadToS3::default() };
        let word = |action| ActionView::read(action).expect("known").in_a_word();
        assert_eq!(word(d::step::Action::UploadToS3(upload)), "dist/** to bucket b");
        let delete = a::DeleteStack { stack: "s".into(), ..a::DeleteStack::default() };
        assert_eq!(word(d::step::Action::DeleteStack(delete)), "deletion of stack s");
    }
}
