//! JSON within variables: read in the order it was written in, and walked by keys and indexes.

use std::{fmt, rc::Rc};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{MapAccess, SeqAccess, Visitor},
};

/// A JSON value. Members keep their order: a loop goes through them as they stand.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Json {
    Null,
    Bool(bool),
    Number(serde_json::Number),
    Text(Rc<str>),
    List(Rc<[Json]>),
    Object(Rc<[(Rc<str>, Json)]>),
}

impl Json {
    /// Reads an array or an object; anything else is plain text.
    pub(super) fn read(text: &str) -> Option<Self> {
        let begins = text.trim_start().starts_with(['{', '[']);
        begins.then(|| serde_json::from_str(text).ok()).flatten()
    }

    /// What a path leads to: `.key`, `[key]` and `[index]`, one after the other. Also counts the members looked at.
    pub(super) fn walk(&self, path: &str, looked_at: &mut usize) -> Option<&Self> {
        let (mut here, mut rest) = (self, path);
        while !rest.is_empty() {
            let (key, after) = step(rest)?;
            here = here.child(key.trim(), looked_at)?;
            rest = after;
        }
        Some(here)
    }

    fn child(&self, key: &str, looked_at: &mut usize) -> Option<&Self> {
        match self {
            Self::List(items) => items.get(key.parse::<usize>().ok()?),
            Self::Object(members) => {
                *looked_at += members.len();
                let exact = members.iter().find(|(name, _)| **name == *key);
                let found = exact.or_else(|| members.iter().find(|(name, _)| name.eq_ignore_ascii_case(key)));
                found.map(|(_, value)| value)
            }
            _ => None,
        }
    }

    /// As text: a string without its quotes, nothing for null, JSON for arrays and objects.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Null => String::new(),
            Self::Text(text) => text.to_string(),
            other => serde_json::to_string(other).unwrap_or_default(),
        }
    }
}

/// The first key of a path, and what follows it.
pub(super) fn step(path: &str) -> Option<(&str, &str)> {
    if let Some(rest) = path.strip_prefix('.') {
        let end = rest.find(['.', '[']).unwrap_or(rest.len());
        return Some((&rest[..end], &rest[end..]));
    }
    let rest = path.strip_prefix('[')?;
    let end = closing(rest)?;
    Some((&rest[..end], &rest[end + 1..]))
}

/// Where the bracket closes that was opened before.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0usize;
    text.bytes().position(|byte| {
        match byte {
            b'[' => depth += 1,
            b']' if depth == 0 => return true,
            b']' => depth -= 1,
            _ => {}
        }
        false
    })
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json, E> {
        Ok(serde_json::Number::from_f64(value).map_or(Json::Null, Json::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::Text(value.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Json, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = from.next_element()? {
            items.push(item);
        }
        Ok(Json::List(items.into()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Json, A::Error> {
        let mut members = Vec::new();
        while let Some((name, value)) = from.next_entry::<String, Json>()? {
            members.push((name.into(), value));
        }
        Ok(Json::Object(members.into()))
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => to.serialize_unit(),
            Self::Bool(value) => to.serialize_bool(*value),
            Self::Number(number) => number.serialize(to),
            Self::Text(text) => to.serialize_str(text),
            Self::List(items) => to.collect_seq(items.iter()),
            Self::Object(members) => to.collect_map(members.iter().map(|(name, value)| (&**name, value))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_leads_through_keys_and_indexes() {
        let json = Json::read(r#"{"a": {"b c": [1, {"Deep": true}]}, "n": null, "f": 1.50}"#).expect("JSON");
        let at = |path: &str| json.walk(path, &mut 0).map(Json::text);
        assert_eq!(at(".a[b c][0]"), Some("1".into()));
        assert_eq!(at("[a].b c[1].deep"), Some("true".into()));
        assert_eq!(at(".a"), Some(r#"{"b c":[1,{"Deep":true}]}"#.into()));
        assert_eq!(at(".n"), Some(String::new()));
        assert_eq!(at(".f"), Some("1.5".into()));
        for nowhere in [".x", ".a[9]", ".a[b c][-1]", ".f.g", "[a", "a"] {
            assert_eq!(at(nowhere), None, "{nowhere}");
        }
    }

    #[test]
    fn what_is_neither_array_nor_object_is_text() {
        for text in ["1", "\"a\"", "null", "", "{a}", "[1,]", "plain"] {
            assert_eq!(Json::read(text), None, "{text}");
        }
        let deep = "[".repeat(100_000) + &"]".repeat(100_000);
        assert_eq!(Json::read(&deep), None, "too deep to be anything");
    }
}
