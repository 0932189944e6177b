//! Any paging, any interleaving, any interruption: each event once, and each stack's in order.

use proptest::{prelude::*, sample::Index};

use super::*;
use crate::event::tests::{ROOT, event, nested, own};

const INNER: &str = "arn:aws:cloudformation:eu-west-1:123456789012:stack/shop-inner/2";

/// Reads as the shell does: pages newest first, of that many events each, until it is enough.
fn read(record: &Record, tail: usize, events: &[Event], page: usize) -> Vec<Event> {
    let newest_first: Vec<_> = events.iter().rev().cloned().collect();
    let mut found = vec![];
    for page in newest_first.chunks(page) {
        if record.tails[tail].take(page.to_vec(), &mut found) {
            break;
        }
    }
    found.reverse();
    found
}

/// One look at a stack without nested ones.
fn look(record: &mut Record, events: &[Event], page: usize) -> Vec<Told> {
    let new = read(record, 0, events, page);
    record.absorb(vec![(0, new)])
}

fn ids(told: &[Told]) -> Vec<String> {
    let event = |told: &Told| match told {
        Told::Event(event, _) => Some(event.id.clone()),
        Told::Cancelled(..) => None,
    };
    told.iter().filter_map(event).collect()
}

fn log(length: i64) -> Vec<Event> {
    (0..length).map(|at| event(ROOT, at / 3, &format!("R{at}"), "CREATE_COMPLETE", "")).collect()
}

#[test]
fn five_hundred_events_between_two_looks_are_all_told_in_order() {
    let all = log(700);
    let mut record = Record::new(ROOT, "", Floor::After(all[9].id.clone()));
    let mut told = look(&mut record, &all[..200], 100);
    told.extend(look(&mut record, &all, 100));
    told.extend(look(&mut record, &all, 100));
    let expected: Vec<_> = all[10..].iter().map(|event| event.id.clone()).collect();
    assert_eq!(ids(&told), expected);
}

#[test]
fn an_operation_begins_where_its_floor_is() {
    let all = log(10);
    let told = |floor| ids(&look(&mut Record::new(ROOT, "", floor), &all, 3)).len();
    assert_eq!(told(Floor::All), 10);
    assert_eq!(told(Floor::From(all[4].id.clone())), 6);
    assert_eq!(told(Floor::After(all[4].id.clone())), 5);
    assert_eq!(told(Floor::Since(all[6].at)), 4);
}

#[test]
fn an_event_that_comes_late_is_told_late_but_told() {
    let all = log(10);
    let without: Vec<_> = all.iter().enumerate().filter(|(at, _)| *at != 5).map(|(_, event)| event.clone()).collect();
    let mut record = Record::new(ROOT, "", Floor::After(all[0].id.clone()));
    look(&mut record, &without, 4);
    assert_eq!(ids(&look(&mut record, &all, 100)), [all[5].id.clone()]);
}

#[test]
fn nested_stacks_are_followed_from_the_operations_begin_and_told_between_their_parents_events() {
    let parent = vec![
        own(ROOT, 10, "UPDATE_IN_PROGRESS", ""),
        nested(ROOT, 11, "Inner", INNER, "UPDATE_IN_PROGRESS", ""),
        event(ROOT, 14, "Assets", "UPDATE_COMPLETE", ""),
        nested(ROOT, 15, "Inner", INNER, "UPDATE_COMPLETE", ""),
    ];
    let inner = vec![
        own(INNER, 3, "CREATE_COMPLETE", ""),
        own(INNER, 12, "UPDATE_IN_PROGRESS", ""),
        event(INNER, 13, "Queue", "UPDATE_COMPLETE", ""),
    ];
    let mut record = Record::new(ROOT, "", Floor::All);
    let new = read(&record, 0, &parent, 100);
    assert_eq!(record.discover(0, &new), [1, 1]);
    assert!(record.tails[1].is_quiet, "its parent says that it is done");
    let within = read(&record, 1, &inner, 100);
    let told = record.absorb(vec![(0, new), (1, within)]);
    let paths: Vec<_> = told
        .iter()
        .map(|told| match told {
            Told::Event(event, around) => event.path(around),
            Told::Cancelled(..) => String::new(),
        })
        .collect();
    assert_eq!(paths, ["shop", "Inner", "Inner", "Inner/Queue", "Assets", "Inner"]);
    assert_eq!(record.status(), Some("UPDATE_IN_PROGRESS"));
}

#[test]
fn of_events_at_one_time_a_stack_begins_before_what_is_in_it_and_ends_after_it() {
    let mut record = Record::new(ROOT, "", Floor::All);
    let root = [
        own(ROOT, 1, "CREATE_IN_PROGRESS", ""),
        nested(ROOT, 1, "Inner", INNER, "CREATE_IN_PROGRESS", ""),
        nested(ROOT, 1, "Inner", INNER, "CREATE_COMPLETE", ""),
        own(ROOT, 1, "CREATE_COMPLETE", ""),
    ];
    let inner = [own(INNER, 1, "CREATE_IN_PROGRESS", ""), own(INNER, 1, "CREATE_COMPLETE", "")];
    record.discover(0, &root);
    let told = ids(&record.absorb(vec![(0, root.to_vec()), (1, inner.to_vec())]));
    let expected = [&root[0], &root[1], &inner[0], &inner[1], &root[2], &root[3]].map(|event| event.id.clone());
    assert_eq!(told, expected);
}

#[test]
fn cancellations_that_follow_one_another_are_folded_and_none_is_lost() {
    let cancelled = |at, name| event(ROOT, at, name, "CREATE_FAILED", "Resource creation cancelled");
    let all = vec![
        event(ROOT, 1, "Assets", "CREATE_FAILED", "The name is taken"),
        cancelled(2, "Queue"),
        cancelled(3, "Topic"),
        event(ROOT, 4, "Assets", "DELETE_COMPLETE", ""),
        cancelled(5, "Table"),
    ];
    let mut record = Record::new(ROOT, "", Floor::All);
    let told = look(&mut record, &all, 100);
    let names = |names: &[&str]| Told::Cancelled(names.iter().map(|&name| name.to_owned()).collect(), 0);
    assert_eq!((told.len(), &told[1], &told[3]), (4, &names(&["Queue", "Topic"]), &names(&["Table"])));
    assert_eq!(look(&mut record, &all, 100), []);
}

#[test]
fn what_others_begin_after_the_end_is_not_told() {
    let by = |token: &str, mut event: Event| {
        event.token = token.into();
        event
    };
    let all = vec![
        by("longshore-1", own(ROOT, 1, "UPDATE_IN_PROGRESS", "")),
        by("longshore-1", own(ROOT, 2, "UPDATE_COMPLETE", "")),
        by("Console-1", own(ROOT, 3, "UPDATE_IN_PROGRESS", "")),
        by("Console-1", event(ROOT, 4, "Assets", "UPDATE_FAILED", "no")),
    ];
    let mut record = Record::new(ROOT, "longshore-1", Floor::All);
    assert_eq!(look(&mut record, &all, 2).len(), 2);
    assert!(record.is_overtaken());
    assert_eq!(record.status(), Some("UPDATE_COMPLETE"));
    assert_eq!(record.failures.first_cause(), None);
}

#[test]
fn what_somebody_begins_without_a_token_after_the_end_is_not_told_either() {
    let begun = |token: &str| {
        let by = |token: &str, event: Event| Event { token: token.into(), ..event };
        let all = vec![
            by(token, own(ROOT, 1, "UPDATE_IN_PROGRESS", "")),
            by(token, own(ROOT, 2, "UPDATE_COMPLETE", "")),
            own(ROOT, 3, "UPDATE_IN_PROGRESS", ""),
        ];
        let mut record = Record::new(ROOT, "longshore-1", Floor::All);
        look(&mut record, &all, 100);
        (record.is_overtaken(), record.status().map(str::to_owned))
    };
    assert_eq!(begun("longshore-1"), (true, Some("UPDATE_COMPLETE".into())));
    assert!(!begun("").0, "where no event has a token nobody can tell");
}

#[test]
fn what_goes_on_is_known_with_its_begin() {
    let all = [
        event(ROOT, 1, "Assets", "CREATE_IN_PROGRESS", ""),
        event(ROOT, 2, "Queue", "CREATE_IN_PROGRESS", ""),
        event(ROOT, 5, "Assets", "CREATE_IN_PROGRESS", "Resource creation Initiated"),
        event(ROOT, 6, "Queue", "CREATE_COMPLETE", ""),
    ];
    let mut record = Record::new(ROOT, "", Floor::All);
    look(&mut record, &all, 100);
    let going: Vec<_> = record.in_progress().iter().map(|step| (step.path.as_str(), step.since.secs())).collect();
    assert_eq!((going, record.done()), (vec![("Assets", 1)], 1));
}

proptest! {
    #[test]
    fn any_paging_tells_each_event_once_and_in_order(
        before in 0_usize..30,
        looks in proptest::collection::vec((0_usize..250, 1_usize..120, any::<bool>()), 1..12),
    ) {
        let total = before + looks.iter().map(|(more, ..)| more).sum::<usize>();
        let all = log(i64::try_from(total).expect("a small log"));
        let floor = match before { 0 => Floor::All, before => Floor::After(all[before - 1].id.clone()) };
        let mut record = Record::new(ROOT, "", floor);
        let (mut there, mut told) = (before, vec![]);
        for (more, page, is_interrupted) in looks {
            there += more;
            let new = read(&record, 0, &all[..there], page);
            // A look whose pages did not all come tells nothing.
            if !is_interrupted {
                told.extend(ids(&record.absorb(vec![(0, new)])));
            }
        }
        told.extend(ids(&look(&mut record, &all, 100)));
        let expected: Vec<_> = all[before..].iter().map(|event| event.id.clone()).collect();
        prop_assert_eq!(told, expected);
    }

    #[test]
    fn any_interleaving_of_nested_stacks_tells_each_event_once_and_each_stacks_in_order(
        of_inner in proptest::collection::vec(any::<bool>(), 1..150),
        cuts in proptest::collection::vec(any::<Index>(), 0..6),
        page in 1_usize..60,
    ) {
        let begin = [own(ROOT, 0, "CREATE_IN_PROGRESS", ""), nested(ROOT, 1, "Inner", INNER, "CREATE_IN_PROGRESS", "")];
        let rest = of_inner.iter().zip(2..).map(|(is_inner, at)| {
            event(if *is_inner { INNER } else { ROOT }, at / 4, &format!("R{at}"), "CREATE_COMPLETE", "")
        });
        let all: Vec<_> = begin.into_iter().chain(rest).collect();
        let mut looks: Vec<_> = cuts.iter().map(|cut| cut.index(all.len() + 1)).chain([all.len()]).collect();
        looks.sort_unstable();
        let mut record = Record::new(ROOT, "", Floor::All);
        let mut told = vec![];
        for there in looks {
            let of = |stack: &str| all[..there].iter().filter(|event| event.stack_id == stack).cloned().collect::<Vec<_>>();
            let new = read(&record, 0, &of(ROOT), page);
            record.discover(0, &new);
            let mut batches = vec![(0, new)];
            if record.tails.len() > 1 {
                batches.push((1, read(&record, 1, &of(INNER), page)));
            }
            told.extend(ids(&record.absorb(batches)));
        }
        for stack in [ROOT, INNER] {
            let expected: Vec<_> = all.iter().filter(|event| event.stack_id == stack).map(|event| &event.id).collect();
            let found: Vec<_> = told.iter().filter(|id| id.starts_with(&format!("{stack}|"))).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
