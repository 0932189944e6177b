//! The services: each call authenticates by the table, decodes, asks or changes the registry, encodes. What was done and its
//! audit line are one transaction.

use std::collections::HashMap;

use proto::status::to_status;
use shared::{
    limits,
    plan::check_name,
    reason::{Fault, Reason},
};
use tonic::{Request, Response, Status};

use crate::authorization::Caller;

pub mod accounts;
pub mod coordinator;
pub mod deployments;
pub mod environments;
pub mod fleet;
pub mod join;
pub mod pools;
pub mod projects;
pub mod session;
pub mod workers;

/// Who calls, and with what.
fn open<T>(request: Request<T>) -> Result<(Caller, T), Status> {
    let caller = Caller::of(&request).map_err(|fault| to_status(&fault))?;
    Ok((caller, request.into_inner()))
}

fn answer<T>(result: Result<T, Fault>) -> Result<Response<T>, Status> {
    result.map(Response::new).map_err(|fault| to_status(&fault))
}

/// `what` names the thing, e.g. `The account's name`.
fn valid_name(what: &str, name: &str) -> Result<(), Fault> {
    check_name(name, limits::NAME_CHARS).map_err(|why| Fault::new(Reason::InvalidName, format!("{what} {why}.")))
}

/// 32 labels a worker, and as many that a pool demands.
const LABELS: usize = 32;

/// `whose` begins the sentence, e.g. `The worker`.
fn valid_labels(whose: &str, labels: &HashMap<String, String>) -> Result<(), Fault> {
    if labels.len() > LABELS {
        return Err(Fault::new(
            Reason::InvalidArgument,
            format!("{whose} has {} labels; at most {LABELS} are allowed.", labels.len()),
        ));
    }
    for (name, value) in labels {
        valid_name(&format!("The label \"{name}\""), name)?;
        valid_name(&format!("The value of the label \"{name}\""), value)?;
    }
    Ok(())
}

/// 4 KiB: a description is a paragraph at most.
const DESCRIPTION_BYTES: usize = 4096;

fn valid_description(text: &str) -> Result<(), Fault> {
    if text.len() > DESCRIPTION_BYTES {
        return Err(Fault::new(
            Reason::InvalidArgument,
            format!("The description has {} bytes; at most {DESCRIPTION_BYTES} are allowed.", text.len()),
        ));
    }
    Ok(())
}
