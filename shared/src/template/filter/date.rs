//! Dates: the clock, and reckoning with what is written.

use jiff::{Span, Timestamp, Zoned, civil::DateTime, fmt::strtime, tz::TimeZone};

use super::{Answer, Call, Refused, date_format, fault};

/// A date as it is written: with a zone of its own, or without.
pub(super) struct Date {
    pub(super) civil: DateTime,
    pub(super) zone: Zone,
}

/// What a date says of its zone.
#[derive(Clone, PartialEq)]
pub(super) enum Zone {
    /// Nothing.
    None,
    Utc,
    /// Seconds east of Greenwich.
    Offset(i32),
}

/// Of the coordinator's own zone.
pub(super) fn now(call: &Call<'_>) -> Answer {
    let now = clock(call)?;
    written(&Date { civil: now.datetime(), zone: Zone::None }, call)
}

pub(super) fn now_utc(call: &Call<'_>) -> Answer {
    let now = clock(call)?.with_time_zone(TimeZone::UTC);
    written(&Date { civil: now.datetime(), zone: Zone::Utc }, call)
}

fn clock<'c>(call: &Call<'c>) -> Result<&'c Zoned, Refused> {
    call.at_most(1)?;
    if call.input.is_some() {
        return Err(fault("takes no value before the |"));
    }
    call.now.ok_or_else(|| fault("has no clock here"))
}

fn written(date: &Date, call: &Call<'_>) -> Answer {
    date_format::format(date, call.argument(0).unwrap_or("O"))
}

pub(super) fn format(input: &str, pattern: &str) -> Answer {
    date_format::format(&read(input)?, pattern)
}

pub(super) fn add_seconds(call: &Call<'_>) -> Answer {
    add_time(call, 1.0)
}

pub(super) fn add_minutes(call: &Call<'_>) -> Answer {
    add_time(call, 60.0)
}

pub(super) fn add_hours(call: &Call<'_>) -> Answer {
    add_time(call, 3600.0)
}

pub(super) fn add_days(call: &Call<'_>) -> Answer {
    add_time(call, 86_400.0)
}

pub(super) fn add_weeks(call: &Call<'_>) -> Answer {
    add_time(call, 604_800.0)
}

/// Whole months; where the day is too late for the month, its last.
pub(super) fn add_months(call: &Call<'_>) -> Answer {
    let (date, amount) = call.with_one("how many")?;
    let months: i32 = amount.parse().map_err(|_| fault("takes a whole number"))?;
    let span = Span::new().try_months(months).map_err(out_of_range)?;
    moved(date, span)
}

fn add_time(call: &Call<'_>, unit: f64) -> Answer {
    let (date, amount) = call.with_one("how many")?;
    let amount: f64 =
        amount.parse().ok().filter(|amount: &f64| amount.is_finite()).ok_or_else(|| fault("takes a number"))?;
    let span = Span::new().try_milliseconds((amount * unit * 1000.0).round() as i64).map_err(out_of_range)?;
    moved(date, span)
}

fn moved(text: &str, span: Span) -> Answer {
    let date = read(text)?;
    let civil = date.civil.checked_add(span).map_err(out_of_range)?;
    date_format::format(&Date { civil, ..date }, "O")
}

fn out_of_range(_: jiff::Error) -> Refused {
    fault("leads to a date that no calendar has")
}

/// The usual ways to write a date besides ISO 8601.
const PATTERNS: [&str; 6] =
    ["%m/%d/%Y %H:%M:%S", "%m/%d/%Y %H:%M", "%m/%d/%Y", "%d %B %Y", "%B %d, %Y", "%a, %d %b %Y %H:%M:%S GMT"];

pub(super) fn read(text: &str) -> Result<Date, Refused> {
    let text = text.trim();
    if let Ok(instant) = text.parse::<Timestamp>() {
        let offset = offset(text);
        let civil = match offset {
            Zone::Offset(seconds) => jiff::tz::Offset::from_seconds(seconds).map(|offset| offset.to_datetime(instant)),
            _ => Ok(TimeZone::UTC.to_datetime(instant)),
        };
        return civil.map(|civil| Date { civil, zone: offset }).map_err(out_of_range);
    }
    if let Ok(civil) = text.parse::<DateTime>() {
        return Ok(Date { civil, zone: Zone::None });
    }
    let read = PATTERNS.iter().find_map(|pattern| {
        let parts = strtime::parse(pattern, text).ok()?;
        parts.to_datetime().or_else(|_| parts.to_date().map(|date| date.at(0, 0, 0, 0))).ok()
    });
    read.map(|civil| Date { civil, zone: Zone::None }).ok_or_else(|| fault("needs a number or a date before the |"))
}

/// What an ISO 8601 text says after its time.
fn offset(text: &str) -> Zone {
    let Some(at) = text.rfind(['+', '-', 'Z', 'z']).filter(|at| *at > 9) else { return Zone::None };
    let (sign, rest) = (text.as_bytes()[at], &text[at + 1..]);
    if matches!(sign, b'Z' | b'z') {
        return Zone::Utc;
    }
    let digits: Vec<i32> = rest.bytes().filter(u8::is_ascii_digit).map(|byte| i32::from(byte - b'0')).collect();
    let pair = |at: usize| digits.get(at).zip(digits.get(at + 1)).map_or(0, |(tens, ones)| tens * 10 + ones);
    let seconds = pair(0) * 3600 + pair(2) * 60;
    Zone::Offset(if sign == b'-' { -seconds } else { seconds })
}
