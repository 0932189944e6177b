use super::*;

#[tokio::test]
async fn a_script_is_substituted_and_says_what_it_lacks() {
    let bench = Bench::new().await;
    let spec = bench
        .spec_of(bash("echo #{Greeting} #{Typo} ##{kept}"), vec![text("Greeting", "hello")])
        .await
        .expect("rendered");
    assert_eq!(body(&spec), "echo hello #{Typo} #{kept}");
    let warnings: Vec<_> = spec.preamble.iter().map(|line| (line.level, line.text.as_str())).collect();
    assert!(matches!(warnings[..], [(5, warning)] if warning.contains("'Typo'")), "{warnings:?}");
}

#[tokio::test]
async fn a_command_is_run_as_it_was_typed() {
    let bench = Bench::new().await;
    let script =
        Script { shell: Shell::Python, source: Source::Body("print('#{Greeting}')".into()), substitute: false };
    let spec = bench.spec_of(step(Action::Script(script)), vec![text("Greeting", "hello")]).await.expect("rendered");
    assert_eq!(body(&spec), "print('#{Greeting}')");
    assert_eq!(spec.preamble, []);
}

#[tokio::test]
async fn a_script_in_a_file_is_read_and_the_projects_files_go_with_it() {
    let bench = Bench::new().await;
    let files =
        vec![bench.upload("scripts/notify.py", b"print('#{Octopus.Step.Name}')"), bench.upload("data.json", b"{}")];
    let script = Script { shell: Shell::Python, source: Source::File("scripts/notify.py".into()), substitute: true };
    let id = bench.deploy(Process { steps: vec![step(Action::Script(script))], files }, Vec::new()).await;
    let spec = bench.spec(id, 0).await.expect("rendered");
    assert_eq!(body(&spec), "print('Who am I')");
    let Some(step_spec::Action::Script(action)) = &spec.action else { panic!("no script") };
    assert_eq!((action.shell.as_str(), action.name.as_str()), ("python", "scripts/notify.py"));
    let paths: Vec<_> = spec.files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(paths, ["scripts/notify.py", "data.json"]);
}

#[tokio::test]
async fn a_script_that_is_not_utf_8_is_refused_by_name() {
    let bench = Bench::new().await;
    let files = vec![bench.upload("latin.sh", b"echo caf\xe9")];
    let script = Script { shell: Shell::Bash, source: Source::File("latin.sh".into()), substitute: true };
    let id = bench.deploy(Process { steps: vec![step(Action::Script(script))], files }, Vec::new()).await;
    let refusal = bench.spec(id, 0).await.expect_err("it must be refused");
    assert_eq!(refusal.reason, "INVALID_FILE");
    assert!(refusal.detail.contains("\"latin.sh\"") && refusal.detail.contains("UTF-8"), "{}", refusal.detail);
}

#[tokio::test]
async fn a_stack_gets_its_parameters_and_the_mask_gets_their_secrets() {
    let bench = Bench::new().await;
    let stack = DeployStack {
        stack: "shop-network-#{Octopus.Environment.Name}".into(),
        template: Source::Body("Resources: {}  # #{Untouched}".into()),
        parameters: BTreeMap::from([
            ("Password".into(), "pre-#{Password}".into()),
            ("Cidr".into(), "10.0.0.0/16".into()),
        ]),
        capabilities: vec!["CAPABILITY_IAM".into()],
        tags: BTreeMap::from([("team".into(), "#{Octopus.Project.Name}".into())]),
    };
    let variables = vec![
        variable("Password", VariableKind::Sensitive, "canary"),
        variable("Other", VariableKind::Sensitive, "unused canary"),
    ];
    let id = bench.deploy(one(with_identity(step(Action::DeployStack(stack)), Identity::WorkerRole)), variables).await;
    let spec = bench.spec(id, 0).await.expect("rendered");
    let Some(step_spec::Action::DeployStack(action)) = &spec.action else { panic!("no stack") };
    assert_eq!(action.stack, "shop-network-staging");
    assert_eq!(action.template, "Resources: {}  # #{Untouched}");
    assert_eq!(action.parameters["Password"], "pre-canary");
    assert_eq!(action.tags["team"], "shop");
    assert_eq!(action.client_request_token, step_key(id, 0));
    assert_eq!(spec.mask_values, ["canary"], "what is not sent needs no mask");
    assert_eq!(spec.variables, [], "a stack reads no variables");
    assert!(has_secret(&spec));
}

#[tokio::test]
async fn every_attempt_has_its_own_id_and_key() {
    let bench = Bench::new().await;
    let id = bench.deploy(one(bash("true")), Vec::new()).await;
    let execution = ExecutionId(Uuid::now_v7());
    let spec = bench.preparer.spec(id, 0, execution, 2).await.expect("rendered");
    assert_eq!(spec.execution_id, execution.to_string());
    assert_eq!(spec.output_key, bench.seal.output_key(execution).to_vec());
}

#[tokio::test]
async fn what_was_kept_in_memory_is_read_back_from_the_store_after_it_was_released() {
    let bench = Bench::new().await;
    let id = bench.deploy(one(bash("echo #{A}")), vec![text("A", "1")]).await;
    let before = bench.spec(id, 0).await.expect("rendered");
    bench.preparer.release(id);
    assert_eq!(bench.preparer.live().len(), 0);
    assert_eq!(bench.spec(id, 0).await.expect("rendered again"), before);
}
