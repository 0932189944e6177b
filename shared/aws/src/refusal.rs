//! AWS's refusals in sentences: who was refused what, why, and what to do.

use std::error::Error;

use aws_sdk_sts::error::{ProvideErrorMetadata, SdkError};
use shared::reason::{Fault, Reason};

use crate::{
    clock,
    connection::{fault_in, root_cause},
    patience::{Failed, is_throttling},
};

/// A call to STS that went wrong, for its sentence. Holds no secret.
pub(crate) struct Refused<'a> {
    /// Who asked, e.g. `account "shop"`.
    pub(crate) whom: &'a str,
    /// Empty for calls that nobody signs.
    pub(crate) access_key_id: &'a str,
    pub(crate) act: Act<'a>,
    pub(crate) region: &'a str,
    pub(crate) url: &'a str,
    pub(crate) host: &'a str,
}

/// What was asked.
pub(crate) enum Act<'a> {
    Caller,
    SessionToken,
    AssumeRole { role_arn: &'a str, has_external_id: bool, has_tags: bool, has_source_identity: bool },
    WebIdentity { role_arn: &'a str },
}

impl Act<'_> {
    fn name(&self) -> &'static str {
        match self {
            Act::Caller => "GetCallerIdentity",
            Act::SessionToken => "GetSessionToken",
            Act::AssumeRole { .. } => "AssumeRole",
            Act::WebIdentity { .. } => "AssumeRoleWithWebIdentity",
        }
    }
}

impl Refused<'_> {
    pub(crate) fn fault<E>(&self, failed: &Failed<E>) -> Fault
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let error = &failed.error;
        match error {
            _ if is_throttling(error) => self.throttled(failed),
            SdkError::ServiceError(answer) => match answer.err().code() {
                Some(code) if clock::is_about_time(code, answer.err().message().unwrap_or_default()) => {
                    clock::skew(&self.asked(), self.host, Some(answer.raw().headers()))
                }
                Some(code) => self.refusal(code, words(answer.err().message())),
                None => self.no_aws(&format!("status {}", answer.raw().status().as_u16())),
            },
            SdkError::ResponseError(answer) => self.no_aws(&format!("status {}", answer.raw().status().as_u16())),
            SdkError::TimeoutError(_) => unavailable(format!(
                "AWS could not be reached: {} did not answer {} in time. Check the way from {} to there: routes, proxy, firewall, VPC \
                 endpoints.",
                self.url,
                self.asked(),
                self.host
            )),
            SdkError::DispatchFailure(failure) => {
                failure.as_connector_error().and_then(|error| fault_in(error)).cloned().unwrap_or_else(|| {
                    unavailable(format!("{} could not be asked for {}: {}.", self.url, self.asked(), root_cause(error)))
                })
            }
            other => {
                Fault::new(Reason::Internal, format!("{} could not be asked: {}.", self.asked(), root_cause(other)))
            }
        }
    }

    /// An answer in which what was asked for is missing.
    pub(crate) fn blank(&self, what: &str) -> Fault {
        unavailable(format!(
            "{} answered {} without {what}: that is not AWS STS. Check the endpoint's URL, and whether a proxy is in the way.",
            self.url,
            self.asked()
        ))
    }

    /// `AssumeRole of account "shop"`.
    fn asked(&self) -> String {
        format!("{} of {}", self.act.name(), self.whom)
    }

    /// `account "shop" (access key AKIA…)`.
    fn who(&self) -> String {
        match self.access_key_id {
            "" => self.whom.to_owned(),
            key => format!("{} (access key {key})", self.whom),
        }
    }

    fn throttled<E: ProvideErrorMetadata>(&self, failed: &Failed<E>) -> Fault {
        let said =
            failed.error.message().map(|message| format!(" AWS says: {}", words(Some(message)))).unwrap_or_default();
        Fault::new(
            Reason::AwsThrottled,
            format!(
                "AWS throttled {} {} times in {} seconds, and it was given up.{said} Try again later, or start fewer steps of this \
                 identity at once.",
                self.asked(),
                failed.throttled,
                failed.took.as_secs()
            ),
        )
    }

    fn no_aws(&self, what: &str) -> Fault {
        unavailable(format!(
            "{} answered {} with {what}, but not as AWS STS does: check the endpoint's URL, and whether a proxy is in the way.",
            self.url,
            self.asked()
        ))
    }

    fn refusal(&self, code: &str, says: &str) -> Fault {
        match (&self.act, code) {
            (Act::WebIdentity { role_arn }, _) if let Some(fault) = web_identity(self.whom, role_arn, code, says) => {
                fault
            }
            (Act::AssumeRole { .. }, "AccessDenied" | "AccessDeniedException") => self.role_refused(says),
            (_, "InternalFailure" | "InternalError" | "ServiceUnavailable" | "ServiceUnavailableException") => {
                unavailable(format!("AWS could not answer {} now ({code}): {says} Try again later.", self.asked()))
            }
            (
                _,
                "ValidationError"
                | "MalformedPolicyDocument"
                | "PackedPolicyTooLarge"
                | "MalformedPolicyDocumentException"
                | "PackedPolicyTooLargeException",
            ) => self.invalid(code, says),
            _ => Fault::new(
                if code.starts_with("ExpiredToken") { Reason::CredentialsExpired } else { Reason::CredentialsRefused },
                self.credentials(code, says),
            ),
        }
    }

    fn credentials(&self, code: &str, says: &str) -> String {
        let (whom, key) = (self.whom, self.access_key_id);
        match code {
            "InvalidClientTokenId" | "UnrecognizedClientException" => format!(
                "AWS does not know access key {key} of {whom}: it is mistyped, was deleted or deactivated, belongs to another partition \
                 (AWS China, GovCloud), or its session token does not belong to it."
            ),
            "SignatureDoesNotMatch" | "IncompleteSignature" | "InvalidSignatureException" => format!(
                "AWS knows access key {key} of {whom}, but the secret key does not belong to it: enter the secret key again, without \
                 blanks."
            ),
            "ExpiredToken" | "ExpiredTokenException" => format!(
                "The credentials of {} have expired: their session has ended, and AWS takes them no longer. AWS says: {says}",
                self.who()
            ),
            "AccessDenied" | "AccessDeniedException" => {
                format!("AWS knows {}, but a policy forbids it sts:{}. AWS says: {says}", self.who(), self.act.name())
            }
            "RegionDisabledException" => format!(
                "AWS STS is not active in region {} for {}: activate it in the IAM account settings of its AWS account, or take another \
                 region. AWS says: {says}",
                self.region,
                self.who()
            ),
            _ => format!("AWS refused {} to {} with {code}: {says}", self.act.name(), self.who()),
        }
    }

    fn role_refused(&self, says: &str) -> Fault {
        let Act::AssumeRole { role_arn, has_external_id, has_tags, has_source_identity } = self.act else {
            return Fault::new(Reason::CredentialsRefused, says);
        };
        let mut actions = vec!["sts:AssumeRole"];
        actions.extend(has_tags.then_some("sts:TagSession"));
        actions.extend(has_source_identity.then_some("sts:SetSourceIdentity"));
        let external_id = if has_external_id {
            "with the external id that was sent, if it demands one"
        } else {
            "without an external id, since none was sent"
        };
        Fault::new(
            Reason::AssumeRoleRefused,
            format!(
                "AWS does not let {} assume the role {role_arn}. Check that the role is there; that its trust policy names the caller and \
                 allows {} {external_id}; and, if the caller is of another AWS account, that its own policies allow sts:AssumeRole on that \
                 role. AWS says: {says}",
                self.who(),
                actions.join(", "),
            ),
        )
    }

    fn invalid(&self, code: &str, says: &str) -> Fault {
        let role = match self.act {
            Act::AssumeRole { role_arn, .. } | Act::WebIdentity { role_arn } => format!(" of the role {role_arn}"),
            _ => String::new(),
        };
        if says.contains("DurationSeconds") || says.contains("MaxSessionDuration") || says.contains("durationSeconds") {
            return Fault::new(
                Reason::SessionDuration,
                format!(
                    "AWS refused the length of the session{role} for {}: it must be 15 minutes to the role's maximum session duration, 12 \
                     hours at most, and 1 hour at most when a role assumes it. AWS says: {says}",
                    self.whom
                ),
            );
        }
        let sentence = if code.starts_with("PackedPolicyTooLarge") {
            format!(
                "The session policy, the policy ARNs and the tags of the session{role} for {} are too large together: make them fewer or \
                 shorter. AWS says: {says}",
                self.whom
            )
        } else if code.starts_with("MalformedPolicyDocument") {
            format!("The session policy of {} is not one that AWS can read: mend its JSON. AWS says: {says}", self.whom)
        } else {
            format!("AWS refused a part of {}{role}. AWS says: {says}", self.asked())
        };
        Fault::new(Reason::InvalidArgument, sentence)
    }
}

fn web_identity(whom: &str, role_arn: &str, code: &str, says: &str) -> Option<Fault> {
    let what = match code {
        "InvalidIdentityToken" | "InvalidIdentityTokenException" => {
            "the identity provider in IAM must be there, with the issuer's exact URL and the token's audience, and the token must be \
             signed with a key that the issuer publishes"
        }
        "ExpiredTokenException" | "ExpiredToken" => {
            "the token has expired, by AWS's clock: check the clock of the coordinator's host (NTP)"
        }
        "IDPCommunicationError" | "IDPCommunicationErrorException" => {
            "AWS could not fetch the issuer's keys: its URL must be reachable from the internet over HTTPS, with a certificate that AWS \
             trusts"
        }
        "IDPRejectedClaim" | "IDPRejectedClaimException" => "the identity provider rejected the token's claims",
        "AccessDenied" | "AccessDeniedException" => {
            "the role must be there, and its trust policy must allow sts:AssumeRoleWithWebIdentity to the identity provider for this \
             token's subject and audience"
        }
        _ => return None,
    };
    Some(Fault::new(
        Reason::WebIdentityRefused,
        format!(
            "AWS does not take the web identity of {whom} for the role {role_arn} ({code}): {what}. AWS says: {says}"
        ),
    ))
}

fn unavailable(sentence: String) -> Fault {
    Fault::new(Reason::AwsUnavailable, sentence)
}

/// AWS's words as they are.
fn words(message: Option<&str>) -> &str {
    message.map(str::trim).filter(|message| !message.is_empty()).unwrap_or("nothing more.")
}

#[cfg(test)]
mod tests;
