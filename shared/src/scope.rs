//! Where a value of a variable counts, and which of several wins: the most specific one.

use std::{collections::BTreeSet, fmt};

use serde::{Deserialize, Serialize};

/// Where a value counts; an empty set says nothing, and one that says nothing at all counts everywhere.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
pub struct Scope {
    /// In deployments to these environments.
    pub environments: BTreeSet<String>,
    /// In these steps; case does not matter.
    #[serde(default)]
    pub steps: BTreeSet<String>,
    /// In steps that run in these pools.
    #[serde(default)]
    pub pools: BTreeSet<String>,
}

/// Where a value is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place<'a> {
    /// The environment of the deployment.
    pub environment: &'a str,
    /// The step.
    pub step: &'a str,
    /// Its pool; none while that is being evaluated itself.
    pub pool: Option<&'a str>,
}

/// How specific a scope is: a step counts for more than a pool, and that for more than an environment.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Rank {
    by_step: bool,
    by_pool: bool,
    by_environment: bool,
}

impl Scope {
    /// Of these environments.
    pub fn of_environments(names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { environments: names.into_iter().map(Into::into).collect(), ..Self::default() }
    }

    /// Whether a value with it counts somewhere.
    #[must_use]
    pub fn covers(&self, place: Place<'_>) -> bool {
        self.covers_environment(place.environment)
            && (self.steps.is_empty() || self.steps.iter().any(|step| is_same(step, place.step)))
            && (self.pools.is_empty() || place.pool.is_some_and(|pool| self.pools.contains(pool)))
    }

    /// Whether a value with it counts in some step of a deployment.
    #[must_use]
    pub fn covers_environment(&self, environment: &str) -> bool {
        self.environments.is_empty() || self.environments.contains(environment)
    }

    /// Whether it counts in every step of an environment, or in none.
    #[must_use]
    pub fn is_for_all_steps(&self) -> bool {
        self.steps.is_empty() && self.pools.is_empty()
    }

    /// How specific it is.
    #[must_use]
    pub fn rank(&self) -> Rank {
        Rank {
            by_step: !self.steps.is_empty(),
            by_pool: !self.pools.is_empty(),
            by_environment: !self.environments.is_empty(),
        }
    }

    /// Whether nobody could say which of two values counts: both do somewhere, and neither is more specific.
    #[must_use]
    pub fn ties_with(&self, other: &Self) -> bool {
        let meet = |one: &BTreeSet<String>, other: &BTreeSet<String>| {
            one.is_empty() || one.iter().any(|name| other.iter().any(|other| is_same(name, other)))
        };
        self.rank() == other.rank()
            && meet(&self.environments, &other.environments)
            && meet(&self.steps, &other.steps)
            && meet(&self.pools, &other.pools)
    }
}

/// The most specific of the values that count somewhere; of equally specific ones the last. Values of one project that
/// [tie](Scope::ties_with) are refused before they get here; those of projects that it takes variables from come first.
pub fn choose<'v, V>(
    values: impl IntoIterator<Item = &'v V>,
    scope: impl Fn(&V) -> &Scope,
    place: Place<'_>,
) -> Option<&'v V> {
    values.into_iter().filter(|value| scope(value).covers(place)).max_by_key(|value| scope(value).rank())
}

impl fmt::Display for Scope {
    /// `environment production and step Migrate`, for the middle of a sentence.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [("environment", &self.environments), ("step", &self.steps), ("pool", &self.pools)];
        let named = |(what, names): &(&str, &BTreeSet<String>)| {
            let all = names.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
            (!names.is_empty()).then(|| format!("{what} {all}"))
        };
        let parts: Vec<String> = parts.iter().filter_map(named).collect();
        if parts.is_empty() { f.write_str("everything else") } else { f.write_str(&parts.join(" and ")) }
    }
}

fn is_same(one: &str, other: &str) -> bool {
    one == other || one.to_lowercase() == other.to_lowercase()
}

#[cfg(test)]
mod tests {
    use proptest::{collection::btree_set, prelude::*};

    use super::*;

    fn scope(environments: &[&str], steps: &[&str], pools: &[&str]) -> Scope {
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Scope { environments: set(environments), steps: set(steps), pools: set(pools) }
    }

    const PLACE: Place<'_> = Place { environment: "production", step: "Migrate", pool: Some("db") };

    #[test]
    fn a_step_wins_over_a_pool_and_that_over_an_environment() {
        let values = [
            scope(&[], &[], &[]),
            scope(&["production"], &[], &[]),
            scope(&[], &[], &["db"]),
            scope(&["production"], &[], &["db"]),
            scope(&[], &["MIGRATE"], &[]),
            scope(&["production"], &["Migrate", "Other"], &[]),
            scope(&[], &["Migrate"], &["db"]),
            scope(&["production", "test"], &["Migrate"], &["db", "web"]),
        ];
        for count in 1..=values.len() {
            assert_eq!(choose(&values[..count], |scope| scope, PLACE), Some(&values[count - 1]));
        }
        let elsewhere = [scope(&["test"], &[], &[]), scope(&[], &["Other"], &[]), scope(&[], &[], &["web"])];
        assert_eq!(choose(&elsewhere, |scope| scope, PLACE), None);
        assert!(!scope(&[], &[], &["db"]).covers(Place { pool: None, ..PLACE }), "the pool is not known yet");
    }

    #[test]
    fn a_scope_is_told_in_words() {
        assert_eq!(scope(&[], &[], &[]).to_string(), "everything else");
        let all = scope(&["production", "test"], &["Migrate"], &["db"]);
        assert_eq!(all.to_string(), "environment production, test and step Migrate and pool db");
    }

    fn names() -> impl Strategy<Value = BTreeSet<String>> {
        btree_set("[ab]", 0..3)
    }

    fn any_scope() -> impl Strategy<Value = Scope> {
        (names(), names(), names()).prop_map(|(environments, steps, pools)| Scope { environments, steps, pools })
    }

    proptest! {
        #[test]
        fn two_values_tie_where_both_count_and_neither_is_more_specific(one in any_scope(), other in any_scope()) {
            let mut both = false;
            for environment in ["a", "b"] {
                for step in ["a", "b"] {
                    for pool in ["a", "b"] {
                        let place = Place { environment, step, pool: Some(pool) };
                        both |= one.covers(place) && other.covers(place);
                    }
                }
            }
            prop_assert_eq!(one.ties_with(&other), both && one.rank() == other.rank());
            prop_assert_eq!(one.ties_with(&other), other.ties_with(&one));
        }
    }
}
