use super::*;

fn moved(execution: ExecutionId, event: AttemptEvent, result: Option<ExitResult>) -> DeploymentFact {
    DeploymentFact::AttemptMoved(Moved { step: 0, execution, event, evidence: String::new(), result })
}

/// Runs the first step of a deployment on paper.
async fn run_first_step(bench: &Bench, id: DeploymentId, outputs: impl FnOnce(ExecutionId) -> Vec<Output>) {
    let execution = ExecutionId(Uuid::now_v7());
    let worker = WorkerId(Uuid::now_v7());
    let offered = Offered { step: 0, execution, number: 1, worker, assign_seq: AssignSeq(1), locks: BTreeSet::new() };
    let result = ExitResult {
        outcome: Outcome::exited(0),
        final_seq: 0,
        digest: [0; 32],
        identity: None,
        outputs: outputs(execution),
    };
    let settled = Settled { step: 0, end: StepEnd::Succeeded, reason: "EXIT_ZERO".into(), detail: String::new() };
    for fact in [
        DeploymentFact::StepQueued { step: 0 },
        DeploymentFact::AttemptOffered(offered),
        moved(execution, AttemptEvent::Granted, None),
        moved(execution, AttemptEvent::Alive, None),
        moved(execution, AttemptEvent::Exited(OutcomeKind::Succeeded), Some(result)),
        DeploymentFact::StepSettled(settled),
    ] {
        bench.tell(id, fact).await;
    }
}

/// An attempt of the first step, from its offer to wherever these events lead.
pub(super) async fn attempt(bench: &Bench, id: DeploymentId, number: u32, events: &[AttemptEvent]) {
    let (execution, worker) = (ExecutionId(Uuid::now_v7()), WorkerId(Uuid::now_v7()));
    let offered = Offered { step: 0, execution, number, worker, assign_seq: AssignSeq(1), locks: BTreeSet::new() };
    let queued = match number {
        1 => DeploymentFact::StepQueued { step: 0 },
        _ => DeploymentFact::StepRetried { step: 0, after: Duration::ZERO },
    };
    bench.tell(id, queued).await;
    bench.tell(id, DeploymentFact::AttemptOffered(offered)).await;
    for event in events {
        let outcome = Outcome::exited(1);
        let result = ExitResult { outcome, final_seq: 0, digest: [0; 32], identity: None, outputs: Vec::new() };
        let result = matches!(event, AttemptEvent::Exited(_)).then_some(result);
        bench.tell(id, moved(execution, *event, result)).await;
    }
}

async fn two_steps(bench: &Bench, second: Step) -> DeploymentId {
    let first = Step { name: "Network".into(), ..bash("true") };
    bench.deploy(Process { steps: vec![first, second], files: Vec::new() }, vec![text("Secret", "not me")]).await
}

#[tokio::test]
async fn an_output_is_data_for_the_steps_after_it_and_is_not_evaluated_again() {
    let bench = Bench::new().await;
    let id = two_steps(&bench, bash("echo #{Octopus.Action[Network].Output.VpcId}")).await;
    let plain = Output { name: "VpcId".into(), value: OutputValue::Plain("vpc-1 #{Secret}".into()) };
    run_first_step(&bench, id, |_| vec![plain]).await;
    let spec = bench.spec(id, 1).await.expect("rendered");
    assert_eq!(body(&spec), "echo vpc-1 #{Secret}");
    assert_eq!(value(&spec, "Octopus.Action[Network].Output.VpcId"), Some(("vpc-1 #{Secret}", false)));
}

#[tokio::test]
async fn a_sensitive_output_is_opened_with_its_attempts_key_and_stays_sensitive() {
    let bench = Bench::new().await;
    let id = two_steps(&bench, bash("login #{Octopus.Action[Network].Output.Token}")).await;
    let seal = bench.seal.clone();
    run_first_step(&bench, id, move |execution| {
        let sealed = sealed_output::seal(&seal.output_key(execution), "Token", "canary");
        vec![Output { name: "Token".into(), value: OutputValue::Sealed(sealed) }]
    })
    .await;
    let spec = bench.spec(id, 1).await.expect("rendered");
    assert_eq!(body(&spec), "login canary");
    assert_eq!(value(&spec, "Octopus.Action[Network].Output.Token"), Some(("canary", true)));
    assert!(has_secret(&spec));
}

#[tokio::test]
async fn an_output_that_was_sealed_for_another_attempt_fails_the_step_and_is_not_shown() {
    let bench = Bench::new().await;
    let id = two_steps(&bench, bash("true")).await;
    let foreign = sealed_output::seal(&[9; 32], "Token", "canary");
    run_first_step(&bench, id, |_| vec![Output { name: "Token".into(), value: OutputValue::Sealed(foreign) }]).await;
    let refusal = bench.spec(id, 1).await.expect_err("it must be refused");
    assert!(refusal.detail.contains("\"Token\"") && refusal.detail.contains("\"Network\""), "{}", refusal.detail);
    assert!(!refusal.detail.contains("canary"), "{}", refusal.detail);
}
