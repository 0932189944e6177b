//! The items of loops, and what their names lead to.

use std::collections::BTreeSet;

use super::{
    TemplateError,
    evaluation::{Evaluation, Value},
    json::{Json, step},
    key,
};

/// The loops that are being gone through, outermost first.
pub(super) type Scopes = Vec<Scope>;

/// One turn of a loop.
pub(super) struct Scope {
    /// What the loop calls its item, in lower case.
    pub(super) item: String,
    pub(super) binding: Binding,
    pub(super) sensitive: bool,
    /// From 0.
    pub(super) index: usize,
    pub(super) last: bool,
}

/// An item.
#[derive(Clone)]
pub(super) enum Binding {
    /// A part of a text.
    Text(String),
    /// An element of a JSON array.
    Element(Json),
    /// A member of a JSON object.
    Member(String, Json),
    /// All variables whose names begin with `prefix`, which ends with the index in brackets.
    Index { prefix: String, index: String },
}

/// What is told of a loop within it.
const SPECIAL: &str = "octopus.template.each.";

impl Binding {
    /// The elements of JSON, or the parts of a text between commas.
    pub(super) fn parts_of(text: &str) -> Vec<Self> {
        match Json::read(text) {
            Some(Json::List(items)) => items.iter().cloned().map(Self::Element).collect(),
            Some(Json::Object(members)) => {
                members.iter().map(|(name, value)| Self::Member(name.to_string(), value.clone())).collect()
            }
            _ if text.is_empty() => Vec::new(),
            _ => text.split(',').map(|part| Self::Text(part.to_owned())).collect(),
        }
    }
}

impl Evaluation<'_> {
    /// What a loop's item has under a name; nothing when the name is not a loop's. Inner loops hide outer ones.
    pub(super) fn find_item(&mut self, name: &str) -> Result<Option<Value>, TemplateError> {
        let lower = key(name);
        if let Some(special) = lower.strip_prefix(SPECIAL) {
            return Ok(self.special(special));
        }
        for at in (0..self.scopes.len()).rev() {
            let Some(rest) = rest(&lower, name, &self.scopes[at].item) else { continue };
            let (binding, sensitive) = (self.scopes[at].binding.clone(), self.scopes[at].sensitive);
            if let Some(found) = self.bound(&binding, rest, sensitive)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    fn special(&self, name: &str) -> Option<Value> {
        let scope = self.scopes.last()?;
        let said = |yes: bool| if yes { "True" } else { "False" }.to_owned();
        let text = match name {
            "index" => scope.index.to_string(),
            "first" => said(scope.index == 0),
            "last" => said(scope.last),
            _ => return None,
        };
        Some(Value { text: Some(text.into()), sensitive: false })
    }

    fn bound(&mut self, binding: &Binding, rest: &str, sensitive: bool) -> Result<Option<Value>, TemplateError> {
        let mut looked_at = 0;
        let text = match binding {
            Binding::Text(text) if rest.is_empty() => Some(text.clone()),
            Binding::Text(text) => Json::read(text).and_then(|json| json.walk(rest, &mut looked_at).map(Json::text)),
            Binding::Element(json) => json.walk(rest, &mut looked_at).map(Json::text),
            Binding::Member(name, value) => match step(rest) {
                None => Some(value.text()),
                Some((key, "")) if key.eq_ignore_ascii_case("key") => Some(name.clone()),
                Some((key, after)) if key.eq_ignore_ascii_case("value") => {
                    value.walk(after, &mut looked_at).map(Json::text)
                }
                Some(_) => None,
            },
            Binding::Index { prefix, index } => {
                let found = self.find(&format!("{prefix}{rest}"))?;
                return Ok(found.or_else(|| {
                    rest.is_empty().then(|| Value { text: Some(index.as_str().into()), sensitive: false })
                }));
            }
        };
        self.spend(looked_at)?;
        Ok(text.map(|text| Value { text: Some(text.into()), sensitive }))
    }

    /// The indexes that variables have below a name, numbers in their order, and how many variables were looked at.
    pub(super) fn indexes(&self, name: &str) -> (Vec<Binding>, usize) {
        let prefix = format!("{}[", self.meant(name.trim()));
        let (mut seen, mut indexes, mut looked_at) = (BTreeSet::new(), Vec::new(), 0);
        for variable in self.variables.below(&key(&prefix)) {
            looked_at += 1;
            let Some((index, _)) = variable.name.get(prefix.len() - 1..).and_then(step) else { continue };
            if seen.insert(key(index)) {
                indexes.push(index.to_owned());
            }
        }
        indexes.sort_by_cached_key(|index| (index.parse::<u64>().unwrap_or(u64::MAX), key(index)));
        let binding = |index: String| Binding::Index { prefix: format!("{prefix}{index}]"), index };
        (indexes.into_iter().map(binding).collect(), looked_at)
    }

    /// A name with the item of a loop replaced by the variables it stands for.
    fn meant(&self, name: &str) -> String {
        let lower = key(name);
        let found = self.scopes.iter().rev().find_map(|scope| match &scope.binding {
            Binding::Index { prefix, .. } => Some(format!("{prefix}{}", rest(&lower, name, &scope.item)?)),
            _ => None,
        });
        found.unwrap_or_else(|| name.to_owned())
    }
}

/// What follows the item's own name in a name that begins with it.
fn rest<'n>(lower: &str, name: &'n str, item: &str) -> Option<&'n str> {
    let after = lower.strip_prefix(item)?;
    let rest = name.get(name.len().checked_sub(after.len())?..)?;
    (rest.is_empty() || rest.starts_with(['.', '['])).then_some(rest)
}
