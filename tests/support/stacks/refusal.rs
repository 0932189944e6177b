//! What CloudFormation refuses with. Source of the forms: "Common Errors" and the "Errors" section of each action in the AWS
//! CloudFormation API Reference; the sentences are those that AWS is known to answer.

use super::xml::Xml;
use crate::emulator::{ACCOUNT, REGION};

/// A refusal before it is written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// HTTP status, e.g. 400.
    pub status: u16,
    /// E.g. `ValidationError`.
    pub code: String,
    /// In AWS's words.
    pub message: String,
}

impl Refusal {
    /// A refusal in any words.
    #[must_use]
    pub fn new(status: u16, code: &str, message: impl Into<String>) -> Self {
        Self { status, code: code.into(), message: message.into() }
    }

    pub(super) fn validation(message: impl Into<String>) -> Self {
        Self::new(400, "ValidationError", message)
    }

    pub(super) fn absent(stack: &str) -> Self {
        Self::validation(format!("Stack [{stack}] does not exist"))
    }

    /// The same in the words of the actions that describe.
    pub(super) fn unknown(stack: &str) -> Self {
        Self::validation(format!("Stack with id {stack} does not exist"))
    }

    pub(super) fn change_set_absent(name: &str) -> Self {
        Self::new(404, "ChangeSetNotFound", format!("ChangeSet [{name}] does not exist"))
    }

    pub(super) fn exists(stack: &str) -> Self {
        Self::new(400, "AlreadyExistsException", format!("Stack [{stack}] already exists"))
    }

    pub(super) fn token(token: &str) -> Self {
        let message = format!("The ClientRequestToken [{token}] has already been used for another operation");
        Self::new(400, "TokenAlreadyExistsException", message)
    }

    pub(super) fn throttling() -> Self {
        Self::new(400, "Throttling", "Rate exceeded")
    }

    pub(super) fn expired() -> Self {
        Self::new(403, "ExpiredToken", "The security token included in the request is expired")
    }

    pub(super) fn unsigned() -> Self {
        Self::new(403, "MissingAuthenticationToken", "Request is missing Authentication Token")
    }

    pub(super) fn denied(action: &str, stack: &str) -> Self {
        let resource = if stack.starts_with("arn:") {
            stack.to_owned()
        } else {
            format!("arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/{stack}/*")
        };
        let message = format!(
            "User: arn:aws:sts::{ACCOUNT}:assumed-role/deployer/step is not authorized to perform: cloudformation:{action} on \
             resource: {resource} because no identity-based policy allows the cloudformation:{action} action"
        );
        Self::new(403, "AccessDenied", message)
    }

    pub(super) fn body(&self, request_id: &str) -> String {
        let mut xml = Xml::default();
        xml.inside("Error", |xml| {
            xml.text("Type", if self.status < 500 { "Sender" } else { "Receiver" });
            xml.text("Code", &self.code);
            xml.text("Message", &self.message);
        });
        xml.text("RequestId", request_id);
        let written = xml.into_text();
        format!(
            "<ErrorResponse xmlns=\"http://cloudformation.amazonaws.com/doc/2010-05-15/\">{written}</ErrorResponse>"
        )
    }
}
