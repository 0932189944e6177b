//! Who AWS says somebody is (sts:GetCallerIdentity), remembered for a minute, so that a hundred steps of one account ask
//! once.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use aws::Aws;
use aws_lc_rs::digest;
use proto::worker::Credentials;
use tokio::sync::OnceCell;

use super::{grant::for_aws, refusal};
use crate::exec_dir::Refusal;

/// 60 seconds: as long as nobody would mind that a key was revoked.
const KEEP: Duration = Duration::from_secs(60);
/// 256 answers: accounts times regions of one minute.
const MOST: usize = 256;

/// Who somebody is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Caller {
    pub(super) account: String,
    pub(super) arn: String,
}

/// Answers of the last minute. The keys are digests: no secret is kept.
#[derive(Default)]
pub(super) struct Callers {
    answers: Mutex<BTreeMap<[u8; 32], (Instant, Answer)>>,
}

/// Filled by the first who asks; the others wait for it.
type Answer = Arc<OnceCell<Caller>>;

impl std::fmt::Debug for Callers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Callers")
    }
}

impl Callers {
    /// Who they are, and how often AWS asked this time for fewer calls.
    pub(super) async fn identify(
        &self,
        way: &Aws,
        credentials: &Credentials,
        region: &str,
        source: &str,
    ) -> Result<(Caller, u32), Refusal> {
        let answer = self.answer(key(credentials, region));
        let mut throttled = 0;
        let asked = answer.get_or_try_init(async || {
            let answer = way.caller(source, &for_aws(credentials), region).await;
            let answer = answer.map_err(|fault| refusal(fault.reason.code(), fault.sentence))?;
            throttled = answer.throttled;
            Ok(Caller { account: answer.value.account, arn: answer.value.arn })
        });
        let caller = asked.await?.clone();
        Ok((caller, throttled))
    }

    fn answer(&self, key: [u8; 32]) -> Answer {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.retain(|_, (asked, _)| asked.elapsed() < KEEP);
        if answers.len() >= MOST {
            answers.clear();
        }
        answers.entry(key).or_insert_with(|| (Instant::now(), Answer::default())).1.clone()
    }
}

fn key(credentials: &Credentials, region: &str) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in [&credentials.access_key_id, &credentials.secret_access_key, &credentials.session_token, region] {
        context.update(&(part.len() as u64).to_le_bytes());
        context.update(part.as_bytes());
    }
    let mut key = [0; 32];
    key.copy_from_slice(context.finish().as_ref());
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_that_differ_in_any_part_are_asked_about_again() {
        let base =
            Credentials { access_key_id: "AKIA1".into(), secret_access_key: "s".into(), ..Credentials::default() };
        let mut keys = vec![key(&base, "r"), key(&base, "q")];
        let changes: [fn(&mut Credentials); 3] =
            [|c| c.access_key_id.push('x'), |c| c.secret_access_key.push('x'), |c| c.session_token.push('x')];
        for change in changes {
            let mut other = base.clone();
            change(&mut other);
            keys.push(key(&other, "r"));
        }
        // The same bytes, divided otherwise.
        keys.push(key(&Credentials { access_key_id: "AKIA1s".into(), ..Credentials::default() }, "r"));
        let distinct: std::collections::BTreeSet<_> = keys.iter().collect();
        assert_eq!(distinct.len(), keys.len());
    }

    #[tokio::test]
    async fn an_endpoint_that_does_not_answer_is_named_and_no_secret_is() {
        let credentials = Credentials {
            access_key_id: "AKIAEXAMPLE".into(),
            secret_access_key: "canary-secret".into(),
            ..Credentials::default()
        };
        let endpoint = "http://127.0.0.1:1";
        let settings = aws::Settings { endpoint_url: Some(endpoint.into()), ..aws::Settings::default() };
        let way = Aws::new(&settings).expect("sound");
        let callers = Callers::default();
        let refusal = callers.identify(&way, &credentials, "eu-west-1", "account shop").await.expect_err("refused");
        assert_eq!(refusal.reason, "AWS_UNAVAILABLE");
        assert!(refusal.detail.contains(endpoint) && !refusal.detail.contains("canary"), "{}", refusal.detail);
    }
}
