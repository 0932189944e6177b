//! `Fault` ⇄ `tonic::Status`: the reason code travels as `google.rpc.ErrorInfo` in the status details, so that a caller
//! need not read the sentence.

use prost::Message;
use shared::reason::{Fault, Reason};
use tonic::{Code, Status};

/// Domain of every reason code.
pub const DOMAIN: &str = "longshore";

/// google/rpc/status.proto.
#[derive(Clone, PartialEq, Message)]
struct RpcStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<prost_types::Any>,
}

/// google/rpc/error_details.proto.
#[derive(Clone, PartialEq, Message)]
struct ErrorInfo {
    #[prost(string, tag = "1")]
    reason: String,
    #[prost(string, tag = "2")]
    domain: String,
}

const ERROR_INFO: &str = "type.googleapis.com/google.rpc.ErrorInfo";

/// The status a caller gets for a fault.
#[must_use]
pub fn to_status(fault: &Fault) -> Status {
    let code = code_of(fault.reason);
    let info = ErrorInfo { reason: fault.reason.code().into(), domain: DOMAIN.into() };
    let details = RpcStatus {
        code: code as i32,
        message: fault.sentence.clone(),
        details: vec![prost_types::Any { type_url: ERROR_INFO.into(), value: info.encode_to_vec() }],
    };
    Status::with_details(code, fault.sentence.clone(), details.encode_to_vec().into())
}

/// The reason code in a status, if Longshore sent it.
#[must_use]
pub fn reason_of(status: &Status) -> Option<String> {
    let details = RpcStatus::decode(status.details()).ok()?;
    let any = details.details.into_iter().find(|any| any.type_url == ERROR_INFO)?;
    let info = ErrorInfo::decode(any.value.as_slice()).ok()?;
    (info.domain == DOMAIN).then_some(info.reason)
}

fn code_of(reason: Reason) -> Code {
    use shared::reason::Blame;
    match reason.blame() {
        Blame::Invalid => Code::InvalidArgument,
        Blame::NotFound => Code::NotFound,
        Blame::Exists => Code::AlreadyExists,
        Blame::Precondition => Code::FailedPrecondition,
        Blame::Unauthenticated => Code::Unauthenticated,
        Blame::Denied => Code::PermissionDenied,
        Blame::Exhausted => Code::ResourceExhausted,
        Blame::Unavailable => Code::Unavailable,
        Blame::Broken => Code::Internal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_survives_the_way_through_a_status() {
        let fault = Fault::new(Reason::AccountNotFound, "There is no account named \"x\".");
        let status = to_status(&fault);
        assert_eq!(status.code(), Code::NotFound);
        assert_eq!(status.message(), "There is no account named \"x\".");
        assert_eq!(reason_of(&status).as_deref(), Some("ACCOUNT_NOT_FOUND"));
    }

    #[test]
    fn a_strangers_status_has_no_reason() {
        assert_eq!(reason_of(&Status::internal("boom")), None);
    }
}
