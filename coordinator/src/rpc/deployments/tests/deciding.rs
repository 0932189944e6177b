use coordinator_core::fact::DeploymentFact;

use super::*;
use crate::store::facts;

#[tokio::test]
async fn a_step_that_waits_says_why() {
    let bench = Bench::new().await;
    let id = bench.create().await.id;
    let reason = async {
        loop {
            // Preparation is no event.
            let step = bench.show(&id).await.steps.remove(0);
            if step.reason != "PREPARING" {
                break step;
            }
            tokio::task::yield_now().await;
        }
    };
    let step = timeout(PATIENCE, reason).await.expect("prepared in time");
    assert_eq!((step.state(), step.reason.as_str()), (step_run::State::Queued, "NO_WORKER_CONNECTED"));
    assert!(step.queue_reason.contains("w1"), "{}", step.queue_reason);
}

#[tokio::test]
async fn a_cancelled_deployment_has_ended_and_cannot_be_cancelled_again() {
    let bench = Bench::new().await;
    let id = bench.create().await.id;
    let shown = bench.cancel(&id).await.expect("cancelled");
    assert!(shown.cancel_requested);
    assert_eq!(shown.state(), wire::deployment::State::Cancelled);
    let fault = bench.cancel(&id).await.expect_err("it has ended");
    assert_eq!(fault.reason, Reason::DeploymentEnded);
}

#[tokio::test]
async fn a_running_step_is_cancelled_only_on_its_workers_word() {
    let bench = Bench::new().await;
    let mut worker = bench.connect().await;
    let id = bench.create().await.id;
    let (execution, _) = worker.start().await;
    let asked = bench.cancel(&id).await.expect("asked");
    assert_eq!(asked.state(), wire::deployment::State::Running);
    assert!(matches!(worker.hear().await, Message::Cancel(_)));
    bench.cancel(&id).await.expect("asking again changes nothing");
    let killed = Outcome { kind: shared::outcome::OutcomeKind::Cancelled, ..Outcome::signalled(15) };
    worker.end(execution, result(killed, 0, [0; 32])).await;
    bench.events(&id, 0).await;
    assert_eq!(bench.show(&id).await.state(), wire::deployment::State::Cancelled);
}

#[tokio::test]
async fn only_a_step_whose_outcome_is_unknown_can_be_decided_about() {
    let bench = Bench::new().await;
    let mut worker = bench.connect().await;
    let id = bench.create().await.id;
    let (execution, _) = worker.start().await;
    let decision = |reason: &str, decision: wire::resolve_step_request::Decision| ResolveStepRequest {
        deployment_id: id.clone(),
        step: "build".into(),
        decision: decision.into(),
        reason: reason.into(),
        confirm: String::new(),
    };
    use wire::resolve_step_request::Decision;
    let resolve = |request| bench.deployments.resolve(caller(), request);
    let early = resolve(decision("I looked", Decision::Succeeded)).await.expect_err("it runs");
    assert_eq!(early.reason, Reason::NothingToDecide);

    worker.say(Said::Interrupted { execution, evidence: "Its process is gone.".into() }).await;
    assert!(matches!(worker.hear().await, Message::ResultAck(_)));
    assert_eq!(bench.show(&id).await.state(), wire::deployment::State::Unknown);
    for request in [decision(" ", Decision::Succeeded), decision("I looked", Decision::Unspecified)] {
        assert_eq!(resolve(request).await.expect_err("incomplete").reason, Reason::InvalidArgument);
    }
    let stranger = ResolveStepRequest { step: "nobody".into(), ..decision("I looked", Decision::Succeeded) };
    assert_eq!(resolve(stranger).await.expect_err("no such step").reason, Reason::AttemptNotFound);

    let decided = resolve(decision("I looked", Decision::Succeeded)).await.expect("decided");
    assert_eq!(decided.steps[0].state(), step_run::State::Succeeded);
    assert!(decided.steps[0].detail.contains("token ci") && decided.steps[0].detail.contains("I looked"));
    let again = resolve(decision("I looked", Decision::Failed)).await.expect_err("decided already");
    assert_eq!(again.reason, Reason::NothingToDecide);
}

#[tokio::test]
async fn outputs_and_identity_are_shown_and_sensitive_ones_without_their_value() {
    let bench = Bench::new().await;
    let mut worker = bench.connect().await;
    let id = bench.create().await.id;
    let (execution, offer) = worker.start().await;
    assert!(offer.spec.is_none(), "a step with a sensitive variable rode in its offer");
    let identity = RunIdentity {
        account: "123456789012".into(),
        arn: "arn:aws:sts::123456789012:assumed-role/r/i".into(),
        region: "eu-west-1".into(),
        source: "worker-role".into(),
        expires_at: 1_790_000_000,
    };
    let outputs = vec![
        Output { name: "Token".into(), value: OutputValue::Sealed(vec![1, 2, 3]) },
        Output { name: "Url".into(), value: OutputValue::Plain("https://shop".into()) },
    ];
    let ended = ExitResult { identity: Some(identity), outputs, ..result(Outcome::exited(3), 0, [0; 32]) };
    worker.end(execution, ended).await;
    bench.events(&id, 0).await;
    let shown = bench.show(&id).await;
    assert_eq!(shown.state(), wire::deployment::State::Failed);
    let step = &shown.steps[0];
    let outputs: Vec<_> = step.outputs.iter().map(|o| (o.name.as_str(), o.value.as_deref(), o.sensitive)).collect();
    assert_eq!(outputs, [("Token", None, true), ("Url", Some("https://shop"), false)]);
    let attempt = &step.attempts[0];
    assert_eq!((attempt.exit_code, attempt.reason.as_str(), attempt.worker.as_str()), (Some(3), "EXIT_CODE", "w1"));
    let identity = attempt.identity.as_ref().expect("an identity");
    assert_eq!(identity.expire_time.map(|time| time.seconds), Some(1_790_000_000));
    assert_eq!(shown.steps[1].state(), step_run::State::Skipped);
}

/// A deployment of "shop" whose first step failed, and its worker.
async fn failed(bench: &Bench) -> (String, Worker<'_>) {
    let mut worker = bench.connect().await;
    let id = bench.create().await.id;
    let (execution, _) = worker.start().await;
    worker.end(execution, result(Outcome::exited(3), 0, [0; 32])).await;
    bench.events(&id, 0).await;
    (id, worker)
}

fn retry(id: &str, request_id: &str) -> wire::RetryDeploymentRequest {
    wire::RetryDeploymentRequest { id: id.into(), request_id: request_id.into(), update_variables: false }
}

#[tokio::test]
async fn a_failed_deployment_is_retried_once_per_request_and_only_when_it_has_ended() {
    let bench = Bench::new().await;
    let open = bench.create().await.id;
    let early = bench.deployments.retry(caller(), retry(&open, "")).await.expect_err("it runs");
    assert_eq!(early.reason, Reason::NothingToRetry);
    bench.cancel(&open).await.expect("cancelled");
    let (id, mut worker) = failed(&bench).await;
    let request_id = Uuid::now_v7().to_string();
    let first = bench.deployments.retry(caller(), retry(&id, &request_id)).await.expect("retried");
    let again = bench.deployments.retry(caller(), retry(&id, &request_id)).await.expect("answered");
    assert_eq!((first.id.as_str(), first.retry_of.as_str(), first.number), (again.id.as_str(), id.as_str(), 3));
    let (execution, _) = worker.start().await;
    worker.end(execution, result(Outcome::exited(0), 0, [0; 32])).await;
    let (execution, _) = worker.start().await;
    worker.end(execution, result(Outcome::exited(4), 0, [0; 32])).await;
    bench.events(&first.id, 0).await;
    let second = bench.deployments.retry(caller(), retry(&first.id, "")).await.expect("retried");
    let steps: Vec<_> = second.steps.iter().map(|step| (step.state(), step.reason.as_str())).collect();
    assert_eq!(steps[0], (step_run::State::Succeeded, "CARRIED"));
    assert!(second.steps[0].detail.contains(&first.id), "{}", second.steps[0].detail);
    let (execution, _) = worker.start().await;
    let running = &bench.show(&second.id).await.steps[1];
    assert_eq!(running.state(), step_run::State::Running, "the first is not run again");
    let stored = bench.store.read(facts::open_deployments).await.expect("what recovery reads");
    assert!(
        stored.iter().any(|(_, facts)| matches!(&facts[0], DeploymentFact::Created(it) if it.carried.len() == 1)),
        "it is recovered with what it carries"
    );
    worker.end(execution, result(Outcome::exited(0), 0, [0; 32])).await;
    let told = bench.events(&second.id, 0).await;
    assert_eq!(told.first().map(|event| event.r#type.as_str()), Some("deployment_created"));
}

#[tokio::test]
async fn a_step_that_asks_nothing_cannot_be_answered() {
    let bench = Bench::new().await;
    let id = bench.create().await.id;
    let answer = |step: &str, answer: wire::answer_step_request::Answer| wire::AnswerStepRequest {
        deployment_id: id.clone(),
        step: step.into(),
        answer: answer.into(),
        reason: String::new(),
    };
    use wire::answer_step_request::Answer;
    let said = |request| bench.deployments.answer(caller(), request);
    for request in [answer("", Answer::Approve), answer("Build", Answer::Retry)] {
        assert_eq!(said(request).await.expect_err("nothing is asked").reason, Reason::NothingAsked);
    }
    let incomplete = said(answer("Build", Answer::Unspecified)).await.expect_err("no answer");
    assert_eq!(incomplete.reason, Reason::InvalidArgument);
}

/// A deployment of "shop" whose first step may be alive on a worker that has forgotten it.
async fn unknown(bench: &Bench) -> (String, Worker<'_>) {
    let mut before = bench.connect().await;
    let id = bench.create().await.id;
    before.start().await;
    let worker = bench.connect_with("another").await;
    assert_eq!(bench.show(&id).await.steps[0].attempts[0].state, "UNKNOWN");
    (id, worker)
}

fn choice(id: &str, decision: wire::resolve_step_request::Decision) -> ResolveStepRequest {
    ResolveStepRequest {
        deployment_id: id.into(),
        step: "build".into(),
        decision: decision.into(),
        reason: "I looked".into(),
        confirm: String::new(),
    }
}

#[tokio::test]
async fn two_runs_at_once_are_confirmed_with_the_steps_name_and_are_on_record() {
    use wire::resolve_step_request::Decision;
    let bench = Bench::new().await;
    let (id, mut worker) = unknown(&bench).await;
    let again = choice(&id, Decision::RunAgain);
    for confirm in ["", "yes", "build"] {
        let request = ResolveStepRequest { confirm: confirm.into(), ..again.clone() };
        let fault = bench.deployments.resolve(caller(), request).await.expect_err("not confirmed");
        assert_eq!(fault.reason, Reason::ConfirmationRequired, "{confirm}");
    }
    let request = ResolveStepRequest { confirm: "Build".into(), ..again };
    bench.deployments.resolve(caller(), request).await.expect("confirmed");
    let (_, offer) = worker.start().await;
    assert_eq!(offer.attempt_number, 2);
    let lines = bench.store.read(|connection| crate::audit::list(connection, None, None, 10)).await.expect("read");
    let line = lines.iter().find(|line| line.detail.contains("Run again")).expect("it is on record");
    assert!(line.detail.contains("may be alive: I looked"), "{}", line.detail);
}

#[tokio::test]
async fn what_is_known_to_be_dead_is_run_again_without_a_confirmation() {
    use wire::resolve_step_request::Decision;
    let bench = Bench::new().await;
    let (id, mut worker) = unknown(&bench).await;
    bench.deployments.resolve(caller(), choice(&id, Decision::Dead)).await.expect("its host is gone");
    assert_eq!(bench.show(&id).await.steps[0].attempts[0].state, "INTERRUPTED");
    let fault = bench.deployments.resolve(caller(), choice(&id, Decision::Dead)).await.expect_err("known already");
    assert_eq!(fault.reason, Reason::NothingToDecide);
    bench.deployments.resolve(caller(), choice(&id, Decision::RunAgain)).await.expect("run again");
    assert_eq!(worker.start().await.1.attempt_number, 2);
}

#[tokio::test]
async fn another_look_needs_no_reason_and_decides_nothing() {
    use wire::resolve_step_request::Decision;
    let bench = Bench::new().await;
    let (id, _worker) = unknown(&bench).await;
    let request = ResolveStepRequest { reason: String::new(), ..choice(&id, Decision::Probe) };
    let shown = bench.deployments.resolve(caller(), request).await.expect("looked at");
    assert_eq!(shown.steps[0].state(), step_run::State::Unknown);
}

#[tokio::test]
async fn an_aborted_step_has_failed_and_its_deployment_ends() {
    use wire::resolve_step_request::Decision;
    let bench = Bench::new().await;
    let (id, _worker) = unknown(&bench).await;
    let shown = bench.deployments.resolve(caller(), choice(&id, Decision::Abort)).await.expect("aborted");
    assert_eq!(shown.steps[0].state(), step_run::State::Failed);
    assert!(shown.cancel_requested);
    bench.events(&id, 0).await;
}
