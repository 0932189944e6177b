use proto::action::deploy_stack::Template;

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
async fn what_a_script_cannot_have_evaluated_is_told_or_refuses_the_step_where_that_is_asked_for() {
    let bench = Bench::new().await;
    let script = || bash("#{if Greeting}#{Greeting | ToUpper}#{/if} #{Greeting | Shout}");
    let spec = bench.spec_of(script(), vec![text("Greeting", "hello")]).await.expect("rendered");
    assert_eq!(body(&spec), "HELLO #{Greeting | Shout}");
    let warning = &spec.preamble[0].text;
    assert!(warning.ends_with("Greeting | Shout: there is no filter \"Shout\"."), "{warning}");

    let switch = || text("OctopusShouldFailDeploymentOnSubstitutionFails", "True");
    let refused = |script, variables| async { bench.spec_of(script, variables).await.expect_err("refused") };
    let refusal = refused(script(), vec![text("Greeting", "hello"), switch()]).await;
    assert_eq!(refusal.reason, "EXPRESSION_INVALID");
    let refusal = refused(bash("echo #{Typo}"), vec![switch()]).await;
    assert_eq!(refusal.reason, "VARIABLE_UNSET");
    assert!(refusal.detail.contains("'Typo'"), "{}", refusal.detail);
}

#[tokio::test]
async fn a_variable_made_null_is_not_there_for_the_script() {
    let bench = Bench::new().await;
    let spec =
        bench.spec_of(bash(":"), vec![text("Gone", "#{if Nobody}x#{else}#{ | null}#{/if}")]).await.expect("rendered");
    assert!(spec.variables.iter().all(|variable| variable.name != "Gone"));
}

#[tokio::test]
async fn a_step_sees_the_most_specific_value_and_a_pool_is_named_before_it_counts() {
    let bench = Bench::new().await;
    let scoped = |value: &str, steps: &[&str], pools: &[&str]| {
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let scope = shared::scope::Scope { steps: set(steps), pools: set(pools), ..Default::default() };
        let mut variable = text("Where", value);
        variable.scope = scope;
        variable
    };
    let values = || vec![scoped("all", &[], &[]), scoped("pool", &[], &["default"]), scoped("step", &["Special"], &[])];
    let named = |name: &str| Step { name: name.into(), ..bash("#{Where}") };
    let process = Process { steps: vec![named("Plain"), named("special")], files: Vec::new() };
    let id = bench.deploy(process, values()).await;
    assert_eq!(body(&bench.spec(id, 0).await.expect("rendered")), "pool");
    assert_eq!(body(&bench.spec(id, 1).await.expect("rendered")), "step");

    let by_pool = Step { pool: "#{Where}".into(), ..named("Lost") };
    let refusal = bench.refusal_of(by_pool, values()).await;
    assert!(refusal.detail.contains("pool \"all\" does not exist"), "{}", refusal.detail);
}

#[tokio::test]
async fn a_command_is_run_as_it_was_typed() {
    let bench = Bench::new().await;
    let script = Script {
        shell: Shell::Python,
        source: Source::Body("print('#{Greeting}')".into()),
        substitute: false,
        strict: false,
    };
    let spec = bench.spec_of(step(Action::Script(script)), vec![text("Greeting", "hello")]).await.expect("rendered");
    assert_eq!(body(&spec), "print('#{Greeting}')");
    assert_eq!(spec.preamble, []);
}

#[tokio::test]
async fn a_script_in_a_file_is_read_and_the_projects_files_go_with_it() {
    let bench = Bench::new().await;
    let files =
        vec![bench.upload("scripts/notify.py", b"print('#{Octopus.Step.Name}')"), bench.upload("data.json", b"{}")];
    let script = Script {
        shell: Shell::Python,
        source: Source::File("scripts/notify.py".into()),
        substitute: true,
        strict: false,
    };
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
    let script =
        Script { shell: Shell::Bash, source: Source::File("latin.sh".into()), substitute: true, strict: false };
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
        template: StackTemplate::Body("Resources: {}  # #{Untouched}".into()),
        parameters: BTreeMap::from([
            ("Password".into(), parameter("pre-#{Password}")),
            ("Cidr".into(), parameter("10.0.0.0/16")),
        ]),
        capabilities: vec!["CAPABILITY_IAM".into()],
        tags: BTreeMap::from([("team".into(), "#{Octopus.Project.Name}".into())]),
        ..DeployStack::default()
    };
    let variables = vec![
        variable("Password", VariableKind::Sensitive, "canary"),
        variable("Other", VariableKind::Sensitive, "unused canary"),
    ];
    let id = bench.deploy(one(deploying(stack)), variables).await;
    let spec = bench.spec(id, 0).await.expect("rendered");
    let Some(step_spec::Action::DeployStack(action)) = &spec.action else { panic!("no stack") };
    assert_eq!(action.stack, "shop-network-staging");
    assert_eq!(action.template, Some(Template::Body("Resources: {}  # #{Untouched}".into())));
    assert_eq!(action.parameters["Password"].value, "pre-canary");
    assert_eq!(action.tags["team"], "shop");
    assert_eq!(spec.operation, step_key::operation(id, 0, 0));
    assert_eq!(spec.mask_values, ["canary"], "what is not sent needs no mask");
    assert_eq!(spec.variables, [], "a stack reads no variables");
    assert!(has_secret(&spec));
}

fn parameter(value: &str) -> StackParameter {
    StackParameter { value: value.into(), ..StackParameter::default() }
}

fn deploying(stack: DeployStack) -> Step {
    with_identity(step(Action::DeployStack(Box::new(stack))), Identity::WorkerRole)
}

#[tokio::test]
async fn a_template_is_substituted_only_where_asked_and_travels_as_a_file_otherwise() {
    let bench = Bench::new().await;
    let files = vec![bench.upload("stack.yaml", b"Description: '#{Octopus.Project.Name}'")];
    let template = StackTemplate::File("stack.yaml".into());
    let rendered = async |substitute| {
        let stack =
            DeployStack { stack: "shop".into(), template: template.clone(), substitute, ..DeployStack::default() };
        let process = Process { steps: vec![deploying(stack)], files: files.clone() };
        let id = bench.deploy(process, Vec::new()).await;
        let spec = bench.spec(id, 0).await.expect("rendered");
        assert_eq!(spec.files.len(), 1, "what is beside the template may be needed in any case");
        let Some(step_spec::Action::DeployStack(action)) = spec.action else { panic!("no stack") };
        action.template
    };
    assert_eq!(rendered(false).await, Some(Template::File("stack.yaml".into())));
    assert_eq!(rendered(true).await, Some(Template::Body("Description: 'shop'".into())));
}

#[tokio::test]
async fn a_secret_cannot_become_part_of_what_everybody_sees_of_a_stack() {
    let bench = Bench::new().await;
    let stack = DeployStack {
        stack: "shop".into(),
        template: StackTemplate::Body("{}".into()),
        tags: BTreeMap::from([("owner".into(), "#{Password}".into())]),
        ..DeployStack::default()
    };
    let variables = vec![variable("Password", VariableKind::Sensitive, "canary")];
    let refusal = bench.refusal_of(deploying(stack), variables).await;
    assert!(refusal.detail.contains("tag \"owner\"") && !refusal.detail.contains("canary"), "{}", refusal.detail);
}

#[tokio::test]
async fn an_upload_gets_the_files_that_it_uploads_and_a_script_gets_the_others() {
    let bench = Bench::new().await;
    let files = vec![bench.upload("dist/a.js", b"a"), bench.upload("run.sh", b"true")];
    let upload = UploadToS3 { bucket: "b".into(), source: vec!["dist/**".into()], ..UploadToS3::default() };
    let upload = with_identity(step(Action::UploadToS3(Box::new(upload))), Identity::WorkerRole);
    let id = bench.deploy(Process { steps: vec![upload, bash("true")], files }, Vec::new()).await;
    for (index, path) in [(0, "dist/a.js"), (1, "run.sh")] {
        let spec = bench.spec(id, index).await.expect("rendered");
        let paths: Vec<&str> = spec.files.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(paths, [path]);
    }
}

#[tokio::test]
async fn every_attempt_has_its_own_id_and_key() {
    let bench = Bench::new().await;
    let id = bench.deploy(one(bash("true")), Vec::new()).await;
    let execution = ExecutionId(Uuid::now_v7());
    let spec = bench.preparer.spec(id, 0, Attempt { execution, number: 2 }, "red").await.expect("rendered");
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

#[tokio::test]
async fn an_attempt_goes_on_with_what_was_lost_and_begins_anew_after_what_has_ended() {
    let bench = Bench::new().await;
    let id = bench.deploy(one(bash("true")), Vec::new()).await;
    let operation = async |number| {
        bench.preparer.spec(id, 0, Attempt { number, ..FIRST }, "red").await.expect("rendered").operation
    };
    let first = operation(1).await;
    outputs::attempt(&bench, id, 1, &[AttemptEvent::Granted, AttemptEvent::ContactLost, AttemptEvent::Decided]).await;
    assert_eq!(operation(2).await, first, "the first was lost, and may have begun it");
    outputs::attempt(
        &bench,
        id,
        2,
        &[AttemptEvent::Granted, AttemptEvent::Alive, AttemptEvent::Exited(OutcomeKind::Failed)],
    )
    .await;
    assert_ne!(operation(3).await, first, "the second ended, and said how");
    assert_eq!(operation(2).await, first, "what an attempt was given does not change");
}
