//! Filters: `#{Name | Filter argument}`. Names as in Octopus; case does not matter.

use jiff::Zoned;

mod date;
mod date_format;
mod digest;
mod escape;
mod number_format;
mod pattern;
mod text;
mod uri;
mod version;

/// What came of a filter.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Applied {
    Text(String),
    /// The whole text around it is to have no value.
    Null,
    /// More than an evaluation may come to.
    TooLong,
    /// It cannot be applied: the end of a sentence.
    Fault(String),
}

/// Applies a filter to a value, or to nothing where no name stands before it.
pub(super) fn apply(name: &str, input: Option<&str>, arguments: &[String], now: Option<&Zoned>) -> Applied {
    if name.eq_ignore_ascii_case("null") {
        return Applied::Null;
    }
    let Some((known, filter)) = FILTERS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) else {
        return Applied::Fault(format!("there is no filter \"{name}\""));
    };
    match filter(&Call { input, arguments, now }) {
        Ok(text) => Applied::Text(text),
        Err(Refused::TooLong) => Applied::TooLong,
        Err(Refused::Fault(why)) => Applied::Fault(format!("{known} {why}")),
    }
}

/// What a filter is given.
struct Call<'c> {
    input: Option<&'c str>,
    arguments: &'c [String],
    now: Option<&'c Zoned>,
}

/// Why a filter cannot be applied.
#[derive(PartialEq, Eq, Debug)]
enum Refused {
    /// The end of a sentence that begins with the filter's name.
    Fault(String),
    TooLong,
}

type Answer = Result<String, Refused>;

type Filter = fn(&Call<'_>) -> Answer;

/// Every filter but `null`.
const FILTERS: &[(&str, Filter)] = &[
    ("AddDays", date::add_days),
    ("AddHours", date::add_hours),
    ("AddMinutes", date::add_minutes),
    ("AddMonths", date::add_months),
    ("AddSeconds", date::add_seconds),
    ("AddWeeks", date::add_weeks),
    ("Append", text::append),
    ("Contains", text::contains),
    ("EndsWith", text::ends_with),
    ("Format", format),
    ("FromBase64", text::from_base64),
    ("HtmlEscape", escape::html),
    ("Indent", text::indent),
    ("JsonEscape", escape::json),
    ("Markdown", escape::markdown),
    ("MarkdownToHtml", escape::markdown),
    ("Match", pattern::matches),
    ("Md5", digest::md5),
    ("NowDate", date::now),
    ("NowDateUtc", date::now_utc),
    ("Prepend", text::prepend),
    ("PropertiesKeyEscape", escape::properties_key),
    ("PropertiesValueEscape", escape::properties_value),
    ("Replace", pattern::replace),
    ("Sha1", digest::sha1),
    ("Sha256", digest::sha256),
    ("Sha384", digest::sha384),
    ("Sha512", digest::sha512),
    ("StartsWith", text::starts_with),
    ("Substring", text::substring),
    ("ToBase64", text::to_base64),
    ("ToLower", text::to_lower),
    ("ToUpper", text::to_upper),
    ("Trim", text::trim),
    ("Truncate", text::truncate),
    ("UriDataEscape", escape::uri_data),
    ("UriEscape", escape::uri),
    ("UriPart", uri::part),
    ("VersionMajor", version::major),
    ("VersionMetadata", version::metadata),
    ("VersionMinor", version::minor),
    ("VersionPatch", version::patch),
    ("VersionPreRelease", version::pre_release),
    ("VersionPreReleaseCounter", version::pre_release_counter),
    ("VersionPreReleasePrefix", version::pre_release_prefix),
    ("VersionRevision", version::revision),
    ("XmlEscape", escape::xml),
    ("YamlDoubleQuoteEscape", escape::yaml_double_quoted),
    ("YamlSingleQuoteEscape", escape::yaml_single_quoted),
];

/// The names of all filters.
#[cfg(test)]
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    FILTERS.iter().map(|(name, _)| *name).chain(["null"])
}

impl<'c> Call<'c> {
    /// The value before the filter.
    fn text(&self) -> Result<&'c str, Refused> {
        self.input.ok_or_else(|| fault("needs a value before the |"))
    }

    /// The value before the filter, which takes nothing else.
    fn only_text(&self) -> Result<&'c str, Refused> {
        self.at_most(0)?;
        self.text()
    }

    /// The value before the filter, and its one argument.
    fn with_one(&self, what: &str) -> Result<(&'c str, &'c str), Refused> {
        match self.arguments {
            [argument] => Ok((self.text()?, argument)),
            _ => Err(fault(&format!("takes one argument: {what}"))),
        }
    }

    fn at_most(&self, count: usize) -> Result<(), Refused> {
        match (count, self.arguments.len()) {
            (most, given) if given <= most => Ok(()),
            (0, _) => Err(fault("takes no arguments")),
            (1, _) => Err(fault("takes one argument at most")),
            _ => Err(fault(&format!("takes {count} arguments at most"))),
        }
    }

    fn argument(&self, index: usize) -> Option<&'c str> {
        self.arguments.get(index).map(String::as_str)
    }
}

/// `Format pattern` for numbers and dates, `Format kind pattern` for one kind of them.
fn format(call: &Call<'_>) -> Answer {
    let input = call.text()?;
    let (kind, pattern) = match call.arguments {
        [pattern] => ("", pattern),
        [kind, pattern] => (kind.as_str(), pattern),
        _ => return Err(fault("takes a pattern, or a kind of value and a pattern")),
    };
    match kind.to_lowercase().as_str() {
        "" => number_format::format(input, pattern).unwrap_or_else(|| date::format(input, pattern)),
        "int" | "int32" => number_format::format_whole(input, pattern),
        "double" | "decimal" => {
            number_format::format(input, pattern).unwrap_or_else(|| Err(fault("needs a number before the |")))
        }
        "date" | "datetime" | "datetimeoffset" => date::format(input, pattern),
        _ => Err(fault(&format!("knows no kind \"{kind}\": int, double, decimal, date and datetimeoffset are"))),
    }
}

fn fault(why: &str) -> Refused {
    Refused::Fault(why.into())
}
