//! Numbers in .NET's format strings, in the invariant culture with `$` for money: "Standard numeric format strings" and "Custom
//! numeric format strings" of the .NET documentation.

use rust_decimal::{Decimal, RoundingStrategy, prelude::ToPrimitive};

use super::{Answer, fault};

/// Writes a number; nothing when the input is none.
pub(super) fn format(input: &str, pattern: &str) -> Option<Answer> {
    let input = input.trim().replace(',', "");
    let number = input.parse::<Decimal>().or_else(|_| Decimal::from_scientific(&input)).ok()?;
    Some(written(number, pattern))
}

/// Writes a whole number of 32 bits.
pub(super) fn format_whole(input: &str, pattern: &str) -> Answer {
    let number: i32 = input.trim().parse().map_err(|_| fault("needs a whole number before the |"))?;
    written(number.into(), pattern)
}

fn written(number: Decimal, pattern: &str) -> Answer {
    match standard(pattern) {
        Some((kind, digits)) => in_standard(number, kind, digits),
        None => in_custom(number, pattern),
    }
}

/// A letter, and how many digits.
fn standard(pattern: &str) -> Option<(char, Option<u32>)> {
    let kind = pattern.chars().next().filter(char::is_ascii_alphabetic)?;
    match &pattern[1..] {
        "" => Some((kind, None)),
        digits if digits.len() <= 2 => digits.parse().ok().map(|digits| (kind, Some(digits))),
        _ => None,
    }
}

fn in_standard(number: Decimal, kind: char, digits: Option<u32>) -> Answer {
    let minus = if number.is_sign_negative() && !number.is_zero() { "-" } else { "" };
    let size = number.abs();
    let whole = || {
        number
            .to_i128()
            .filter(|_| number.fract().is_zero())
            .ok_or_else(|| fault("needs a whole number for that format"))
    };
    Ok(match kind.to_ascii_uppercase() {
        'C' if minus.is_empty() => format!("${}", fixed(size, digits.unwrap_or(2), true)),
        'C' => format!("(${})", fixed(size, digits.unwrap_or(2), true)),
        'D' => format!("{minus}{:0width$}", whole()?.unsigned_abs(), width = digits.unwrap_or(1) as usize),
        'E' => exponential(number, kind, digits.unwrap_or(6)),
        'F' => format!("{minus}{}", fixed(size, digits.unwrap_or(2), false)),
        'N' => format!("{minus}{}", fixed(size, digits.unwrap_or(2), true)),
        'P' => format!("{minus}{} %", fixed(hundredfold(size)?, digits.unwrap_or(2), true)),
        'G' | 'R' => number.normalize().to_string(),
        'X' => {
            let width = digits.unwrap_or(1) as usize;
            let whole = whole()?;
            if kind == 'X' { format!("{whole:0width$X}") } else { format!("{whole:0width$x}") }
        }
        _ => return Err(fault(&format!("knows no number format \"{kind}\""))),
    })
}

fn hundredfold(number: Decimal) -> Result<Decimal, super::Refused> {
    number.checked_mul(Decimal::ONE_HUNDRED).ok_or_else(|| fault("has a result with more than 28 digits"))
}

fn exponential(number: Decimal, kind: char, digits: u32) -> String {
    let text = format!("{:.*e}", digits as usize, number.to_f64().unwrap_or_default());
    let (size, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |exponent| ('-', exponent));
    format!("{size}{kind}{sign}{exponent:0>3}")
}

fn fixed(size: Decimal, digits: u32, groups: bool) -> String {
    let rounded = size.round_dp_with_strategy(digits.min(28), RoundingStrategy::MidpointAwayFromZero);
    let text = format!("{rounded:.*}", digits as usize);
    if !groups {
        return text;
    }
    let (whole, fraction) = text.split_once('.').map_or((text.as_str(), None), |(whole, rest)| (whole, Some(rest)));
    let whole = grouped(whole);
    fraction.map_or_else(|| whole.clone(), |fraction| format!("{whole}.{fraction}"))
}

fn grouped(digits: &str) -> String {
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `0` and `#` for digits, `.`, `,` for groups, `%`, `;` between positive and negative, quotes; anything else is itself.
fn in_custom(number: Decimal, pattern: &str) -> Answer {
    let sections: Vec<&str> = pattern.split(';').collect();
    let negative = number.is_sign_negative() && !number.is_zero();
    let (section, minus) = match (&sections[..], negative) {
        ([_, below, ..], true) if !below.is_empty() => (*below, ""),
        ([_, _, zero, ..], _) if number.is_zero() => (*zero, ""),
        (all, true) => (all[0], "-"),
        (all, false) => (all[0], ""),
    };
    let size = if section.contains('%') { hundredfold(number.abs())? } else { number.abs() };
    let is_digit = |sign: &char| matches!(sign, '0' | '#');
    let (before, after) = section.split_once('.').unwrap_or((section, ""));
    let decimals = after.chars().filter(is_digit).count();
    let needed = after.chars().filter(is_digit).collect::<String>().rfind('0').map_or(0, |at| at + 1);
    let rounded = fixed(size, decimals as u32, false);
    let (whole, fraction) = rounded.split_once('.').unwrap_or((&rounded, ""));
    let least = before.chars().skip_while(|sign| *sign != '0').filter(is_digit).count();
    let whole = format!("{:0>least$}", whole.trim_start_matches('0'));
    let groups = before.trim_matches(|sign| !is_digit(&sign)).contains(',');
    let kept = fraction.trim_end_matches('0').len().max(needed).min(fraction.len());
    let fraction = if kept == 0 { String::new() } else { format!(".{}", &fraction[..kept]) };
    let digits = format!("{}{fraction}", if groups { grouped(&whole) } else { whole });
    Ok(format!("{minus}{}", around(section, &digits)))
}

/// The digits in place of those of a pattern, and what else is in that as it is.
fn around(section: &str, digits: &str) -> String {
    let is_place = |sign: char| matches!(sign, '0' | '#' | '.' | ',');
    let Some(start) = section.find(is_place) else { return plain(section) };
    let end = section.rfind(is_place).map_or(start, |at| at + 1);
    format!("{}{digits}{}", plain(&section[..start]), plain(&section[end..]))
}

fn plain(text: &str) -> String {
    text.chars().filter(|sign| !matches!(sign, '\'' | '"' | '\\')).collect()
}
