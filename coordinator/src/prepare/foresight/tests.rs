use std::time::Duration;

use shared::{
    id::DeploymentId,
    plan::{
        Aws, Expect, Process, Retries, Start,
        stack::{DeployStack, StackParameter},
    },
};
use uuid::Uuid;

use super::*;
use crate::prepare::snapshot::Variable;

fn step(name: &str) -> Step {
    Step {
        name: name.into(),
        pool: String::new(),
        requires: BTreeMap::new(),
        condition: Condition::Success,
        start: Start::AfterPrevious,
        environments: Vec::new(),
        timeout: Duration::from_secs(1),
        waits: shared::plan::Waits::default(),
        asks: shared::plan::Asks::default(),
        retries: Retries::default(),
        retry_safe: false,
        locks: Vec::new(),
        aws: Aws::default(),
        action: Action::CheckIdentity,
    }
}

/// What is wrong with these steps in "staging", with the pool "default" and some variables.
fn check(steps: Vec<Step>) -> Result<(), Fault> {
    let variable = |name: &str, kind, value: &str| Variable {
        name: name.into(),
        kind,
        value: value.into(),
        scope: Default::default(),
        given: false,
    };
    let variables = vec![
        variable("AWS Account", VariableKind::AwsAccount, "shop"),
        variable("Region", VariableKind::Text, "eu-west-1"),
        variable("Tag", VariableKind::Text, "#{Octopus.Action[Build].Output.Tag}"),
        variable("Broken", VariableKind::Text, "#{Nothing}"),
        variable("Secret", VariableKind::Sensitive, "canary #{Nothing}"),
    ];
    let plan = Plan {
        id: DeploymentId(Uuid::nil()),
        project: "shop".into(),
        environment: "staging".into(),
        number: 1,
        created_by: "token ci".into(),
        process: Process { steps, files: Vec::new() },
        snapshot: Snapshot { variables, ..Snapshot::default() },
    };
    plan.check([("default".to_owned(), BTreeMap::new())].into())
}

fn stack(parameter: &str) -> Step {
    let deploy = DeployStack {
        stack: "shop-#{Octopus.Environment.Name}".into(),
        parameters: [("Image".to_owned(), StackParameter { value: parameter.into(), ..StackParameter::default() })]
            .into(),
        ..DeployStack::default()
    };
    Step { action: Action::DeployStack(Box::new(deploy)), ..step("Stack") }
}

#[test]
fn what_has_a_value_or_may_have_one_stops_nothing() {
    let aws = Aws {
        identity: Identity::Account("AWS Account".into()),
        region: "#{Region}".into(),
        expect: Expect { role: "#{octopus.workerpool.name}".into(), ..Expect::default() },
        ..Aws::default()
    };
    let checked = check(vec![
        Step {
            locks: vec!["#{aws account.AccessKey}".into(), "#{Octopus.Step.Name}".into(), "##{Text}".into()],
            condition: Condition::Expression("#{Octopus.Action[Build].Output.Go}".into()),
            aws,
            ..step("A")
        },
        Step { pool: "#{Octopus.Action[#{Region}].Output.Pool}".into(), ..step("B") },
        stack("#{Tag} #{Secret}"),
        Step { pool: "moon".into(), environments: vec!["production".into()], ..step("Elsewhere") },
    ]);
    assert_eq!(checked, Ok(()));
}

#[test]
fn every_step_that_could_only_be_refused_later_is_named_at_once() {
    let with_aws = |region: &str| Aws { identity: Identity::WorkerRole, region: region.into(), ..Aws::default() };
    let steps = vec![
        Step { pool: "moon".into(), ..step("Pool") },
        Step { requires: [("disk".to_owned(), "#{Disk}".to_owned())].into(), ..step("Label") },
        Step { locks: vec!["#{Lock}".into()], ..step("Lock") },
        Step { aws: with_aws("#{Regoin}"), ..step("Region") },
        Step { condition: Condition::Expression("#{Deploi}".into()), ..step("Condition") },
        stack("#{Broken} #{Imgae}"),
    ];
    let fault = check(steps.clone()).expect_err("refused");
    assert_eq!(fault.reason, Reason::PoolNotFound);
    for part in [
        "step \"Pool\" runs in pool \"moon\"",
        "step \"Label\" names \"Disk\" in its label \"disk\"",
        "step \"Lock\" names \"Lock\" in its lock",
        "step \"Region\" names \"Regoin\" in its region",
        "step \"Condition\" names \"Deploi\" in its condition",
        "step \"Stack\" names \"Nothing\", \"Imgae\" in its parameter \"Image\", which have no value",
    ] {
        assert!(fault.sentence.contains(part), "{part} is not in: {fault}");
    }
    let fault = check(steps.into_iter().skip(1).collect()).expect_err("refused");
    assert_eq!(fault.reason, Reason::VariableUnset);
}
