//! The events that AWS tells of a case, and what of them must be in a log.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};

use super::{case::Phase, seen::Seen};

const STACK: &str = "AWS::CloudFormation::Stack";

/// `events.txt`: for each phase a line `# create`, and below it a line for each event:
///
/// ```text
/// STATUS  Type  LogicalId  after OtherLogicalId…
/// ```
///
/// Events of a nested stack are indented below the line that began it. `after` names those whose last event above must come
/// before this one, as dependencies demand it.
///
/// A log agrees when it has each resource's events exactly, each once and in their order; when what is `after` is so; when the
/// stack's own events come after all that are above them and before all that are below; and when nothing of a nested stack comes
/// before its beginning. Resources that have nothing to do with each other may come in any order, for AWS promises none.
#[derive(Debug)]
pub(super) struct Expected(BTreeMap<Phase, Vec<Event>>);

#[derive(Debug)]
struct Event {
    seen: Seen,
    /// Whether it is the stack's own.
    is_own: bool,
    /// Logical ids of the stacks around it.
    around: Vec<String>,
    after: Vec<String>,
}

impl Expected {
    pub(super) fn parse(text: &str) -> Result<Self> {
        let mut phases = BTreeMap::new();
        for section in text.split("# ").filter(|section| !section.trim().is_empty()) {
            let (name, lines) = section.split_once('\n').context("a phase has no lines")?;
            let phase = Phase::ALL.into_iter().find(|phase| phase.to_string() == name.trim());
            let phase = phase.with_context(|| format!("{name:?} is no phase"))?;
            ensure!(phases.insert(phase, section_of(lines)?).is_none(), "{phase} is there twice");
        }
        Ok(Self(phases))
    }

    /// Which phases it has.
    pub(super) fn phases(&self) -> BTreeSet<Phase> {
        self.0.keys().copied().collect()
    }

    /// The events of a phase.
    pub(super) fn of(&self, phase: Phase) -> Vec<&Seen> {
        self.0.get(&phase).into_iter().flatten().map(|event| &event.seen).collect()
    }

    /// Where the events that were seen in a phase are not as expected; nothing when they are.
    pub(super) fn differences(&self, phase: Phase, seen: &[Seen]) -> Vec<String> {
        let expected = self.0.get(&phase).map(Vec::as_slice).unwrap_or_default();
        let places = Places::of(expected, seen);
        let mut differences = places.differences;
        // Only what is there can come too early.
        if differences.is_empty() {
            differences = too_early(expected, &places.of_expected);
        }
        differences
    }
}

fn section_of(lines: &str) -> Result<Vec<Event>> {
    let mut events: Vec<Event> = Vec::new();
    // Logical id of the last line at each depth.
    let mut last: Vec<String> = Vec::new();
    for line in lines.lines().filter(|line| !line.trim().is_empty()) {
        let depth = (line.len() - line.trim_start().len()) / 2;
        ensure!(depth <= last.len(), "{line:?} is below nothing");
        last.truncate(depth);
        let mut words = line.split_whitespace();
        let mut word = || words.next().with_context(|| format!("{line:?} is too short"));
        let (status, kind, logical) = (word()?.to_owned(), word()?.to_owned(), word()?.to_owned());
        ensure!(words.next().is_none_or(|word| word == "after"), "{line:?} has a word too much");
        let path = last.iter().chain([&logical]).cloned().collect::<Vec<_>>().join("/");
        let is_first = !events.iter().any(|event| event.around == last);
        let is_own = kind == STACK && (is_first || events.iter().any(|event| event.is_own && event.seen.path == path));
        let seen = Seen { status, kind, path };
        events.push(Event { seen, is_own, around: last.clone(), after: words.map(str::to_owned).collect() });
        last.push(logical);
    }
    Ok(events)
}

/// Which event of the log is which expected one.
struct Places {
    of_expected: Vec<usize>,
    differences: Vec<String>,
}

impl Places {
    fn of(expected: &[Event], seen: &[Seen]) -> Self {
        let mut places = Self { of_expected: vec![0; expected.len()], differences: Vec::new() };
        let key = |seen: &Seen| (seen.path.clone(), seen.kind.clone());
        let resources: BTreeSet<_> =
            expected.iter().map(|event| key(&event.seen)).chain(seen.iter().map(key)).collect();
        for resource in resources {
            let wanted: Vec<usize> = (0..expected.len()).filter(|at| key(&expected[*at].seen) == resource).collect();
            let found: Vec<usize> = (0..seen.len()).filter(|at| key(&seen[*at]) == resource).collect();
            let wanted_states: Vec<&str> = wanted.iter().map(|at| expected[*at].seen.status.as_str()).collect();
            let found_states: Vec<&str> = found.iter().map(|at| seen[*at].status.as_str()).collect();
            if wanted_states == found_states {
                wanted.into_iter().zip(found).for_each(|(wanted, found)| places.of_expected[wanted] = found);
            } else {
                let (path, kind) = resource;
                places.differences.push(format!(
                    "the events of {path} ({kind})\n  are expected to be {}\n  and are          {}",
                    wanted_states.join(" "),
                    found_states.join(" ")
                ));
            }
        }
        places
    }
}

fn too_early(expected: &[Event], places: &[usize]) -> Vec<String> {
    let pairs = (0..expected.len()).flat_map(|later| (0..later).map(move |earlier| (earlier, later)));
    let wrong =
        pairs.filter(|(earlier, later)| places[*earlier] > places[*later] && is_before(expected, *earlier, *later));
    wrong
        .map(|(earlier, later)| {
            let (earlier, later) = (&expected[earlier].seen, &expected[later].seen);
            format!("{} of {} comes before {} of {}", later.status, later.path, earlier.status, earlier.path)
        })
        .collect()
}

/// Whether the one must come before the other.
fn is_before(expected: &[Event], earlier: usize, later: usize) -> bool {
    let (one, other) = (&expected[earlier], &expected[later]);
    let is_last = |name: &str| !expected[earlier + 1..later].iter().any(|event| is_called(event, &one.around, name));
    if one.around == other.around {
        let waits = other.after.iter().any(|name| is_called(one, &other.around, name) && is_last(name));
        return waits || one.is_own || other.is_own;
    }
    // What is around the later one has begun before.
    other.around.strip_prefix(one.around.as_slice()).is_some_and(|inner| is_called(one, &one.around, &inner[0]))
}

fn is_called(event: &Event, around: &[String], name: &str) -> bool {
    event.around == around && event.seen.path.rsplit('/').next() == Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENTS: &str = "# create
CREATE_IN_PROGRESS  AWS::CloudFormation::Stack  shop
CREATE_IN_PROGRESS  AWS::SQS::Queue  Jobs
CREATE_COMPLETE  AWS::SQS::Queue  Jobs
CREATE_IN_PROGRESS  AWS::CloudFormation::Stack  Inner
  CREATE_IN_PROGRESS  AWS::CloudFormation::Stack  *-Inner-*
  CREATE_COMPLETE  AWS::CloudFormation::Stack  *-Inner-*
CREATE_COMPLETE  AWS::CloudFormation::Stack  Inner
CREATE_IN_PROGRESS  AWS::SNS::Topic  News  after Jobs
CREATE_COMPLETE  AWS::CloudFormation::Stack  shop

# delete
";

    /// What is wrong with a log that has those of the expected lines, in that order.
    fn differences(order: &[usize]) -> Vec<String> {
        let expected = Expected::parse(EVENTS).expect("it is well-formed");
        let all = expected.of(Phase::Create);
        expected.differences(Phase::Create, &order.iter().map(|at| all[*at].clone()).collect::<Vec<_>>())
    }

    #[test]
    fn the_same_agrees_and_so_does_another_order_of_what_is_not_related() {
        assert_eq!(differences(&[0, 1, 2, 3, 4, 5, 6, 7, 8]), [""; 0]);
        assert_eq!(differences(&[0, 3, 1, 4, 2, 7, 6, 5, 8]), [""; 0], "a nested stack may be told late");
    }

    #[test]
    fn what_is_missing_twice_or_in_another_order_is_a_difference() {
        assert_eq!(differences(&[0, 1, 3, 4, 5, 6, 7, 8]).len(), 1, "one is missing");
        assert_eq!(differences(&[0, 1, 2, 2, 3, 4, 5, 6, 7, 8]).len(), 1, "one is there twice");
        assert_eq!(differences(&[0, 2, 1, 3, 4, 5, 6, 7, 8]).len(), 1, "one is complete before it is begun");
        assert_eq!(differences(&[]).len(), 5, "everything is missing");
    }

    #[test]
    fn what_comes_too_early_is_a_difference() {
        assert_eq!(
            differences(&[0, 1, 7, 2, 3, 4, 5, 6, 8]),
            ["CREATE_IN_PROGRESS of News comes before CREATE_COMPLETE of Jobs"]
        );
        assert_eq!(
            differences(&[0, 1, 2, 3, 4, 5, 7, 8, 6]),
            ["CREATE_COMPLETE of shop comes before CREATE_COMPLETE of Inner"]
        );
        let early = differences(&[0, 1, 2, 4, 5, 3, 6, 7, 8]);
        assert_eq!(early.len(), 2, "a nested stack's events before its beginning: {early:?}");
    }

    #[test]
    fn what_is_not_of_that_form_is_refused() {
        for text in [
            "# undo\n",
            "# create\nCREATE_COMPLETE\n",
            "# create\nA  B  C  D\n",
            "# create\n  A  B  C\n",
            "# create\n\n# create\n",
        ] {
            assert!(Expected::parse(text).is_err(), "{text:?}");
        }
        let expected = Expected::parse(EVENTS).expect("it is well-formed");
        assert_eq!(expected.phases(), [Phase::Create, Phase::Delete].into());
    }
}
