use super::*;

fn sequences(events: &[DeploymentEvent]) -> Vec<i64> {
    events.iter().map(|event| event.sequence).collect()
}

#[tokio::test]
async fn a_follower_who_was_there_from_the_start_and_one_who_comes_late_see_the_same() {
    let bench = Bench::new().await;
    let id = bench.create().await.id;
    let request = Request::new(WatchDeploymentRequest { id: id.clone(), after_sequence: 0 });
    let live = bench.deployments.watch_deployment(request).await.expect("followed").into_inner();
    let (live, cancelled) = tokio::join!(timeout(PATIENCE, live.collect::<Vec<_>>()), bench.cancel(&id));
    cancelled.expect("cancelled");
    let live: Vec<_> = live.expect("it ends").into_iter().map(|event| event.expect("an event")).collect();
    let late = bench.events(&id, 0).await;
    assert_eq!(live, late);
    assert_eq!(sequences(&late), (1..=late.len() as i64).collect::<Vec<_>>());
    let kinds: Vec<_> = late.iter().map(|event| event.r#type.as_str()).collect();
    assert_eq!(
        kinds,
        [
            "deployment_created",
            "step_queued",
            "cancel_requested",
            "step_cancelled",
            "step_cancelled",
            "deployment_ended"
        ]
    );
}

#[tokio::test]
async fn every_cursor_begins_right_after_itself_and_one_past_the_end_ends_at_once() {
    let bench = Bench::new().await;
    let id = bench.create().await.id;
    bench.cancel(&id).await.expect("cancelled");
    let all = bench.events(&id, 0).await;
    for cursor in 0..=all.len() as i64 + 3 {
        let rest = bench.events(&id, cursor).await;
        let expected = all.get(cursor as usize..).unwrap_or_default();
        assert_eq!(rest, expected, "after {cursor}");
    }
}

#[tokio::test]
async fn more_events_than_a_page_are_all_told_in_order() {
    let bench = Bench::new().await;
    let steps = (0..300).map(|number| bash(&format!("S{number}"))).collect();
    let process = Process { steps, files: Vec::new() };
    let row = project::Row {
        name: "shop".into(),
        description: String::new(),
        revision: 4,
        process,
        next_number: 1,
        variables_from: Vec::new(),
        updated_at: 0,
    };
    bench.store.write(move |tx| project::put(tx, &row)).await.expect("applied");
    let id = bench.create().await.id;
    bench.cancel(&id).await.expect("cancelled");
    let events = bench.events(&id, 0).await;
    assert!(events.len() > 300, "{}", events.len());
    assert_eq!(sequences(&events), (1..=events.len() as i64).collect::<Vec<_>>());
}

#[tokio::test]
async fn events_of_a_run_name_step_and_worker_and_say_how_it_ended() {
    let bench = Bench::new().await;
    let mut worker = bench.connect().await;
    let id = bench.create().await.id;
    for _ in 0..2 {
        let (execution, _) = worker.start().await;
        worker.end(execution, result(Outcome::exited(0), 0, [0; 32])).await;
    }
    let events = bench.events(&id, 0).await;
    let told: Vec<_> =
        events.iter().map(|event| (event.r#type.as_str(), event.step.as_str(), event.worker.as_str())).collect();
    let of = |step: &'static str| {
        [
            ("step_queued", step, ""),
            ("attempt_offered", step, "w1"),
            ("attempt_granted", step, "w1"),
            ("attempt_started", step, "w1"),
            ("attempt_ended", step, "w1"),
            ("step_succeeded", step, ""),
        ]
    };
    let mut expected = vec![("deployment_created", "", "")];
    expected.extend(of("Build"));
    expected.extend(of("Tell"));
    expected.push(("deployment_ended", "", ""));
    assert_eq!(told, expected);
    let ended = &events[5];
    assert_eq!(ended.reason, "EXIT_ZERO");
    assert!(ended.message.contains("\"Build\"") && ended.message.contains("\"w1\""), "{}", ended.message);
    assert_eq!(events[6].step_state(), step_run::State::Succeeded);
}

#[tokio::test]
async fn a_prefix_of_an_id_will_do_and_a_stranger_is_not_found() {
    let bench = Bench::new().await;
    let id = bench.create().await.id;
    assert_eq!(bench.show(&id[..13]).await.id, id);
    let stranger = Request::new(GetDeploymentRequest { id: Uuid::max().to_string() });
    let status = bench.deployments.get_deployment(stranger).await.expect_err("not there");
    assert_eq!(proto::status::reason_of(&status).as_deref(), Some("DEPLOYMENT_NOT_FOUND"));
}

#[tokio::test]
async fn whoever_follows_does_not_hold_up_the_end_of_the_coordinator() {
    let bench = Bench::new().await;
    let id = bench.create().await.id;
    let request = Request::new(WatchDeploymentRequest { id, after_sequence: 0 });
    let mut events = bench.deployments.watch_deployment(request).await.expect("followed").into_inner();
    events.next().await.expect("an event").expect("the first");
    bench.shutdown.request();
    let told = timeout(PATIENCE, events.collect::<Vec<_>>()).await.expect("it ends");
    let last = told.into_iter().last().expect("a last word").expect_err("it is not over");
    assert_eq!(proto::status::reason_of(&last).as_deref(), Some("SHUTTING_DOWN"));
}
