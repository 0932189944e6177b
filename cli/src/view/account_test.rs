//! What AWS says of an account to each who asked.

use proto::deployment as d;
use serde::Serialize;

use crate::screen;

/// All answers, and how they differ.
#[derive(Serialize)]
pub(crate) struct AccountTests {
    results: Vec<AccountTest>,
    difference: String,
}

/// Who AWS says an account is, or why it does not say.
#[derive(Serialize)]
struct AccountTest {
    identity: Option<Identity>,
    refusal: Option<String>,
    asked_from: String,
    latency_ms: i64,
    reason: String,
}

/// Caller identity.
#[derive(Serialize)]
struct Identity {
    account: String,
    arn: String,
    user_id: String,
}

impl AccountTests {
    /// Whether somebody was asked, AWS knows all of them, and all are the same.
    pub(crate) fn passed(&self) -> bool {
        !self.is_empty() && self.difference.is_empty() && self.results.iter().all(|test| test.refusal.is_none())
    }

    /// Whether nobody was asked.
    pub(crate) fn is_empty(&self) -> bool {
        self.results.is_empty()
    }

    /// In a sentence; empty when all agree.
    pub(crate) fn difference(&self) -> &str {
        &self.difference
    }

    /// As a table.
    pub(crate) fn table(&self) -> String {
        let columns = ["asked from", "aws account", "arn", "latency", "refusal"];
        let used = columns.len() - usize::from(self.results.iter().all(|test| test.refusal.is_none()));
        screen::table(&columns[..used], self.results.iter().map(|test| test.cells()[..used].to_vec()))
    }
}

impl AccountTest {
    fn cells(&self) -> [String; 5] {
        let identity = self.identity.as_ref();
        [
            self.asked_from.clone(),
            identity.map(|it| it.account.clone()).unwrap_or_default(),
            identity.map(|it| it.arn.clone()).unwrap_or_default(),
            identity.map(|_| format!("{} ms", self.latency_ms)).unwrap_or_default(),
            self.refusal.as_ref().map(|why| self.coded(why)).unwrap_or_default(),
        ]
    }
}

impl AccountTest {
    /// A refusal behind its code, for which `longshore-coordinator explain` may know more; an older coordinator tells none.
    fn coded(&self, refusal: &str) -> String {
        if self.reason.is_empty() { refusal.to_owned() } else { format!("{}: {refusal}", self.reason) }
    }
}

impl From<d::TestAccountResponse> for AccountTests {
    fn from(response: d::TestAccountResponse) -> Self {
        Self { results: response.results.into_iter().map(AccountTest::from).collect(), difference: response.difference }
    }
}

impl From<d::AccountTest> for AccountTest {
    fn from(test: d::AccountTest) -> Self {
        use d::account_test::Answer;
        let (identity, refusal) = match test.answer {
            Some(Answer::Identity(it)) => {
                (Some(Identity { account: it.account, arn: it.arn, user_id: it.user_id }), None)
            }
            Some(Answer::Refusal(why)) => (None, Some(why)),
            None => (None, Some("The coordinator did not say what AWS answered.".into())),
        };
        Self { identity, refusal, asked_from: test.asked_from, latency_ms: test.latency_ms, reason: test.reason }
    }
}

#[cfg(test)]
mod tests {
    use d::account_test::Answer;

    use super::*;

    fn known(worker: &str, role: &str) -> d::AccountTest {
        let identity = d::CallerIdentity {
            account: "123456789012".into(),
            arn: format!("arn:aws:sts::123456789012:assumed-role/{role}/longshore"),
            user_id: "AROAEXAMPLE:longshore".into(),
        };
        d::AccountTest {
            answer: Some(Answer::Identity(identity)),
            asked_from: worker.into(),
            latency_ms: 42,
            ..Default::default()
        }
    }

    fn refused(worker: &str) -> d::AccountTest {
        let answer = Some(Answer::Refusal("AWS refused: AccessDenied.".into()));
        d::AccountTest { answer, asked_from: worker.into(), latency_ms: 7, reason: "CREDENTIALS_REFUSED".into() }
    }

    fn tests(results: Vec<d::AccountTest>, difference: &str) -> AccountTests {
        AccountTests::from(d::TestAccountResponse { results, difference: difference.into() })
    }

    #[test]
    fn a_test_passes_when_everybody_heard_the_same_identity() {
        assert!(tests(vec![known("red", "shop"), known("blue", "shop")], "").passed());
        assert!(!tests(vec![known("red", "shop"), refused("blue")], "").passed());
        assert!(!tests(vec![known("red", "shop"), known("blue", "other")], "They differ.").passed());
        assert!(!tests(Vec::new(), "").passed(), "nobody was asked");
        let unsaid = d::AccountTest { answer: None, ..refused("red") };
        assert!(!tests(vec![unsaid], "").passed());
    }

    #[test]
    fn the_table_has_a_column_for_refusals_when_there_is_one() {
        let good = tests(vec![known("red", "shop")], "").table();
        assert!(good.contains("assumed-role/shop/longshore") && good.contains("42 ms"), "{good}");
        assert!(!good.contains("REFUSAL"), "{good}");
        let mixed = tests(vec![known("red", "shop"), refused("blue")], "").table();
        assert!(
            mixed.contains("REFUSAL") && mixed.contains("CREDENTIALS_REFUSED: AWS refused: AccessDenied."),
            "{mixed}"
        );
        assert!(mixed.contains("42 ms") && !mixed.contains("7 ms"), "a refusal has no latency worth a column: {mixed}");
    }

    #[test]
    fn programs_read_the_contracts_names() {
        let json = serde_json::to_value(tests(vec![known("red", "shop"), refused("blue")], "x")).expect("json");
        assert_eq!(json["results"][0]["identity"]["account"], "123456789012");
        assert_eq!(json["results"][0]["asked_from"], "red");
        assert_eq!(
            (&json["results"][1]["identity"], json["results"][1]["latency_ms"].as_i64()),
            (&serde_json::Value::Null, Some(7))
        );
        assert_eq!(json["difference"], "x");
    }
}
