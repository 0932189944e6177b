use super::*;

fn lines(spec: &StepSpec) -> Vec<(i32, &str)> {
    spec.preamble.iter().map(|line| (line.level, line.text.as_str())).collect()
}

#[tokio::test]
async fn the_variables_are_printed_in_the_form_that_octopus_users_know() {
    let bench = Bench::new().await;
    let url = variable("Url", VariableKind::Text, "https://#{Password}@db");
    let password = variable("Password", VariableKind::Sensitive, "canary");
    let id = bench
        .deploy(one(bash("true")), vec![aws_account(), text("OctopusPrintVariables", "True"), password, url])
        .await;
    let spec = bench.spec(id, 0).await.expect("rendered");
    let deployment = format!("[Octopus.Deployment.Id] = '{id}'");
    let warning = "OctopusPrintVariables is enabled. This should only be used for debugging problems with variables, and then \
                   disabled again for normal deployments.";
    assert_eq!(
        lines(&spec),
        [
            (5, warning),
            (1, "The following variables are available:"),
            (1, "[AWS Account] = 'amazonwebservicesaccount-aws-account'"),
            (1, "[AWS Account.AccessKey] = 'AKIAIOSFODNN7EXAMPLE'"),
            (1, "[AWS Account.SecretKey] = '********'"),
            (1, "[Octopus.Action.Name] = 'Who am I'"),
            (1, "[Octopus.Deployment.CreatedBy] = 'token ci'"),
            (1, deployment.as_str()),
            (1, "[Octopus.Deployment.Number] = '7'"),
            (1, "[Octopus.Environment.Name] = 'staging'"),
            (1, "[Octopus.Machine.Name] = 'red'"),
            (1, "[Octopus.Project.Name] = 'shop'"),
            (1, "[Octopus.Step.Name] = 'Who am I'"),
            (1, "[Octopus.Step.Number] = '1'"),
            (1, "[Octopus.WorkerPool.Name] = 'default'"),
            (1, "[OctopusPrintVariables] = 'True'"),
            (1, "[Password] = '********'"),
            (1, "[Url] = 'https://#{Password}@db'"),
        ]
    );
}

#[tokio::test]
async fn evaluated_values_are_printed_unless_a_secret_took_part() {
    let bench = Bench::new().await;
    let variables = vec![
        text("OctopusPrintEvaluatedVariables", "true"),
        variable("Password", VariableKind::Sensitive, "canary"),
        text("Url", "https://#{Password}@#{Host}"),
        text("Host", "db-#{Octopus.Environment.Name}"),
        text("Poem", "one\ntwo"),
    ];
    let spec = bench.spec_of(bash("true"), variables).await.expect("rendered");
    let printed = lines(&spec);
    for line in ["[Host] = 'db-staging'", "[Url] = '********'", "[Password] = '********'", "[Poem] = 'one", "two'"] {
        assert!(printed.contains(&(1, line)), "{line} is not in {printed:?}");
    }
    assert!(printed.iter().all(|(_, line)| !line.contains("canary")), "{printed:?}");
}

#[tokio::test]
async fn nothing_is_printed_unless_asked_for() {
    let bench = Bench::new().await;
    let spec = bench.spec_of(bash("true"), vec![text("OctopusPrintVariables", "False")]).await.expect("rendered");
    assert_eq!(lines(&spec), []);
}
