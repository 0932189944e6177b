//! Asks AWS who the step is.

use action::{Failure, Speech};
use shared::reason::Reason;

use super::Way;

/// Sets the outputs Account, Arn, UserId and LatencyMs.
pub(super) async fn run(way: &Way, speech: &mut Speech) -> Result<(), Failure> {
    let credentials = way.credentials.fetch().await;
    let credentials = credentials.map_err(|why| Failure::new(Reason::CredentialsUnavailable, why))?;
    let answer = way.scene.aws.caller("this step", &credentials, &way.scene.region).await?;
    let (caller, latency) = (answer.value, answer.latency.as_millis().to_string());
    speech.line(&format!("AWS says this is {} in account {} (answered in {latency} ms).", caller.arn, caller.account));
    speech.output("Account", &caller.account);
    speech.output("Arn", &caller.arn);
    speech.output("UserId", &caller.user_id);
    speech.output("LatencyMs", &latency);
    Ok(())
}
