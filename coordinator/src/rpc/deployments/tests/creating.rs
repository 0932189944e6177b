use super::*;

async fn count(bench: &Bench, table: &'static str) -> i64 {
    let count = bench.store.read(move |connection| {
        Ok(connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).expect("a count"))
    });
    count.await.expect("counted")
}

#[tokio::test]
async fn deployments_of_a_project_are_numbered_and_audited() {
    let bench = Bench::new().await;
    let (first, second) = (bench.create().await, bench.create().await);
    assert_eq!((first.number, second.number), (1, 2));
    assert_eq!((first.project_revision, first.created_by.as_str()), (3, "token ci"));
    let names: Vec<_> = first.steps.iter().map(|step| step.name.as_str()).collect();
    assert_eq!(names, ["Build", "Tell"]);
    assert_eq!(count(&bench, "audit").await, 2);
}

#[tokio::test]
async fn many_at_once_take_one_number_each() {
    let bench = Arc::new(Bench::new().await);
    let tasks: Vec<_> = (0..16)
        .map(|_| {
            let bench = Arc::clone(&bench);
            tokio::spawn(async move { bench.create().await.number })
        })
        .collect();
    let mut numbers = Vec::new();
    for task in tasks {
        numbers.push(task.await.expect("created"));
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=16).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_call_that_is_repeated_answers_what_the_first_one_made() {
    let bench = Bench::new().await;
    let id = Uuid::now_v7().to_string();
    let first = bench.deployments.create(caller(), shop(&id)).await.expect("created");
    let again = bench.deployments.create(caller(), shop(&id)).await.expect("answered");
    assert_eq!(first.id, again.id);
    assert_eq!(count(&bench, "deployment").await, 1);
    let other =
        CreateDeploymentRequest { variables: [("Region".to_owned(), "us-east-1".to_owned())].into(), ..shop(&id) };
    let fault = bench.deployments.create(caller(), other).await.expect_err("another request");
    assert_eq!(fault.reason, Reason::RequestIdReused);
}

#[tokio::test]
async fn two_calls_with_one_request_id_at_once_make_one_command() {
    let bench = Bench::new().await;
    let command = || RunCommandRequest {
        request_id: "019b0000-0000-7000-8000-000000000001".into(),
        pool: "default".into(),
        script: Some(wire::Script {
            shell: wire::script::Shell::Bash.into(),
            source: Some(wire::script::Source::Body("true".into())),
            strict: None,
        }),
        ..RunCommandRequest::default()
    };
    let (one, other) =
        tokio::join!(bench.deployments.run(caller(), command()), bench.deployments.run(caller(), command()));
    assert_eq!(one.expect("made").id, other.expect("answered").id);
    assert_eq!(count(&bench, "deployment").await, 1);
}

#[tokio::test]
async fn what_is_refused_makes_nothing() {
    let bench = Bench::new().await;
    let prompted =
        |name: &str| CreateDeploymentRequest { variables: [(name.to_owned(), "x".to_owned())].into(), ..shop("") };
    for (request, reason) in [
        (CreateDeploymentRequest { project: "nobody".into(), ..shop("") }, Reason::ProjectNotFound),
        (CreateDeploymentRequest { environment: "moon".into(), ..shop("") }, Reason::EnvironmentNotFound),
        (prompted("Typo"), Reason::InvalidArgument),
        (prompted("Password"), Reason::InvalidArgument),
        (shop("not a uuid"), Reason::InvalidArgument),
    ] {
        let fault = bench.deployments.create(caller(), request).await.expect_err("refused");
        assert_eq!(fault.reason, reason, "{fault}");
    }
    assert_eq!(count(&bench, "deployment").await, 0);
    assert_eq!(bench.create().await.number, 1, "a refusal used up a number");
}

#[tokio::test]
async fn a_command_without_pool_script_or_account_says_what_is_missing() {
    let bench = Bench::new().await;
    let script = |source| Some(wire::Script { shell: wire::script::Shell::Bash.into(), source, strict: None });
    let body = || script(Some(wire::script::Source::Body("true".into())));
    let account = |name: &str| {
        Some(wire::Aws { identity: wire::aws::Identity::Account.into(), account: name.into(), ..wire::Aws::default() })
    };
    for (request, reason, part) in [
        (RunCommandRequest::default(), Reason::InvalidArgument, "`script`"),
        (
            RunCommandRequest { script: script(None), ..RunCommandRequest::default() },
            Reason::InvalidArgument,
            "`script.body`",
        ),
        (
            RunCommandRequest {
                script: script(Some(wire::script::Source::File("x".into()))),
                ..RunCommandRequest::default()
            },
            Reason::InvalidArgument,
            "`script.file`",
        ),
        (
            RunCommandRequest { pool: "moon".into(), script: body(), ..RunCommandRequest::default() },
            Reason::PoolNotFound,
            "moon",
        ),
        (
            RunCommandRequest { aws: account("nobody"), script: body(), ..RunCommandRequest::default() },
            Reason::AccountNotFound,
            "nobody",
        ),
        (
            RunCommandRequest { aws: account(""), script: body(), ..RunCommandRequest::default() },
            Reason::AccountNotFound,
            "\"\"",
        ),
    ] {
        let fault = bench.deployments.run(caller(), request).await.expect_err("refused");
        assert_eq!(fault.reason, reason, "{fault}");
        assert!(fault.sentence.contains(part), "{part} is not in: {fault}");
    }
    assert_eq!(count(&bench, "deployment").await, 0);
}

#[tokio::test]
async fn pages_of_the_list_hold_every_deployment_once_newest_first() {
    let bench = Bench::new().await;
    let mut made = Vec::new();
    for _ in 0..5 {
        made.push(bench.create().await.id);
    }
    made.reverse();
    let (mut listed, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = ListDeploymentsRequest { page_size: 2, page_token, ..ListDeploymentsRequest::default() };
        let page = bench.deployments.list(request).await.expect("a page");
        listed.extend(page.deployments.into_iter().map(|deployment| deployment.id));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(listed, made);
}

#[tokio::test]
async fn secrets_of_a_project_are_not_in_the_store_in_clear() {
    let bench = Bench::new().await;
    let id = bench.create().await.id;
    let sealed: Vec<u8> = bench
        .store
        .read(move |connection| {
            let select = "SELECT sealed_variables FROM deployment WHERE id = ?1";
            Ok(connection.query_row(select, [id], |row| row.get(0)).expect("a row"))
        })
        .await
        .expect("read");
    assert!(!sealed.is_empty() && !sealed.windows(6).any(|window| window == b"canary"));
}
