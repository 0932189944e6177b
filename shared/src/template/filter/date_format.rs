//! Dates in .NET's format strings, in the invariant culture: "Standard date and time format strings" and "Custom date and time
//! format strings" of the .NET documentation.

use std::fmt::Write;

use super::{
    Answer,
    date::{Date, Zone},
    fault,
};

const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// Writes a date; a pattern of one letter is a name for a longer one.
pub(super) fn format(date: &Date, pattern: &str) -> Answer {
    let custom = match pattern {
        "" | "G" => "MM/dd/yyyy HH:mm:ss",
        "d" => "MM/dd/yyyy",
        "D" => "dddd, dd MMMM yyyy",
        "f" => "dddd, dd MMMM yyyy HH:mm",
        "F" | "U" => "dddd, dd MMMM yyyy HH:mm:ss",
        "g" => "MM/dd/yyyy HH:mm",
        "m" | "M" => "MMMM dd",
        "o" | "O" => "yyyy-MM-ddTHH:mm:ss.fffffffK",
        "r" | "R" => "ddd, dd MMM yyyy HH:mm:ss 'GMT'",
        "s" => "yyyy-MM-ddTHH:mm:ss",
        "t" => "HH:mm",
        "T" => "HH:mm:ss",
        "u" => "yyyy-MM-dd HH:mm:ss'Z'",
        "y" | "Y" => "yyyy MMMM",
        _ if pattern.len() == 1 => return Err(fault(&format!("knows no date format \"{pattern}\""))),
        custom => custom,
    };
    let mut written = String::new();
    let mut rest = custom.strip_prefix('%').unwrap_or(custom);
    while let Some(sign) = rest.chars().next() {
        let length = token(&mut written, date, rest, sign).ok_or_else(|| fault("has a quote that is not closed"))?;
        rest = &rest[length..];
    }
    Ok(written)
}

/// Writes what a format begins with, and answers how long that is.
fn token(written: &mut String, date: &Date, rest: &str, sign: char) -> Option<usize> {
    match sign {
        '\'' | '"' => {
            let end = rest[1..].find(sign)?;
            written.push_str(&rest[1..=end]);
            return Some(end + 2);
        }
        '\\' => {
            let next = rest[1..].chars().next()?;
            written.push(next);
            return Some(1 + next.len_utf8());
        }
        _ => {}
    }
    let count = rest.chars().take_while(|other| *other == sign).count();
    if part(written, date, sign, count).is_some() {
        return Some(count);
    }
    written.push(sign);
    Some(sign.len_utf8())
}

/// One part of a date; nothing for a sign that stands for itself.
fn part(written: &mut String, date: &Date, sign: char, count: usize) -> Option<()> {
    let civil = &date.civil;
    let (day, month) = (civil.day(), civil.month());
    let weekday = DAYS[civil.weekday().to_monday_zero_offset() as usize];
    let name = MONTHS[month as usize - 1];
    let hour = i64::from(civil.hour());
    match (sign, count) {
        ('d', 1 | 2) => number(written, i64::from(day), count),
        ('d', 3) => written.push_str(&weekday[..3]),
        ('d', _) => written.push_str(weekday),
        ('M', 1 | 2) => number(written, i64::from(month), count),
        ('M', 3) => written.push_str(&name[..3]),
        ('M', _) => written.push_str(name),
        ('y', 1 | 2) => number(written, i64::from(civil.year()) % 100, count),
        ('y', _) => number(written, i64::from(civil.year()), count),
        ('H', _) => number(written, hour, count.min(2)),
        ('h', _) => number(written, if hour % 12 == 0 { 12 } else { hour % 12 }, count.min(2)),
        ('m', _) => number(written, i64::from(civil.minute()), count.min(2)),
        ('s', _) => number(written, i64::from(civil.second()), count.min(2)),
        ('f', _) => written.push_str(&format!("{:09}", civil.subsec_nanosecond())[..count.min(7)]),
        ('F', _) => written.push_str(format!("{:09}", civil.subsec_nanosecond())[..count.min(7)].trim_end_matches('0')),
        ('t', 1) => written.push_str(if hour < 12 { "A" } else { "P" }),
        ('t', _) => written.push_str(if hour < 12 { "AM" } else { "PM" }),
        ('g', _) => written.push_str("A.D."),
        ('K', _) => match date.zone {
            Zone::None => {}
            Zone::Utc => written.push('Z'),
            Zone::Offset(seconds) => offset(written, seconds, 3),
        },
        ('z', _) => match date.zone {
            Zone::None | Zone::Utc => offset(written, 0, count),
            Zone::Offset(seconds) => offset(written, seconds, count),
        },
        _ => return None,
    }
    Some(())
}

fn number(written: &mut String, number: i64, digits: usize) {
    let _ = write!(written, "{number:0digits$}");
}

fn offset(written: &mut String, seconds: i32, count: usize) {
    let (sign, minutes) = (if seconds < 0 { '-' } else { '+' }, seconds.abs() / 60);
    let (hours, minutes) = (minutes / 60, minutes % 60);
    let _ = match count {
        1 => write!(written, "{sign}{hours}"),
        2 => write!(written, "{sign}{hours:02}"),
        _ => write!(written, "{sign}{hours:02}:{minutes:02}"),
    };
}
