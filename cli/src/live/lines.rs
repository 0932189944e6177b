//! From frames, which may end in the middle of a line, to lines.

use std::collections::HashMap;

use proto::deployment::{
    LogFrame,
    log_frame::{Level, Source},
};
use shared::limits;

/// One line of a step's log, not yet made safe for a terminal.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Line {
    /// How loud it is.
    pub(super) level: Level,
    /// Where it came from.
    pub(super) source: Source,
    /// Its text without the newline; bytes that are no text are replaced.
    pub(super) text: String,
}

/// Begun lines, by attempt and source.
#[derive(Default)]
pub(super) struct Lines {
    begun: HashMap<(String, i32), Begun>,
}

struct Begun {
    bytes: Vec<u8>,
    level: Level,
}

impl Lines {
    /// The lines that a frame completes.
    pub(super) fn push(&mut self, execution_id: &str, frame: &LogFrame) -> Vec<Line> {
        let (level, source) = (frame.level(), frame.source());
        let key = (execution_id.to_owned(), frame.source);
        let mut begun = self.begun.remove(&key).unwrap_or(Begun { bytes: Vec::new(), level });
        let mut lines = Vec::new();
        for part in frame.data.split_inclusive(|&byte| byte == b'\n') {
            begun.bytes.extend_from_slice(part);
            // A line without end is shown in pieces rather than kept.
            if part.ends_with(b"\n") || begun.bytes.len() >= limits::FRAME_BYTES {
                lines.push(begun.line(source));
                begun = Begun { bytes: Vec::new(), level };
            }
        }
        if !begun.bytes.is_empty() {
            self.begun.insert(key, begun);
        }
        lines
    }

    /// What an attempt left without a newline.
    pub(super) fn finish(&mut self, execution_id: &str) -> Vec<Line> {
        let mut rest: Vec<_> = self.begun.keys().filter(|(id, _)| id == execution_id).cloned().collect();
        rest.sort();
        let begun = rest.into_iter().filter_map(|key| Some((self.begun.remove(&key)?, key.1)));
        begun.map(|(begun, source)| begun.line(Source::try_from(source).unwrap_or_default())).collect()
    }
}

impl Begun {
    fn line(self, source: Source) -> Line {
        let bytes = self.bytes.strip_suffix(b"\n").unwrap_or(&self.bytes);
        Line { level: self.level, source, text: String::from_utf8_lossy(bytes).into_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(source: Source, data: &[u8]) -> LogFrame {
        let mut frame = LogFrame { data: data.to_vec().into(), ..Default::default() };
        frame.set_source(source);
        frame.set_level(Level::Info);
        frame
    }

    fn texts(lines: Vec<Line>) -> Vec<String> {
        lines.into_iter().map(|line| line.text).collect()
    }

    #[test]
    fn a_line_is_whole_however_it_was_cut() {
        let mut lines = Lines::default();
        assert!(lines.push("e", &frame(Source::Stdout, b"be")).is_empty());
        assert_eq!(texts(lines.push("e", &frame(Source::Stderr, b"other\n"))), ["other"]);
        assert_eq!(texts(lines.push("e", &frame(Source::Stdout, b"gun\n\nnext"))), ["begun", ""]);
        assert_eq!(texts(lines.finish("e")), ["next"]);
        assert!(lines.finish("e").is_empty());
    }

    #[test]
    fn a_character_cut_in_two_is_whole_again() {
        let mut lines = Lines::default();
        assert!(lines.push("e", &frame(Source::Stdout, &"ä".as_bytes()[..1])).is_empty());
        assert_eq!(texts(lines.push("e", &frame(Source::Stdout, b"\xa4\n"))), ["ä"]);
    }

    #[test]
    fn a_line_without_end_is_not_kept_for_ever() {
        let mut lines = Lines::default();
        let piece = frame(Source::Stdout, &vec![b'x'; limits::FRAME_BYTES]);
        let shown: usize = (0..10).map(|_| lines.push("e", &piece).len()).sum();
        assert_eq!(shown, 10);
    }
}
