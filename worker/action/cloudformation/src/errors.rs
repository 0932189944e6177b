//! AWS's refusals, as they fail a step: a stable reason, a sentence, and the permission that is missing.

use std::error::Error;

use action::{Failure, Scene};
use aws::{Permission, encoded_authorization};
use aws_smithy_runtime_api::client::{orchestrator::HttpResponse, result::SdkError};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use serde_json::Value;
use shared::reason::Reason;

/// What a call to AWS comes to that was not answered as hoped.
pub(crate) type Refusal<E> = SdkError<E, HttpResponse>;

/// Why a call failed. `call` is its name, e.g. `CreateStack`.
pub(crate) async fn failure<E>(scene: &Scene, call: &str, error: &Refusal<E>) -> Failure
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let fault = aws::explain(call, error);
    let message = message(error);
    let reason = reason(code(error), message).unwrap_or(fault.reason);
    let decoded = decoded(scene, message).await.map(|decoded| format!(" {decoded}")).unwrap_or_default();
    let reason = if decoded.is_empty() { reason } else { Reason::PermissionMissing };
    Failure::new(reason, format!("{}{decoded}", fault.sentence))
}

/// AWS's code; empty when the answer had none, or there was no answer.
pub(crate) fn code<E: ProvideErrorMetadata>(error: &Refusal<E>) -> &str {
    error.as_service_error().and_then(ProvideErrorMetadata::code).unwrap_or_default()
}

/// AWS's words.
pub(crate) fn message<E: ProvideErrorMetadata>(error: &Refusal<E>) -> &str {
    error.as_service_error().and_then(ProvideErrorMetadata::message).unwrap_or_default()
}

/// Whether there is no such stack.
pub(crate) fn is_absent<E: ProvideErrorMetadata>(error: &Refusal<E>) -> bool {
    let says_so = message(error).contains("does not exist") || message(error).contains("does not exit");
    code(error) == "ValidationError" && says_so || code(error).starts_with("StackNotFound")
}

/// Whether there is no such change set.
pub(crate) fn is_no_change_set<E: ProvideErrorMetadata>(error: &Refusal<E>) -> bool {
    code(error).starts_with("ChangeSetNotFound") || is_absent(error)
}

/// Whether the step's identity may not call it.
pub(crate) fn is_denied<E: ProvideErrorMetadata>(error: &Refusal<E>) -> bool {
    matches!(code(error), "AccessDenied" | "AccessDeniedException" | "UnauthorizedOperation")
}

/// Whether an emulator or a proxy does not know the call.
pub(crate) fn is_unknown_call<E: ProvideErrorMetadata>(error: &Refusal<E>) -> bool {
    const CODES: [&str; 5] =
        ["InvalidAction", "UnknownOperationException", "NotImplemented", "NotImplementedException", "501"];
    CODES.contains(&code(error))
}

/// Whether AWS may have done what it was asked, though it did not say so.
pub(crate) fn may_be_done<E: ProvideErrorMetadata>(error: &Refusal<E>) -> bool {
    match error {
        SdkError::ConstructionFailure(_) => false,
        SdkError::ServiceError(answer) => answer.raw().status().is_server_error(),
        _ => true,
    }
}

/// Whether the call may say that the same thing was asked for before, and goes on or is done: its own repetition after a lost answer.
pub(crate) fn is_repetition<E: ProvideErrorMetadata>(error: &Refusal<E>) -> bool {
    let code = code(error);
    let is_busy = code == "ValidationError" && message(error).contains("_IN_PROGRESS state and can not be updated");
    let codes = ["AlreadyExists", "TokenAlreadyExists", "InvalidChangeSetStatus", "ChangeSetNotFound"];
    is_busy || codes.iter().any(|known| code.starts_with(known))
}

/// Whether a message is AWS's way of saying that everything is as it should be.
pub(crate) fn says_no_change(message: &str) -> bool {
    const WORDS: [&str; 3] =
        ["didn't contain changes", "didn\u{2019}t contain changes", "No updates are to be performed"];
    WORDS.iter().any(|words| message.contains(words))
}

/// Text with what an encoded message in it says, when the step's identity may decode it; as it is, when it has none.
pub(crate) async fn readable(scene: &Scene, text: &str) -> String {
    match decoded(scene, text).await {
        Some(decoded) => format!("{text} {decoded}"),
        None => text.to_owned(),
    }
}

async fn decoded(scene: &Scene, text: &str) -> Option<String> {
    let encoded = encoded_authorization(text)?;
    let client = aws_sdk_sts::Client::new(&scene.config("sts"));
    let answer = client.decode_authorization_message().encoded_message(encoded).send().await;
    Some(match answer {
        Ok(answer) => match answer.decoded_message().and_then(permission) {
            Some(permission) => permission.sentence(),
            None => "AWS decoded the message, and it names no action.".into(),
        },
        Err(error) => format!(
            "AWS's encoded message could not be decoded ({}); with the permission sts:DecodeAuthorizationMessage it would say what is \
             missing.",
            Some(code(&error)).filter(|code| !code.is_empty()).unwrap_or("no answer")
        ),
    })
}

/// What a decoded message says (AWS STS API, DecodeAuthorizationMessage).
fn permission(decoded: &str) -> Option<Permission> {
    let decoded: Value = serde_json::from_str(decoded).ok()?;
    let text = |pointer: &str| decoded.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let is_explicit = decoded.get("explicitDeny").and_then(Value::as_bool).unwrap_or_default();
    let because = if is_explicit { "an explicit deny in a policy" } else { "no policy allows it" };
    let permission = Permission {
        who: text("/context/principal/arn"),
        action: text("/context/action"),
        resource: text("/context/resource"),
        because: because.into(),
    };
    Some(permission).filter(|permission| !permission.action.is_empty())
}

fn reason(code: &str, message: &str) -> Option<Reason> {
    if code.starts_with("InsufficientCapabilities") {
        return Some(Reason::StackInput);
    }
    if code != "ValidationError" {
        return None;
    }
    const REASONS: [(&str, Reason); 10] = [
        ("TerminationProtection", Reason::StackProtected),
        ("stack policy", Reason::StackProtected),
        // Before the next: AWS says of a parameter's value, too, that it does not exist.
        ("Parameter", Reason::StackInput),
        ("does not exist", Reason::StackGone),
        ("Template format error", Reason::TemplateInvalid),
        ("Template error", Reason::TemplateInvalid),
        ("Template validation error", Reason::TemplateInvalid),
        ("Unresolved resource dependencies", Reason::TemplateInvalid),
        ("cannot be deleted as it is in use", Reason::StackFailed),
        ("can not be updated", Reason::StackState),
    ];
    REASONS.iter().find(|(words, _)| message.contains(words)).map(|(_, reason)| *reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decoded_message_names_the_permission() {
        let decoded = r#"{"allowed":false,"explicitDeny":true,"context":{"principal":{"arn":"arn:aws:iam::1:user/ada"},
            "action":"ec2:RunInstances","resource":"arn:aws:ec2:eu-west-1:1:instance/*"}}"#;
        let told = permission(decoded).expect("a permission").sentence();
        assert_eq!(
            told,
            "arn:aws:iam::1:user/ada lacks the permission ec2:RunInstances on arn:aws:ec2:eu-west-1:1:instance/*: an explicit deny in a \
             policy. Take the denial away, or give the step another identity."
        );
        assert_eq!(permission("{}"), None);
        assert_eq!(permission("nothing"), None);
    }

    #[test]
    fn a_refusal_has_the_reason_that_people_can_act_on() {
        let of = |code, message| reason(code, message).map(Reason::code);
        assert_eq!(of("InsufficientCapabilitiesException", "Requires capabilities"), Some("STACK_INPUT"));
        assert_eq!(
            of("ValidationError", "Stack [shop] cannot be deleted while TerminationProtection is enabled"),
            Some("STACK_PROTECTED")
        );
        assert_eq!(of("ValidationError", "Stack with id shop does not exist"), Some("STACK_GONE"));
        assert_eq!(of("ValidationError", "Template format error: unsupported structure."), Some("TEMPLATE_INVALID"));
        assert_eq!(of("ValidationError", "Parameters: [Size] must have values"), Some("STACK_INPUT"));
        let of_value =
            "Parameter validation failed: parameter value /shop/size for parameter name Size does not exist.";
        assert_eq!(of("ValidationError", of_value), Some("STACK_INPUT"));
        let busy = "Stack:arn:aws:x is in UPDATE_IN_PROGRESS state and can not be updated.";
        assert_eq!(of("ValidationError", busy), Some("STACK_STATE"));
        assert_eq!(of("ValidationError", "something else"), None);
        assert_eq!(of("Throttling", "Template error"), None);
    }

    #[test]
    fn no_change_is_told_from_every_other_failure() {
        assert!(says_no_change(
            "The submitted information didn't contain changes. Submit different information to create a change set."
        ));
        assert!(says_no_change("No updates are to be performed."));
        assert!(!says_no_change("User: ada is not authorized to perform: cloudformation:GetTemplate"));
        assert!(!says_no_change(""));
    }
}
