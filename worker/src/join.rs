//! Joining: a join string's secret for a worker's identity. The coordinator is known by the pins in the string before
//! anything is sent to it.

use std::{error::Error, path::Path};

use proto::{
    join_string,
    worker::{JoinRequest, JoinResponse, JoinString, join_service_client::JoinServiceClient},
};
use secrecy::{ExposeSecret, SecretString};
use service::{
    channel::{self, ConnectError},
    tls::{self, Pin},
};
use shared::limits;
use tonic::{Code, Status};

use crate::{
    failure::{Exit, Failure},
    identity::{self, Membership, Request},
};

/// Joins with a join string, and keeps the identity in `folder`.
///
/// # Errors
/// 64 for a string that is none, 69 when no coordinator answers, 73 when the identity cannot be kept or there is one, 77
/// when the coordinator refuses or is not the one that the string names.
pub async fn join(folder: &Path, text: &SecretString) -> Result<Membership, Failure> {
    if let Some(membership) = Membership::read(folder)? {
        let name = membership.worker_name;
        let sentence =
            format!("This worker has joined as \"{name}\" already: run `longshore-worker reset` first to join anew.");
        return Err(Failure::new(Exit::Data, sentence));
    }
    let invitation =
        join_string::decode(text.expose_secret()).map_err(|error| Failure::new(Exit::Usage, error.to_string()))?;
    let pins = pins(&invitation)?;
    let request = Request::for_join(folder)?;
    let response = ask(&invitation, &pins, request.csr_der).await?;
    identity::keep(folder, &response)
}

fn pins(invitation: &JoinString) -> Result<Vec<Pin>, Failure> {
    let pins: Vec<Pin> = invitation.pins.iter().filter_map(|pin| pin.as_slice().try_into().ok()).collect();
    if pins.is_empty() || invitation.urls.is_empty() {
        let sentence = "The join string names no coordinator or no certificate authority: ask for a new one.";
        return Err(Failure::new(Exit::Usage, sentence));
    }
    Ok(pins)
}

/// Asks each address until one answers; when none does, each is told.
async fn ask(invitation: &JoinString, pins: &[Pin], csr_der: Vec<u8>) -> Result<JoinResponse, Failure> {
    let request = JoinRequest {
        invitation_id: invitation.id.clone(),
        secret: invitation.secret.clone(),
        csr_der,
        version: env!("CARGO_PKG_VERSION").into(),
    };
    let mut failures: Vec<Failure> = Vec::new();
    for url in &invitation.urls {
        match ask_one(url, pins, request.clone()).await {
            Ok(response) => return Ok(response),
            Err(refused) if refused.exit == Exit::Refused => {
                return Err(Failure::new(refused.exit, format!("Joining failed. {}", refused.sentence)));
            }
            Err(other) => failures.push(other),
        }
    }
    let Some(last) = failures.last() else {
        return Err(Failure::new(Exit::Usage, "The join string names no coordinator."));
    };
    let mut why: Vec<&str> = failures.iter().map(|failure| failure.sentence.as_str()).collect();
    why.dedup();
    Err(Failure::new(last.exit, format!("Joining failed. {}", why.join(" "))))
}

async fn ask_one(url: &str, pins: &[Pin], request: JoinRequest) -> Result<JoinResponse, Failure> {
    let config = tls::pinned_client_config(pins)
        .map_err(|error| Failure::new(Exit::Internal, format!("TLS cannot be set up: {error}")))?;
    let channel = channel::channel(url, config).map_err(|error| Failure::new(Exit::Usage, error.to_string()))?;
    JoinServiceClient::new(channel)
        .max_decoding_message_size(limits::MESSAGE_BYTES)
        .join(request)
        .await
        .map(tonic::Response::into_inner)
        .map_err(|status| failure_of(&status))
}

fn failure_of(status: &Status) -> Failure {
    let exit = match status.code() {
        _ if is_another_coordinator(status) => Exit::Refused,
        Code::PermissionDenied | Code::Unauthenticated | Code::InvalidArgument => Exit::Refused,
        _ => Exit::Unavailable,
    };
    Failure::new(exit, channel::explain(status))
}

fn is_another_coordinator(status: &Status) -> bool {
    let mut cause: Option<&(dyn Error + 'static)> = status.source();
    while let Some(error) = cause {
        if let Some(connect) = error.downcast_ref::<ConnectError>() {
            return matches!(connect, ConnectError::NotTrusted { .. } | ConnectError::WrongName { .. });
        }
        cause = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn refused(text: &str) -> Failure {
        let folder = tempfile::tempdir().expect("a folder");
        join(folder.path(), &SecretString::from(text)).await.expect_err("refused")
    }

    #[tokio::test]
    async fn a_text_that_is_no_join_string_is_wrong_usage() {
        let failure = refused("hello").await;
        assert_eq!(failure.exit, Exit::Usage);
        assert!(failure.sentence.contains("LSJ1."), "{failure}");
    }

    #[tokio::test]
    async fn a_join_string_without_pins_is_refused_before_anything_is_sent() {
        let naked = JoinString { urls: vec!["https://127.0.0.1:1".into()], ..JoinString::default() };
        let failure = refused(&join_string::encode(&naked)).await;
        assert_eq!(failure.exit, Exit::Usage);
    }

    #[tokio::test]
    async fn a_coordinator_that_does_not_answer_is_named() {
        tls::install_provider();
        let pins = vec![vec![7; 32]];
        let invitation = JoinString { urls: vec!["https://127.0.0.1:1".into()], pins, ..JoinString::default() };
        let failure = refused(&join_string::encode(&invitation)).await;
        assert_eq!(failure.exit, Exit::Unavailable);
        assert!(failure.sentence.contains("127.0.0.1:1"), "{failure}");
    }
}
