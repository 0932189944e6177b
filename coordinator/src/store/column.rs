//! Columns of rows as the words of `shared` and of the core.

use std::str::FromStr;

use rusqlite::{Row, types::Type};
use serde::de::DeserializeOwned;
use shared::attempt::AttemptState;

/// An id, or anything else with a text form.
pub(super) fn parsed<T>(row: &Row<'_>, column: &str) -> rusqlite::Result<T>
where
    T: FromStr,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    let index = row.as_ref().column_index(column)?;
    row.get_ref(index)?.as_str()?.parse().map_err(|error| unreadable(index, error))
}

/// A value kept as JSON, or none.
pub(super) fn json<T: DeserializeOwned>(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<T>> {
    let index = row.as_ref().column_index(column)?;
    let text = row.get_ref(index)?.as_str_or_null()?;
    text.map(|text| serde_json::from_str(text).map_err(|error| unreadable(index, error))).transpose()
}

/// A state of an attempt.
pub(super) fn attempt_state(row: &Row<'_>, column: &str) -> rusqlite::Result<AttemptState> {
    let index = row.as_ref().column_index(column)?;
    let name = row.get_ref(index)?.as_str()?;
    AttemptState::ALL
        .into_iter()
        .find(|state| state.name() == name)
        .ok_or_else(|| unreadable(index, UnknownName(name.into())))
}

/// A count or position.
pub(super) fn count(row: &Row<'_>, column: &str) -> rusqlite::Result<usize> {
    let number: i64 = row.get(column)?;
    usize::try_from(number).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(0, number))
}

/// A name that the program does not know: the row was written by another version, or by hand.
#[derive(Debug, thiserror::Error)]
#[error("\"{0}\" is not a name this program knows")]
pub(super) struct UnknownName(pub(super) String);

fn unreadable(index: usize, error: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(index, Type::Text, Box::new(error))
}
