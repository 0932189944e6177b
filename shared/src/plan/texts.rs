//! The texts of an action that may hold `#{…}`: one walk over them, whatever is done with each.

use std::collections::BTreeMap;

use super::{
    Action,
    stack::{ApplyChangeSet, DeleteStack, DeployStack, StackParameter, StackTemplate},
    upload::{ObjectRule, ObjectSettings, UploadToS3},
};

/// Who may see a text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Audience {
    /// Everybody: it is stored and shown, here or in AWS.
    Everybody,
    /// Only whom it is for: it may be a secret.
    Addressee,
}

/// What becomes of a text, by what it is called and who may see it.
type Change<'a, E> = dyn FnMut(&str, &str, Audience) -> Result<String, E> + 'a;

impl Action {
    /// The same action with every text changed that may hold `#{…}`; a script's, which has rules of its own, is not among them.
    ///
    /// # Errors
    /// The first that `change` answers.
    pub fn try_map_texts<E>(&self, change: &mut Change<'_, E>) -> Result<Self, E> {
        Ok(match self {
            Self::Script(_) | Self::CheckIdentity => self.clone(),
            Self::DeployStack(stack) => Self::DeployStack(Box::new(deploy_stack(stack, change)?)),
            Self::ApplyChangeSet(apply) => Self::ApplyChangeSet(ApplyChangeSet {
                stack: change("stack", &apply.stack, Audience::Everybody)?,
                change_set: change("change set", &apply.change_set, Audience::Everybody)?,
                digest: change("digest", &apply.digest, Audience::Everybody)?,
                sensitive_outputs: apply.sensitive_outputs.clone(),
            }),
            Self::DeleteStack(delete) => Self::DeleteStack(DeleteStack {
                stack: change("stack", &delete.stack, Audience::Everybody)?,
                retain: delete.retain.clone(),
                role_arn: change("role", &delete.role_arn, Audience::Everybody)?,
            }),
            Self::UploadToS3(upload) => Self::UploadToS3(Box::new(upload_to_s3(upload, change)?)),
        })
    }
}

fn deploy_stack<E>(stack: &DeployStack, change: &mut Change<'_, E>) -> Result<DeployStack, E> {
    let mut changed = stack.clone();
    changed.stack = change("stack", &stack.stack, Audience::Everybody)?;
    changed.template = match &stack.template {
        StackTemplate::Url(url) => StackTemplate::Url(change("template", url, Audience::Everybody)?),
        StackTemplate::Body(text) if stack.substitute => {
            StackTemplate::Body(change("template", text, Audience::Addressee)?)
        }
        template => template.clone(),
    };
    changed.parameters = parameters(&stack.parameters, change)?;
    changed.tags = map("tag", &stack.tags, change)?;
    changed.role_arn = change("role", &stack.role_arn, Audience::Everybody)?;
    changed.notification_arns = list("notification ARN", &stack.notification_arns, change)?;
    if let Some(rollback) = &mut changed.rollback {
        rollback.alarms = list("alarm", &rollback.alarms, change)?;
    }
    if let Some(staging) = &mut changed.staging {
        staging.bucket = change("staging bucket", &staging.bucket, Audience::Everybody)?;
        staging.prefix = change("staging prefix", &staging.prefix, Audience::Everybody)?;
        staging.kms_key = change("KMS key", &staging.kms_key, Audience::Everybody)?;
    }
    Ok(changed)
}

fn parameters<E>(
    from: &BTreeMap<String, StackParameter>,
    change: &mut Change<'_, E>,
) -> Result<BTreeMap<String, StackParameter>, E> {
    let each = |(name, parameter): (&String, &StackParameter)| {
        let value = change(&format!("parameter \"{name}\""), &parameter.value, Audience::Addressee)?;
        Ok((name.clone(), StackParameter { value, ..parameter.clone() }))
    };
    from.iter().map(each).collect()
}

fn upload_to_s3<E>(upload: &UploadToS3, change: &mut Change<'_, E>) -> Result<UploadToS3, E> {
    let mut changed = upload.clone();
    changed.bucket = change("bucket", &upload.bucket, Audience::Everybody)?;
    changed.bucket_owner = change("bucket owner", &upload.bucket_owner, Audience::Everybody)?;
    changed.key_prefix = change("key prefix", &upload.key_prefix, Audience::Everybody)?;
    changed.key = change("key", &upload.key, Audience::Everybody)?;
    changed.settings = settings(&upload.settings, change)?;
    let rule =
        |rule: &ObjectRule| Ok(ObjectRule { files: rule.files.clone(), settings: settings(&rule.settings, change)? });
    changed.rules = upload.rules.iter().map(rule).collect::<Result<_, E>>()?;
    Ok(changed)
}

fn settings<E>(settings: &ObjectSettings, change: &mut Change<'_, E>) -> Result<ObjectSettings, E> {
    let mut plain = |what: &str, text: &str| change(what, text, Audience::Everybody);
    Ok(ObjectSettings {
        content_type: plain("content type", &settings.content_type)?,
        cache_control: plain("cache control", &settings.cache_control)?,
        content_disposition: plain("content disposition", &settings.content_disposition)?,
        content_encoding: plain("content encoding", &settings.content_encoding)?,
        content_language: plain("content language", &settings.content_language)?,
        storage_class: plain("storage class", &settings.storage_class)?,
        encryption: plain("encryption", &settings.encryption)?,
        kms_key: plain("KMS key", &settings.kms_key)?,
        acl: plain("ACL", &settings.acl)?,
        metadata: map("metadata", &settings.metadata, change)?,
        tags: map("tag", &settings.tags, change)?,
    })
}

fn map<E>(
    what: &str,
    from: &BTreeMap<String, String>,
    change: &mut Change<'_, E>,
) -> Result<BTreeMap<String, String>, E> {
    let each = |(name, text): (&String, &String)| {
        change(&format!("{what} \"{name}\""), text, Audience::Everybody).map(|value| (name.clone(), value))
    };
    from.iter().map(each).collect()
}

fn list<E>(what: &str, from: &[String], change: &mut Change<'_, E>) -> Result<Vec<String>, E> {
    from.iter().map(|text| change(what, text, Audience::Everybody)).collect()
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;
    use crate::plan::stack::{RollbackTriggers, Staging};

    fn seen(action: &Action) -> Vec<(String, String)> {
        let mut seen = Vec::new();
        let changed = action.try_map_texts::<Infallible>(&mut |what, text, audience| {
            seen.push((what.to_owned(), format!("{text} {audience:?}")));
            Ok(text.to_owned())
        });
        assert_eq!(changed.as_ref(), Ok(action));
        seen
    }

    #[test]
    fn everything_of_a_stack_that_may_hold_a_variable_is_walked_over() {
        let text = || "t".to_owned();
        let stack = DeployStack {
            stack: text(),
            template: StackTemplate::Body("body".into()),
            substitute: true,
            parameters: [("P".into(), StackParameter { value: text(), ..StackParameter::default() })].into(),
            tags: [("T".into(), text())].into(),
            notification_arns: vec![text()],
            rollback: Some(RollbackTriggers { alarms: vec![text()], ..RollbackTriggers::default() }),
            staging: Some(Staging { bucket: text(), ..Staging::default() }),
            ..DeployStack::default()
        };
        let seen = seen(&Action::DeployStack(Box::new(stack)));
        let names: Vec<&str> = seen.iter().map(|(what, _)| what.as_str()).collect();
        let expected = [
            "stack",
            "template",
            "parameter \"P\"",
            "tag \"T\"",
            "role",
            "notification ARN",
            "alarm",
            "staging bucket",
            "staging prefix",
            "KMS key",
        ];
        assert_eq!(names, expected);
        let secret: Vec<&str> =
            seen.iter().filter(|(_, text)| text.ends_with("Addressee")).map(|(what, _)| what.as_str()).collect();
        assert_eq!(secret, ["template", "parameter \"P\""]);
    }

    #[test]
    fn a_template_is_sent_as_it_is_unless_the_step_says_otherwise() {
        let template = StackTemplate::Body("#{X}".into());
        let stack = DeployStack { template, ..DeployStack::default() };
        assert!(seen(&Action::DeployStack(Box::new(stack))).iter().all(|(what, _)| what != "template"));
    }

    #[test]
    fn the_settings_of_an_upload_and_of_its_rules_are_walked_over() {
        let settings = ObjectSettings { metadata: [("m".into(), "t".into())].into(), ..ObjectSettings::default() };
        let rules = vec![ObjectRule { files: vec!["*".into()], settings: settings.clone() }];
        let upload = UploadToS3 { settings, rules, ..UploadToS3::default() };
        let seen = seen(&Action::UploadToS3(Box::new(upload)));
        assert_eq!(seen.iter().filter(|(what, _)| what == "metadata \"m\"").count(), 2);
        assert!(seen.iter().all(|(_, text)| text.ends_with("Everybody")));
    }
}
