//! What a stack's events tell about an operation of this very step, and about the stack's past. Pure.

use crate::{event::Event, record::Floor, state::History};

/// Before every token that Longshore gives an operation.
const OURS: &str = "longshore-";

/// An operation that is in a stack's events.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Own {
    /// Where its events begin.
    pub(crate) floor: Floor,
    /// The state in which it left the stack; none while it goes on.
    pub(crate) ended: Option<String>,
    /// Whether others began something with the stack after it.
    pub(crate) overtaken: bool,
}

/// Finds the operation with that token, or with one that begins so and was given to a part of it. `events`: newest first.
pub(crate) fn operation(events: &[Event], token: &str) -> Option<Own> {
    let begin = events.iter().rposition(|event| {
        event.is_about_the_stack() && event.token == token && event.status != "REVIEW_IN_PROGRESS"
    })?;
    let since = &events[..=begin];
    let overtaking = since.iter().rposition(|event| event.is_begin_of_operation() && !event.token.starts_with(token));
    let ours = overtaking.map_or(since, |at| &since[at + 1..]);
    let last = ours.iter().find(|event| event.is_about_the_stack())?;
    Some(Own {
        floor: Floor::From(events[begin].id.clone()),
        ended: (last.is_end() || overtaking.is_some()).then(|| last.status.clone()),
        overtaken: overtaking.is_some(),
    })
}

/// How many operations of others began in these events.
pub(crate) fn foreign_operations(events: &[Event], token: &str) -> usize {
    events.iter().filter(|event| event.is_begin_of_operation() && !event.token.starts_with(token)).count()
}

/// What a stack has been through. `events`: newest first, and all of them.
pub(crate) fn history(events: &[Event]) -> History {
    let own: Vec<_> = events.iter().filter(|event| event.is_about_the_stack()).collect();
    let first = own.iter().rev().find(|event| event.status != "REVIEW_IN_PROGRESS");
    let creation = first.filter(|event| event.status == "CREATE_IN_PROGRESS");
    // AWS keeps events for 90 days: without the first of all of them nobody can tell.
    let Some(creation) = creation else { return History { may_have_been_healthy: true, ours: false } };
    const HEALTHY: [&str; 3] = ["CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE"];
    History {
        may_have_been_healthy: own.iter().any(|event| HEALTHY.contains(&event.status.as_str())),
        ours: creation.token.starts_with(OURS),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::tests::{ROOT, event, own};

    const TOKEN: &str = "longshore-7";

    fn by(token: &str, mut event: Event) -> Event {
        event.token = token.into();
        event
    }

    fn newest_first(mut events: Vec<Event>) -> Vec<Event> {
        events.reverse();
        events
    }

    #[test]
    fn an_operation_is_found_from_its_first_event_and_goes_on() {
        let events = newest_first(vec![
            by("other", own(ROOT, 1, "UPDATE_IN_PROGRESS", "")),
            by("other", own(ROOT, 2, "UPDATE_COMPLETE", "")),
            by(TOKEN, own(ROOT, 3, "UPDATE_IN_PROGRESS", "")),
            by(TOKEN, event(ROOT, 4, "Assets", "UPDATE_COMPLETE", "")),
        ]);
        let found = operation(&events, TOKEN).expect("our operation");
        assert_eq!(found.floor, Floor::From(events[1].id.clone()));
        assert_eq!((found.ended, found.overtaken), (None, false));
        assert_eq!(operation(&events, "longshore-8"), None);
        assert_eq!(foreign_operations(&events, TOKEN), 1);
    }

    #[test]
    fn an_operation_that_was_cancelled_ends_with_its_rollback() {
        let events = newest_first(vec![
            by(TOKEN, own(ROOT, 1, "UPDATE_IN_PROGRESS", "")),
            by("longshore-7-cancel", own(ROOT, 2, "UPDATE_ROLLBACK_IN_PROGRESS", "")),
            by("longshore-7-cancel", own(ROOT, 3, "UPDATE_ROLLBACK_COMPLETE", "")),
        ]);
        let found = operation(&events, TOKEN).expect("our operation");
        assert_eq!(found.ended.as_deref(), Some("UPDATE_ROLLBACK_COMPLETE"));
    }

    #[test]
    fn what_others_did_afterwards_is_none_of_it() {
        let events = newest_first(vec![
            by(TOKEN, own(ROOT, 1, "UPDATE_IN_PROGRESS", "")),
            by(TOKEN, own(ROOT, 2, "UPDATE_COMPLETE", "")),
            by("", own(ROOT, 3, "UPDATE_IN_PROGRESS", "")),
            by("", own(ROOT, 4, "UPDATE_ROLLBACK_COMPLETE", "")),
        ]);
        let found = operation(&events, TOKEN).expect("our operation");
        assert_eq!((found.ended.as_deref(), found.overtaken), (Some("UPDATE_COMPLETE"), true));
    }

    #[test]
    fn a_change_set_alone_is_no_operation() {
        let events = [by(TOKEN, own(ROOT, 1, "REVIEW_IN_PROGRESS", ""))];
        assert_eq!(operation(&events, TOKEN), None);
    }

    #[test]
    fn a_stack_that_only_failed_never_was_healthy() {
        let failed = vec![
            by("", own(ROOT, 1, "REVIEW_IN_PROGRESS", "")),
            by(TOKEN, own(ROOT, 2, "CREATE_IN_PROGRESS", "")),
            by(TOKEN, event(ROOT, 3, "Assets", "CREATE_COMPLETE", "")),
            by(TOKEN, own(ROOT, 4, "ROLLBACK_COMPLETE", "")),
        ];
        assert_eq!(history(&newest_first(failed.clone())), History { may_have_been_healthy: false, ours: true });
        let others = failed.into_iter().map(|event| by("Console-CreateStack-1", event)).collect();
        assert_eq!(history(&newest_first(others)), History { may_have_been_healthy: false, ours: false });
    }

    #[test]
    fn a_stack_whose_beginning_is_forgotten_may_have_been_healthy() {
        let events = vec![own(ROOT, 4, "ROLLBACK_FAILED", "")];
        assert_eq!(history(&events), History { may_have_been_healthy: true, ours: false });
        assert_eq!(history(&[]), History { may_have_been_healthy: true, ours: false });
        let healthy = vec![own(ROOT, 1, "CREATE_IN_PROGRESS", ""), own(ROOT, 2, "CREATE_COMPLETE", "")];
        assert!(history(&newest_first(healthy)).may_have_been_healthy);
    }
}
