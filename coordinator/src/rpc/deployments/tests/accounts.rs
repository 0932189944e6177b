use super::*;
use crate::rpc::fleet::{AskWorker, Whom};

fn plain(name: &str, value: &str) -> Output {
    Output { name: name.into(), value: OutputValue::Plain(value.into()) }
}

#[tokio::test]
async fn an_account_is_tested_by_the_worker_that_was_named() {
    let bench = Bench::new().await;
    let mut worker = bench.connect().await;
    let caller = caller();
    let asking = bench.deployments.ask(&caller, "shop", Whom::Worker("w1".into()));
    let answering = async {
        let (execution, offer) = worker.start().await;
        assert!(offer.spec.is_none(), "credentials rode in an offer");
        let outputs = vec![
            plain("Account", "123456789012"),
            plain("Arn", "arn:aws:iam::123456789012:user/ci"),
            plain("UserId", "AIDA"),
            plain("LatencyMs", "42"),
        ];
        worker.end(execution, ExitResult { outputs, ..result(Outcome::exited(0), 0, [0; 32]) }).await;
    };
    let (asked, ()) = tokio::join!(timeout(PATIENCE, asking), answering);
    let [asked] = &asked.expect("in time").expect("asked")[..] else { panic!("one was asked") };
    let identity = asked.answer.as_ref().expect("AWS knows it");
    assert_eq!((identity.account.as_str(), identity.user_id.as_str()), ("123456789012", "AIDA"));
    assert_eq!((asked.worker.as_str(), asked.latency_ms), ("w1", 42));
}

#[tokio::test]
async fn a_refusal_of_aws_is_an_answer() {
    let bench = Bench::new().await;
    let mut worker = bench.connect().await;
    let caller = caller();
    let asking = bench.deployments.ask(&caller, "shop", Whom::Pool("default".into()));
    let answering = async {
        let (execution, _) = worker.start().await;
        let refused = Outcome::refused("CREDENTIALS_REFUSED", "AWS does not know access key AKIAIOSFODNN7EXAMPLE.");
        worker.end(execution, result(refused, 0, [0; 32])).await;
    };
    let (asked, ()) = tokio::join!(timeout(PATIENCE, asking), answering);
    let refusal = asked.expect("in time").expect("asked").remove(0).answer.expect_err("refused");
    assert_eq!(refusal.reason, "CREDENTIALS_REFUSED");
    assert!(refusal.sentence.contains("AKIAIOSFODNN7EXAMPLE"), "{refusal:?}");
}

#[tokio::test]
async fn a_worker_or_pool_that_is_not_there_is_no_answer_but_a_fault() {
    let bench = Bench::new().await;
    for (whom, reason) in
        [(Whom::Worker("nobody".into()), Reason::WorkerNotFound), (Whom::Pool("moon".into()), Reason::PoolNotFound)]
    {
        assert_eq!(bench.deployments.ask(&caller(), "shop", whom).await.expect_err("not there").reason, reason);
    }
}

#[tokio::test]
async fn a_question_that_no_worker_takes_is_withdrawn_and_says_why() {
    let bench = Bench::new().await;
    let deployments = Deployments { test_taken_within: Duration::from_millis(300), ..bench.deployments.clone() };
    let asked = deployments.ask(&caller(), "shop", Whom::Pool("default".into())).await.expect("asked").remove(0);
    let refusal = asked.answer.expect_err("nobody is there");
    assert_eq!(refusal.reason, "NO_WORKER_CONNECTED");
    assert!(refusal.sentence.contains("w1") && refusal.sentence.contains("not connected"), "{refusal:?}");
    let left = bench.deployments.list(ListDeploymentsRequest::default()).await.expect("listed").deployments;
    assert_eq!(left[0].state(), wire::deployment::State::Cancelled);
}

#[tokio::test]
async fn a_question_ends_when_whoever_asked_is_gone() {
    let bench = Bench::new().await;
    let mut worker = bench.connect().await;
    let deployments = bench.deployments.clone();
    let asking =
        tokio::spawn(async move { deployments.ask(&caller(), "shop", Whom::Pool("default".into())).await.map(drop) });
    let (execution, _) = worker.start().await;
    asking.abort();
    let Message::Cancel(cancel) = worker.hear().await else { panic!("it was not cancelled") };
    assert_eq!(cancel.execution_id, execution.to_string());
}
