//! What the log of a step tells of events.

use std::collections::BTreeMap;

/// An event, wherever it comes from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Seen {
    /// E.g. `CREATE_IN_PROGRESS`.
    pub(super) status: String,
    /// Type.
    pub(super) kind: String,
    /// Logical ids from the outermost stack to the resource, e.g. `Storage/Assets`.
    pub(super) path: String,
}

impl Seen {
    /// The events that a log tells, in its order.
    pub(super) fn of(log: &[String]) -> Vec<Self> {
        log.iter().filter_map(|line| Self::read(line)).collect()
    }

    /// Of a line `12:00:01 CREATE_IN_PROGRESS  AWS::S3::Bucket  Storage/Assets  why`.
    fn read(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace().skip_while(|word| !is_time(word)).skip(1);
        let (status, kind, path) = (words.next()?, words.next()?, words.next()?);
        let is_status = status.chars().all(|char| char.is_ascii_uppercase() || char == '_');
        let is_event = is_status && kind.contains("::");
        is_event.then(|| Self { status: status.into(), kind: kind.into(), path: unnamed(path) })
    }
}

/// A nested stack's own name is its parent's, its logical id and something random: the middle is what is known before.
fn unnamed(path: &str) -> String {
    let mut parts: Vec<String> = path.split('/').map(str::to_owned).collect();
    if let [.., parent, own] = parts.as_mut_slice()
        && own.contains(&format!("-{parent}-"))
    {
        *own = format!("*-{parent}-*");
    }
    parts.join("/")
}

fn is_time(word: &str) -> bool {
    let shape: String = word.chars().map(|char| if char.is_ascii_digit() { '0' } else { char }).collect();
    shape == "00:00:00"
}

/// The lines of each step's log, of a deployment's whole one.
pub(super) fn logs(all: &str) -> BTreeMap<String, Vec<String>> {
    let mut logs: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in all.lines() {
        let Some((step, text)) = line.strip_prefix('[').and_then(|rest| rest.split_once("] ")) else { continue };
        logs.entry(step.into()).or_default().push(text.into());
    }
    logs
}

#[test]
fn only_events_are_read_of_a_log() {
    let log = [
        "Stack \"shop\" is created.",
        "12:00:01 CREATE_IN_PROGRESS  AWS::CloudFormation::Stack  shop  User Initiated",
        "12:00:02     CREATE_FAILED  AWS::S3::Bucket  Storage/Assets  The name is taken.",
        "12:00:02   DELETE_COMPLETE  AWS::CloudFormation::Stack  Storage/shop-Storage-1A2B",
        "12:00:03 is not one of 3::4 events",
    ]
    .map(str::to_owned);
    let seen: Vec<String> =
        Seen::of(&log).iter().map(|seen| format!("{} {} {}", seen.status, seen.kind, seen.path)).collect();
    assert_eq!(
        seen,
        [
            "CREATE_IN_PROGRESS AWS::CloudFormation::Stack shop",
            "CREATE_FAILED AWS::S3::Bucket Storage/Assets",
            "DELETE_COMPLETE AWS::CloudFormation::Stack Storage/*-Storage-*",
        ]
    );
}
