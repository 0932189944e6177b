//! When credentials are refreshed, and what happens when they cannot be.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use tokio::sync::Notify;

use super::*;

fn ending_in(seconds: u64) -> Credentials {
    let ends = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs() + seconds;
    Credentials { access_key_id: format!("ASIA{seconds}"), expires_at: ends as i64, ..Credentials::default() }
}

fn due_after(lifetime: u64, passed: u64, random: f64) -> Option<Duration> {
    let at = |seconds| UNIX_EPOCH + Duration::from_secs(1_800_000_000 + seconds);
    let credentials = Credentials { expires_at: 1_800_000_000 + lifetime as i64, ..Credentials::default() };
    until_due(&credentials, at(0), at(passed), random)
}

#[test]
fn long_sessions_are_refreshed_with_25_minutes_left_and_short_ones_at_half_their_time() {
    for (lifetime, passed, random, wait) in [
        (6 * 3600, 0, 0.0, 6 * 3600 - 1500),
        (3600, 0, 0.0, 2100),
        (3600, 0, 1.0, 2100 - 150),
        (3600, 2000, 0.0, 100),
        (3600, 2200, 0.0, 0),
        (900, 0, 0.0, 450),
        (900, 0, 1.0, 405),
        (900, 449, 0.0, 1),
        (60, 0, 0.0, 30),
        (60, 100, 0.0, 0),
    ] {
        let found = due_after(lifetime, passed, random);
        assert_eq!(found, Some(Duration::from_secs(wait)), "{passed} s of {lifetime} s, at {random}");
    }
    let keys = Credentials::default();
    assert_eq!(until_due(&keys, UNIX_EPOCH, SystemTime::now(), 0.0), None, "long-lived keys never end");
}

#[test]
fn neither_an_answer_nor_the_next_try_is_waited_for_beyond_a_third_of_what_is_left() {
    for (wait, left, expected) in [
        (20, 450, 20),
        (20, 30, 10),
        (300, 1200, 300),
        (300, 600, 200),
        (300, 30, 10),
        (5, 3, 1),
        (5, 1, 1),
        (5, 0, 5),
        (300, 0, 20),
    ] {
        let found = in_time(Duration::from_secs(wait), Duration::from_secs(left));
        assert_eq!(found, Duration::from_secs(expected), "{wait} s with {left} s left");
    }
}

/// Answers in turn, and says after each one that it was asked again.
struct InTurn {
    answers: Mutex<VecDeque<Result<Credentials, Refusal>>>,
    exhausted: Arc<Notify>,
}

impl Source for InTurn {
    async fn fetch(&self, _: Duration) -> Result<Credentials, Refusal> {
        let next = self.answers.lock().expect("whole").pop_front();
        match next {
            Some(answer) => answer,
            None => {
                self.exhausted.notify_one();
                std::future::pending().await
            }
        }
    }
}

/// Runs the task until its source has nothing more to say.
async fn keep(answers: Vec<Result<Credentials, Refusal>>, first: Credentials, runtime: &RuntimeDir) {
    runtime.write_credentials(&first).expect("written");
    let exhausted = Arc::new(Notify::new());
    let source = InTurn { answers: Mutex::new(answers.into()), exhausted: exhausted.clone() };
    let held = Held { credentials: first, since: SystemTime::now() - Duration::from_secs(86_400) };
    tokio::select! {
        () = keep_fresh(source, runtime.clone(), held) => panic!("it ended"),
        () = exhausted.notified() => {}
    }
}

fn away() -> Result<Credentials, Refusal> {
    Err(Refusal { reason: "AWS_UNAVAILABLE".into(), detail: "AWS STS is away.".into() })
}

#[tokio::test(start_paused = true)]
async fn what_there_is_stays_until_newer_credentials_come() {
    let folder = tempfile::tempdir().expect("a folder");
    let runtime = RuntimeDir::new(folder.path());
    keep(vec![away(), Ok(ending_in(700)), Ok(ending_in(500))], ending_in(600), &runtime).await;
    let found = runtime.read_credentials().expect("readable").expect("some");
    assert_eq!(found.access_key_id, "ASIA700", "neither a failure nor older credentials replace what there is");
    assert_eq!(runtime.credentials_problem(), None, "a success takes the problem away");
}

#[tokio::test(start_paused = true)]
async fn why_they_cannot_be_refreshed_is_left_for_the_shim() {
    let folder = tempfile::tempdir().expect("a folder");
    let runtime = RuntimeDir::new(folder.path());
    keep(vec![away(), away()], ending_in(600), &runtime).await;
    assert_eq!(runtime.credentials_problem().as_deref(), Some("AWS STS is away."));
}

#[tokio::test(start_paused = true)]
async fn a_step_that_began_with_a_session_is_not_given_a_key_and_that_is_said() {
    let folder = tempfile::tempdir().expect("a folder");
    let runtime = RuntimeDir::new(folder.path());
    let key = Credentials { access_key_id: "AKIA1".into(), ..Credentials::default() };
    keep(vec![Ok(key)], ending_in(600), &runtime).await;
    assert_eq!(runtime.read_credentials().expect("readable").expect("some").access_key_id, "ASIA600");
    assert!(runtime.credentials_problem().is_some_and(|problem| problem.contains("hands out its key itself now")));
}

#[tokio::test(start_paused = true)]
async fn nobody_is_asked_once_the_step_has_ended() {
    let folder = tempfile::tempdir().expect("a folder");
    let gone = RuntimeDir::new(folder.path().join("gone"));
    let source = InTurn { answers: Mutex::new(vec![away()].into()), exhausted: Arc::default() };
    keep_fresh(source, gone, Held { credentials: ending_in(600), since: UNIX_EPOCH }).await;
}

#[tokio::test(start_paused = true)]
async fn long_lived_keys_are_never_refreshed() {
    let folder = tempfile::tempdir().expect("a folder");
    let source = InTurn { answers: Mutex::default(), exhausted: Arc::default() };
    let held = Held { credentials: Credentials::default(), since: SystemTime::now() };
    keep_fresh(source, RuntimeDir::new(folder.path()), held).await;
}
