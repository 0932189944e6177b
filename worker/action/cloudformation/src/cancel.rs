//! What becomes of an operation when its step is cancelled: AWS is asked to stop what it can stop, and never left alone with it.

use action::Speech;
use aws_sdk_cloudformation::types::StackStatus;

use crate::{errors::failure, follow::Operation, stacks::Stacks};

/// Whether the step was cancelled while an operation went on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Cancel {
    /// It was not.
    No,
    /// It was, and AWS was asked to take the update back.
    Asked,
    /// It was, and AWS cannot stop what goes on.
    Futile,
}

/// Asks AWS to stop an operation, and says what comes of it.
pub(crate) async fn ask(
    stacks: &Stacks<'_>,
    name: &str,
    operation: &Operation,
    status: Option<&StackStatus>,
    speech: &mut Speech,
) -> Cancel {
    let status = status.map_or("an unknown state", StackStatus::as_str);
    if status != StackStatus::UpdateInProgress.as_str() {
        speech.warning(&format!(
            "The step is cancelled. AWS cannot stop what it does to a stack in {status}; stack \"{name}\" is followed to the end of it."
        ));
        return Cancel::Futile;
    }
    speech.warning(&format!(
        "The step is cancelled: AWS is asked to cancel the update of stack \"{name}\" and to take it back."
    ));
    let token = format!("{}-cancel", operation.token);
    let call = stacks.client.cancel_update_stack().stack_name(&operation.stack_id).client_request_token(token);
    match call.send().await {
        Ok(_) => Cancel::Asked,
        Err(error) => {
            let refused = failure(stacks.scene, "CancelUpdateStack", &error).await.sentence;
            speech.warning(&format!("{refused} The update goes on, and is followed to its end."));
            Cancel::Futile
        }
    }
}
