//! Long ways, and the same way twice.

use std::env;

use proof::walk::{first_breach, walk};

/// 20,000 seeds: some seconds.
const SEEDS: u64 = 20_000;

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
fn the_same_seed_is_the_same_way() {
    for seed in (0..SEEDS).step_by(50) {
        let (one, other) = (walk(seed), walk(seed));
        assert_eq!(one.way, other.way, "seed {seed}");
        assert_eq!(one.fingerprint, other.fingerprint, "seed {seed}");
    }
}
