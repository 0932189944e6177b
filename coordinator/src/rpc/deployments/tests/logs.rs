use aws_lc_rs::digest;

use super::*;

/// Frames as a worker writes them, with their chain digest.
#[derive(Default)]
struct Written {
    frames: Vec<Vec<u8>>,
    digest: [u8; 32],
}

impl Written {
    fn push(&mut self, body: Body) {
        let frame = Frame { time_ms: 1_790_000_000_123, body: Some(body) }.encode_to_vec();
        let mut chain = digest::Context::new(&digest::SHA256);
        chain.update(&self.digest);
        chain.update(&frame);
        self.digest.copy_from_slice(chain.finish().as_ref());
        self.frames.push(frame);
    }

    fn log(&mut self, text: &str) {
        self.push(Body::Log(Log { source: 1, level: 2, data: text.to_owned().into() }));
    }

    fn result(&self) -> ExitResult {
        result(Outcome::exited(0), self.frames.len() as u64, self.digest)
    }

    /// Sends frames from a position on, as a session stores them.
    async fn store(&self, bench: &Bench, execution: ExecutionId, from: usize) {
        let mut bytes = Vec::new();
        for frame in &self.frames[from..] {
            prost::encoding::encode_varint(frame.len() as u64, &mut bytes);
            bytes.extend_from_slice(frame);
        }
        let count = (self.frames.len() - from) as u32;
        bench.logs.append(execution, from as u64, count, Bytes::from(bytes)).await.expect("stored");
    }
}

fn of_step(id: &str, follow: bool) -> ReadLogRequest {
    ReadLogRequest { deployment_id: id.into(), step: "build".into(), follow, ..ReadLogRequest::default() }
}

fn texts(frames: &[LogFrame]) -> Vec<(i64, String)> {
    frames.iter().map(|frame| (frame.sequence, String::from_utf8_lossy(&frame.data).into_owned())).collect()
}

#[tokio::test]
async fn a_follower_reads_a_log_as_it_grows_and_ends_when_it_is_whole() {
    let bench = Bench::new().await;
    let mut worker = bench.connect().await;
    let id = bench.create().await.id;
    let reading = bench.log(of_step(&id, true));
    let writing = async {
        let (execution, _) = worker.start().await;
        let mut written = Written::default();
        written.log("one\n");
        written.push(Body::Progress(Progress { percentage: 50, message: "half".into() }));
        written.store(&bench, execution, 0).await;
        written.log("two\n");
        worker.end(execution, written.result()).await;
        // The log arrives after the result.
        written.store(&bench, execution, 2).await;
        let sealed = bench.logs.seal(execution, 3, Some(written.digest)).await;
        assert_eq!(sealed, Ok(crate::log_store::Sealed::Complete));
        execution
    };
    let ((frames, last), execution) = tokio::join!(reading, writing);
    assert_eq!(texts(&frames), [(0, "one\n".into()), (2, "two\n".into())], "what is no log line leaves a gap");
    assert_eq!(frames[0].time.map(|time| (time.seconds, time.nanos)), Some((1_790_000_000, 123_000_000)));
    assert!(last.complete && last.incomplete_reason.is_empty(), "{last:?}");

    let rest = ReadLogRequest {
        deployment_id: id,
        execution_id: execution.to_string(),
        from_sequence: 1,
        ..ReadLogRequest::default()
    };
    let (frames, last) = bench.log(rest).await;
    assert_eq!(texts(&frames), [(2, "two\n".into())]);
    assert!(last.complete);
}

#[tokio::test]
async fn without_following_a_log_ends_where_it_stands_and_does_not_claim_to_be_whole() {
    let bench = Bench::new().await;
    let mut worker = bench.connect().await;
    let id = bench.create().await.id;
    let (execution, _) = worker.start().await;
    let mut written = Written::default();
    written.log("so far\n");
    written.store(&bench, execution, 0).await;
    let (frames, last) = bench.log(of_step(&id, false)).await;
    assert_eq!(texts(&frames), [(0, "so far\n".into())]);
    assert!(!last.complete && last.incomplete_reason.is_empty());
}

#[tokio::test]
async fn a_log_whose_worker_was_revoked_says_what_is_missing() {
    let bench = Bench::new().await;
    let mut worker = bench.connect().await;
    let id = bench.create().await.id;
    let (execution, _) = worker.start().await;
    let mut written = Written::default();
    written.log("one\n");
    written.store(&bench, execution, 0).await;
    written.log("lost\n");
    worker.end(execution, written.result()).await;
    let revoked = bench.worker;
    bench.store.write(move |tx| crate::registry::worker::revoke(tx, revoked)).await.expect("revoked");
    let (frames, last) = bench.log(of_step(&id, true)).await;
    assert_eq!(texts(&frames), [(0, "one\n".into())]);
    assert!(!last.complete);
    assert!(last.incomplete_reason.contains("revoked") && last.incomplete_reason.contains("1 of its 2"), "{last:?}");
}

#[tokio::test]
async fn a_step_that_has_not_begun_has_no_log_yet_and_one_that_never_will_has_none() {
    let bench = Bench::new().await;
    let id = bench.create().await.id;
    let read = |request| bench.deployments.read_log(Request::new(request));
    let reason = |status: Status| proto::status::reason_of(&status);
    let now = read(of_step(&id, false)).await.err().expect("no attempt");
    assert!(now.message().contains("not begun"), "{}", now.message());
    let (waited, cancelled) = tokio::join!(timeout(PATIENCE, read(of_step(&id, true))), bench.cancel(&id));
    cancelled.expect("cancelled");
    let never = waited.expect("it ends with the step").err().expect("it never ran");
    assert!(never.message().contains("never ran"), "{}", never.message());
    assert_eq!(reason(never).as_deref(), Some("ATTEMPT_NOT_FOUND"));
}

#[tokio::test]
async fn a_log_is_named_by_step_or_by_attempt_of_its_own_deployment() {
    let bench = Bench::new().await;
    let mut worker = bench.connect().await;
    let id = bench.create().await.id;
    let (execution, _) = worker.start().await;
    let other = bench.create().await.id;
    let asked = |deployment: &str, step: &str, execution: &str| ReadLogRequest {
        deployment_id: deployment.into(),
        step: step.into(),
        execution_id: execution.into(),
        ..ReadLogRequest::default()
    };
    let execution = execution.to_string();
    for (request, reason) in [
        (asked(&id, "", ""), "INVALID_ARGUMENT"),
        (asked(&id, "Build", &execution), "INVALID_ARGUMENT"),
        (ReadLogRequest { from_sequence: -1, ..asked(&id, "Build", "") }, "INVALID_ARGUMENT"),
        (asked(&id, "nobody", ""), "ATTEMPT_NOT_FOUND"),
        (asked(&id, "", "nonsense"), "ATTEMPT_NOT_FOUND"),
        (asked(&other, "", &execution), "ATTEMPT_NOT_FOUND"),
    ] {
        let shown = format!("{request:?}");
        let status = bench.deployments.read_log(Request::new(request)).await.err().expect("refused");
        assert_eq!(proto::status::reason_of(&status).as_deref(), Some(reason), "{shown}");
    }
}
