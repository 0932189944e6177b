//! Amounts of bytes, as people write and read them.

const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];

/// E.g. `512 B`, `1.5 KiB`, `5.0 GiB`.
#[must_use]
pub fn shown(bytes: u64) -> String {
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut amount = bytes as f64 / 1024.0;
    let mut unit = 0;
    // What would be shown as 1024.0 is 1.0 of the next unit.
    while amount >= 1023.95 && unit + 1 < UNITS.len() {
        amount /= 1024.0;
        unit += 1;
    }
    format!("{amount:.1} {}", UNITS[unit])
}

/// The same amount to the byte, in the largest unit that divides it, as [`parse`] reads it.
#[must_use]
pub fn exact(bytes: u64) -> String {
    let power = (bytes.trailing_zeros() / 10).min(4) as usize;
    match power {
        0 => format!("{bytes} B"),
        power if bytes > 0 => format!("{} {}", bytes >> (10 * power), UNITS[power - 1]),
        _ => "0 B".into(),
    }
}

/// Reads a whole number with one of the units B, KiB, MiB, GiB and TiB.
///
/// # Errors
/// A sentence that says how to write it.
pub fn parse(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = (&text[..digits], text[digits..].trim());
    let power = match unit {
        "B" => Some(0),
        unit => UNITS.iter().position(|known| *known == unit).map(|at| at as u32 + 1),
    };
    let bytes = power.and_then(|power| number.parse::<u64>().ok()?.checked_mul(1024_u64.checked_pow(power)?));
    bytes.ok_or_else(|| format!("\"{}\" is no amount of bytes: write it like 500 MiB or 100 GiB.", text.escape_debug()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_shown_in_the_unit_that_fits() {
        let amounts = [0, 1023, 1024, 1536, 5 << 20, (3 << 30) + (1 << 29), 2 << 40, (1 << 20) - 1];
        assert_eq!(
            amounts.map(shown),
            ["0 B", "1023 B", "1.0 KiB", "1.5 KiB", "5.0 MiB", "3.5 GiB", "2.0 TiB", "1.0 MiB"]
        );
    }

    #[test]
    fn amounts_are_read_with_their_unit_only() {
        for (text, bytes) in [("0 B", 0), ("100 GiB", 100 << 30), ("1KiB", 1024), (" 2 TiB ", 2 << 40)] {
            assert_eq!(parse(text), Ok(bytes), "{text}");
            assert_eq!(parse(&exact(bytes)), Ok(bytes), "{text}");
        }
        for text in ["", "5", "GiB", "-1 KiB", "1.5 MiB", "1 GB", "99999999999 TiB", "1 KiB KiB"] {
            assert!(parse(text).is_err_and(|sentence| sentence.contains("GiB")), "{text}");
        }
    }
}
