//! What a deployment is given, checked against what its template asks for: everything that is wrong is named at once.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use action::{Failure, Scene, Speech};
use shared::{
    limits,
    plan::{
        Source,
        stack::{ChangeSetMode, DeployStack, StackTemplate},
    },
    reason::Reason,
};
use stack_template::Template;

use crate::{
    errors::{self, failure},
    faults::{self, Asked, Declared},
    nested::Nested,
    stacks::Stacks,
};

/// The template, and what is known of it. A secret may be substituted into its text: it is never printed.
pub(crate) struct Input<'a> {
    pub(crate) order: &'a DeployStack,
    /// Where the template is for AWS.
    pub(crate) template: Given,
    /// The stack policy's text.
    pub(crate) policy: Option<String>,
    /// What the template asks for; none as long as nobody could read it.
    pub(crate) asked: Option<Asked>,
    /// How many resources it has, nested stacks' not counted; if known.
    pub(crate) resources: Option<usize>,
    pub(crate) has_nested_stacks: bool,
    pub(crate) has_macros: bool,
    nested: Nested,
    masked: BTreeSet<String>,
}

/// A template as AWS takes it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Given {
    Text(String),
    Url(String),
}

impl Given {
    /// For `TemplateBody`.
    pub(crate) fn body(&self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text.clone()),
            Self::Url(_) => None,
        }
    }

    /// For `TemplateURL`.
    pub(crate) fn url(&self) -> Option<String> {
        match self {
            Self::Text(_) => None,
            Self::Url(url) => Some(url.clone()),
        }
    }
}

impl<'a> Input<'a> {
    /// Reads the files, parses the template, and masks what is secret.
    ///
    /// # Errors
    /// `FILE_MISSING`, `TEMPLATE_INVALID`.
    pub(crate) fn read(order: &'a DeployStack, scene: &Scene, speech: &mut Speech) -> Result<Self, Failure> {
        let secrets = order.parameters.iter().filter(|(_, parameter)| parameter.no_echo);
        let masked = secrets.clone().map(|(name, _)| name.clone()).collect();
        secrets.for_each(|(_, parameter)| speech.mask(&parameter.value));
        let policy = order.policy.as_ref().map(|policy| match policy {
            Source::Body(text) => Ok(text.clone()),
            Source::File(path) => file(scene, path, "stack policy", limits::STACK_POLICY_BYTES),
        });
        let template = match &order.template {
            StackTemplate::Body(text) => Given::Text(text.clone()),
            StackTemplate::File(path) => Given::Text(file(scene, path, "template", limits::STAGED_TEMPLATE_BYTES)?),
            StackTemplate::Url(url) => Given::Url(https(url, scene)),
        };
        let mut input = Self {
            order,
            template,
            policy: policy.transpose()?,
            asked: None,
            resources: None,
            has_nested_stacks: false,
            has_macros: false,
            nested: Nested::default(),
            masked,
        };
        if let Given::Text(text) = &input.template {
            let template = parsed(order, text)?;
            input.nested = Nested::of(&template, &scene.folder, &input.folder(scene));
            input.learn(&template);
        }
        input.mask_declared(speech);
        Ok(input)
    }

    /// Asks AWS what the template asks for: it knows what macros and includes make of it. An endpoint that does not tell leaves what
    /// the template itself says.
    ///
    /// # Errors
    /// `TEMPLATE_INVALID`, `PERMISSION_MISSING` for a template in S3, and when AWS cannot be asked.
    pub(crate) async fn ask(&mut self, stacks: &Stacks<'_>, speech: &mut Speech) -> Result<(), Failure> {
        let call = stacks.client.get_template_summary();
        let call = call.set_template_body(self.template.body()).set_template_url(self.template.url());
        match call.send().await {
            Ok(summary) => {
                let told = Asked::from(summary);
                self.asked = Some(match self.asked.take() {
                    Some(local) => local.completed_by(told),
                    None => told,
                });
                self.mask_declared(speech);
                Ok(())
            }
            Err(error) if errors::is_denied(&error) || errors::is_unknown_call(&error) => {
                let why = failure(stacks.scene, "GetTemplateSummary", &error).await.sentence;
                speech.verbose(&format!(
                    "{why} Parameters and capabilities are checked by the template's own text alone."
                ));
                Ok(())
            }
            Err(error) => {
                let Failure { reason, sentence } = failure(stacks.scene, "GetTemplateSummary", &error).await;
                let is_about_the_template = errors::code(&error) == "ValidationError";
                Err(Failure::new(if is_about_the_template { Reason::TemplateInvalid } else { reason }, sentence))
            }
        }
    }

    /// Checks what is given against what is asked. `previous`: parameters that the stack has; none when that is not known yet.
    ///
    /// # Errors
    /// `STACK_INPUT` with all that is wrong.
    pub(crate) fn check(&self, previous: Option<&BTreeSet<String>>) -> Result<(), Failure> {
        let Some(asked) = &self.asked else { return Ok(()) };
        let mut found = faults::parameters(asked, &self.order.parameters, previous);
        let is_direct = self.order.change_set == ChangeSetMode::Direct;
        found.extend(faults::capabilities(asked, &self.order.capabilities, is_direct));
        if self.order.change_set == ChangeSetMode::Review && self.order.creation_timeout.is_some() {
            found.push(
                "`creation_timeout` is known only to a creation without a change set: leave it out, or use `change_set: direct`."
                    .into(),
            );
        }
        if found.is_empty() {
            return Ok(());
        }
        let name = &self.order.stack;
        Err(Failure::new(
            Reason::StackInput,
            format!(
                "Stack \"{name}\" is not deployed, and nothing was changed, since what it is given does not fit its template:\n- {}",
                found.join("\n- ")
            ),
        ))
    }

    /// Puts another text in the template's place, e.g. one whose local files are uploaded.
    ///
    /// # Errors
    /// `TEMPLATE_INVALID`.
    pub(crate) fn replace_text(&mut self, text: String) -> Result<(), Failure> {
        let template = parsed(self.order, &text)?;
        self.learn(&template);
        self.template = Given::Text(text);
        Ok(())
    }

    /// The folder that the template's local paths are relative to.
    pub(crate) fn folder(&self, scene: &Scene) -> PathBuf {
        match &self.order.template {
            StackTemplate::File(path) => scene.folder.join(path).parent().map_or_else(PathBuf::new, Path::to_owned),
            _ => scene.folder.clone(),
        }
    }

    fn learn(&mut self, template: &Template) {
        let resources = template.resources();
        self.has_nested_stacks = resources.iter().any(|resource| resource.r#type == crate::event::STACK);
        self.has_macros = !template.transforms().is_empty();
        self.resources = (!self.has_macros && !self.has_nested_stacks).then_some(resources.len());
        self.asked = Some(Asked::from(template).with_nested(&self.nested));
    }

    fn mask_declared(&mut self, speech: &mut Speech) {
        let declared = self.asked.iter().flat_map(|asked| &asked.parameters);
        for Declared { name, .. } in declared.filter(|declared| declared.no_echo) {
            if let Some(parameter) = self.order.parameters.get(name)
                && self.masked.insert(name.clone())
            {
                speech.mask(&parameter.value);
            }
        }
    }
}

fn parsed(order: &DeployStack, text: &str) -> Result<Template, Failure> {
    let called = match &order.template {
        StackTemplate::File(path) => format!("The template {path}"),
        _ => "The template".into(),
    };
    Template::parse(text).map_err(|fault| {
        Failure::new(Reason::TemplateInvalid, format!("{called} of stack \"{}\" cannot be read. {fault}", order.stack))
    })
}

fn file(scene: &Scene, path: &str, what: &str, max_bytes: usize) -> Result<String, Failure> {
    let failed = |why: String| Failure::new(Reason::FileMissing, format!("The {what} {path} cannot be read: {why}."));
    let full = scene.folder.join(path);
    let length = fs::metadata(&full).map_err(|error| failed(error.to_string()))?.len();
    if length > max_bytes as u64 {
        return Err(Failure::new(
            Reason::TemplateInvalid,
            format!("The {what} {path} has {length} bytes, and CloudFormation takes at most {max_bytes}."),
        ));
    }
    fs::read_to_string(&full).map_err(|error| failed(error.to_string()))
}

/// An address in S3 as CloudFormation takes it.
fn https(url: &str, scene: &Scene) -> String {
    let Some((bucket, key)) = url.strip_prefix("s3://").and_then(|rest| rest.split_once('/')) else {
        return url.to_owned();
    };
    action_s3::Bucket::new(scene, bucket, "").url(key)
}
