//! Rows of the live view, as wide as the terminal.

use unicode_width::UnicodeWidthChar;

/// 8 columns between tab stops, as terminals have them.
const TAB: usize = 8;

/// The row in at most so many columns: what does not fit gives way to `…`. It must be safe already: of all that a terminal
/// acts on it holds colour sequences and tabs only.
pub(super) fn fit(row: &str, columns: usize) -> String {
    let mut fitted = String::with_capacity(row.len());
    let mut used = 0;
    // Where the mark goes if the row turns out too long: as far right as leaves a column for it.
    let mut mark = 0;
    let mut painted = false;
    let mut rest = row;
    while let Some(c) = rest.chars().next() {
        if let Some(sequence) = color_sequence(rest) {
            fitted.push_str(sequence);
            painted = true;
            rest = &rest[sequence.len()..];
            continue;
        }
        let width = if c == '\t' { TAB - used % TAB } else { c.width().unwrap_or(0) };
        if used + width > columns {
            fitted.truncate(mark);
            fitted.push_str(if painted { "…\x1b[0m" } else { "…" });
            return fitted;
        }
        match c {
            '\t' => fitted.extend(std::iter::repeat_n(' ', width)),
            _ => fitted.push(c),
        }
        used += width;
        if used < columns {
            mark = fitted.len();
        }
        rest = &rest[c.len_utf8()..];
    }
    fitted
}

/// The colour sequence that a safe text begins with.
fn color_sequence(text: &str) -> Option<&str> {
    let end = text.strip_prefix("\x1b[")?.find('m')?;
    text.get(..end + 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_that_fits_stays_as_it_is() {
        assert_eq!(fit("12345", 5), "12345");
        assert_eq!(fit("\x1b[1m12345\x1b[0m", 5), "\x1b[1m12345\x1b[0m");
    }

    #[test]
    fn a_row_that_is_cut_says_so() {
        assert_eq!(fit("123456", 5), "1234…");
        assert_eq!(fit("123456", 1), "…");
    }

    #[test]
    fn colour_takes_no_room_and_ends_with_the_row() {
        assert_eq!(fit("\x1b[31m123456\x1b[0m", 5), "\x1b[31m1234…\x1b[0m");
    }

    #[test]
    fn wide_characters_and_tabs_take_the_room_they_have() {
        assert_eq!(fit("日本語", 5), "日本…");
        assert_eq!(fit("日本語", 4), "日…");
        assert_eq!(fit("a\tb", 9), "a       b");
        assert_eq!(fit("a\tbc", 9), "a       …");
    }
}
