//! One text, or a list of texts.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};
use serde_saphyr::Spanned;

use super::super::fault::Place;

/// Texts, each with its place; a single one need not be in a list.
#[derive(Debug, Default)]
pub(crate) struct Listing(pub(crate) Vec<(String, Option<Place>)>);

impl Listing {
    /// The texts alone.
    pub(crate) fn texts(&self) -> Vec<String> {
        self.0.iter().map(|(text, _)| text.clone()).collect()
    }
}

impl<'de> Deserialize<'de> for Listing {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written = Spanned::<Form>::deserialize(deserializer)?;
        let place = Place::of(written.referenced);
        Ok(Self(match written.value {
            Form::One(text) => vec![(text, place)],
            Form::More(texts) => texts.into_iter().map(|it| (it.value, Place::of(it.referenced))).collect(),
        }))
    }
}

enum Form {
    One(String),
    More(Vec<Spanned<String>>),
}

impl<'de> Deserialize<'de> for Form {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Texts;
        impl<'de> de::Visitor<'de> for Texts {
            type Value = Form;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or a list of texts")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Form, E> {
                Ok(Form::One(text.to_owned()))
            }
            fn visit_seq<A: de::SeqAccess<'de>>(self, seq: A) -> Result<Form, A::Error> {
                Vec::deserialize(de::value::SeqAccessDeserializer::new(seq)).map(Form::More)
            }
        }
        deserializer.deserialize_any(Texts)
    }
}

impl JsonSchema for Listing {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Listing".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "One text, or a list of texts.",
            "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }],
        })
    }
}
