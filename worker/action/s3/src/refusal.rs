//! What S3 refuses, in sentences: which object of which bucket, which permission is missing, whose fault it is.

use std::error::Error;

use action::Failure;
use aws::Permission;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use shared::reason::Reason;

/// A call to S3, for its sentence.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call<'a> {
    /// E.g. `PutObject`.
    pub(crate) name: &'a str,
    /// What the caller must be allowed, e.g. `s3:PutObject`.
    pub(crate) permissions: &'a str,
    pub(crate) bucket: &'a str,
    /// Empty for calls that are about the bucket.
    pub(crate) key: &'a str,
    /// Where the step works.
    pub(crate) region: &'a str,
    /// The account that must own the bucket; empty when that is not known.
    pub(crate) owner: &'a str,
}

/// What S3 answered instead.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Answer {
    status: u16,
    /// Empty for answers without a body, as those to HEAD.
    code: String,
    /// Without a full stop.
    message: String,
    /// Where S3 says that the bucket is; empty if it does not.
    region: String,
    request_id: String,
}

impl Call<'_> {
    /// Why the call failed.
    pub(crate) fn failure<E>(&self, error: &SdkError<E, HttpResponse>) -> Failure
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        match Answer::of(error) {
            Some(answer) if answer.is_about_this() => self.refused(&answer),
            answer => {
                let fault = aws::explain(self.name, error);
                let of_caller = answer.and_then(|answer| about_credentials(&answer.code));
                Failure::new(of_caller.unwrap_or(fault.reason), format!("{}: {}", self.what(), fault.sentence))
            }
        }
    }

    fn refused(&self, answer: &Answer) -> Failure {
        match answer.code.as_str() {
            "NoSuchBucket" => self.no_bucket(),
            "PermanentRedirect" | "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException" => {
                self.elsewhere(answer)
            }
            "" if answer.status == 301 || self.is_elsewhere(answer) => self.elsewhere(answer),
            "AccessDenied" | "Forbidden" | "AllAccessDisabled" => self.denied(answer),
            "" if answer.status == 403 => self.denied(answer),
            "AccessControlListNotSupported" => Failure::new(
                Reason::UploadFailed,
                format!(
                    "{}: the bucket takes no ACLs. Leave `acl` out; a bucket policy says who may read.",
                    self.what()
                ),
            ),
            code if code.starts_with("KMS.") => Failure::new(
                Reason::UploadFailed,
                format!(
                    "{}: its KMS key cannot be used, {}. Check `kms_key`, and the key's state and region.",
                    self.what(),
                    words(answer)
                ),
            ),
            "BadDigest" | "XAmzContentChecksumMismatch" => Failure::new(
                Reason::UploadFailed,
                format!(
                    "{}: what arrived has another checksum than what was sent, {}. The file changed meanwhile, or the way to S3 damages data.",
                    self.what(),
                    words(answer)
                ),
            ),
            _ => {
                let sentence = format!("{}: AWS refused {} with {}.", self.what(), self.name, words(answer));
                Failure::new(Reason::AwsRefused, sentence)
            }
        }
    }

    fn no_bucket(&self) -> Failure {
        let sentence = format!("There is no bucket {}: mend its name, or create it first.", self.bucket);
        Failure::new(Reason::BucketRefused, sentence)
    }

    fn is_elsewhere(&self, answer: &Answer) -> bool {
        answer.status == 400 && !answer.region.is_empty() && answer.region != self.region
    }

    fn elsewhere(&self, answer: &Answer) -> Failure {
        let place = match answer.region.as_str() {
            "" => "another region".to_owned(),
            region => format!("region {region}"),
        };
        let sentence = format!(
            "The bucket {} is in {place}, and the step works in {}: set the step's `aws.region` to the bucket's.",
            self.bucket, self.region
        );
        Failure::new(Reason::BucketRefused, sentence)
    }

    fn denied(&self, answer: &Answer) -> Failure {
        let said = if answer.message.is_empty() { "AWS gives no reason".into() } else { words(answer) };
        if let Some(missing) = Permission::missing(&answer.message) {
            let id = request_id(answer);
            let sentence = format!("{}: {}{id}", self.what(), missing.sentence());
            return Failure::new(Reason::PermissionMissing, sentence);
        }
        let owner = match self.owner {
            "" => String::new(),
            owner => {
                format!(", or the bucket does not belong to AWS account {owner} (if it need not, set `bucket_owner`)")
            }
        };
        Failure::new(
            Reason::PermissionMissing,
            format!(
                "{}: the step's identity lacks {}{}, a policy of the bucket or the organisation denies it{owner}. AWS says: {said}.",
                self.what(),
                if self.permissions.contains(',') { "one of " } else { "" },
                self.permissions
            ),
        )
    }

    /// `PutObject of s3://bucket/key`.
    fn what(&self) -> String {
        match self.key {
            "" => format!("{} of the bucket {}", self.name, self.bucket),
            key => format!("{} of s3://{}/{key}", self.name, self.bucket),
        }
    }
}

impl Answer {
    fn of<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> Option<Self> {
        let SdkError::ServiceError(answer) = error else { return None };
        let header = |name| answer.raw().headers().get(name).unwrap_or_default().to_owned();
        let message = answer.err().message().unwrap_or_default().trim_end_matches('.').to_owned();
        Some(Self {
            status: answer.raw().status().as_u16(),
            code: answer.err().code().unwrap_or_default().to_owned(),
            region: Some(header("x-amz-bucket-region"))
                .filter(|region| !region.is_empty())
                .unwrap_or_else(|| expected_region(&message)),
            message,
            request_id: header("x-amz-request-id"),
        })
    }

    /// Whether it is a refusal of what was asked: neither of who asked, nor AWS's own trouble, nor nonsense.
    fn is_about_this(&self) -> bool {
        let is_refusal = !self.code.is_empty() || self.status >= 300;
        // CompleteMultipartUpload may begin with status 200 and end with one of these.
        let is_trouble = matches!(self.code.as_str(), "InternalError" | "ServiceUnavailable" | "SlowDown");
        is_refusal && !is_trouble && self.status < 500 && about_credentials(&self.code).is_none()
    }
}

/// `AccessDenied: Access Denied (request id X)`.
fn words(answer: &Answer) -> String {
    let code = if answer.code.is_empty() { format!("status {}", answer.status) } else { answer.code.clone() };
    let message = if answer.message.is_empty() { String::new() } else { format!(": {}", answer.message) };
    format!("{code}{message}{}", request_id(answer))
}

/// ` (request id X)`.
fn request_id(answer: &Answer) -> String {
    match answer.request_id.as_str() {
        "" => String::new(),
        id => format!(" (request id {id})"),
    }
}

/// The region in "…; the region 'us-east-1' is wrong; expecting 'eu-west-1'"; empty if there is none.
fn expected_region(message: &str) -> String {
    let rest = message.split_once("expecting '").map(|(_, rest)| rest);
    rest.and_then(|rest| rest.split('\'').next()).unwrap_or_default().to_owned()
}

/// What S3's own codes say about who asked.
fn about_credentials(code: &str) -> Option<Reason> {
    match code {
        "InvalidAccessKeyId" | "SignatureDoesNotMatch" | "InvalidToken" => Some(Reason::CredentialsRefused),
        "ExpiredToken" | "TokenRefreshRequired" => Some(Reason::CredentialsExpired),
        "RequestTimeTooSkewed" | "RequestExpired" => Some(Reason::ClockSkew),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
