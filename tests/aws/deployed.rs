//! A deployment that has ended, read step by step, and the steps that ask who they are.

use anyhow::Result;
use serde_json::Value;
use tests::World;

/// Says who AWS takes the step for, and with what kind of key: as any SDK finds its credentials.
pub(crate) const WHO: &str = r#"
import botocore.session
session = botocore.session.Session()
key = session.get_credentials()
arn = session.create_client("sts").get_caller_identity()["Arn"]
print("I am", arn, "by", key.access_key, "with a token" if key.token else "without a token", flush=True)
"#;

/// A deployment that has ended.
pub(crate) struct Deployed<'a> {
    pub(crate) id: String,
    pub(crate) shown: Value,
    world: &'a World,
}

impl<'a> Deployed<'a> {
    /// Applies a project of these steps and variables, and deploys it to the environment `test`.
    pub(crate) fn to_its_end(world: &'a World, project: &str, variables: &str, steps: &[String]) -> Result<Self> {
        let id = begun(world, project, variables, steps)?;
        Self::after(world, id)
    }

    /// Waits for the end of one.
    pub(crate) fn after(world: &'a World, id: String) -> Result<Self> {
        let shown = world.ended(&id)?;
        Ok(Self { id, shown, world })
    }

    pub(crate) fn step(&self, name: &str) -> &Value {
        let mut steps = self.shown["steps"].as_array().into_iter().flatten();
        let step = steps.rfind(|step| step["name"] == name);
        step.unwrap_or_else(|| panic!("there is no step {name}: {:#}", self.shown))
    }

    /// The newest attempt of a step; null when there was none.
    pub(crate) fn attempt(&self, name: &str) -> &Value {
        self.step(name)["attempts"].as_array().and_then(|attempts| attempts.last()).unwrap_or(&Value::Null)
    }

    /// Why a step failed, as a code; empty when it did not.
    pub(crate) fn code(&self, name: &str) -> &str {
        let of_attempt = self.attempt(name)["reason"].as_str().filter(|code| !code.is_empty());
        of_attempt.or(self.step(name)["reason"].as_str()).unwrap_or_default()
    }

    pub(crate) fn log(&self, name: &str) -> Result<String> {
        self.world.log(&self.id, name)
    }

    /// Who the step was: AWS's word to the worker, which is the word to the script's own SDK too.
    pub(crate) fn who(&self, name: &str) -> Result<String> {
        let log = self.log(name)?;
        let arn = self.attempt(name)["identity"]["arn"].as_str().unwrap_or_default();
        let is_the_same = log.contains(&format!("I am {arn} by ")) && log.contains(&format!(" as {arn} ("));
        assert!(is_the_same && self.step(name)["state"] == "succeeded", "{name}: {:#}\n{log}", self.step(name));
        Ok(arn.to_owned())
    }

    /// Where the step's identity came from, as its log and whoever reads the deployment are told.
    pub(crate) fn source(&self, name: &str) -> Result<String> {
        let source = self.attempt(name)["identity"]["source"].as_str().unwrap_or_default();
        let log = self.log(name)?;
        assert!(log.contains(&format!(", from {source}, ")), "{name}: {source} is not in {log}");
        Ok(source.to_owned())
    }
}

/// Applies a project and starts a deployment of it; answers its id.
pub(crate) fn begun(world: &World, project: &str, variables: &str, steps: &[String]) -> Result<String> {
    world.apply(project, &format!("project: {project}\nvariables:\n{variables}\nsteps:\n{}", steps.concat()))?;
    world.start_deployment(project)
}

/// A step of a project file: `rest` are further keys in braces' syntax, one a line.
pub(crate) fn step(name: &str, rest: &[&str], shell: &str, script: &str) -> String {
    let rest: String = rest.iter().map(|line| format!("    {line}\n")).collect();
    let body: String = script.trim().lines().map(|line| format!("        {line}\n")).collect();
    format!("  - name: {name}\n{rest}    script:\n      shell: {shell}\n      body: |\n{body}")
}
