//! Text from elsewhere, made safe to show: a log must not be able to move the cursor, set the title, write to the
//! clipboard or hide itself. What is neutralised stays visible (`␛]0;…␇`), so that nobody is left guessing.

/// One line of a log. Colour sequences stay when `colored`, and end with the line; everything else that a terminal would
/// act on is shown instead of done.
pub(crate) fn line(text: &str, colored: bool) -> String {
    let mut safe = String::with_capacity(text.len());
    let mut painted = false;
    let mut rest = text.strip_suffix('\r').unwrap_or(text);
    while let Some(c) = rest.chars().next() {
        if let Some(sequence) = color_sequence(rest) {
            if colored {
                safe.push_str(sequence);
                painted = true;
            }
            rest = &rest[sequence.len()..];
            continue;
        }
        safe.push(visible(c));
        rest = &rest[c.len_utf8()..];
    }
    if painted {
        safe.push_str("\x1b[0m");
    }
    safe
}

/// A cell of a table: one line, no colour.
pub(crate) fn cell(text: &str) -> String {
    text.chars().map(|c| if c == '\n' { '⏎' } else { visible(c) }).collect()
}

/// A sentence or several: newlines stay.
pub(crate) fn paragraph(text: &str) -> String {
    text.chars().map(|c| if c == '\n' { c } else { visible(c) }).collect()
}

/// What stands for a character that a terminal or a reader's eye would be misled by.
fn visible(c: char) -> char {
    match c {
        '\t' => c,
        '\0'..='\x1f' => char::from_u32(0x2400 + u32::from(c)).unwrap_or('\u{fffd}'),
        '\x7f' => '␡',
        // C1 controls, and the marks that reverse the order of what is read.
        '\u{80}'..='\u{9f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        _ => c,
    }
}

/// The colour sequence that a text begins with, if every part of it is harmless.
fn color_sequence(text: &str) -> Option<&str> {
    /// 32 bytes: enough for two 24-bit colours.
    const MAX: usize = 32;
    let body = text.strip_prefix("\x1b[")?;
    let end = body.bytes().take(MAX).position(|b| !matches!(b, b'0'..=b'9' | b';'))?;
    (body.as_bytes()[end] == b'm' && is_color(&body[..end])).then(|| &text[..end + 3])
}

/// Whether these parameters only choose colour, weight or underline: blinking (5, 6) and hiding (8) are refused.
fn is_color(parameters: &str) -> bool {
    let mut numbers = parameters.split(';').map(|number| number.parse::<u16>().unwrap_or(0));
    while let Some(number) = numbers.next() {
        let fine = match number {
            0..=4 | 7 | 9 | 21..=25 | 27 | 29..=37 | 39..=47 | 49 | 90..=97 | 100..=107 => true,
            38 | 48 => match numbers.next() {
                Some(5) => numbers.next().is_some(),
                Some(2) => (0..3).all(|_| numbers.next().is_some()),
                _ => false,
            },
            _ => false,
        };
        if !fine {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_passes_and_ends_with_its_line() {
        assert_eq!(line("\x1b[1;31mred", true), "\x1b[1;31mred\x1b[0m");
        assert_eq!(line("\x1b[38;2;1;2;3mdeep\x1b[m", true), "\x1b[38;2;1;2;3mdeep\x1b[m\x1b[0m");
        assert_eq!(line("\x1b[1;31mred\x1b[0m", false), "red");
    }

    #[test]
    fn a_log_cannot_set_the_title_or_the_clipboard() {
        assert_eq!(line("\x1b]0;owned\x07", true), "␛]0;owned␇");
        assert_eq!(line("\x1b]52;c;aGk=\x1b\\", true), "␛]52;c;aGk=␛\\");
        assert_eq!(line("\u{9d}0;owned\u{9c}", true), "\u{fffd}0;owned\u{fffd}");
    }

    #[test]
    fn a_log_cannot_move_the_cursor_erase_or_hide() {
        assert_eq!(line("\x1b[2J\x1b[1;1H", true), "␛[2J␛[1;1H");
        assert_eq!(line("\x1b[8mhidden", true), "␛[8mhidden");
        assert_eq!(line("\x1b[38;9mx", true), "␛[38;9mx");
        assert_eq!(line("10%\r20%\x08", true), "10%␍20%␈");
        assert_eq!(line("a\u{202e}b", true), "a\u{fffd}b");
    }

    #[test]
    fn a_windows_line_end_is_no_news() {
        assert_eq!(line("text\r", false), "text");
    }

    #[test]
    fn a_sequence_cut_short_is_shown() {
        assert_eq!(line("\x1b[31", true), "␛[31");
        assert_eq!(line("\x1b", true), "␛");
    }

    #[test]
    fn no_text_lets_a_control_character_through() {
        for code in 0..=0x2070 {
            let Some(c) = char::from_u32(code) else { continue };
            let shown = line(&format!("a{c}b"), true);
            assert!(shown.chars().all(|c| c == '\t' || !c.is_control()), "{code:#x} came through");
        }
    }
}
