//! Long ways, and the same way twice.

use std::env;

use proof::walk::{first_breach, walk};

/// 20,000 seeds: some seconds.
const SEEDS: u64 = 20_000;

/// Seeds that found something once, with what they found.
const FOUND: &[(u64, &str)] = &[
    (1_470, "a worker that forgot all, and then a store of before"),
    (121_380, "two decisions about steps that share a lock"),
    (308_796, "an attempt that starts after its step was run again"),
    (478_841, "a grant of the lost part that was still to be acted on"),
    (898_404, "a lock that was let go of in the lost part"),
];

/// `SEED=NUMBER` goes one way alone, and tells it.
#[test]
fn every_promise_holds_on_every_way() {
    if let Some(seed) = env::var("SEED").ok().and_then(|seed| seed.parse().ok()) {
        let walked = walk(seed);
        walked.way.iter().for_each(|event| println!("{event}"));
        assert_eq!(walked.breach, None);
        return;
    }
    if let Some((seed, walked)) = first_breach(0..SEEDS) {
        panic!("{}\nSEED={seed} shows the way", walked.breach.unwrap_or_default());
    }
}

#[test]
fn what_was_found_once_stays_mended() {
    for (seed, what) in FOUND {
        assert_eq!(walk(*seed).breach, None, "seed {seed}: {what}");
    }
}

#[test]
fn the_same_seed_is_the_same_way() {
    for seed in (0..SEEDS).step_by(50) {
        let (one, other) = (walk(seed), walk(seed));
        assert_eq!(one.way, other.way, "seed {seed}");
        assert_eq!(one.fingerprint, other.fingerprint, "seed {seed}");
    }
}
