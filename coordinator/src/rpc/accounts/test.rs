//! Who AWS says an account is: asked from the coordinator, or from workers, and whether they agree.

use proto::deployment::{
    AccountTest, CallerIdentity, TestAccountRequest, TestAccountResponse, account_test::Answer,
    test_account_request::From as From_,
};
use shared::{aws::role_of_session, id::DeploymentId, reason::Fault};
use uuid::Uuid;

use super::Accounts;
use crate::{
    accounts::{Purpose, Recipe},
    audit,
    authorization::Caller,
    clock,
    issuer::Subject,
    rpc::fleet::{Asked, Refused, Whom},
};

/// How an answer from here is called.
const HERE: &str = "coordinator";

impl Accounts {
    /// # Errors
    /// Those of the proto's TestAccount.
    pub(super) async fn test(&self, caller: Caller, request: TestAccountRequest) -> Result<TestAccountResponse, Fault> {
        let (name, seal) = (request.name.clone(), self.trust.seal.clone());
        let recipe = self.trust.store.read(move |connection| Recipe::read(connection, &seal, &name)).await?;
        let asked = match request.from {
            None => vec![self.ask_from_here(&caller, &request.name, &recipe).await],
            Some(From_::Pool(pool)) => self.workers.ask(&caller, &request.name, Whom::Pool(pool)).await?,
            Some(From_::Worker(worker)) => self.workers.ask(&caller, &request.name, Whom::Worker(worker)).await?,
        };
        let entry = caller.did(request.name, told(&asked));
        self.trust.store.write(move |connection| audit::record(connection, clock::now(), &entry)).await?;
        let difference = difference(&asked);
        Ok(TestAccountResponse { results: asked.into_iter().map(to_wire).collect(), difference })
    }

    /// In the way that steps become it, as far as the coordinator can.
    pub(super) async fn ask_from_here(&self, caller: &Caller, account: &str, recipe: &Recipe) -> Asked {
        let purpose = Purpose {
            deployment: DeploymentId(Uuid::now_v7()),
            project: String::new(),
            number: 0,
            environment: String::new(),
            step: "account test".into(),
            attempt: 1,
            worker: HERE.into(),
            started_by: caller.actor(),
        };
        let subject = Subject::AccountTest { account: account.to_owned() };
        let whom = format!("account \"{account}\"");
        let asked = self.minter.caller(&whom, recipe, &purpose, subject, &recipe.region).await;
        let latency_ms =
            asked.as_ref().map_or(0, |answer| i64::try_from(answer.latency.as_millis()).unwrap_or(i64::MAX));
        let answer = asked
            .map(|answer| {
                let ::aws::Caller { account, arn, user_id } = answer.value;
                CallerIdentity { account, arn, user_id }
            })
            .map_err(|fault| Refused { reason: fault.reason.code().into(), sentence: fault.sentence });
        Asked { answer, worker: HERE.into(), latency_ms }
    }
}

/// For the audit log.
fn told(asked: &[Asked]) -> String {
    let one = |asked: &Asked| match &asked.answer {
        Ok(identity) => format!("Asked from {}: {}.", asked.worker, identity.arn),
        Err(refused) => format!("Asked from {}: {}", asked.worker, refused.sentence),
    };
    asked.iter().map(one).collect::<Vec<_>>().join(" ")
}

/// What differs between the first answer and another, in a sentence; empty when all agree. Two sessions of one role agree.
fn difference(asked: &[Asked]) -> String {
    let mut answers = asked.iter().map(|asked| (asked.worker.as_str(), who(asked)));
    let Some((first, one)) = answers.next() else { return String::new() };
    match answers.find(|(_, other)| *other != one) {
        Some((second, other)) => format!("They differ: from {first} it is {one}, from {second} it is {other}."),
        None => String::new(),
    }
}

fn who(asked: &Asked) -> String {
    match &asked.answer {
        Err(_) => "refused".into(),
        Ok(identity) => match role_of_session(&identity.arn) {
            "" => identity.arn.clone(),
            role => format!("the role {role} of account {}", identity.account),
        },
    }
}

fn to_wire(asked: Asked) -> AccountTest {
    let (answer, reason) = match asked.answer {
        Ok(identity) => (Answer::Identity(identity), String::new()),
        Err(refused) => (Answer::Refusal(refused.sentence), refused.reason),
    };
    AccountTest { answer: Some(answer), asked_from: asked.worker, latency_ms: asked.latency_ms, reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(worker: &str, arn: &str) -> Asked {
        let account = arn.split(':').nth(4).unwrap_or_default().to_owned();
        let answer = match arn {
            "" => Err(Refused { reason: "CREDENTIALS_REFUSED".into(), sentence: "AWS refused.".into() }),
            arn => Ok(CallerIdentity { account, arn: arn.into(), user_id: String::new() }),
        };
        Asked { answer, worker: worker.into(), latency_ms: 1 }
    }

    #[test]
    fn two_sessions_of_one_role_agree_and_all_else_is_a_difference() {
        let a = asked("red", "arn:aws:sts::123456789012:assumed-role/shop/i-1");
        let b = asked("blue", "arn:aws:sts::123456789012:assumed-role/shop/i-2");
        assert_eq!(difference(&[a.clone(), b]), "");
        let other = asked("blue", "arn:aws:sts::210987654321:assumed-role/shop/i-2");
        assert_eq!(
            difference(&[a.clone(), other]),
            "They differ: from red it is the role shop of account 123456789012, from blue it is the role shop of account 210987654321."
        );
        assert!(difference(&[a, asked("blue", "")]).ends_with("from blue it is refused."));
        assert_eq!(difference(&[]), "");
    }

    #[test]
    fn a_refusal_comes_with_its_code() {
        let refused = to_wire(asked("red", ""));
        assert_eq!(
            (refused.reason.as_str(), refused.answer),
            ("CREDENTIALS_REFUSED", Some(Answer::Refusal("AWS refused.".into())))
        );
        assert_eq!(to_wire(asked("red", "arn:aws:iam::123456789012:user/ci")).reason, "");
    }
}
