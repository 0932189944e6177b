//! Makes of a recipe what an attempt gets: a session, or what its worker makes one of.

use std::time::Duration;

use ::aws::{Answer, Assumption, Aws, Caller, Credentials};
use proto::worker::{self as wire, credential_grant::Base as WireBase};
use secrecy::ExposeSecret;
use shared::{
    plan::AssumeRole,
    reason::{Fault, Reason},
};
use zeroize::Zeroizing;

use super::{
    purpose::Purpose,
    recipe::{Base, Recipe},
};
use crate::{
    clock,
    issuer::{Claims, Issuer, Subject},
    registry::account::{Delivery, Opened, Row},
};

/// Asks AWS for sessions, and signs tokens.
#[derive(Clone)]
pub struct Minter {
    /// The way to AWS.
    pub aws: Aws,
    /// Signs tokens, if this coordinator is an issuer.
    pub issuer: Issuer,
}

/// What an attempt gets, and what is told of it.
pub struct Minted {
    /// For the worker.
    pub grant: wire::CredentialGrant,
    /// Names of the sessions that were made, or that the worker is to make; empty for a key itself.
    pub sessions: Vec<String>,
    /// When it ends, seconds since 1970; none for a key itself, or where the worker has yet to ask.
    pub until: Option<i64>,
    /// How often AWS asked for fewer calls.
    pub throttled: u32,
    /// Names of the accounts that were used for it besides the one that was asked for.
    pub below: Vec<String>,
}

impl Minter {
    /// What an attempt gets of a recipe. `whom` is how sentences call it, e.g. `account "shop"`; `region` is where STS is asked.
    ///
    /// # Errors
    /// Those of [`Aws::assume_role`] and [`Aws::session_token`]; [`Reason::OidcNotConfigured`].
    pub async fn grant(
        &self,
        whom: &str,
        recipe: &Recipe,
        purpose: &Purpose,
        subject: Subject,
        region: &str,
    ) -> Result<Minted, Fault> {
        let mut grant = wire::CredentialGrant { region: region.to_owned(), ..wire::CredentialGrant::default() };
        let (base, told, mut sessions) = match &recipe.base {
            Base::Key(key) => return self.of_key(whom, recipe, key, purpose, grant).await,
            Base::WorkerRole => (WireBase::WorkerRole(wire::OwnRoleBase {}), false, Vec::new()),
            Base::Token(row) => {
                let identity = self.web_identity(row, purpose, subject).await?;
                let session = identity.session_name.clone();
                (WireBase::WebIdentity(identity), row.session_tags, vec![session])
            }
        };
        // The roles on top are assumed where what they stand on is: on the worker.
        let assumptions = assumptions(recipe, purpose, told);
        sessions.extend(names(&assumptions));
        grant.assumptions = assumptions.iter().map(to_wire).collect();
        grant.base = Some(base);
        Ok(Minted { grant, sessions, until: None, throttled: 0, below: recipe.below.clone() })
    }

    /// Who AWS says an account is, asked from here and in the way its steps would become it.
    ///
    /// # Errors
    /// As [`Minter::grant`]; [`Reason::RoleSource`] for what begins with a worker's own role, which only a worker has.
    pub async fn caller(
        &self,
        whom: &str,
        recipe: &Recipe,
        purpose: &Purpose,
        subject: Subject,
        region: &str,
    ) -> Result<Answer<Caller>, Fault> {
        let credentials = match &recipe.base {
            Base::WorkerRole => return Err(only_from_a_worker(whom)),
            Base::Key(key) => {
                let own = key_credentials(key);
                if recipe.hops.is_empty() {
                    // Says best what is wrong with a key.
                    let caller = self.aws.caller(whom, &own, region).await?;
                    if key.row.delivery == Delivery::Session {
                        self.aws.session_token(whom, &own, region, key.row.session_duration()).await?;
                    }
                    return Ok(caller);
                }
                own
            }
            Base::Token(row) => {
                let identity = self.web_identity(row, purpose, subject).await?;
                let (token, duration) = (&identity.token, row.session_duration());
                let (role, session) = (&identity.role_arn, &identity.session_name);
                let asked = self.aws.assume_role_with_web_identity(whom, region, token, role, session, duration, "");
                asked.await?.value
            }
        };
        let told = matches!(&recipe.base, Base::Token(row) if row.session_tags);
        let (credentials, _) = self.climb(whom, credentials, region, &assumptions(recipe, purpose, told)).await?;
        self.aws.caller(whom, &credentials, region).await
    }

    async fn of_key(
        &self,
        whom: &str,
        recipe: &Recipe,
        key: &Opened,
        purpose: &Purpose,
        mut grant: wire::CredentialGrant,
    ) -> Result<Minted, Fault> {
        let own = key_credentials(key);
        let (credentials, sessions, throttled) = if !recipe.hops.is_empty() {
            let assumptions = assumptions(recipe, purpose, false);
            let (credentials, throttled) = self.climb(whom, own, &grant.region, &assumptions).await?;
            (credentials, names(&assumptions), throttled)
        } else if key.row.delivery == Delivery::Raw {
            (own, Vec::new(), 0)
        } else {
            let session = self.aws.session_token(whom, &own, &grant.region, key.row.session_duration()).await?;
            (session.value, vec![format!("of the user of {}", key.row.access_key_id)], session.throttled)
        };
        let until = credentials.expires_at;
        grant.base = Some(WireBase::Credentials(wire::Credentials {
            access_key_id: credentials.access_key_id.clone(),
            secret_access_key: credentials.secret_access_key.to_string(),
            session_token: credentials.session_token.to_string(),
            expires_at: until.unwrap_or(0),
        }));
        Ok(Minted { grant, sessions, until, throttled, below: recipe.below.clone() })
    }

    /// Assumes role after role. Answers how often AWS asked for fewer calls on the way.
    async fn climb(
        &self,
        whom: &str,
        mut credentials: Credentials,
        region: &str,
        assumptions: &[Assumption],
    ) -> Result<(Credentials, u32), Fault> {
        let mut throttled = 0;
        for assumption in assumptions {
            let session = self.aws.assume_role(whom, &credentials, region, assumption).await?;
            throttled += session.throttled;
            credentials = session.value;
        }
        Ok((credentials, throttled))
    }

    async fn web_identity(&self, row: &Row, purpose: &Purpose, subject: Subject) -> Result<wire::WebIdentity, Fault> {
        let (tags, source_identity) =
            if row.session_tags { (purpose.tags(), purpose.source_identity()) } else { Default::default() };
        let token = self.issuer.token(&Claims { subject, tags, source_identity }, clock::now()).await?;
        Ok(wire::WebIdentity {
            token: token.expose_secret().to_owned(),
            role_arn: row.role_arn.clone(),
            session_name: purpose.session_name(),
            duration_seconds: seconds(row.session_duration()),
        })
    }
}

/// The roles on top, as AWS is asked for them. Tags and source identity are told once, to the first session that may carry them:
/// they go on to those that follow, and AWS refuses to hear them twice. `told` when the base told them.
fn assumptions(recipe: &Recipe, purpose: &Purpose, mut told: bool) -> Vec<Assumption> {
    let mut assumptions = Vec::new();
    for (index, hop) in recipe.hops.iter().enumerate() {
        let tells = hop.session_tags && !told;
        told |= tells;
        assumptions.push(assumption(hop, purpose, recipe.duration_of(index), tells));
    }
    assumptions
}

fn assumption(hop: &AssumeRole, purpose: &Purpose, duration: Duration, tells: bool) -> Assumption {
    let session_name = if hop.session_name.is_empty() { purpose.session_name() } else { hop.session_name.clone() };
    Assumption {
        role_arn: hop.role_arn.clone(),
        session_name,
        external_id: hop.external_id.clone(),
        duration,
        policy: hop.policy.clone(),
        policy_arns: Vec::new(),
        tags: if tells { purpose.tags().into_iter().collect() } else { Vec::new() },
        transitive: true,
        source_identity: if tells { purpose.source_identity() } else { String::new() },
    }
}

fn names(assumptions: &[Assumption]) -> Vec<String> {
    assumptions.iter().map(|assumption| assumption.session_name.clone()).collect()
}

fn to_wire(assumption: &Assumption) -> wire::Assumption {
    wire::Assumption {
        role_arn: assumption.role_arn.clone(),
        session_name: assumption.session_name.clone(),
        external_id: assumption.external_id.clone(),
        duration_seconds: seconds(assumption.duration),
        policy: assumption.policy.clone(),
        tags: assumption.tags.iter().cloned().collect(),
        source_identity: assumption.source_identity.clone(),
    }
}

fn key_credentials(key: &Opened) -> Credentials {
    Credentials {
        access_key_id: key.row.access_key_id.clone(),
        secret_access_key: key.secret_access_key.clone(),
        session_token: Zeroizing::default(),
        expires_at: None,
    }
}

fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}

fn only_from_a_worker(whom: &str) -> Fault {
    Fault::new(
        Reason::RoleSource,
        format!(
            "The {whom} assumes its role with a worker's own role, which the coordinator does not have: test it from a worker \
             (--worker), or from every worker of a pool (--pool)."
        ),
    )
}

#[cfg(test)]
mod tests {
    use shared::id::DeploymentId;
    use uuid::Uuid;

    use super::*;

    fn purpose() -> Purpose {
        Purpose {
            deployment: DeploymentId(Uuid::nil()),
            project: "shop".into(),
            number: 7,
            environment: "staging".into(),
            step: "Network".into(),
            attempt: 2,
            worker: "red".into(),
            started_by: "token ci".into(),
        }
    }

    fn hop(role: &str, session_tags: bool) -> AssumeRole {
        AssumeRole {
            role_arn: format!("arn:aws:iam::123456789012:role/{role}"),
            session_name: String::new(),
            external_id: String::new(),
            duration: Duration::from_secs(3600),
            policy: String::new(),
            session_tags,
        }
    }

    /// Which sessions are told tags and a source identity.
    fn told(hops: Vec<AssumeRole>, by_the_base: bool) -> Vec<bool> {
        let recipe = Recipe::worker_role().on_top(hops);
        let assumptions = assumptions(&recipe, &purpose(), by_the_base);
        for assumption in &assumptions {
            assert_eq!(assumption.tags.is_empty(), assumption.source_identity.is_empty());
            assert_eq!(assumption.session_name, "longshore-shop-7-Network-2-red");
        }
        assumptions.iter().map(|assumption| !assumption.tags.is_empty()).collect()
    }

    /// AWS refuses a transitive tag that is told again; no emulator does.
    #[test]
    fn tags_and_source_identity_are_told_once_and_go_on_from_there() {
        assert_eq!(told(vec![hop("a", true), hop("b", true), hop("c", true)], false), [true, false, false]);
        assert_eq!(told(vec![hop("a", false), hop("b", true), hop("c", true)], false), [false, true, false]);
        assert_eq!(told(vec![hop("a", true)], true), [false], "the token told them");
        assert_eq!(told(vec![hop("a", false)], false), [false]);
    }

    #[test]
    fn a_name_that_the_step_gives_its_session_is_kept() {
        let named = AssumeRole { session_name: "release".into(), ..hop("a", true) };
        let recipe = Recipe::worker_role().on_top(vec![named]);
        assert_eq!(assumptions(&recipe, &purpose(), false)[0].session_name, "release");
    }
}
