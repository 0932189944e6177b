//! Values of parameters in a file of their own.

use std::fmt;

use serde::{Deserialize, Deserializer, de};
use serde_saphyr::Spanned;

use super::{Parameter, Value, by_name, listed, spell};

/// The content of a file of parameters.
pub(in super::super) struct ParameterFile(pub(in super::super) Vec<Parameter>);

impl ParameterFile {
    /// As [`super::Parameters::spell`].
    pub(in super::super) fn spell(&mut self, text: &str) {
        spell(&mut self.0, text);
    }
}

impl<'de> Deserialize<'de> for ParameterFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Forms;
        impl<'de> de::Visitor<'de> for Forms {
            type Value = Vec<Parameter>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("values by name, AWS's list of them, or CodePipeline's `Parameters`")
            }
            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Vec<Parameter>, A::Error> {
                sections(map)
            }
            fn visit_seq<A: de::SeqAccess<'de>>(self, seq: A) -> Result<Vec<Parameter>, A::Error> {
                listed(seq)
            }
        }
        deserializer.deserialize_any(Forms).map(Self)
    }
}

/// Values by name, or below `Parameters`, as CodePipeline has them (AWS CodePipeline User Guide, "Template configuration file").
fn sections<'de, A: de::MapAccess<'de>>(mut map: A) -> Result<Vec<Parameter>, A::Error> {
    let mut parameters = Vec::new();
    while let Some(name) = map.next_key::<Spanned<String>>()? {
        let key = match name.value.as_str() {
            "Parameters" => Section::Parameters,
            "Tags" => Section::Other("tags"),
            "StackPolicy" => Section::Other("stack_policy"),
            _ => {
                parameters.push(Parameter::of(name, map.next_value()?));
                continue;
            }
        };
        match map.next_value_seed(key)? {
            Below::Parameters(below) => parameters.extend(below),
            Below::Text(text) => parameters.push(Parameter::plain(name, Value::Text(text))),
        }
    }
    Ok(parameters)
}

/// A section of CodePipeline's, unless a parameter is called so.
enum Section {
    Parameters,
    /// One that the step has a key of its own for.
    Other(&'static str),
}

/// What stands below the name of a section.
enum Below {
    Parameters(Vec<Parameter>),
    Text(String),
}

impl<'de> de::DeserializeSeed<'de> for Section {
    type Value = Below;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Below, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> de::Visitor<'de> for Section {
    type Value = Below;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or values by name")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Below, E> {
        Ok(Below::Text(text.to_owned()))
    }

    fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Below, A::Error> {
        match self {
            Self::Parameters => by_name(map).map(Below::Parameters),
            Self::Other(key) => {
                Err(de::Error::custom(format!("only parameters are read here: write these in the step's `{key}`")))
            }
        }
    }
}
