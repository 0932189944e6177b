//! One evaluation, from a text or a variable down to the values.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    rc::Rc,
};

use super::{
    Evaluated, Fault, TemplateError, Variable, Variables,
    calculation::{self, Trouble},
    filter::{self, Applied},
    json::Json,
    key,
    scope::{Binding, Scope, Scopes},
    syntax::{self, Branch, Comparison, Condition, Each, Node, Operand, Part},
};
use crate::limits;

/// Evaluates each variable once, however often it is used, so that the work grows with the size of the variables and
/// never with the number of ways through them.
pub(super) struct Evaluation<'v> {
    pub(super) variables: &'v Variables,
    /// Values by key, once they are known.
    known: BTreeMap<String, Value>,
    /// The JSON in values, by key.
    json: BTreeMap<String, Option<Json>>,
    /// The loops that are being gone through.
    pub(super) scopes: Scopes,
    /// The variables being evaluated, outermost first.
    path: Vec<&'v Variable>,
    /// Their expressions and those in names, nested.
    depth: usize,
    undefined: Vec<String>,
    faults: Vec<Fault>,
    reported: BTreeSet<String>,
    used: BTreeSet<String>,
    /// Bytes substituted, all together.
    substituted: usize,
    /// Pieces and members looked at, all together.
    work: usize,
}

/// A value on its way into a text.
#[derive(Clone)]
pub(super) struct Value {
    /// Nothing when it was made null.
    pub(super) text: Option<Rc<str>>,
    pub(super) sensitive: bool,
}

/// A text in the making.
#[derive(Default)]
struct Draft {
    text: String,
    sensitive: bool,
    /// Whether an expression in it stayed as it is.
    incomplete: bool,
    /// Whether a filter made all of it null.
    null: bool,
}

/// What a filter chain begins with.
struct Head {
    value: Value,
    /// Whether there is a name before the filters that has a value.
    named: bool,
}

impl<'v> Evaluation<'v> {
    pub(super) fn of(variables: &'v Variables) -> Self {
        Self {
            variables,
            known: BTreeMap::new(),
            json: BTreeMap::new(),
            scopes: Scopes::default(),
            path: Vec::new(),
            depth: 0,
            undefined: Vec::new(),
            faults: Vec::new(),
            reported: BTreeSet::new(),
            used: BTreeSet::new(),
            substituted: 0,
            work: 0,
        }
    }

    pub(super) fn text(mut self, text: &str) -> Result<Evaluated, TemplateError> {
        let draft = self.draft(text)?;
        Ok(self.evaluated((!draft.null).then_some(draft.text), draft.sensitive))
    }

    pub(super) fn variable(mut self, variable: &'v Variable) -> Result<Evaluated, TemplateError> {
        let value = self.value_of(variable)?;
        Ok(self.evaluated(value.text.as_deref().map(str::to_owned), value.sensitive))
    }

    fn evaluated(self, text: Option<String>, sensitive: bool) -> Evaluated {
        Evaluated {
            null: text.is_none(),
            text: text.unwrap_or_default(),
            undefined: self.undefined,
            faults: self.faults,
            sensitive,
            used: self.used.into_iter().collect(),
        }
    }

    fn draft(&mut self, text: &str) -> Result<Draft, TemplateError> {
        let mut draft = Draft::default();
        match syntax::parse(text) {
            Ok(tree) => self.nodes(text, &tree, &mut draft)?,
            Err(misshapen) => {
                let line = text[..misshapen.at].matches('\n').count() + 1;
                self.blame(Fault { expression: String::new(), why: format!("line {line}: {}", misshapen.why) });
                self.append(&mut draft, text)?;
                draft.incomplete = true;
            }
        }
        Ok(draft)
    }

    fn nodes(&mut self, text: &str, nodes: &[Node], draft: &mut Draft) -> Result<(), TemplateError> {
        for node in nodes {
            self.spend(1)?;
            match node {
                Node::Text(plain) => self.append(draft, &text[plain.clone()])?,
                Node::Escape => self.append(draft, "#{")?,
                Node::Stray(shown) => {
                    self.report(&text[shown.clone()]);
                    self.append(draft, "#{")?;
                }
                Node::Value(span, value) => {
                    let value = self.value(text, value)?;
                    self.put(draft, value, &text[span.clone()])?;
                }
                Node::Calculation(span, source) => {
                    let value = self.calculation(text, source.clone())?;
                    self.put(draft, value, &text[span.clone()])?;
                }
                Node::If(branches) => self.branches(text, branches, draft)?,
                Node::Each(each) => self.each(text, each, draft)?,
            }
        }
        Ok(())
    }

    /// A value, or its source when it has none.
    fn put(&mut self, draft: &mut Draft, value: Option<Value>, source: &str) -> Result<(), TemplateError> {
        let Some(value) = value else {
            draft.incomplete = true;
            return self.append(draft, source);
        };
        draft.sensitive |= value.sensitive;
        match value.text {
            Some(text) => self.append(draft, &text),
            None => {
                draft.null = true;
                Ok(())
            }
        }
    }

    fn branches(&mut self, text: &str, branches: &[Branch], draft: &mut Draft) -> Result<(), TemplateError> {
        for branch in branches {
            let taken = match &branch.condition {
                None => true,
                Some(condition) => self.holds(text, condition)? != condition.negated,
            };
            if taken {
                return self.deeper(|evaluation| evaluation.nodes(text, &branch.body, draft));
            }
        }
        Ok(())
    }

    /// What has no value is empty here, and not worth a report: that is what a condition asks.
    fn holds(&mut self, text: &str, condition: &Condition) -> Result<bool, TemplateError> {
        let left = self.compared(text, &condition.left)?;
        let Some(Comparison { equal, right }) = &condition.comparison else { return Ok(is_truthy(&left)) };
        let same = match right {
            Operand::Text(right) => *left == text[right.clone()],
            Operand::Value(right) => left == self.compared(text, right)?,
        };
        self.spend(left.len() / BYTES_A_PIECE)?;
        Ok(same == *equal)
    }

    fn compared(&mut self, text: &str, value: &syntax::Value) -> Result<Rc<str>, TemplateError> {
        let value = if value.filters.is_empty() {
            self.name(text, &value.name)?.and_then(|(name, _)| self.find(&name).transpose()).transpose()?
        } else {
            self.quietly(|evaluation| evaluation.value(text, value))?
        };
        Ok(value.and_then(|value| value.text).unwrap_or_default())
    }

    fn each(&mut self, text: &str, each: &Each, draft: &mut Draft) -> Result<(), TemplateError> {
        let (items, sensitive) = self.items(text, &each.collection)?;
        self.spend(items.len())?;
        let count = items.len();
        for (index, binding) in items.into_iter().enumerate() {
            self.scopes.push(Scope { item: each.item.clone(), binding, sensitive, index, last: index + 1 == count });
            let done = self.deeper(|evaluation| evaluation.nodes(text, &each.body, draft));
            self.scopes.pop();
            done?;
        }
        Ok(())
    }

    /// What a loop goes through: the indexes that variables have, the parts of JSON, or a text's parts between commas.
    fn items(&mut self, text: &str, collection: &syntax::Value) -> Result<(Vec<Binding>, bool), TemplateError> {
        if collection.filters.is_empty() {
            let Some((name, _)) = self.name(text, &collection.name)? else { return Ok(Default::default()) };
            let (indexes, looked_at) = self.indexes(&name);
            self.spend(looked_at)?;
            if !indexes.is_empty() {
                return Ok((indexes, false));
            }
        }
        let value = self.quietly(|evaluation| evaluation.value(text, collection))?;
        let Some(Value { text: Some(value), sensitive }) = value else { return Ok(Default::default()) };
        Ok((Binding::parts_of(&value), sensitive))
    }

    /// The value of what stands between `#{` and `}`; nothing if it has none.
    fn value(&mut self, text: &str, value: &syntax::Value) -> Result<Option<Value>, TemplateError> {
        let Some(mut head) = self.head(text, value)? else { return Ok(None) };
        for filter in &value.filters {
            let Some(arguments) = self.arguments(text, &filter.arguments, &mut head.value)? else { return Ok(None) };
            let name = &text[filter.name.clone()];
            let input = head.value.text.as_deref().filter(|_| head.named);
            self.count(input.map_or(0, str::len))?;
            match filter::apply(name, input, &arguments, self.variables.now.as_ref()) {
                Applied::Text(text) if text.len() <= limits::EVALUATED_BYTES => head.value.text = Some(text.into()),
                Applied::Text(_) | Applied::TooLong => return Err(TemplateError::TooLong(self.on_the_way())),
                Applied::Null => return Ok(Some(Value { text: None, sensitive: head.value.sensitive })),
                Applied::Fault(why) => {
                    let last = value.filters.last().map_or(0, |last| last.name.end);
                    let end = last.max(value.source.end);
                    self.blame(Fault { expression: text[value.source.start.min(end)..end].trim().to_owned(), why });
                    return Ok(None);
                }
            }
            head.named = true;
        }
        Ok(Some(head.value))
    }

    fn head(&mut self, text: &str, value: &syntax::Value) -> Result<Option<Head>, TemplateError> {
        if value.source.is_empty() && !value.filters.is_empty() {
            let nothing = Value { text: Some("".into()), sensitive: false };
            return Ok(Some(Head { value: nothing, named: false }));
        }
        let Some((name, sensitive)) = self.name(text, &value.name)? else { return Ok(None) };
        match self.find(&name)? {
            Some(Value { text: Some(text), sensitive: secret }) => {
                Ok(Some(Head { value: Value { text: Some(text), sensitive: secret || sensitive }, named: true }))
            }
            _ => {
                self.report(&text[value.source.clone()]);
                Ok(None)
            }
        }
    }

    fn arguments(
        &mut self,
        text: &str,
        arguments: &[Vec<Part>],
        value: &mut Value,
    ) -> Result<Option<Vec<String>>, TemplateError> {
        let mut all = Vec::with_capacity(arguments.len());
        for parts in arguments {
            let Some((argument, sensitive)) = self.name(text, parts)? else { return Ok(None) };
            value.sensitive |= sensitive;
            all.push(argument);
        }
        Ok(Some(all))
    }

    /// A name or an argument with the values in it; nothing when one of those has none, which is reported.
    fn name(&mut self, text: &str, parts: &[Part]) -> Result<Option<(String, bool)>, TemplateError> {
        let mut draft = Draft::default();
        for part in parts {
            self.spend(1)?;
            match part {
                Part::Text(plain) => self.append(&mut draft, &text[plain.clone()])?,
                Part::Escape => self.append(&mut draft, "#{")?,
                Part::TooDeep => return Err(TemplateError::TooDeep(self.on_the_way())),
                Part::Value(span, value) => {
                    let value = self.deeper(|evaluation| evaluation.value(text, value))?;
                    self.put(&mut draft, value, &text[span.clone()])?;
                }
            }
        }
        Ok((!draft.incomplete).then_some((draft.text, draft.sensitive)))
    }

    fn calculation(&mut self, text: &str, source: Range<usize>) -> Result<Option<Value>, TemplateError> {
        let mut draft = Draft::default();
        let inner = &text[source];
        match syntax::parse(inner) {
            Ok(tree) => self.deeper(|evaluation| evaluation.nodes(inner, &tree, &mut draft))?,
            Err(_) => return Ok(None),
        }
        if draft.incomplete {
            return Ok(None);
        }
        let mut sensitive = draft.sensitive;
        let result = calculation::calculate(&draft.text, &mut |name| {
            let value = self.find(name)?;
            sensitive |= value.as_ref().is_some_and(|value| value.sensitive);
            Ok(value.and_then(|value| value.text))
        })?;
        match result {
            Ok(number) => return Ok(Some(Value { text: Some(number.into()), sensitive })),
            Err(Trouble::Undefined(name)) => self.report(&name),
            Err(Trouble::Fault(why)) => self.blame(Fault { expression: format!("calc {}", inner.trim()), why }),
        }
        Ok(None)
    }

    /// The value of a name: of a loop's item, of a variable, or of what is in a variable's JSON.
    pub(super) fn find(&mut self, name: &str) -> Result<Option<Value>, TemplateError> {
        self.spend(1)?;
        let name = name.trim();
        if name.is_empty() || name.len() > limits::EXPRESSION_BYTES {
            return Ok(None);
        }
        if let Some(found) = self.find_item(name)? {
            return Ok(Some(found));
        }
        match self.variables.get(name) {
            Some(variable) => self.value_of(variable).map(Some),
            None => self.find_in_json(name),
        }
    }

    /// The longest beginning of a name that is a variable decides whose JSON is walked.
    fn find_in_json(&mut self, name: &str) -> Result<Option<Value>, TemplateError> {
        let borders: Vec<usize> = name.match_indices(['.', '[']).map(|(at, _)| at).collect();
        for at in borders.into_iter().rev().filter(|at| *at > 0) {
            self.spend(1)?;
            let Some(variable) = self.variables.get(&name[..at]) else { continue };
            let value = self.value_of(variable)?;
            let Some(json) = self.json_of(variable, &value) else { continue };
            let mut looked_at = 0;
            let found = json.walk(&name[at..], &mut looked_at).map(Json::text);
            self.spend(looked_at)?;
            if let Some(text) = found {
                return Ok(Some(Value { text: Some(text.into()), sensitive: value.sensitive }));
            }
        }
        Ok(None)
    }

    fn json_of(&mut self, variable: &Variable, value: &Value) -> Option<Json> {
        let text = value.text.as_deref()?;
        if !self.scopes.is_empty() && !variable.literal {
            return Json::read(text);
        }
        self.json.entry(key(&variable.name)).or_insert_with(|| Json::read(text)).clone()
    }

    fn value_of(&mut self, variable: &'v Variable) -> Result<Value, TemplateError> {
        let key = key(&variable.name);
        if let Some(known) = self.known.get(&key) {
            return Ok(known.clone());
        }
        self.used.insert(variable.name.clone());
        if variable.literal {
            let value = Value { text: Some(variable.value.as_str().into()), sensitive: variable.sensitive };
            self.known.insert(key, value.clone());
            return Ok(value);
        }
        let value = self.value_from(variable)?;
        // Within a loop a value may depend on the loop's item.
        if self.scopes.is_empty() || !variable.value.contains("#{") {
            self.known.insert(key, value.clone());
        }
        Ok(value)
    }

    fn value_from(&mut self, variable: &'v Variable) -> Result<Value, TemplateError> {
        if let Some(at) = self.path.iter().position(|outer| outer.name == variable.name) {
            let circle = self.path[at..].iter().chain([&variable]);
            return Err(TemplateError::Cycle(circle.map(|variable| variable.name.clone()).collect()));
        }
        self.path.push(variable);
        let draft = self.deeper(|evaluation| evaluation.draft(&variable.value))?;
        self.path.pop();
        let text = (!draft.null).then(|| draft.text.into());
        Ok(Value { text, sensitive: draft.sensitive || variable.sensitive })
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

    /// Without reports of what has no value.
    fn quietly<T>(&mut self, step: impl FnOnce(&mut Self) -> Result<T, TemplateError>) -> Result<T, TemplateError> {
        let (count, reported) = (self.undefined.len(), self.reported.clone());
        let result = step(self);
        self.undefined.truncate(count);
        self.reported = reported;
        result
    }

    fn append(&mut self, draft: &mut Draft, text: &str) -> Result<(), TemplateError> {
        self.count(text.len())?;
        if draft.text.len() + text.len() > limits::EVALUATED_BYTES {
            return Err(TemplateError::TooLong(self.on_the_way()));
        }
        draft.text.push_str(text);
        Ok(())
    }

    fn count(&mut self, bytes: usize) -> Result<(), TemplateError> {
        self.substituted += bytes;
        if self.substituted > limits::SUBSTITUTED_BYTES {
            return Err(TemplateError::TooLong(self.on_the_way()));
        }
        Ok(())
    }

    pub(super) fn spend(&mut self, pieces: usize) -> Result<(), TemplateError> {
        self.work += pieces;
        if self.work > limits::EVALUATED_PIECES {
            return Err(TemplateError::TooMuch(self.on_the_way()));
        }
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

    /// As [`Self::report`], for what is wrong in itself.
    fn blame(&mut self, mut fault: Fault) {
        if let Some(holder) = self.path.last() {
            if holder.sensitive {
                fault = Fault { expression: String::new(), why: "a part of its value is no template".into() };
            }
            fault.expression = match fault.expression.as_str() {
                "" => holder.name.clone(),
                expression => format!("{expression} in {}", holder.name),
            };
        }
        if self.faults.len() < limits::UNDEFINED && !self.faults.contains(&fault) {
            self.faults.push(fault);
        }
    }

    pub(super) fn on_the_way(&self) -> Vec<String> {
        self.path.iter().map(|variable| variable.name.clone()).collect()
    }
}

/// 256 bytes compared are as much work as one piece of a text.
const BYTES_A_PIECE: usize = 256;

/// Whether a text counts as true: it is none of empty, `0`, and, whatever blanks are around them, `false` and `no`.
pub(super) fn is_truthy(text: &str) -> bool {
    let word = text.trim();
    !(text.is_empty() || text == "0" || word.eq_ignore_ascii_case("false") || word.eq_ignore_ascii_case("no"))
}
