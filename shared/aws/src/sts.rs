//! The calls to AWS STS: who somebody is, and sessions of a user, a role, or a web identity.

use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use aws_credential_types::Credentials as SdkCredentials;
use aws_sdk_sts::{
    Client, Config,
    config::{BehaviorVersion, Region, retry::RetryConfig},
    types::{self, PolicyDescriptorType, Tag},
};
use shared::{
    aws::{Partition, RoleArn},
    reason::{Fault, Reason},
};
use zeroize::Zeroizing;

use crate::{
    Answer, Aws, CONNECT_TIMEOUT, Credentials,
    patience::patiently,
    refusal::{Act, Refused},
    sts_url,
};

/// 15 seconds for one try.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(15);
/// 15 minutes: no session is shorter.
const SHORTEST_SESSION: Duration = Duration::from_secs(15 * 60);
/// 12 hours: no role allows more.
const LONGEST_ROLE_SESSION: Duration = Duration::from_secs(12 * 3600);
/// 36 hours: what GetSessionToken allows a user.
const LONGEST_USER_SESSION: Duration = Duration::from_secs(36 * 3600);

/// Who AWS says somebody is. No field is ever empty.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Caller {
    /// 12 digits.
    pub account: String,
    /// Of the user, or of the role's session.
    pub arn: String,
    /// AWS's own id of the user or role.
    pub user_id: String,
}

/// A role to assume, and how.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Assumption {
    /// `arn:PARTITION:iam::ACCOUNT:role/NAME`.
    pub role_arn: String,
    /// 2 to 64 of `[A-Za-z0-9+=,.@_-]`.
    pub session_name: String,
    /// What the role's trust policy demands; empty for none.
    pub external_id: String,
    /// 15 minutes to 12 hours; what the role allows is less, perhaps.
    pub duration: Duration,
    /// Session policy, JSON; empty for none.
    pub policy: String,
    /// Managed policies that narrow the session.
    pub policy_arns: Vec<String>,
    /// Session tags.
    pub tags: Vec<(String, String)>,
    /// Whether the tags go on to roles that the session assumes.
    pub transitive: bool,
    /// Goes on to every session that follows from this one; empty for none.
    pub source_identity: String,
}

impl Aws {
    /// Who AWS says these credentials are. `whom` is how sentences call their owner, e.g. `account "shop"`; an empty region is the
    /// home of the partition `aws`.
    ///
    /// # Errors
    /// `CREDENTIALS_REFUSED`, `CREDENTIALS_EXPIRED`, `CLOCK_SKEW`, `AWS_THROTTLED`, `AWS_CERTIFICATE_NOT_TRUSTED`,
    /// `AWS_UNAVAILABLE`; an answer with a blank in it is the last one.
    pub async fn caller(&self, whom: &str, credentials: &Credentials, region: &str) -> Result<Answer<Caller>, Fault> {
        let region = region_or_home(region, Partition::of_region(""));
        let (client, url) = (self.sts(Some(credentials), region), self.sts_place(region));
        let refused = self.refused(whom, credentials, region, &url, Act::Caller);
        let answer = patiently(self.first_wait, || client.get_caller_identity().send()).await;
        let Answer { value, latency, throttled } = answer.map_err(|failed| refused.fault(&failed))?;
        let value = Caller {
            account: present(value.account).ok_or_else(|| refused.blank("an account"))?,
            arn: present(value.arn).ok_or_else(|| refused.blank("an ARN"))?,
            user_id: present(value.user_id).ok_or_else(|| refused.blank("a user id"))?,
        };
        Ok(Answer { value, latency, throttled })
    }

    /// A session of a role. An empty region is the home of the role's partition.
    ///
    /// # Errors
    /// As [`Aws::caller`]; `ASSUME_ROLE_REFUSED` when the role does not trust them; before any call `INVALID_ARGUMENT` for what is
    /// no role, `PARTITION_MISMATCH` for one of another partition, `SESSION_DURATION` for a length that no role has.
    pub async fn assume_role(
        &self,
        whom: &str,
        credentials: &Credentials,
        region: &str,
        wish: &Assumption,
    ) -> Result<Answer<Credentials>, Fault> {
        let region = region_for_role(whom, &wish.role_arn, region)?;
        let seconds = session_seconds(whom, wish.duration, LONGEST_ROLE_SESSION)?;
        let (client, url) = (self.sts(Some(credentials), region), self.sts_place(region));
        let act = Act::AssumeRole {
            role_arn: &wish.role_arn,
            has_external_id: !wish.external_id.is_empty(),
            has_tags: !wish.tags.is_empty(),
            has_source_identity: !wish.source_identity.is_empty(),
        };
        let refused = self.refused(whom, credentials, region, &url, act);
        let tags = wish.tags.iter().map(tag).collect::<Result<Vec<_>, _>>()?;
        let keys = wish.tags.iter().filter(|_| wish.transitive).map(|(key, _)| key.clone()).collect::<Vec<_>>();
        let policies: Vec<_> =
            wish.policy_arns.iter().map(|arn| PolicyDescriptorType::builder().arn(arn).build()).collect();
        let ask = || {
            client
                .assume_role()
                .role_arn(&wish.role_arn)
                .role_session_name(&wish.session_name)
                .set_external_id(given(&wish.external_id))
                .duration_seconds(seconds)
                .set_policy(given(&wish.policy))
                .set_policy_arns(filled(policies.clone()))
                .set_tags(filled(tags.clone()))
                .set_transitive_tag_keys(filled(keys.clone()))
                .set_source_identity(given(&wish.source_identity))
                .send()
        };
        let answer = patiently(self.first_wait, ask).await.map_err(|failed| refused.fault(&failed))?;
        session(answer.map(|value| value.credentials), &refused)
    }

    /// A session of a user (GetSessionToken). An empty region is as for [`Aws::caller`].
    ///
    /// # Errors
    /// As [`Aws::caller`]; `SESSION_DURATION` for less than 15 minutes or more than 36 hours.
    pub async fn session_token(
        &self,
        whom: &str,
        credentials: &Credentials,
        region: &str,
        duration: Duration,
    ) -> Result<Answer<Credentials>, Fault> {
        let region = region_or_home(region, Partition::of_region(""));
        let seconds = session_seconds(whom, duration, LONGEST_USER_SESSION)?;
        let (client, url) = (self.sts(Some(credentials), region), self.sts_place(region));
        let refused = self.refused(whom, credentials, region, &url, Act::SessionToken);
        let ask = || client.get_session_token().duration_seconds(seconds).send();
        let answer = patiently(self.first_wait, ask).await.map_err(|failed| refused.fault(&failed))?;
        session(answer.map(|value| value.credentials), &refused)
    }

    /// A session of a role for whoever holds this token. Nobody signs the call. An empty policy is none; an empty region is the home
    /// of the role's partition.
    ///
    /// # Errors
    /// As [`Aws::assume_role`], with `WEB_IDENTITY_REFUSED` when AWS does not take the token or the role does not trust it.
    #[expect(clippy::too_many_arguments, reason = "each is what AWS asks for")]
    pub async fn assume_role_with_web_identity(
        &self,
        whom: &str,
        region: &str,
        jwt: &str,
        role_arn: &str,
        session_name: &str,
        duration: Duration,
        policy: &str,
    ) -> Result<Answer<Credentials>, Fault> {
        let region = region_for_role(whom, role_arn, region)?;
        let seconds = session_seconds(whom, duration, LONGEST_ROLE_SESSION)?;
        let (client, url) = (self.sts(None, region), self.sts_place(region));
        let refused = Refused {
            whom,
            access_key_id: "",
            act: Act::WebIdentity { role_arn },
            region,
            url: &url,
            host: self.settings.host,
        };
        let ask = || {
            client
                .assume_role_with_web_identity()
                .role_arn(role_arn)
                .role_session_name(session_name)
                .web_identity_token(jwt)
                .duration_seconds(seconds)
                .set_policy(given(policy))
                .send()
        };
        let answer = patiently(self.first_wait, ask).await.map_err(|failed| refused.fault(&failed))?;
        session(answer.map(|value| value.credentials), &refused)
    }

    fn refused<'a>(
        &'a self,
        whom: &'a str,
        credentials: &'a Credentials,
        region: &'a str,
        url: &'a str,
        act: Act<'a>,
    ) -> Refused<'a> {
        Refused { whom, access_key_id: &credentials.access_key_id, act, region, url, host: self.settings.host }
    }

    fn sts_place(&self, region: &str) -> String {
        sts_url(self.endpoint("sts"), region)
    }

    fn sts(&self, credentials: Option<&Credentials>, region: &str) -> Client {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .operation_attempt_timeout(ATTEMPT_TIMEOUT)
            .build();
        let mut config = Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .http_client(self.http.client())
            .region(Region::new(region.to_owned()))
            // Repeating is ours, so that it can be counted.
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts);
        if let Some(credentials) = credentials {
            config = config.credentials_provider(SdkCredentials::from(credentials));
        }
        config.set_endpoint_url(self.endpoint("sts").map(str::to_owned));
        Client::from_conf(config.build())
    }
}

impl<T> Answer<T> {
    fn map<U>(self, change: impl FnOnce(T) -> U) -> Answer<U> {
        Answer { value: change(self.value), latency: self.latency, throttled: self.throttled }
    }
}

/// What STS gave, if all of it is there.
fn session(answer: Answer<Option<types::Credentials>>, refused: &Refused<'_>) -> Result<Answer<Credentials>, Fault> {
    let Answer { value, latency, throttled } = answer;
    let given = value.ok_or_else(|| refused.blank("credentials"))?;
    let value = Credentials {
        access_key_id: present(Some(given.access_key_id)).ok_or_else(|| refused.blank("an access key id"))?,
        secret_access_key: Zeroizing::new(given.secret_access_key),
        session_token: Zeroizing::new(given.session_token),
        expires_at: Some(given.expiration.secs()).filter(|ends| *ends > 0),
    };
    for (text, what) in [(&value.secret_access_key, "a secret key"), (&value.session_token, "a session token")] {
        if text.trim().is_empty() {
            return Err(refused.blank(what));
        }
    }
    if value.expires_at.is_none() {
        return Err(refused.blank("the session's end"));
    }
    Ok(Answer { value, latency, throttled })
}

fn region_or_home(region: &str, partition: Partition) -> &str {
    if region.is_empty() { partition.home_region } else { region }
}

fn region_for_role<'a>(whom: &str, role_arn: &str, region: &'a str) -> Result<&'a str, Fault> {
    let role: RoleArn = role_arn.parse().map_err(|wrong: String| {
        Fault::new(Reason::InvalidArgument, format!("The role of {whom}, \"{role_arn}\", {wrong}."))
    })?;
    let region = region_or_home(region, role.partition);
    let partition = Partition::of_region(region);
    if partition.id == role.partition.id {
        return Ok(region);
    }
    Err(Fault::new(
        Reason::PartitionMismatch,
        format!(
            "The role {role_arn} of {whom} is in the AWS partition \"{}\", and the region {region} is in \"{}\", which know nothing of each \
             other: take a role and a region of the same partition.",
            role.partition.id, partition.id
        ),
    ))
}

fn session_seconds(whom: &str, duration: Duration, longest: Duration) -> Result<i32, Fault> {
    let is_possible = (SHORTEST_SESSION..=longest).contains(&duration);
    i32::try_from(duration.as_secs()).ok().filter(|_| is_possible).ok_or_else(|| {
        Fault::new(
            Reason::SessionDuration,
            format!(
                "The session of {whom} is to last {}: it must be {} to {}.",
                humantime::format_duration(duration),
                humantime::format_duration(SHORTEST_SESSION),
                humantime::format_duration(longest)
            ),
        )
    })
}

fn tag((key, value): &(String, String)) -> Result<Tag, Fault> {
    Tag::builder().key(key).value(value).build().map_err(|error| {
        Fault::new(Reason::InvalidArgument, format!("The session tag \"{key}\" cannot be sent: {error}."))
    })
}

fn present(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.trim().is_empty())
}

fn given(text: &str) -> Option<String> {
    Some(text).filter(|text| !text.is_empty()).map(str::to_owned)
}

fn filled<T>(list: Vec<T>) -> Option<Vec<T>> {
    Some(list).filter(|list| !list.is_empty())
}
