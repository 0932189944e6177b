//! `longshore evaluate`.

use std::{collections::BTreeMap, fs, path::PathBuf};

use clap::Args;
use shared::template::Variables;

use crate::{
    failure::{Exit, Failure},
    screen::{Format, Screen, encode, put, talk},
};

/// Show what the template engine makes of a text, without a coordinator
#[derive(Args, Debug)]
pub(super) struct Evaluate {
    /// YAML or JSON file of variables: a value for each name
    #[arg(long, value_name = "FILE")]
    variables: PathBuf,
    /// The text, with #{Name} in it
    text: String,
}

/// What came of a text.
#[derive(serde::Serialize)]
struct Answer {
    text: String,
    undefined: Vec<String>,
    faults: Vec<String>,
}

impl Evaluate {
    pub(super) fn run(self, screen: Screen) -> Result<Exit, Failure> {
        let evaluated =
            self.read()?.evaluate(&self.text).map_err(|error| Failure::new(Exit::Failed, error.to_string()))?;
        let answer = Answer {
            text: evaluated.text,
            undefined: evaluated.undefined,
            faults: evaluated.faults.iter().map(ToString::to_string).collect(),
        };
        if screen.output != Format::Table {
            put(&encode(screen.output, &answer))?;
            return Ok(Exit::Ok);
        }
        put(&answer.text)?;
        if !answer.undefined.is_empty() {
            talk(&format!("Left as they are, because they have no value: {}.", answer.undefined.join(", ")));
        }
        for fault in &answer.faults {
            talk(&format!("Left as it is: {fault}."));
        }
        Ok(Exit::Ok)
    }

    fn read(&self) -> Result<Variables, Failure> {
        let named = self.variables.display();
        let text = fs::read_to_string(&self.variables)
            .map_err(|error| Failure::usage(format!("The variables file {named} cannot be read: {error}.")))?;
        let values: BTreeMap<String, String> = serde_saphyr::from_str(&text).map_err(|error| {
            let error = error.without_snippet();
            Failure::usage(format!("The variables file {named} is not a map of names to values: {error}."))
        })?;
        let mut variables = Variables::new();
        for (name, value) in values {
            variables.insert(name, value, false);
        }
        variables.set_now(jiff::Zoned::now());
        Ok(variables)
    }
}
