//! What the audit log has of credentials that were handed out, or were not.

use anyhow::{Context, Result};
use serde_json::Value;
use tests::World;

use crate::deployed::Deployed;

/// Releases of an account's credentials, newest first.
pub(super) fn of(world: &World, account: &str) -> Result<Vec<Value>> {
    let rows = world.cli().json(&["audit", "list", "--account", account])?;
    let rows = rows.as_array().context("a list")?;
    assert!(rows.iter().all(|row| row["target"] == account), "another account's are not in it: {rows:#?}");
    Ok(rows.iter().filter(|row| row["action"] == "credentials.release").cloned().collect())
}

/// One row for what was refused and one for what was had: to what, who started it, on which worker, as whom, until when.
pub(super) fn tell_both(world: &World, refused: &Deployed<'_>, had: &Deployed<'_>, session: &str) -> Result<()> {
    let rows = of(world, "shop-role")?;
    let [done, denied] = rows.as_slice() else { panic!("one row a release: {rows:#?}") };
    for (row, deployed, allowed, reason) in [(done, had, true, ""), (denied, refused, false, "ASSUME_ROLE_REFUSED")] {
        assert_eq!((&row["allowed"], &row["reason"]), (&Value::from(allowed), &Value::from(reason)), "{row:#}");
        assert_eq!(row["actor"], "worker one", "{row:#}");
        let detail = row["detail"].as_str().unwrap_or_default();
        let who = deployed.shown["created_by"].as_str().context("somebody started it")?;
        let execution = deployed.attempt("Who")["execution_id"].as_str().context("an attempt")?;
        for part in ["attempt 1 of step \"Who\"", deployed.id.as_str(), &format!("started by {who}"), execution] {
            assert!(detail.contains(part), "there is no {part} in {row:#}");
        }
    }
    let ends = had.attempt("Who")["identity"]["expire_time"].as_str().context("an end")?;
    let told = format!("session {session}, until {ends}");
    assert!(done["detail"].as_str().is_some_and(|detail| detail.contains(&told)), "{told} is not in {done:#}");
    let others = of(world, "shop-closed")?;
    assert!(others.len() == 1 && others[0]["reason"] == "ASSUME_ROLE_REFUSED", "{others:#?}");
    Ok(())
}
