//! Why a call to any service of AWS failed.

use std::error::Error;

use aws_smithy_runtime_api::client::{orchestrator::HttpResponse, result::SdkError};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use shared::reason::{Fault, Reason};

use crate::{
    clock,
    connection::{fault_in, root_cause},
    patience::is_throttling,
};

/// Why a call failed: what AWS answered, or why it could not be asked. `call` is its name, e.g. `CreateStack`.
pub fn explain<E>(call: &str, error: &SdkError<E, HttpResponse>) -> Fault
where
    E: ProvideErrorMetadata + Error + 'static,
{
    match error {
        SdkError::ServiceError(answer) => {
            let code = answer.err().code().unwrap_or("an error without code");
            let message = answer.err().message().unwrap_or("no message").trim_end_matches('.');
            if clock::is_about_time(code, message) {
                return clock::skew(call, "this host", Some(answer.raw().headers()));
            }
            let reason = match code {
                _ if is_throttling(error) => Reason::AwsThrottled,
                "ExpiredToken" | "ExpiredTokenException" => Reason::CredentialsExpired,
                "InvalidClientTokenId"
                | "UnrecognizedClientException"
                | "SignatureDoesNotMatch"
                | "AccessDenied"
                | "AccessDeniedException" => Reason::CredentialsRefused,
                _ => Reason::AwsRefused,
            };
            Fault::new(reason, format!("AWS refused {call} with {code}: {message}."))
        }
        SdkError::TimeoutError(_) => Fault::new(
            Reason::AwsUnavailable,
            format!("AWS did not answer {call} in time. Check this host's way to AWS: routes, proxy, VPC endpoints."),
        ),
        SdkError::DispatchFailure(failure) => {
            let found = failure.as_connector_error().and_then(|error| fault_in(error));
            found.cloned().unwrap_or_else(|| {
                let cause = root_cause(error);
                Fault::new(Reason::AwsUnavailable, format!("AWS could not be reached for {call}: {cause}."))
            })
        }
        other => Fault::new(
            Reason::AwsUnavailable,
            format!("AWS could not be asked for {call}, or answered as AWS does not: {}.", root_cause(other)),
        ),
    }
}

/// Whether the same call may succeed later without anybody changing anything.
pub fn may_pass<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> bool {
    const PASSING: [&str; 3] = ["ServiceUnavailable", "InternalFailure", "InternalError"];
    match error {
        _ if is_throttling(error) => true,
        SdkError::ServiceError(answer) => answer.err().code().is_some_and(|code| PASSING.contains(&code)),
        SdkError::ConstructionFailure(_) => false,
        SdkError::DispatchFailure(failure) => {
            let found = failure.as_connector_error().and_then(|error| fault_in(error));
            found.is_none_or(|fault| fault.reason != Reason::AwsCertificateNotTrusted)
        }
        _ => true,
    }
}
