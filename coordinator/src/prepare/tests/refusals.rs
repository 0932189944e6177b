use super::*;

#[tokio::test]
async fn a_pool_nobody_made_is_refused_and_an_empty_one_is_the_default() {
    let bench = Bench::new().await;
    let refusal = bench.refusal_of(Step { pool: "#{Where}".into(), ..bash("true") }, vec![text("Where", "moon")]).await;
    assert_eq!(refusal.reason, "POOL_NOT_FOUND");
    assert!(refusal.detail.contains("\"moon\""), "{}", refusal.detail);
    let id = bench.deploy(one(bash("true")), Vec::new()).await;
    assert_eq!(bench.preparer.prepare(id, 0).await.expect("prepared").pool, "default");
}

#[tokio::test]
async fn where_a_step_runs_is_evaluated_and_a_name_without_value_is_refused_by_name() {
    let bench = Bench::new().await;
    let placed = Step {
        requires: BTreeMap::from([("zone".into(), "#{Zone}".into())]),
        locks: vec!["db-#{Octopus.Environment.Name}".into(), "#{Empty}".into()],
        condition: Condition::Expression("#{Zone}".into()),
        ..bash("true")
    };
    let id = bench.deploy(one(placed.clone()), vec![text("Zone", "a"), text("Empty", "")]).await;
    let prepared = bench.preparer.prepare(id, 0).await.expect("prepared");
    assert_eq!(prepared.requires, BTreeMap::from([("zone".to_owned(), "a".to_owned())]));
    assert_eq!(prepared.locks, BTreeSet::from(["db-staging".to_owned()]));
    assert!(prepared.condition);

    let stack = Box::new(DeployStack { stack: "#{Nowhere}".into(), ..DeployStack::default() });
    for (step, what) in [
        (Step { pool: "#{Nowhere}".into(), ..bash("true") }, "pool"),
        (Step { locks: vec!["#{Nowhere}".into()], ..bash("true") }, "lock"),
        (Step { requires: BTreeMap::from([("zone".into(), "#{Nowhere}".into())]), ..bash("true") }, "label"),
        (with_identity(self::step(Action::DeployStack(stack)), Identity::WorkerRole), "stack"),
        (
            Step {
                aws: Aws { region: "#{Nowhere}".into(), identity: Identity::WorkerRole, ..Aws::default() },
                ..bash("true")
            },
            "region",
        ),
    ] {
        let refusal = bench.refusal_of(step, Vec::new()).await;
        assert_eq!(refusal.reason, "VARIABLE_UNSET", "{what}");
        for part in ["\"Who am I\"", what, "\"Nowhere\"", "\"staging\""] {
            assert!(refusal.detail.contains(part), "{part} is not in: {}", refusal.detail);
        }
    }
}

#[tokio::test]
async fn a_step_that_will_not_run_is_not_held_to_what_it_lacks() {
    let bench = Bench::new().await;
    let idle = Step {
        condition: Condition::Expression("#{Run}".into()),
        ..with_identity(bash("true"), Identity::NamedAccount("gone".into()))
    };
    let id = bench.deploy(one(idle), vec![text("Run", "False")]).await;
    assert!(!bench.preparer.prepare(id, 0).await.expect("prepared").condition);
}

#[tokio::test]
async fn what_does_not_fit_a_message_is_refused_before_a_worker_is_asked() {
    let bench = Bench::new().await;
    let large = "x".repeat(shared::limits::VARIABLE_BYTES);
    let refusal = bench.refusal_of(bash("true"), vec![text("A", &large), text("B", &large)]).await;
    assert_eq!(refusal.reason, "STEP_TOO_LARGE");
}

#[tokio::test]
async fn a_file_that_was_never_uploaded_is_named() {
    let bench = Bench::new().await;
    let script =
        Script { shell: Shell::Bash, source: Source::File("deploy.sh".into()), substitute: true, strict: false };
    let file = File { path: "deploy.sh".into(), sha256: "0".repeat(64), size: 1, executable: false };
    let id = bench.deploy(Process { steps: vec![step(Action::Script(script))], files: vec![file] }, Vec::new()).await;
    let refusal = bench.spec(id, 0).await.expect_err("it must be refused");
    assert_eq!(refusal.reason, "FILE_MISSING");
    assert!(refusal.detail.contains("\"deploy.sh\""), "{}", refusal.detail);
}
