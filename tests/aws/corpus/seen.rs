//! What the log of a step tells of events.

use std::collections::BTreeMap;

/// 2 blanks a nested stack.
const INDENT: usize = 2;

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
        let (time, rest) = line.split_once(' ')?;
        let depth = rest.len() - rest.trim_start().len();
        let mut words = rest.split_whitespace();
        let (status, kind, path) = (words.next()?, words.next()?, words.next()?);
        let is_status = status.chars().all(|char| char.is_ascii_uppercase() || char == '_');
        let is_event = is_time(time) && is_status && kind.contains("::");
        is_event.then(|| Self { status: status.into(), kind: kind.into(), path: named(path, kind, depth / INDENT) })
    }
}

/// What a nested stack says about itself stands as deep as what it says about its resources, under the name it has in its parent.
fn named(path: &str, kind: &str, depth: usize) -> String {
    let is_about_itself = depth > 0 && path.split('/').count() == depth && kind == "AWS::CloudFormation::Stack";
    match path.rsplit('/').next().filter(|_| is_about_itself) {
        Some(own) => format!("{path}/*-{own}-*"),
        None => path.to_owned(),
    }
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
        "12:00:02   CREATE_FAILED  AWS::S3::Bucket  Storage/Assets  The name is taken.",
        "12:00:02   DELETE_COMPLETE  AWS::CloudFormation::Stack  Storage",
        "12:00:02 DELETE_COMPLETE  AWS::CloudFormation::Stack  Storage",
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
            "DELETE_COMPLETE AWS::CloudFormation::Stack Storage",
        ]
    );
}
