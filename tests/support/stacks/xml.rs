//! AWS's XML, written.

use std::fmt::Write as _;

/// Elements one after another.
#[derive(Default)]
pub(super) struct Xml(String);

impl Xml {
    /// An element with a text.
    pub(super) fn text(&mut self, name: &str, text: &str) {
        let _ = write!(self.0, "<{name}>{}</{name}>", escaped(text));
    }

    /// The same, unless there is none.
    pub(super) fn maybe(&mut self, name: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.text(name, text);
        }
    }

    /// An element with others in it.
    pub(super) fn inside(&mut self, name: &str, write: impl FnOnce(&mut Self)) {
        let _ = write!(self.0, "<{name}>");
        write(self);
        let _ = write!(self.0, "</{name}>");
    }

    /// A list, each of whose entries is a `member`.
    pub(super) fn members<T>(
        &mut self,
        name: &str,
        entries: impl IntoIterator<Item = T>,
        write: impl Fn(&mut Self, T),
    ) {
        self.inside(name, |xml| {
            for entry in entries {
                xml.inside("member", |xml| write(xml, entry));
            }
        });
    }

    /// A list of texts.
    pub(super) fn texts(&mut self, name: &str, texts: &[String]) {
        self.inside(name, |xml| {
            for text in texts {
                xml.text("member", text);
            }
        });
    }

    pub(super) fn into_text(self) -> String {
        self.0
    }
}

fn escaped(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut escaped, character| {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\r' => escaped.push_str("&#xD;"),
            other => escaped.push(other),
        }
        escaped
    })
}
