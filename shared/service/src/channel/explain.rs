//! The sentence for a person when a call failed.

use std::{error::Error, io};

use rustls::AlertDescription;
use tonic::{Code, Status};

use super::ConnectError;

/// What to tell a person about a failed call: what is wrong with the connection if that is the cause, else what the other
/// side said.
#[must_use]
pub fn explain(error: &(dyn Error + 'static)) -> String {
    if let Some(connect) = find::<ConnectError>(error) {
        return connect.to_string();
    }
    // With TLS 1.3 the server's refusal of a certificate comes after the handshake, inside the first call.
    if let Some(rustls::Error::AlertReceived(alert)) = find::<rustls::Error>(error)
        && is_about_our_certificate(*alert)
    {
        return "The coordinator refused this program's certificate: it expired, was revoked, or is of another coordinator."
            .into();
    }
    match find::<Status>(error) {
        Some(status) if is_a_broken_connection(status) => BROKEN.into(),
        Some(status) => status.message().to_owned(),
        None if find::<tonic::transport::Error>(error).is_some() => BROKEN.into(),
        None => error.to_string(),
    }
}

const BROKEN: &str =
    "The connection to the coordinator broke: it was stopped, it refused the caller, or the network failed.";

pub(super) fn is_about_our_certificate(alert: AlertDescription) -> bool {
    matches!(
        alert,
        AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateRequired
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied
    )
}

/// Whether the status was made on this side because the transport failed, so that its message is of no use to a person.
fn is_a_broken_connection(status: &Status) -> bool {
    status.source().is_some() && matches!(status.code(), Code::Unknown | Code::Unavailable | Code::Cancelled)
}

/// The first error of a type in the chain of causes.
fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<E>() {
            return Some(found);
        }
        next = cause(error);
    }
    None
}

/// An `io::Error` keeps what it wraps from `source()`.
fn cause<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(inner) => Some(inner as &(dyn Error + 'static)),
        None => error.source(),
    }
}
