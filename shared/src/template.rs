//! `#{Variable}` substitution, in Octopus's template language.
//!
//! `#{Name}` becomes the value of a variable, whose own expressions are evaluated first. Names may hold blanks, dots and
//! balanced brackets, and values within: `#{A[#{B}]}`; what is in a value's JSON is named like a variable. Filters follow a `|`,
//! and there are `#{if}`, `#{unless}`, `#{each}` and `#{calc}`. `##{` is `#{` as text. An expression that cannot be evaluated
//! stays as it is and is reported; a text whose blocks are not whole stays as it is altogether. `docs/templates.md` says it all.
//!
//! Knows nothing of scopes: whoever fills [`Variables`] has chosen each variable's value.

mod calculation;
mod evaluation;
mod filter;
mod json;
mod outline;
mod scope;
mod syntax;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, fmt};

use jiff::Zoned;

use self::evaluation::Evaluation;
use crate::limits;

/// Variables by name; case does not matter.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Variables {
    by_key: BTreeMap<String, Variable>,
    now: Option<Zoned>,
}

/// A variable and its one value.
#[derive(Clone, PartialEq, Eq)]
pub struct Variable {
    /// As it was written.
    pub name: String,
    /// Before evaluation.
    pub value: String,
    /// Whether its value must be masked.
    pub sensitive: bool,
    /// Whether its value is data, in which `#{` means nothing.
    pub literal: bool,
}

/// A text after substitution.
#[derive(Clone, PartialEq, Eq)]
pub struct Evaluated {
    /// The text.
    pub text: String,
    /// The first [`limits::UNDEFINED`] expressions that stayed as they are, as they are written between `#{` and `}`; each
    /// once, in the order they were met. For one within a sensitive value, the name of that variable: never a secret.
    pub undefined: Vec<String>,
    /// The first [`limits::UNDEFINED`] things that are wrong in themselves, e.g. a filter that does not exist.
    pub faults: Vec<Fault>,
    /// Whether a sensitive variable took part, so that the text must be masked.
    pub sensitive: bool,
    /// Whether a filter made it null: it is empty then, and means that there is no value at all.
    pub null: bool,
    /// Names of the variables that took part, each once, sorted.
    pub used: Vec<String>,
}

/// Something in a text that is wrong whatever the variables are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    /// What stays as it is, as it is written between `#{` and `}`; empty for the whole text.
    pub expression: String,
    /// The end of a sentence that begins with it.
    pub why: String,
}

/// Why a text cannot be evaluated.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TemplateError {
    /// Variables refer to each other in a circle: their names, the first again at the end.
    #[error("Variables refer to each other in a circle: {}. Change one of them so that the chain ends.", chain(.0))]
    Cycle(Vec<String>),
    /// Variables or names are nested more than [`limits::EXPRESSION_DEPTH`] deep: the variables on the way, outermost first.
    #[error("{} is nested more than {} expressions deep. Shorten the chain.", whole(.0), limits::EXPRESSION_DEPTH)]
    TooDeep(Vec<String>),
    /// The result has more than [`limits::EVALUATED_BYTES`], or all values on the way have more than
    /// [`limits::SUBSTITUTED_BYTES`]: the variables on the way, outermost first.
    #[error("{} grows to more than {} bytes when its variables are substituted. Move large values into a file.", whole(.0), limits::EVALUATED_BYTES)]
    TooLong(Vec<String>),
    /// It takes more than [`limits::EVALUATED_PIECES`]: the variables on the way, outermost first.
    #[error("{} takes more than {} steps to evaluate. Let its loops go through less.", whole(.0), limits::EVALUATED_PIECES)]
    TooMuch(Vec<String>),
}

impl Variables {
    /// None.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a variable whose value may hold expressions. Replaces one of that name.
    pub fn insert(&mut self, name: impl Into<String>, value: impl Into<String>, sensitive: bool) {
        self.put(Variable { name: name.into(), value: value.into(), sensitive, literal: false });
    }

    /// Adds a variable whose value is data and is never evaluated, as an output of an earlier step is: what a process
    /// printed must not read other variables. Replaces one of that name.
    pub fn insert_literal(&mut self, name: impl Into<String>, value: impl Into<String>, sensitive: bool) {
        self.put(Variable { name: name.into(), value: value.into(), sensitive, literal: true });
    }

    /// What time it is, and where: for `NowDate`.
    pub fn set_now(&mut self, now: Zoned) {
        self.now = Some(now);
    }

    fn put(&mut self, variable: Variable) {
        self.by_key.insert(key(&variable.name), variable);
    }

    /// A variable.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Variable> {
        self.by_key.get(&key(name))
    }

    /// A variable's value before evaluation.
    #[must_use]
    pub fn get_raw(&self, name: &str) -> Option<&str> {
        self.get(name).map(|variable| variable.value.as_str())
    }

    /// All of them, sorted by name without regard to case.
    pub fn iter(&self) -> impl Iterator<Item = &Variable> {
        self.by_key.values()
    }

    /// Those whose names begin with a text, which is in lower case.
    fn below(&self, prefix: &str) -> impl Iterator<Item = &Variable> {
        let all = self.by_key.range(prefix.to_owned()..);
        all.take_while(move |(key, _)| key.starts_with(prefix)).map(|(_, variable)| variable)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    /// Whether a text counts as true where a condition asks: it is none of empty, `0`, `false` and `no`.
    #[must_use]
    pub fn is_truthy(text: &str) -> bool {
        evaluation::is_truthy(text)
    }

    /// A text with every expression evaluated.
    ///
    /// # Errors
    /// [`TemplateError`]: variables in a circle, or beyond the limits.
    pub fn evaluate(&self, text: &str) -> Result<Evaluated, TemplateError> {
        Evaluation::of(self).text(text)
    }

    /// A variable's value, evaluated; nothing when there is none of that name.
    #[must_use]
    pub fn evaluate_variable(&self, name: &str) -> Option<Result<Evaluated, TemplateError>> {
        Some(Evaluation::of(self).variable(self.get(name)?))
    }
}

impl Evaluated {
    /// A text that is taken as it is.
    #[must_use]
    pub fn plain(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            undefined: Vec::new(),
            faults: Vec::new(),
            sensitive: false,
            null: false,
            used: Vec::new(),
        }
    }
}

impl fmt::Display for Fault {
    /// `A | Sbustring 2: there is no filter "Sbustring"`, for the end of a sentence.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.expression.as_str() {
            "" => f.write_str(&self.why),
            expression => write!(f, "{expression}: {}", self.why),
        }
    }
}

impl fmt::Debug for Variable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = if self.sensitive { crate::mask::MASK } else { &self.value };
        f.debug_struct("Variable")
            .field("name", &self.name)
            .field("value", &value)
            .field("sensitive", &self.sensitive)
            .field("literal", &self.literal)
            .finish()
    }
}

impl fmt::Debug for Evaluated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = if self.sensitive { crate::mask::MASK } else { &self.text };
        f.debug_struct("Evaluated")
            .field("text", &text)
            .field("undefined", &self.undefined)
            .field("faults", &self.faults)
            .field("sensitive", &self.sensitive)
            .finish()
    }
}

/// What a variable is found by.
fn key(name: &str) -> String {
    name.to_lowercase()
}

fn chain(names: &[String]) -> String {
    names.join(" → ")
}

/// What was to be evaluated, at the beginning of a sentence.
fn whole(on_the_way: &[String]) -> String {
    on_the_way.first().map_or_else(|| "The text".into(), |name| format!("Variable \"{name}\""))
}
