//! How far an upload is, and how often that is said. Pure: the time is an argument.

use std::time::Duration;

/// 16 KiB: what each file counts besides its bytes, since each costs a request.
const FILE_WEIGHT: u64 = 16 << 10;
/// 10 seconds between two lines in the log.
const BETWEEN_LINES: Duration = Duration::from_secs(10);

/// Files and bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Load {
    pub(crate) files: u64,
    pub(crate) bytes: u64,
}

/// What is to be said now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Words {
    pub(crate) percentage: u8,
    pub(crate) message: String,
    /// Whether it is also worth a line in the log.
    pub(crate) is_line: bool,
}

/// Remembers what was said.
#[derive(Clone, Debug)]
pub(crate) struct Pace {
    total: Load,
    percentage: Option<u8>,
    line_at: Duration,
}

impl Pace {
    pub(crate) fn new(total: Load) -> Self {
        Self { total, percentage: None, line_at: BETWEEN_LINES }
    }

    /// Something to say if there is something new.
    pub(crate) fn next(&mut self, elapsed: Duration, done: Load) -> Option<Words> {
        let weight = |load: Load| load.bytes + load.files * FILE_WEIGHT;
        let percentage = (weight(done).min(weight(self.total)) * 100).checked_div(weight(self.total)).unwrap_or(100);
        let percentage = u8::try_from(percentage).unwrap_or(100);
        let is_line = elapsed >= self.line_at;
        if self.percentage == Some(percentage) && !is_line {
            return None;
        }
        self.percentage = Some(percentage);
        if is_line {
            self.line_at = elapsed + BETWEEN_LINES;
        }
        let bytes = format!("{} of {}", size(done.bytes), size(self.total.bytes));
        let files = format!("{} of {}", done.files, counted(self.total.files, "file"));
        let message = format!("{files}, {bytes}, {}", rate(done.bytes, elapsed));
        Some(Words { percentage, message, is_line })
    }
}

/// `1 file`, `2 files`.
pub(crate) fn counted(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// `3.4 MB`.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [(u64, &str); 4] = [(1_000_000_000_000, "TB"), (1_000_000_000, "GB"), (1_000_000, "MB"), (1000, "kB")];
    match UNITS.into_iter().find(|(unit, _)| bytes >= *unit) {
        Some((unit, name)) => format!("{}.{} {name}", bytes / unit, bytes % unit * 10 / unit),
        None => format!("{bytes} bytes"),
    }
}

/// `3.4 MB/s`.
pub(crate) fn rate(bytes: u64, elapsed: Duration) -> String {
    let milliseconds = elapsed.as_millis().max(1);
    let each_second = u128::from(bytes) * 1000 / milliseconds;
    format!("{}/s", size(u64::try_from(each_second).unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOTAL: Load = Load { files: 2, bytes: 10_000_000 };

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn nothing_is_said_twice_except_now_and_then() {
        let mut pace = Pace::new(TOTAL);
        let half = Load { files: 1, bytes: 5_000_000 };
        let words = pace.next(seconds(1), half).expect("words");
        assert_eq!((words.percentage, words.is_line), (50, false));
        assert_eq!(words.message, "1 of 2 files, 5.0 MB of 10.0 MB, 5.0 MB/s");
        assert_eq!(pace.next(seconds(9), half), None);
        assert!(pace.next(seconds(10), half).expect("words").is_line);
        assert_eq!(pace.next(seconds(19), half), None);
        assert!(pace.next(seconds(20), half).expect("words").is_line);
        assert_eq!(pace.next(seconds(21), TOTAL).map(|words| (words.percentage, words.is_line)), Some((100, false)));
    }

    #[test]
    fn empty_files_count_too_and_there_is_never_more_than_all() {
        let mut pace = Pace::new(Load { files: 4, bytes: 0 });
        assert_eq!(pace.next(seconds(0), Load { files: 1, bytes: 0 }).map(|words| words.percentage), Some(25));
        assert_eq!(pace.next(seconds(0), Load { files: 9, bytes: 9 }).map(|words| words.percentage), Some(100));
        assert_eq!(
            Pace::new(Load::default()).next(seconds(0), Load::default()).map(|words| words.percentage),
            Some(100)
        );
    }

    #[test]
    fn sizes_are_written_as_people_read_them() {
        for (bytes, text) in [
            (0, "0 bytes"),
            (999, "999 bytes"),
            (1000, "1.0 kB"),
            (1_073_741_824, "1.0 GB"),
            (5_490_000_000_000, "5.4 TB"),
        ] {
            assert_eq!(size(bytes), text);
        }
        assert_eq!(rate(1000, Duration::ZERO), "1.0 MB/s");
    }
}
