//! Asks AWS who the step is.

use std::time::Instant;

use aws_config::SdkConfig;

use super::{Failure, speech::Speech};
use crate::aws;

/// Sets the outputs Account, Arn, UserId and LatencyMs.
pub(super) async fn run(config: &SdkConfig, speech: &mut Speech) -> Result<(), Failure> {
    let asked = Instant::now();
    let identity = aws_sdk_sts::Client::new(config).get_caller_identity().send().await;
    let latency = asked.elapsed().as_millis().to_string();
    let identity = identity.map_err(|error| Failure(aws::explain("GetCallerIdentity", &error)))?;
    let (account, arn) = (identity.account().unwrap_or_default(), identity.arn().unwrap_or_default());
    speech.line(&format!("AWS says this is {arn} in account {account} (answered in {latency} ms)."));
    speech.output("Account", account);
    speech.output("Arn", arn);
    speech.output("UserId", identity.user_id().unwrap_or_default());
    speech.output("LatencyMs", &latency);
    Ok(())
}
