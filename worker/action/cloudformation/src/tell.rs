//! How events, waiting and progress are put into words.

use std::time::Duration;

use action::Speech;

use crate::{
    event::Event,
    record::{Record, Step, Told},
};

/// 5 resources in a line that says what goes on: more than that nobody reads.
const NAMED: usize = 5;

/// Says what happened, each event in one line.
pub(crate) fn events(told: &[Told], speech: &mut Speech) {
    for one in told {
        match one {
            Told::Event(event, around) if event.is_failure() => speech.warning(&line(event, around)),
            Told::Event(event, around) => speech.line(&line(event, around)),
            Told::Cancelled(paths, depth) => speech.line(&cancelled(paths, *depth)),
        }
    }
}

/// `12:00:01 CREATE_IN_PROGRESS  AWS::S3::Bucket  Storage/Assets  why`, further to the right the deeper it is nested.
fn line(event: &Event, around: &[String]) -> String {
    let Event { status, kind, reason, .. } = event;
    let (indent, path) = (indent(around.len()), event.path(around));
    format!("{} {indent}{status}  {kind}  {path}  {reason}", event.time()).trim_end().to_owned()
}

fn cancelled(paths: &[String], depth: usize) -> String {
    let were = if paths.len() == 1 { "1 more was".into() } else { format!("{} more were", paths.len()) };
    format!("         {}… and {were} cancelled because of that: {}", indent(depth), paths.join(", "))
}

fn indent(depth: usize) -> String {
    "  ".repeat(depth)
}

/// What goes on while nothing is told. `now`: seconds since 1970.
pub(crate) fn heartbeat(name: &str, record: &Record, now: i64) -> String {
    let going = record.in_progress();
    if going.is_empty() {
        return format!("Stack \"{name}\": nothing new yet; it is waited for.");
    }
    let one = |step: &&Step| {
        let seconds = u64::try_from(now - step.since.secs()).unwrap_or_default();
        format!("{} ({} for {})", step.path, step.status, lasting(Duration::from_secs(seconds)))
    };
    let mut parts: Vec<_> = going.iter().take(NAMED).map(one).collect();
    if going.len() > NAMED {
        parts.push(format!("{} more", going.len() - NAMED));
    }
    format!("Stack \"{name}\" still works on {}.", parts.join(", "))
}

/// `45s`, `2m 5s`, `1h 3m`.
pub(crate) fn lasting(time: Duration) -> String {
    let seconds = time.as_secs();
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds}s"),
        (0, minutes, seconds) => format!("{minutes}m {seconds}s"),
        (hours, minutes, _) => format!("{hours}h {minutes}m"),
    }
}

/// How far an operation is: percentage and words. While a stack turns back nobody can tell.
pub(crate) fn progress(record: &Record, total: Option<usize>) -> Option<(u8, String)> {
    let total = total.filter(|total| *total > 0 && !record.is_rolling_back())?;
    let done = record.done().min(total);
    let percentage = u8::try_from(done * 100 / total).unwrap_or(100);
    Some((percentage, format!("{done} of {total} resources")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        event::tests::{ROOT, event},
        record::Floor,
    };

    #[test]
    fn an_event_is_one_line_further_right_the_deeper_it_is() {
        let failed = event(ROOT, 43_201, "Assets", "CREATE_FAILED", "The name is taken.");
        assert_eq!(line(&failed, &[]), "12:00:01 CREATE_FAILED  AWS::S3::Bucket  Assets  The name is taken.");
        let created = event(ROOT, 43_201, "Assets", "CREATE_COMPLETE", "");
        let around = ["Storage".to_owned(), "Inner".to_owned()];
        assert_eq!(line(&created, &around), "12:00:01     CREATE_COMPLETE  AWS::S3::Bucket  Storage/Inner/Assets");
    }

    #[test]
    fn cancellations_are_counted_and_named() {
        let paths = ["Queue".to_owned(), "Topic".to_owned()];
        assert_eq!(cancelled(&paths, 0), "         … and 2 more were cancelled because of that: Queue, Topic");
        assert_eq!(cancelled(&paths[..1], 1), "           … and 1 more was cancelled because of that: Queue");
    }

    #[test]
    fn silence_is_filled_with_what_goes_on_and_since_when() {
        let mut record = Record::new(ROOT, "", Floor::All);
        assert_eq!(heartbeat("shop", &record, 100), "Stack \"shop\": nothing new yet; it is waited for.");
        let names = ["A", "B", "C", "D", "E", "F", "G"];
        let events = names.iter().zip(10..).map(|(name, at)| event(ROOT, at, name, "CREATE_IN_PROGRESS", ""));
        record.absorb(vec![(0, events.collect())]);
        let told = heartbeat("shop", &record, 135);
        assert!(told.starts_with("Stack \"shop\" still works on A (CREATE_IN_PROGRESS for 2m 5s), B ("), "{told}");
        assert!(told.ends_with("E (CREATE_IN_PROGRESS for 2m 1s), 2 more."), "{told}");
        assert!(heartbeat("shop", &record, 0).contains("A (CREATE_IN_PROGRESS for 0s)"));
    }

    #[test]
    fn times_are_as_short_as_they_can_be() {
        let told = |seconds| lasting(Duration::from_secs(seconds));
        assert_eq!([told(0), told(59), told(61), told(3661)], ["0s", "59s", "1m 1s", "1h 1m"]);
    }

    #[test]
    fn progress_counts_what_has_ended_and_never_more_than_all() {
        let mut record = Record::new(ROOT, "", Floor::All);
        assert_eq!(progress(&record, None), None);
        assert_eq!(progress(&record, Some(2)), Some((0, "0 of 2 resources".into())));
        let complete = ["A", "B", "C"].map(|name| event(ROOT, 1, name, "CREATE_COMPLETE", ""));
        record.absorb(vec![(0, complete[..1].to_vec())]);
        assert_eq!(progress(&record, Some(2)), Some((50, "1 of 2 resources".into())));
        record.absorb(vec![(0, complete.to_vec())]);
        assert_eq!(progress(&record, Some(2)), Some((100, "2 of 2 resources".into())));
        record.absorb(vec![(0, vec![crate::event::tests::own(ROOT, 2, "ROLLBACK_IN_PROGRESS", "")])]);
        assert_eq!(progress(&record, Some(2)), None);
    }
}
