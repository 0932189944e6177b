//! When keys are made, sign and go, as a function of their times and of now. Knows nothing of keys, store or clocks.
//!
//! ```text
//!           made, published        signs                        superseded            gone
//! key n    ─────────┬────────────────┬───────────────────────────────┬─────────────────┬──
//!                   │ AHEAD (7 d)    │ SIGNS (90 d)                  │ TOKEN_TTL+AFTER │
//! key n+1                                      ┬─────────────────────┬──────────────────────
//!                                              │ AHEAD (7 d)         │ SIGNS …
//! ```

/// 10 minutes: how long a token is good for, in milliseconds. A worker shows it to STS at once; what it gets there lives longer.
pub const TOKEN_TTL: i64 = 10 * MINUTE;

const MINUTE: i64 = 60 * 1000;
const DAY: i64 = 24 * 60 * MINUTE;
/// 90 days: how long a key signs.
const SIGNS: i64 = 90 * DAY;
/// 7 days: how long a key is published before it signs, so that whoever keeps a copy of the keys has it by then.
const AHEAD: i64 = 7 * DAY;
/// 24 hours: how long a key stays published after the last of its tokens ended.
const AFTER: i64 = DAY;

/// A key's times, in milliseconds since 1970. It signs until the next one does.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyTimes {
    /// Which key.
    pub kid: String,
    /// Since when it is in the published document.
    pub published_at: i64,
    /// Since when it signs.
    pub signs_from: i64,
}

/// What is to be done, and when to ask again.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rotation {
    /// Make and publish a key now that signs from this time on.
    pub make: Option<i64>,
    /// Keys whose every token ended long ago.
    pub withdraw: Vec<String>,
    /// When the next thing will be to do, if this was done.
    pub wake_at: i64,
}

/// What to do with `keys` at `now`. The first key signs at once: nobody can have a copy of what came before it. A coordinator
/// that comes late, because it did not run, still publishes a key for the whole of its time before it signs; the one before
/// signs for so much longer.
#[must_use]
pub fn plan(keys: &[KeyTimes], now: i64) -> Rotation {
    let Some(newest) = keys.iter().map(|key| key.signs_from).max() else {
        return Rotation { make: Some(now), withdraw: Vec::new(), wake_at: made_at(now) };
    };
    let make = (now >= made_at(newest)).then(|| (newest + SIGNS).max(now + AHEAD));
    let ends = keys.iter().filter_map(|key| Some((key, gone_at(keys, key, make)?)));
    let (gone, going): (Vec<_>, Vec<_>) = ends.partition(|(_, end)| *end <= now);
    let next_made = made_at(make.unwrap_or(newest));
    Rotation {
        make,
        withdraw: gone.into_iter().map(|(key, _)| key.kid.clone()).collect(),
        wake_at: going.into_iter().map(|(_, end)| end).fold(next_made, i64::min),
    }
}

/// The key that signs: of those whose time has come the newest. A clock that was set back beyond all of them leaves the oldest.
#[must_use]
pub fn signing(keys: &[KeyTimes], now: i64) -> Option<&KeyTimes> {
    let begun = keys.iter().filter(|key| key.signs_from <= now).max_by_key(|key| key.signs_from);
    begun.or_else(|| keys.iter().min_by_key(|key| key.signs_from))
}

/// The key that is published and will sign next.
#[must_use]
pub fn upcoming(keys: &[KeyTimes], now: i64) -> Option<&KeyTimes> {
    keys.iter().filter(|key| key.signs_from > now).min_by_key(|key| key.signs_from)
}

/// When the successor of a key that signs from then on is made.
fn made_at(signs_from: i64) -> i64 {
    signs_from + SIGNS - AHEAD
}

/// When a key that has a successor, there or about to be made, leaves the document.
fn gone_at(keys: &[KeyTimes], key: &KeyTimes, make: Option<i64>) -> Option<i64> {
    let later = keys.iter().map(|other| other.signs_from).chain(make).filter(|from| *from > key.signs_from);
    later.min().map(|successor_signs| successor_signs + TOKEN_TTL + AFTER)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(kid: &str, published_at: i64, signs_from: i64) -> KeyTimes {
        KeyTimes { kid: kid.into(), published_at, signs_from }
    }

    #[test]
    fn the_life_of_keys_day_by_day() {
        let first = key("a", 0, 0);
        let second = key("b", 83 * DAY, 90 * DAY);
        let both = [first.clone(), second.clone()];
        let gone = 91 * DAY + TOKEN_TTL;
        for (what, keys, now, make, withdraw, wake_at) in [
            ("no key yet", vec![], 5, Some(5), vec![], 83 * DAY + 5),
            ("the first one signs", vec![first.clone()], 1, None, vec![], 83 * DAY),
            ("a moment before the next is made", vec![first.clone()], 83 * DAY - 1, None, vec![], 83 * DAY),
            ("the next is made", vec![first.clone()], 83 * DAY, Some(90 * DAY), vec![], gone),
            ("the next is published", both.to_vec(), 83 * DAY, None, vec![], gone),
            ("the next signs, the old one stays", both.to_vec(), 90 * DAY, None, vec![], gone),
            ("a moment before the old one goes", both.to_vec(), gone - 1, None, vec![], gone),
            ("the old one goes", both.to_vec(), gone, None, vec!["a"], 173 * DAY),
            (
                "it did not run for a year",
                vec![first.clone()],
                365 * DAY,
                Some(372 * DAY),
                vec![],
                373 * DAY + TOKEN_TTL,
            ),
            ("nor with two keys", both.to_vec(), 365 * DAY, Some(372 * DAY), vec!["a"], 373 * DAY + TOKEN_TTL),
        ] {
            let expected = Rotation { make, withdraw: withdraw.into_iter().map(Into::into).collect(), wake_at };
            assert_eq!(plan(&keys, now), expected, "{what}");
        }
    }

    #[test]
    fn the_newest_key_whose_time_has_come_signs() {
        let keys = [key("a", 0, 10), key("b", 10, 20)];
        for (now, kid, next) in [(0, "a", Some("a")), (10, "a", Some("b")), (19, "a", Some("b")), (20, "b", None)] {
            assert_eq!(signing(&keys, now).map(|key| key.kid.as_str()), Some(kid), "at {now}");
            assert_eq!(upcoming(&keys, now).map(|key| key.kid.as_str()), next, "at {now}");
        }
        assert_eq!(signing(&[], 0), None);
    }

    /// What has been seen of a key.
    #[derive(Default)]
    struct Seen {
        times: Vec<KeyTimes>,
        first_signature: Vec<Option<i64>>,
        last_token_ends: Vec<i64>,
    }

    impl Seen {
        fn index(&self, kid: &str) -> usize {
            self.times.iter().position(|key| key.kid == kid).expect("a key that was made")
        }
    }

    fn carry_out(keys: &mut Vec<KeyTimes>, seen: &mut Seen, now: i64) -> Rotation {
        let rotation = plan(keys, now);
        for kid in &rotation.withdraw {
            assert!(seen.last_token_ends[seen.index(kid)] <= now, "at {now} key {kid} goes while its tokens live");
        }
        keys.retain(|key| !rotation.withdraw.contains(&key.kid));
        if let Some(signs_from) = rotation.make {
            let made = key(&seen.times.len().to_string(), now, signs_from);
            keys.push(made.clone());
            seen.times.push(made);
            seen.first_signature.push(None);
            seen.last_token_ends.push(i64::MIN);
        }
        rotation
    }

    fn sign(keys: &[KeyTimes], seen: &mut Seen, now: i64) {
        let signer = signing(keys, now).expect("one key signs at every time");
        let index = seen.index(&signer.kid);
        seen.first_signature[index].get_or_insert(now);
        seen.last_token_ends[index] = now + TOKEN_TTL;
        let published = now - signer.published_at;
        assert!(index == 0 || published >= DAY, "at {now} key {index} signs {published} ms after it was published");
        let newer_signed = seen.first_signature[index + 1..].iter().any(Option::is_some);
        assert!(!newer_signed, "at {now} key {index} signs again after a newer one did");
    }

    proptest! {
        /// However late the task wakes, and whenever tokens are asked for in between.
        #[test]
        fn no_token_outlives_its_key_and_no_key_signs_before_it_was_known(
            pauses in prop::collection::vec(prop_oneof![0..DAY, 0..10 * DAY, 0..400 * DAY, Just(0)], 1..60),
            tokens in 1..6_i64,
        ) {
            let (mut keys, mut seen, mut now) = (Vec::new(), Seen::default(), 1_700_000_000_000);
            carry_out(&mut keys, &mut seen, now);
            for pause in pauses {
                for n in 0..tokens {
                    sign(&keys, &mut seen, now + pause * n / tokens);
                }
                now += pause;
                sign(&keys, &mut seen, now);
                let rotation = carry_out(&mut keys, &mut seen, now);
                prop_assert!(rotation.wake_at > now);
                prop_assert!(keys.len() <= 3, "{:?}", keys);
                let again = plan(&keys, now);
                prop_assert_eq!((again.make, again.withdraw.len()), (None, 0), "done is done");
                prop_assert_eq!(again.wake_at, rotation.wake_at);
            }
        }

        /// A task that wakes when it was told to: every key signs for exactly its time.
        #[test]
        fn who_wakes_in_time_never_signs_longer_than_planned(wakes in 2..40_usize) {
            let (mut keys, mut seen, mut now) = (Vec::new(), Seen::default(), 0);
            for _ in 0..wakes {
                now = carry_out(&mut keys, &mut seen, now).wake_at;
            }
            for pair in seen.times.windows(2) {
                prop_assert_eq!(pair[1].signs_from - pair[0].signs_from, SIGNS);
                prop_assert_eq!(pair[1].signs_from - pair[1].published_at, AHEAD);
            }
        }
    }
}
