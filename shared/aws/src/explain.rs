//! Why a call to any service of AWS failed.

use std::error::Error;

use aws_sdk_sts::operation::RequestId;
use aws_smithy_runtime_api::client::{orchestrator::HttpResponse, result::SdkError};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use shared::reason::{Fault, Reason};

use crate::{
    clock,
    connection::{fault_in, root_cause},
    patience::is_throttling,
    permission::Permission,
};

/// Codes of AWS's own trouble: the same call may succeed later.
const PASSING: [&str; 5] =
    ["ServiceUnavailable", "ServiceUnavailableException", "InternalFailure", "InternalError", "InternalServerError"];

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
            let kind = Kind { is_throttling: is_throttling(error), may_pass: may_pass(error) };
            let request_id = error.request_id().or_else(|| answer.err().meta().request_id());
            refusal(call, code, message, kind, request_id)
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

#[derive(Clone, Copy, Default)]
struct Kind {
    is_throttling: bool,
    may_pass: bool,
}

fn refusal(call: &str, code: &str, message: &str, kind: Kind, request_id: Option<&str>) -> Fault {
    let request = request_id.map(|id| format!(" Request id: {id}.")).unwrap_or_default();
    let reason = match code {
        _ if kind.is_throttling => Reason::AwsThrottled,
        "ExpiredToken" | "ExpiredTokenException" => Reason::CredentialsExpired,
        "InvalidClientTokenId" | "UnrecognizedClientException" | "SignatureDoesNotMatch" => Reason::CredentialsRefused,
        "AccessDenied" | "AccessDeniedException" | "UnauthorizedOperation" => {
            let missing = Permission::missing(message).map(|missing| missing.sentence());
            let sentence =
                missing.unwrap_or_else(|| format!("{message}. Allow {call} in a policy of the step's identity."));
            return Fault::new(Reason::PermissionMissing, format!("AWS denied {call}: {sentence}{request}"));
        }
        _ if kind.may_pass => Reason::AwsUnavailable,
        _ => Reason::AwsRefused,
    };
    let advice = if kind.may_pass { " This may pass by itself: try again later." } else { "" };
    Fault::new(reason, format!("AWS refused {call} with {code}: {message}.{advice}{request}"))
}

/// Whether the same call may succeed later without anybody changing anything.
pub fn may_pass<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> bool {
    match error {
        _ if is_throttling(error) => true,
        SdkError::ServiceError(answer) => {
            let is_passing = answer.err().code().is_some_and(|code| PASSING.contains(&code));
            is_passing || answer.raw().status().is_server_error()
        }
        SdkError::ConstructionFailure(_) => false,
        SdkError::DispatchFailure(failure) => {
            let found = failure.as_connector_error().and_then(|error| fault_in(error));
            found.is_none_or(|fault| fault.reason != Reason::AwsCertificateNotTrusted)
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_what_is_missing_whether_it_may_pass_and_which_request_it_was() {
        let told = |code: &str, message: &str| {
            let kind = Kind { may_pass: code == "InternalFailure", is_throttling: false };
            let fault = refusal("CreateStack", code, message, kind, Some("1-2-3"));
            format!("{}: {}", fault.reason.code(), fault.sentence)
        };
        assert_eq!(
            told("ValidationError", "Template error"),
            "AWS_REFUSED: AWS refused CreateStack with ValidationError: Template error. Request id: 1-2-3."
        );
        assert_eq!(
            told("InternalFailure", "no message"),
            "AWS_UNAVAILABLE: AWS refused CreateStack with InternalFailure: no message. This may pass by itself: try again later. \
             Request id: 1-2-3."
        );
        assert_eq!(
            told("AccessDenied", "User: ada is not authorized to perform: cloudformation:CreateStack"),
            "PERMISSION_MISSING: AWS denied CreateStack: ada lacks the permission cloudformation:CreateStack. Allow it in a policy of \
             that identity. Request id: 1-2-3."
        );
        assert_eq!(
            told("AccessDenied", "Access Denied"),
            "PERMISSION_MISSING: AWS denied CreateStack: Access Denied. Allow CreateStack in a policy of the step's identity. Request \
             id: 1-2-3."
        );
        let throttled =
            refusal("CreateStack", "Throttling", "Rate exceeded", Kind { may_pass: true, is_throttling: true }, None);
        assert_eq!(throttled.reason, Reason::AwsThrottled);
        assert!(throttled.sentence.ends_with("Rate exceeded. This may pass by itself: try again later."));
    }
}
