//! Whose AWS credentials a step has: an account's, sent by the coordinator, or this worker's own role, from the one source
//! that the configuration names. Decided by the step's word alone: what cannot be had is a refusal, never another
//! source. Nothing here touches AWS for a step without AWS identity.

mod caller;
mod exchange;
mod grant;
mod metadata;
pub mod own_identity;
pub mod refresh;
mod role_source;
#[cfg(test)]
mod stand_in;

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use proto::worker::{AwsSpec, Credentials, StepIdentity};
use shared::aws::role_of_session;

use crate::{
    config::Config,
    environment::RoleVariables,
    exec_dir::Refusal,
    failure::{Exit, Failure},
    home::Home,
};

pub use grant::{Had, Role};

use caller::Callers;
use metadata::Metadata;
use role_source::{Look, RoleSource};

/// Everything about AWS that the agent knows. Clients are made when they are first needed: a worker that never runs an AWS
/// step does not pay for them.
#[derive(Debug)]
pub struct Aws {
    way: aws::Aws,
    for_steps: aws::Settings,
    region: Option<String>,
    metadata: Arc<Metadata>,
    role: RoleSource,
    callers: Callers,
}

impl Aws {
    /// Knows where AWS, the metadata service and the role's source are; asks none. Writes down what steps shall trust, if it
    /// differs from what they do by themselves.
    ///
    /// # Errors
    /// When the configured authorities cannot be read, or the file for steps not be written.
    pub fn new(config: &Config, role: RoleVariables, home: &Home) -> Result<Self, Failure> {
        let unusable = |fault: shared::reason::Fault| Failure::new(Exit::Usage, fault.sentence);
        let way = aws::Aws::new(&config.aws).map_err(unusable)?;
        let mut for_steps = config.aws.clone();
        if for_steps.ca_bundle.is_some() {
            for_steps.ca_bundle = Some(home.write_ca_bundle(&way.bundle_pem().map_err(unusable)?)?);
        }
        Ok(Self::with(config, role, way, for_steps))
    }

    fn with(config: &Config, role: RoleVariables, way: aws::Aws, for_steps: aws::Settings) -> Self {
        let metadata = Arc::new(Metadata::new(config.metadata_endpoint.as_deref()));
        Self {
            role: RoleSource::new(config, role, &metadata, &way),
            way,
            for_steps,
            region: config.region.clone(),
            metadata,
            callers: Callers::default(),
        }
    }

    /// How steps reach AWS. The bundle is a whole one.
    #[must_use]
    pub fn for_steps(&self) -> &aws::Settings {
        &self.for_steps
    }

    /// Region that the worker was configured with; empty for none.
    #[must_use]
    pub fn configured_region(&self) -> String {
        self.region.clone().unwrap_or_default()
    }

    /// How the log calls the worker's own role, e.g. `worker-role (imds)`: with the source that supplies it.
    #[must_use]
    pub fn role_name(&self) -> String {
        format!("worker-role ({})", self.role.name())
    }

    /// Credentials of the worker's own role; while its source does not answer, those that it gave before and that are still good.
    ///
    /// # Errors
    /// A refusal that says what is missing.
    pub async fn role_credentials(&self) -> Result<Credentials, Refusal> {
        self.role.session().await.map(|session| session.credentials)
    }

    /// Credentials of the worker's own role, asked for now.
    ///
    /// # Errors
    /// A refusal that says what is missing, also when earlier ones are still good.
    pub async fn fresh_role_credentials(&self) -> Result<Credentials, Refusal> {
        match self.role.look().await {
            Look { problem: Some(problem), .. } => Err(problem),
            Look { session, .. } => Ok(session.map(|session| session.credentials).unwrap_or_default()),
        }
    }

    /// The step's region: its own, else the worker's, else the instance's.
    ///
    /// # Errors
    /// A refusal when none of them is known.
    pub async fn region(&self, spec: &AwsSpec) -> Result<String, Refusal> {
        if !spec.region.is_empty() {
            return Ok(spec.region.clone());
        }
        match &self.region {
            Some(region) => Ok(region.clone()),
            None => self.metadata.region().await,
        }
    }

    /// Who AWS says the credentials are, as the step's identity, and how often AWS asked for fewer calls before it said so.
    ///
    /// # Errors
    /// A refusal in AWS's words when it knows them not, or cannot be reached.
    pub async fn identify(
        &self,
        credentials: &Credentials,
        region: &str,
        source: String,
    ) -> Result<(StepIdentity, u32), Refusal> {
        let (caller, throttled) = self.callers.identify(&self.way, credentials, region, &source).await?;
        let identity = StepIdentity {
            account: caller.account,
            arn: caller.arn,
            region: region.into(),
            source,
            expires_at: credentials.expires_at,
        };
        Ok((identity, throttled))
    }
}

/// Checks what the step expects against what AWS said.
///
/// # Errors
/// A refusal that says both.
pub fn check_expectations(spec: &AwsSpec, found: &StepIdentity) -> Result<(), Refusal> {
    let role = role_of_session(&found.arn);
    let checks = [
        ("AWS account", spec.expect_account.as_str(), found.account.as_str()),
        ("role", spec.expect_role.as_str(), role),
        ("region", spec.expect_region.as_str(), found.region.as_str()),
    ];
    for (what, expected, is) in checks {
        if !expected.is_empty() && expected != is {
            let is = if is.is_empty() { format!("no {what}") } else { format!("the {what} {is}") };
            return Err(refusal(
                "EXPECTATION_NOT_MET",
                format!(
                    "The step expects the {what} {expected}, and here it would run with {is} (as {}). Nothing was started.",
                    found.arn
                ),
            ));
        }
    }
    Ok(())
}

/// How long credentials are still good; none for long-lived keys.
#[must_use]
pub fn time_left(credentials: &Credentials, now: SystemTime) -> Option<Duration> {
    let ends = u64::try_from(credentials.expires_at).ok().filter(|ends| *ends > 0)?;
    Some((UNIX_EPOCH + Duration::from_secs(ends)).duration_since(now).unwrap_or_default())
}

pub(crate) fn refusal(reason: &str, detail: impl Into<String>) -> Refusal {
    Refusal { reason: reason.into(), detail: detail.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found() -> StepIdentity {
        StepIdentity {
            account: "123456789012".into(),
            arn: "arn:aws:sts::123456789012:assumed-role/shop-deployer/i-0abc".into(),
            region: "eu-west-1".into(),
            ..StepIdentity::default()
        }
    }

    #[test]
    fn steps_are_given_every_authority_when_one_is_configured_and_else_their_own() {
        use std::{fs, os::unix::fs::PermissionsExt};

        let folder = tempfile::tempdir().expect("a folder");
        let memory = tempfile::tempdir_in("/dev/shm").expect("a folder");
        let (home, _lock) = Home::open(&folder.path().join("data"), Some(memory.path())).expect("opens");
        let ours = folder.path().join("ca.pem");
        let pem = rcgen::generate_simple_self_signed(["ca".into()]).expect("a certificate").cert.pem();
        fs::write(&ours, pem).expect("written");
        let mut config = Config::resolve(crate::config::Options::default(), Default::default()).expect("sound");
        config.aws = aws::Settings::default();
        let plain = Aws::new(&config, RoleVariables::default(), &home).expect("made");
        assert_eq!(plain.for_steps().ca_bundle, None);
        config.aws.ca_bundle = Some(ours.clone());
        let told = Aws::new(&config, RoleVariables::default(), &home).expect("made");
        let bundle = told.for_steps().ca_bundle.clone().expect("a bundle");
        assert_ne!(bundle, ours);
        assert_eq!(fs::metadata(&bundle).expect("there").permissions().mode() & 0o777, 0o644);
        let whole = fs::read_to_string(&bundle).expect("readable");
        assert!(
            whole.matches("BEGIN CERTIFICATE").count() > 100,
            "its own roots alone would not do: it replaces all others"
        );
        let order = crate::exec_dir::ShimOrder::default().reaching_aws(told.for_steps());
        assert_eq!(order.way_to_aws().ca_bundle, Some(bundle));
    }

    #[test]
    fn an_expectation_that_is_not_met_says_both() {
        for (spec, expected, is) in [
            (AwsSpec { expect_account: "210987654321".into(), ..AwsSpec::default() }, "210987654321", "123456789012"),
            (AwsSpec { expect_role: "admin".into(), ..AwsSpec::default() }, "admin", "shop-deployer"),
            (AwsSpec { expect_region: "us-east-1".into(), ..AwsSpec::default() }, "us-east-1", "eu-west-1"),
        ] {
            let refusal = check_expectations(&spec, &found()).expect_err("refused");
            assert!(refusal.detail.contains(expected) && refusal.detail.contains(is), "{}", refusal.detail);
        }
    }

    #[test]
    fn an_expectation_that_is_met_or_absent_passes() {
        let spec = AwsSpec { expect_role: "shop-deployer".into(), ..AwsSpec::default() };
        assert_eq!(check_expectations(&spec, &found()), Ok(()));
        assert_eq!(check_expectations(&AwsSpec::default(), &found()), Ok(()));
    }
}
