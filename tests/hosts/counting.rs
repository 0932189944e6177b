//! A step that counts: every line it writes is numbered, and every number is also written to a file that nobody else
//! touches. What the file holds happened; what the log holds was seen.

use std::{fs, path::PathBuf, time::Duration};

use anyhow::{Result, ensure};
use serde_json::Value;
use tests::{Watch, World};

/// 3 s at 10 ms a line: long enough to be interrupted in the middle of.
pub(crate) const LINES: usize = 300;
/// Where stories interrupt it.
pub(crate) const MIDDLE: usize = 60;

/// A deployment of a counting step that is under way.
pub(crate) struct Counting {
    pub(crate) id: String,
    effects: PathBuf,
}

impl Counting {
    /// Starts one, and waits until it is in the middle.
    pub(crate) fn in_the_middle(world: &World) -> Result<Self> {
        let counting = Self::started(world)?;
        counting
            .watch(world)?
            .until_line("the middle", Duration::from_secs(60), |line| line.ends_with(&format!("line {MIDDLE}")))?;
        Ok(counting)
    }

    /// Starts one.
    pub(crate) fn started(world: &World) -> Result<Self> {
        let effects = world.folder().join("effects");
        let script = format!(
            "for i in $(seq 1 {LINES}); do echo \"$i\" >> '{}'; echo \"line $i\"; sleep 0.01; done\nset_octopusvariable Last \"$i\"",
            effects.display()
        );
        Ok(Self { id: world.start_script("counting", &script)?, effects })
    }

    /// Follows it from its beginning.
    pub(crate) fn watch(&self, world: &World) -> Result<Watch> {
        world.cli().start(&["deployment", "watch", &self.id, "--plain"], "")
    }

    /// What really happened, in order.
    pub(crate) fn effects(&self) -> Vec<usize> {
        let text = fs::read_to_string(&self.effects).unwrap_or_default();
        text.lines().filter_map(|line| line.parse().ok()).collect()
    }

    /// What the stored log holds, in order.
    pub(crate) fn logged(&self, world: &World) -> Result<Vec<usize>> {
        Ok(numbers(&world.log(&self.id, "Step")?))
    }

    /// Everything happened once and was seen once, in order, and the result is right.
    pub(crate) fn is_whole(&self, world: &World, deployment: &Value) -> Result<()> {
        let expected: Vec<usize> = (1..=LINES).collect();
        ensure!(deployment["state"] == "succeeded", "it did not succeed: {deployment:#}");
        let attempts = deployment["steps"][0]["attempts"].as_array().map_or(0, Vec::len);
        ensure!(attempts == 1, "{attempts} attempts: {deployment:#}");
        ensure!(
            deployment["steps"][0]["attempts"][0]["log_complete"] == true,
            "the log is not complete: {deployment:#}"
        );
        ensure!(
            deployment["steps"][0]["outputs"][0]["value"] == LINES.to_string().as_str(),
            "the output is lost: {deployment:#}"
        );
        ensure!(self.effects() == expected, "it ran more or less than once: {:?}", self.effects());
        let logged = self.logged(world)?;
        ensure!(logged == expected, "the log has {} lines: {logged:?}", logged.len());
        Ok(())
    }

    /// It was interrupted: nothing ran twice, and the log is a true beginning.
    pub(crate) fn is_a_true_beginning(&self, world: &World) -> Result<usize> {
        let effects = self.effects();
        let count = effects.len();
        ensure!(effects == (1..=count).collect::<Vec<_>>(), "it ran more than once: {effects:?}");
        let logged = self.logged(world)?;
        ensure!(logged == (1..=logged.len()).collect::<Vec<_>>(), "the log is no beginning: {logged:?}");
        ensure!(logged.len() >= MIDDLE, "the log lost what was seen already: {} lines", logged.len());
        ensure!(logged.len() <= count, "the log tells more than happened");
        ensure!(count < LINES, "it ran to its end");
        Ok(count)
    }
}

fn numbers(log: &str) -> Vec<usize> {
    log.lines().filter_map(|line| line.strip_prefix("line ")?.parse().ok()).collect()
}
