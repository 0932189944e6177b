//! The parameters of a call, as AWS's query protocol has them: `Tags.member.1.Key=team`.

use std::collections::BTreeMap;

/// Names and values, decoded.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Form(BTreeMap<String, String>);

impl Form {
    /// From `application/x-www-form-urlencoded`.
    pub(super) fn parse(text: &str) -> Self {
        let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
        Self(pairs.map(|(name, value)| (decoded(name), decoded(value))).collect())
    }

    pub(super) fn into_parameters(self) -> BTreeMap<String, String> {
        self.0
    }

    /// None when it is absent or empty.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    pub(super) fn is_true(&self, name: &str) -> bool {
        self.get(name) == Some("true")
    }

    pub(super) fn owned(&self, name: &str) -> Option<String> {
        self.get(name).map(str::to_owned)
    }

    /// Whether a list was sent at all: an empty one is sent as `Tags=`.
    pub(super) fn has(&self, name: &str) -> bool {
        let prefix = format!("{name}.");
        self.0.keys().any(|key| key == name || key.starts_with(&prefix))
    }

    /// The texts of a list.
    pub(super) fn list(&self, name: &str) -> Vec<String> {
        (1..).map_while(|index| self.0.get(&format!("{name}.member.{index}")).cloned()).collect()
    }

    /// One field of every entry of a list, none where it is absent.
    pub(super) fn entries(&self, name: &str, fields: [&str; 2]) -> Vec<[Option<String>; 2]> {
        let of = |index: usize, field: &str| self.0.get(&format!("{name}.member.{index}.{field}")).cloned();
        (1..)
            .map(|index| fields.map(|field| of(index, field)))
            .take_while(|found| found.iter().any(Option::is_some))
            .collect()
    }
}

fn decoded(text: &str) -> String {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [bytes.next().unwrap_or(b'0'), bytes.next().unwrap_or(b'0')];
                let digits = String::from_utf8_lossy(&digits).into_owned();
                u8::from_str_radix(&digits, 16).unwrap_or(b'?')
            }
            other => other,
        });
    }
    String::from_utf8_lossy(&decoded).into_owned()
}
