//! One evaluation, from a text or a variable down to the values.

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use super::{
    Evaluated, TemplateError, Variable, Variables, key,
    syntax::{Expression, Outline, Piece},
};
use crate::limits;

/// Evaluates each variable once, however often it is used, so that the work grows with the size of the variables and
/// never with the number of ways through them.
pub(super) struct Evaluation<'v> {
    variables: &'v Variables,
    /// Values by key, once they are known.
    known: BTreeMap<String, Value>,
    /// The variables being evaluated, outermost first.
    path: Vec<&'v Variable>,
    /// Their expressions and those in names, nested.
    depth: usize,
    undefined: Vec<String>,
    reported: BTreeSet<String>,
    /// Bytes substituted, all together.
    substituted: usize,
}

#[derive(Clone)]
struct Value {
    text: Rc<str>,
    sensitive: bool,
}

/// A text in the making.
#[derive(Default)]
struct Draft {
    text: String,
    sensitive: bool,
    /// Whether an expression in it stayed as it is.
    incomplete: bool,
}

impl<'v> Evaluation<'v> {
    pub(super) fn of(variables: &'v Variables) -> Self {
        Self {
            variables,
            known: BTreeMap::new(),
            path: Vec::new(),
            depth: 0,
            undefined: Vec::new(),
            reported: BTreeSet::new(),
            substituted: 0,
        }
    }

    pub(super) fn text(mut self, text: &str) -> Result<Evaluated, TemplateError> {
        let draft = self.draft(text)?;
        Ok(Evaluated { text: draft.text, undefined: self.undefined, sensitive: draft.sensitive })
    }

    pub(super) fn variable(mut self, variable: &'v Variable) -> Result<Evaluated, TemplateError> {
        let value = self.value(variable)?;
        Ok(Evaluated { text: value.text.to_string(), undefined: self.undefined, sensitive: value.sensitive })
    }

    fn draft(&mut self, text: &str) -> Result<Draft, TemplateError> {
        let mut draft = Draft::default();
        self.range(text, &Outline::of(text), (0, text.len()), &mut draft)?;
        Ok(draft)
    }

    fn range(
        &mut self,
        text: &str,
        outline: &Outline,
        (mut at, end): (usize, usize),
        draft: &mut Draft,
    ) -> Result<(), TemplateError> {
        while at < end {
            let (piece, next) = outline.piece(text, at, end);
            match piece {
                Piece::Text(plain) => self.append(draft, plain)?,
                Piece::Escape => self.append(draft, "#{")?,
                Piece::Stray(source) => {
                    self.report(source);
                    self.append(draft, "#{")?;
                }
                Piece::Expression(start, close) => match self.expression(text, outline, (start, close))? {
                    Some(value) => {
                        draft.sensitive |= value.sensitive;
                        self.append(draft, &value.text)?;
                    }
                    None => {
                        draft.incomplete = true;
                        self.append(draft, &text[at..next])?;
                    }
                },
            }
            at = next;
        }
        Ok(())
    }

    /// The value of what stands between `#{` and `}`; nothing if it has none.
    fn expression(
        &mut self,
        text: &str,
        outline: &Outline,
        (start, close): (usize, usize),
    ) -> Result<Option<Value>, TemplateError> {
        let source = &text[start..close];
        if Expression::of(source) == Expression::Unsupported {
            self.report(source);
            return Ok(None);
        }
        let mut name = Draft::default();
        self.deeper(|evaluation| evaluation.range(text, outline, (start, close), &mut name))?;
        if name.incomplete {
            return Ok(None);
        }
        let Some(variable) = self.variables.get(name.text.trim()) else {
            self.report(source);
            return Ok(None);
        };
        let mut value = self.value(variable)?;
        value.sensitive |= name.sensitive;
        Ok(Some(value))
    }

    fn value(&mut self, variable: &'v Variable) -> Result<Value, TemplateError> {
        let key = key(&variable.name);
        if let Some(known) = self.known.get(&key) {
            return Ok(known.clone());
        }
        let value = if variable.literal {
            Value { text: variable.value.as_str().into(), sensitive: variable.sensitive }
        } else {
            self.evaluated(variable)?
        };
        self.known.insert(key, value.clone());
        Ok(value)
    }

    fn evaluated(&mut self, variable: &'v Variable) -> Result<Value, TemplateError> {
        if let Some(at) = self.path.iter().position(|outer| outer.name == variable.name) {
            let circle = self.path[at..].iter().chain([&variable]);
            return Err(TemplateError::Cycle(circle.map(|variable| variable.name.clone()).collect()));
        }
        self.path.push(variable);
        let draft = self.deeper(|evaluation| evaluation.draft(&variable.value))?;
        self.path.pop();
        Ok(Value { text: draft.text.into(), sensitive: draft.sensitive || variable.sensitive })
    }

    fn deeper<T>(&mut self, step: impl FnOnce(&mut Self) -> Result<T, TemplateError>) -> Result<T, TemplateError> {
        if self.depth == limits::EXPRESSION_DEPTH {
            return Err(TemplateError::TooDeep(self.on_the_way()));
        }
        self.depth += 1;
        let result = step(self);
        self.depth -= 1;
        result
    }

    fn append(&mut self, draft: &mut Draft, text: &str) -> Result<(), TemplateError> {
        self.substituted += text.len();
        if draft.text.len() + text.len() > limits::EVALUATED_BYTES || self.substituted > limits::SUBSTITUTED_BYTES {
            return Err(TemplateError::TooLong(self.on_the_way()));
        }
        draft.text.push_str(text);
        Ok(())
    }

    /// Reports an expression that stays as it is. One within a sensitive value is part of a secret: there the variable's
    /// name must do.
    fn report(&mut self, source: &str) {
        let holder = self.path.last().filter(|variable| variable.sensitive);
        let shown = holder.map_or(source.trim(), |variable| &variable.name);
        if self.undefined.len() < limits::UNDEFINED && self.reported.insert(shown.to_owned()) {
            self.undefined.push(shown.to_owned());
        }
    }

    fn on_the_way(&self) -> Vec<String> {
        self.path.iter().map(|variable| variable.name.clone()).collect()
    }
}
