//! Where answers go: data to stdout in the form that was asked for, talk to stderr.

use std::{
    env,
    io::{self, IsTerminal, Write},
};

use anstyle::Style;
use clap::{Args, ValueEnum};
use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;

use crate::{failure::Failure, sanitise, view::View};

/// How answers look; the same flags on every command.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Screen {
    /// Form of the answer
    #[arg(
        long,
        short,
        global = true,
        value_enum,
        default_value_t = Format::Table,
        value_name = "FORM",
        help_heading = "Answer"
    )]
    pub(crate) output: Format,
    /// When to use colour; NO_COLOR is honoured
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t = Color::Auto,
        value_name = "WHEN",
        help_heading = "Answer"
    )]
    color: Color,
}

/// Form of an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Table,
    /// For programs; live views print one object a line
    Json,
    /// For programs that people read
    Yaml,
}

/// When to use colour.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Color {
    /// On a terminal
    Auto,
    /// In any case
    Always,
    /// Never
    Never,
}

impl Screen {
    /// Whether stdout takes colour.
    pub(crate) fn colored(self) -> bool {
        match self.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => io::stdout().is_terminal() && !is_set("NO_COLOR") && !is_dumb(),
        }
    }

    /// Whether somebody watches stdout on a terminal that can move its cursor.
    pub(crate) fn is_live(self) -> bool {
        io::stdout().is_terminal() && !is_dumb()
    }

    /// Whether a program reads stdout.
    pub(crate) fn is_for_programs(self) -> bool {
        self.output != Format::Table
    }

    /// Prints many things of a kind.
    pub(crate) fn list<V: View>(self, items: &[V]) -> Result<(), Failure> {
        match self.output {
            Format::Table if items.is_empty() => {
                talk(&format!("There are no {}.", V::MANY));
                Ok(())
            }
            Format::Table => put(&table(V::COLUMNS, items.iter().map(View::cells))),
            form => put(&encode(form, &items)),
        }
    }

    /// Prints one thing.
    pub(crate) fn show<V: View>(self, item: &V) -> Result<(), Failure> {
        match self.output {
            Format::Table => put(&item.page()),
            form => put(&encode(form, item)),
        }
    }
}

/// Says something to the person at the terminal; not part of the answer.
pub(crate) fn talk(text: &str) {
    // Nobody to tell when stderr is closed; the exit code still says it.
    let _ = writeln!(io::stderr(), "{}", sanitise::paragraph(text));
}

/// Writes an answer to stdout, with one newline at its end.
pub(crate) fn put(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(text.trim_end_matches('\n').as_bytes())?;
    out.write_all(b"\n")?;
    out.flush()?;
    Ok(())
}

/// A table without borders, as wide as its terminal, or as its text where there is none.
pub(crate) fn table(columns: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    if !io::stdout().is_terminal() {
        // A pipe has no width: one line a row, whatever the terminal beside it.
        table.set_content_arrangement(ContentArrangement::Disabled);
    }
    table.set_header(columns.iter().map(|column| column.to_uppercase()));
    for row in rows {
        table.add_row(row.iter().map(|cell| sanitise::cell(cell)));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.trim_fmt()
}

/// `name: value` lines with the values below each other.
pub(crate) fn facts(facts: &[(&str, String)]) -> String {
    let width = facts.iter().map(|(name, _)| name.len()).max().unwrap_or(0) + 2;
    let mut text = String::new();
    for (name, value) in facts.iter().filter(|(_, value)| !value.is_empty()) {
        text.push_str(&format!("{:<width$}{}\n", format!("{name}:"), sanitise::cell(value)));
    }
    text
}

/// JSON or YAML; the views hold nothing that either could refuse.
pub(crate) fn encode(form: Format, value: &impl Serialize) -> String {
    match form {
        Format::Yaml => serde_saphyr::to_string(value).unwrap_or_else(|error| format!("# {error}")),
        Format::Json | Format::Table => {
            serde_json::to_string_pretty(value).unwrap_or_else(|error| format!("{{\"error\": \"{error}\"}}"))
        }
    }
}

/// A text in a style, or as it is when there is no colour.
pub(crate) fn paint(colored: bool, style: Style, text: &str) -> String {
    if colored { format!("{style}{text}{style:#}") } else { text.to_owned() }
}

fn is_set(name: &str) -> bool {
    env::var_os(name).is_some_and(|value| !value.is_empty())
}

/// Whether the terminal cannot move its cursor.
pub(crate) fn is_dumb() -> bool {
    env::var_os("TERM").is_some_and(|term| term == "dumb")
}
