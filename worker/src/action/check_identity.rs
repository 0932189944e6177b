//! Asks AWS who the step is.

use super::{Failure, Way, speech::Speech};

/// Sets the outputs Account, Arn, UserId and LatencyMs.
pub(super) async fn run(way: &Way, speech: &mut Speech) -> Result<(), Failure> {
    let credentials = way.credentials.fetch().await.map_err(Failure)?;
    let answer = way.aws.caller("this step", &credentials, &way.region).await;
    let answer = answer.map_err(|fault| Failure(fault.sentence))?;
    let (caller, latency) = (answer.value, answer.latency.as_millis().to_string());
    speech.line(&format!("AWS says this is {} in account {} (answered in {latency} ms).", caller.arn, caller.account));
    speech.output("Account", &caller.account);
    speech.output("Arn", &caller.arn);
    speech.output("UserId", &caller.user_id);
    speech.output("LatencyMs", &latency);
    Ok(())
}
