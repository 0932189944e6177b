//! Thousands of long ways.

use proof::walk::walk;

#[test]
fn probe() {
    let n: u64 = std::env::var("N").ok().and_then(|n| n.parse().ok()).unwrap_or(2000);
    let (mut starts, mut faults) = (0, 0);
    for seed in 0..n {
        let walked = walk(seed);
        starts += walked.starts;
        faults += walked.faults;
        if let Some(breach) = walked.breach {
            for event in &walked.way { println!("    {event}"); }
            panic!("seed {seed}: {breach}");
        }
    }
    println!("{n} {starts} {faults}");
}
#[cfg(feature = "bugs")]
#[test]
fn bugs() {
    for seeded in proof::seeded::all() {
        shared::bug::seed(seeded.bugs);
        let found = (0..20000u64).map(|s| (s, walk(s))).find(|(_, w)| w.breach.is_some());
        println!("{:60} {:?}", seeded.name, found.map(|(s, w)| (s, w.breach)));
    }
}
