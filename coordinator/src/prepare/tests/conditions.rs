use coordinator_core::fact::{Settled, StepEnd};
use shared::plan::Condition;

use super::*;

async fn condition_after(end: StepEnd, condition: &str) -> Result<bool, Refusal> {
    let bench = Bench::new().await;
    let before = Step { name: "Build".into(), ..step(bash(":").action) };
    let asks =
        Step { condition: Condition::Expression(condition.into()), ..bash("echo #{Octopus.Step[Build].Status.Code}") };
    let id = bench.deploy(Process { steps: vec![before, asks], files: Vec::new() }, vec![text("Wanted", "True")]).await;
    let settled = Settled { step: 0, end, reason: "EXIT_CODE".into(), detail: "It broke.".into() };
    bench.tell(id, DeploymentFact::StepSettled(settled)).await;
    Ok(bench.preparer.prepare(id, 1).await?.condition)
}

#[tokio::test]
async fn an_expression_asks_how_the_steps_before_have_gone() {
    for (end, condition, holds) in [
        (StepEnd::Succeeded, "#{unless Octopus.Deployment.Error}#{Wanted}#{/unless}", true),
        (StepEnd::Failed, "#{unless Octopus.Deployment.Error}#{Wanted}#{/unless}", false),
        (StepEnd::Failed, "#{Octopus.Deployment.Error}", true),
        (StepEnd::Succeeded, "#{Octopus.Deployment.Error}", false),
        (StepEnd::Failed, "#{if Octopus.Step[Build].Status.Code == \"Failed\"}True#{/if}", true),
        (StepEnd::Failed, "#{if Octopus.Step[Build].Status.Error == \"It broke.\"}True#{/if}", true),
        (StepEnd::Skipped, "#{Octopus.Action[Build].IsSkipped}", true),
        (StepEnd::Succeeded, "#{Octopus.Action[Build].IsSkipped}", false),
        (StepEnd::Succeeded, "#{Octopus.Action[Build].Output.Changed}", false),
    ] {
        assert_eq!(condition_after(end, condition).await, Ok(holds), "{end:?} {condition}");
    }
    let refusal = condition_after(StepEnd::Succeeded, "#{Wantd}").await.expect_err("a misspelt name");
    assert_eq!(refusal.reason, "VARIABLE_UNSET");
    let refusal = condition_after(StepEnd::Succeeded, "#{if Wanted}True").await.expect_err("half a block");
    assert_eq!(refusal.reason, "EXPRESSION_INVALID");
}
