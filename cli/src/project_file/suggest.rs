//! What somebody meant who wrote something else.

/// The candidate that is nearest to what was written, if any is near enough to be meant.
pub(super) fn nearest<'a>(written: &str, candidates: &[&'a str]) -> Option<&'a str> {
    let written = written.to_lowercase().replace('-', "_");
    // A third of the letters may be wrong, and never so many that nothing is left.
    let limit = (written.chars().count() / 3).clamp(1, 3);
    candidates
        .iter()
        .map(|candidate| (distance(&written, &candidate.to_lowercase().replace('-', "_")), *candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Letters to add, drop, change or swap with their neighbour to get from one word to the other.
fn distance(one: &str, other: &str) -> usize {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    let mut rows = vec![vec![0; other.len() + 1]; one.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    rows[0] = (0..=other.len()).collect();
    for i in 1..=one.len() {
        for j in 1..=other.len() {
            let changed = rows[i - 1][j - 1] + usize::from(one[i - 1] != other[j - 1]);
            let mut best = changed.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            if i > 1 && j > 1 && one[i - 1] == other[j - 2] && one[i - 2] == other[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[one.len()][other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_misses_are_recognised_and_strangers_are_not() {
        let keys = ["script", "timeout", "retry_safe", "requires"];
        assert_eq!(nearest("scirpt", &keys), Some("script"));
        assert_eq!(nearest("Timeouts", &keys), Some("timeout"));
        assert_eq!(nearest("retry-safe", &keys), Some("retry_safe"));
        assert_eq!(nearest("banana", &keys), None);
        assert_eq!(nearest("capability_iam", &["CAPABILITY_IAM"]), Some("CAPABILITY_IAM"));
    }

    #[test]
    fn a_word_of_any_length_is_no_trouble() {
        assert_eq!(nearest("", &["script"]), None);
        assert_eq!(nearest(&"x".repeat(5000), &["script"]), None);
    }
}
