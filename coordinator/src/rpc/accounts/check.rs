//! What an account may be, looked at before anything is asked or stored.

use std::time::Duration;

use proto::deployment::{CreateAccountRequest, UpdateAccountRequest};
use shared::{
    aws::{Partition, RoleArn, is_region},
    limits,
    plan::{check_external_id, check_session_duration},
    reason::{Fault, Reason},
};

use crate::{
    registry::account::{Delivery, Kind, Row},
    rpc::{valid_description, valid_name},
};

/// A new account's request, by what its kind has.
///
/// # Errors
/// [`Reason::InvalidName`], [`Reason::InvalidAccessKey`], [`Reason::PartitionMismatch`], [`Reason::SessionDuration`],
/// [`Reason::InvalidArgument`].
pub(super) fn new_account(request: &CreateAccountRequest, kind: Kind) -> Result<(), Fault> {
    valid_name("The account's name", &request.name)?;
    valid_description(&request.description)?;
    valid_region(&request.region)?;
    let has_role = !request.role_arn.is_empty();
    if has_role {
        valid_role(&request.role_arn, &request.region)?;
    }
    match kind {
        Kind::Aws => {
            valid_access_key_id(&request.access_key_id)?;
            valid_secret(&request.secret_access_key)?;
            absent("a base account", !request.base_account.is_empty(), kind)?;
            if !has_role {
                absent_without_role("an external id", !request.external_id.is_empty())?;
            }
        }
        Kind::AwsRole | Kind::AwsOidc => {
            if !has_role {
                return Err(invalid(format!(
                    "An account of kind {} needs a role: say which with --role-arn arn:aws:iam::123456789012:role/NAME.",
                    kind.name()
                )));
            }
            absent("an access key", !request.access_key_id.is_empty() || !request.secret_access_key.is_empty(), kind)?;
            absent("the delivery raw", delivery(request.delivery()) == Delivery::Raw, kind)?;
            absent("`expose_keys`", request.expose_keys.is_some(), kind)?;
        }
    }
    if kind == Kind::AwsOidc {
        absent("an external id", !request.external_id.is_empty(), kind)?;
        absent("a base account", !request.base_account.is_empty(), kind)?;
    }
    if has_role && delivery(request.delivery()) == Delivery::Raw {
        return Err(invalid(
            "The account has a role, and `delivery` raw would hand out the key without it: leave out one of them."
                .into(),
        ));
    }
    valid_external_id(&request.external_id)?;
    session_seconds(request.session_duration).map(drop)
}

/// A change, against the account as it is.
///
/// # Errors
/// As [`new_account`].
pub(super) fn update(request: &UpdateAccountRequest, row: &Row) -> Result<(), Fault> {
    if let Some(description) = &request.description {
        valid_description(description)?;
    }
    let region = request.region.as_deref().unwrap_or(&row.region);
    valid_region(region)?;
    match &request.role_arn {
        Some(arn) if !arn.is_empty() => valid_role(arn, region)?,
        Some(_) if row.kind != Kind::Aws => {
            return Err(invalid(format!(
                "The account \"{}\" is of kind {}, which has a role.",
                row.name,
                row.kind.name()
            )));
        }
        Some(_) => {}
        None if !row.role_arn.is_empty() => valid_role(&row.role_arn, region)?,
        None => {}
    }
    key(request, row.kind)?;
    let has_role = !request.role_arn.as_deref().unwrap_or(&row.role_arn).is_empty();
    let delivers = request.delivery.map_or(row.delivery, |_| delivery(request.delivery()));
    if has_role && delivers == Delivery::Raw {
        return Err(invalid(
            "The account has a role, and `delivery` raw would hand out the key without it: leave out one of them."
                .into(),
        ));
    }
    if let Some(id) = &request.external_id {
        absent("an external id", row.kind == Kind::AwsOidc, row.kind)?;
        absent_without_role("an external id", !has_role)?;
        valid_external_id(id)?;
    }
    session_seconds(request.session_duration).map(drop)
}

fn key(request: &UpdateAccountRequest, kind: Kind) -> Result<(), Fault> {
    let has_key = request.access_key_id.is_some() || request.secret_access_key.is_some();
    if kind != Kind::Aws {
        absent("an access key", has_key, kind)?;
        absent("a delivery", request.delivery.is_some(), kind)?;
        return absent("`expose_keys`", request.expose_keys.is_some(), kind);
    }
    if let Some(id) = &request.access_key_id {
        valid_access_key_id(id)?;
        if request.secret_access_key.is_none() {
            return Err(invalid("A new access key id needs its secret key beside it: they are a pair.".into()));
        }
    }
    request.secret_access_key.as_deref().map_or(Ok(()), valid_secret)
}

/// How long a session lasts, in seconds; the default when nobody said.
///
/// # Errors
/// [`Reason::SessionDuration`].
pub(super) fn session_seconds(given: Option<prost_types::Duration>) -> Result<i64, Fault> {
    let Some(given) = given else { return Ok(seconds(limits::SESSION)) };
    let duration = Duration::try_from(given)
        .map_err(|_| Fault::new(Reason::SessionDuration, "The length of a session is not a length of time."))?;
    check_session_duration(duration)
        .map_err(|why| Fault::new(Reason::SessionDuration, format!("The length of the account's sessions {why}.")))?;
    Ok(seconds(duration))
}

/// What a step gets of a key, as it travels.
pub(super) fn delivery(wire: proto::deployment::account::Delivery) -> Delivery {
    match wire {
        proto::deployment::account::Delivery::Raw => Delivery::Raw,
        _ => Delivery::Session,
    }
}

fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}

fn absent(what: &str, is_there: bool, kind: Kind) -> Result<(), Fault> {
    if !is_there {
        return Ok(());
    }
    Err(invalid(format!("An account of kind {} has no use for {what}: leave it out.", kind.name())))
}

fn absent_without_role(what: &str, is_there: bool) -> Result<(), Fault> {
    if !is_there {
        return Ok(());
    }
    Err(invalid(format!("Without a role there is no use for {what}: leave it out, or name the role with --role-arn.")))
}

fn valid_role(arn: &str, region: &str) -> Result<(), Fault> {
    let role: RoleArn = arn.parse().map_err(|why| invalid(format!("The role \"{arn}\" {why}.")))?;
    let partition = Partition::of_region(region);
    if region.is_empty() || role.partition == partition {
        return Ok(());
    }
    Err(Fault::new(
        Reason::PartitionMismatch,
        format!(
            "The role {role} is in the AWS partition {}, and the region {region} is in {}: they know nothing of each other.",
            role.partition.id, partition.id
        ),
    ))
}

fn valid_external_id(id: &str) -> Result<(), Fault> {
    if id.is_empty() {
        return Ok(());
    }
    check_external_id(id).map_err(|why| invalid(format!("The external id {why}.")))
}

fn valid_access_key_id(id: &str) -> Result<(), Fault> {
    let invalid = |sentence: String| Err(Fault::new(Reason::InvalidAccessKey, sentence));
    if id.starts_with("ASIA") {
        return invalid(format!(
            "The access key id {id} is a temporary one (it begins with ASIA): it needs a session token and ends within hours, so \
             it cannot be stored. Use the access key of an IAM user (AKIA…)."
        ));
    }
    let is_shaped = id.starts_with("AKIA")
        && (16..=128).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    if is_shaped {
        return Ok(());
    }
    // Whoever mixes the two up must not find the secret in a log.
    invalid(
        "The access key id has the wrong shape: it begins with AKIA and has 16 to 128 capital letters and digits. Is it the \
         secret key?"
            .into(),
    )
}

fn valid_secret(secret: &str) -> Result<(), Fault> {
    let invalid = |what: &str| Err(Fault::new(Reason::InvalidArgument, format!("The secret key {what}.")));
    if secret.is_empty() {
        return invalid("is empty");
    }
    if secret.len() > 256 {
        return invalid("is longer than 256 characters: that is not one of AWS");
    }
    if secret.chars().any(|letter| letter.is_whitespace() || letter.is_control()) {
        return invalid("holds a blank or a line break: paste the key alone");
    }
    Ok(())
}

fn valid_region(region: &str) -> Result<(), Fault> {
    if region.is_empty() || is_region(region) {
        return Ok(());
    }
    Err(Fault::new(
        Reason::InvalidArgument,
        format!("The region \"{region}\" is not an AWS region, such as eu-west-1."),
    ))
}

fn invalid(sentence: String) -> Fault {
    Fault::new(Reason::InvalidArgument, sentence)
}
