//! Values of a template's parameters, in every form in which they are written.

mod file;

use std::{collections::BTreeMap, fmt, ops::Range};

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, de};
use serde_saphyr::{Location, Spanned};

pub(super) use self::file::ParameterFile;

/// Where the values are.
#[derive(Debug)]
pub(crate) enum Parameters {
    /// Here, in the order in which they are written, duplicates included.
    Here(Vec<Parameter>),
    /// In a file.
    File(Spanned<String>),
}

/// One value.
pub(crate) struct Parameter {
    pub(crate) name: Spanned<String>,
    pub(crate) value: Value,
    pub(crate) use_previous: bool,
    pub(crate) no_echo: bool,
}

/// What stands for a value.
pub(crate) enum Value {
    /// Nothing.
    Absent,
    /// This.
    Text(String),
    /// A number or a word like `true`, in these bytes of the text; its spelling counts, e.g. `1.10`.
    Spelled(Range<usize>),
}

impl Default for Parameters {
    fn default() -> Self {
        Self::Here(Vec::new())
    }
}

impl Parameters {
    /// Puts in what is only known by its place in the text.
    pub(super) fn spell(&mut self, text: &str) {
        if let Self::Here(parameters) = self {
            spell(parameters, text);
        }
    }
}

impl Parameter {
    /// Its value; empty when there is none.
    pub(crate) fn text(&self) -> &str {
        match &self.value {
            Value::Text(text) => text,
            Value::Absent | Value::Spelled(_) => "",
        }
    }
}

// A value may be a secret that somebody wrote there.
impl fmt::Debug for Parameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parameter").field("name", &self.name.value).finish_non_exhaustive()
    }
}

fn spell(parameters: &mut [Parameter], text: &str) {
    for parameter in parameters {
        if let Value::Spelled(bytes) = &parameter.value {
            parameter.value = Value::Text(text.get(bytes.clone()).unwrap_or_default().trim().to_owned());
        }
    }
}

/// Values by name, AWS's list of them, or the path of a file with either.
#[derive(JsonSchema)]
#[serde(untagged)]
#[allow(dead_code, reason = "only its schema is used")]
pub(super) enum ParametersForm {
    ByName(BTreeMap<String, ValueForm>),
    Listed(Vec<Listed>),
    /// Path of a file beside the project file, JSON or YAML, read when the project is applied.
    File(String),
}

/// A value, or what is to be known about it.
#[derive(JsonSchema)]
#[serde(untagged)]
#[allow(dead_code, reason = "only its schema is used")]
pub(super) enum ValueForm {
    Text(String),
    Number(f64),
    Word(bool),
    Detailed(Detailed),
}

/// A value with what is to be known about it.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Detailed {
    /// The value; may hold #{Name}.
    #[serde(default)]
    value: Option<String>,
    /// Whether it keeps the value that the stack has.
    #[serde(default)]
    use_previous: bool,
    /// Whether it is a secret, whatever the template says.
    #[serde(default)]
    no_echo: bool,
}

/// A value as AWS lists it.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Listed {
    /// Name of the parameter.
    #[schemars(with = "String")]
    parameter_key: Spanned<String>,
    /// Its value; may hold #{Name}.
    #[serde(default)]
    parameter_value: Option<String>,
    /// Whether it keeps the value that the stack has.
    #[serde(default)]
    use_previous_value: bool,
}

impl From<Listed> for Parameter {
    fn from(it: Listed) -> Self {
        let value = it.parameter_value.map_or(Value::Absent, Value::Text);
        Self { name: it.parameter_key, value, use_previous: it.use_previous_value, no_echo: false }
    }
}

impl Parameter {
    fn of(name: Spanned<String>, written: Spanned<Written>) -> Self {
        match written.value {
            Written::Text(text) => Self::plain(name, Value::Text(text)),
            Written::AsSpelled => Self::plain(name, Value::Spelled(bytes(written.defined))),
            Written::Detailed(it) => {
                let value = it.value.map_or(Value::Absent, Value::Text);
                Self { name, value, use_previous: it.use_previous, no_echo: it.no_echo }
            }
        }
    }

    fn plain(name: Spanned<String>, value: Value) -> Self {
        Self { name, value, use_previous: false, no_echo: false }
    }
}

fn bytes(location: Location) -> Range<usize> {
    let index = |number: Option<u64>| number.and_then(|number| usize::try_from(number).ok()).unwrap_or_default();
    let (offset, len) = (index(location.span().byte_offset()), index(location.span().byte_len()));
    offset..offset.saturating_add(len)
}

/// What stands after a name.
enum Written {
    Text(String),
    AsSpelled,
    Detailed(Detailed),
}

impl<'de> Deserialize<'de> for Written {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Form;
        impl<'de> de::Visitor<'de> for Form {
            type Value = Written;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value, or `value`, `use_previous` and `no_echo`")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Written, E> {
                Ok(Written::Text(text.to_owned()))
            }
            fn visit_bool<E: de::Error>(self, _: bool) -> Result<Written, E> {
                Ok(Written::AsSpelled)
            }
            fn visit_i64<E: de::Error>(self, _: i64) -> Result<Written, E> {
                Ok(Written::AsSpelled)
            }
            fn visit_u64<E: de::Error>(self, _: u64) -> Result<Written, E> {
                Ok(Written::AsSpelled)
            }
            fn visit_f64<E: de::Error>(self, _: f64) -> Result<Written, E> {
                Ok(Written::AsSpelled)
            }
            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Written, A::Error> {
                Detailed::deserialize(de::value::MapAccessDeserializer::new(map)).map(Written::Detailed)
            }
        }
        deserializer.deserialize_any(Form)
    }
}

impl<'de> Deserialize<'de> for Parameters {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let form = Spanned::<Form>::deserialize(deserializer)?;
        Ok(match form.value {
            Form::Here(parameters) => Self::Here(parameters),
            Form::File(path) => Self::File(Spanned { value: path, referenced: form.referenced, defined: form.defined }),
        })
    }
}

enum Form {
    Here(Vec<Parameter>),
    File(String),
}

impl<'de> Deserialize<'de> for Form {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Forms;
        impl<'de> de::Visitor<'de> for Forms {
            type Value = Form;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("values by name, AWS's list of them, or the path of a file")
            }
            fn visit_str<E: de::Error>(self, path: &str) -> Result<Form, E> {
                Ok(Form::File(path.to_owned()))
            }
            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Form, A::Error> {
                by_name(map).map(Form::Here)
            }
            fn visit_seq<A: de::SeqAccess<'de>>(self, seq: A) -> Result<Form, A::Error> {
                listed(seq).map(Form::Here)
            }
        }
        deserializer.deserialize_any(Forms)
    }
}

fn by_name<'de, A: de::MapAccess<'de>>(mut map: A) -> Result<Vec<Parameter>, A::Error> {
    let mut parameters = Vec::new();
    while let Some((name, written)) = map.next_entry()? {
        parameters.push(Parameter::of(name, written));
    }
    Ok(parameters)
}

fn listed<'de, A: de::SeqAccess<'de>>(seq: A) -> Result<Vec<Parameter>, A::Error> {
    let listed: Vec<Listed> = Vec::deserialize(de::value::SeqAccessDeserializer::new(seq))?;
    Ok(listed.into_iter().map(Parameter::from).collect())
}
