//! What arrives, what is refused, what is removed.

use tempfile::TempDir;
use uuid::Uuid;

use super::*;
use crate::store::Stored;

const KEEP: Duration = Duration::from_secs(3600);

struct Shelf {
    folder: TempDir,
    store: Store,
    artifacts: Artifacts,
}

impl Shelf {
    fn with_quota(quota: u64) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(folder.path()).expect("a store");
        let keeping = Keeping { quota, retention: KEEP };
        let artifacts = Artifacts::new(store.clone(), folder.path().join("artifacts"), keeping);
        Self { folder, store, artifacts }
    }

    /// A deployment that ended at a time, and its one attempt.
    async fn attempt(&self, ended_at: i64) -> (DeploymentId, ExecutionId) {
        let (deployment, execution) = (DeploymentId(Uuid::now_v7()), ExecutionId(Uuid::now_v7()));
        let rows = format!(
            "INSERT INTO deployment VALUES ('{deployment}', 'shop', 'test', 1, 1, 'succeeded', 0, 'ci', 0, {ended_at}, '{{}}', x'', NULL);
             INSERT INTO step_run (deployment_id, idx, name, state, reason, detail) VALUES ('{deployment}', 0, 'Build', 'succeeded', '', '');
             INSERT INTO attempt (execution_id, deployment_id, step_idx, number, worker_id, worker_name, assign_seq, state, offered_at)
             VALUES ('{execution}', '{deployment}', 0, 1, '{execution}', 'one', 1, 'OFFERED', 0);"
        );
        self.store.write(move |tx| tx.execute_batch(&rows).stored("furnishing")).await.expect("furnished");
        (deployment, execution)
    }

    async fn states(&self, deployment: DeploymentId) -> Vec<(State, u64)> {
        let found = self.artifacts.list(deployment).await.expect("listed");
        found.into_iter().map(|(row, arrived)| (row.state, arrived)).collect()
    }

    /// Files below the folder of artifacts.
    fn contents(&self) -> usize {
        let folders = fs::read_dir(self.folder.path().join("artifacts")).expect("a folder");
        folders.flatten().filter_map(|folder| fs::read_dir(folder.path()).ok()).map(Iterator::count).sum()
    }
}

fn artifact(number: i32, bytes: &[u8]) -> worker::Artifact {
    use aws_lc_rs::digest::{SHA256, digest};
    let sha256 = digest(&SHA256, bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    worker::Artifact { number, name: format!("{number}.bin"), size: bytes.len() as i64, sha256 }
}

async fn wanted(shelf: &Shelf, execution: ExecutionId, artifact: &worker::Artifact) -> Receiving {
    match shelf.artifacts.offer(execution, artifact).await.expect("offered") {
        Offered::Wanted(receiving) => receiving,
        Offered::Settled(settled) => panic!("it is settled: {settled:?}"),
    }
}

async fn settled(shelf: &Shelf, execution: ExecutionId, artifact: &worker::Artifact) -> Settled {
    match shelf.artifacts.offer(execution, artifact).await.expect("offered") {
        Offered::Settled(settled) => settled,
        Offered::Wanted(_) => panic!("it is wanted"),
    }
}

async fn send(shelf: &Shelf, execution: ExecutionId, number: i32, bytes: &[u8]) -> Settled {
    let receiving = wanted(shelf, execution, &artifact(number, bytes)).await;
    let receiving = receiving.push(bytes.to_vec()).await.expect("pushed");
    receiving.finish().await.expect("finished")
}

#[tokio::test]
async fn an_upload_goes_on_where_it_broke_and_is_taken_once() {
    let shelf = Shelf::with_quota(100);
    let (deployment, execution) = shelf.attempt(1).await;
    let ten = artifact(1, b"0123456789");
    shelf.artifacts.announce(execution, std::slice::from_ref(&ten)).await.expect("announced");
    assert_eq!(shelf.states(deployment).await, [(State::Arriving, 0)]);

    let receiving = wanted(&shelf, execution, &ten).await;
    let receiving = receiving.push(b"0123".to_vec()).await.expect("pushed");
    let busy = shelf.artifacts.offer(execution, &ten).await.map(drop).expect_err("another session sends it");
    assert_eq!(busy.reason, Reason::StoreUnavailable);
    drop(receiving);
    assert_eq!(shelf.states(deployment).await, [(State::Arriving, 4)]);

    let receiving = wanted(&shelf, execution, &ten).await;
    assert_eq!(receiving.offset(), 4);
    let broken_off = receiving.finish().await.expect_err("six bytes are missing");
    assert!(broken_off.sentence.contains("4 of 10 bytes"), "{broken_off}");
    let receiving = wanted(&shelf, execution, &ten).await.push(b"456789".to_vec()).await.expect("pushed");
    assert_eq!(receiving.finish().await.expect("whole"), Settled::default());
    assert_eq!(settled(&shelf, execution, &ten).await, Settled::default(), "an answer that was lost is given again");

    assert_eq!(shelf.states(deployment).await, [(State::Stored, 10)]);
    let (_, size) = shelf.artifacts.open(deployment, &format!("{execution}-1")).await.expect("opened");
    assert_eq!(size, 10);
    let unknown = shelf.artifacts.open(deployment, "x").await.expect_err("no such one");
    assert_eq!(unknown.reason, Reason::ArtifactNotFound);
}

#[tokio::test]
async fn whoever_waits_hears_of_the_last_one() {
    let shelf = Shelf::with_quota(100);
    let (deployment, execution) = shelf.attempt(1).await;
    shelf.artifacts.announce(execution, &[artifact(1, b"a")]).await.expect("announced");
    let artifacts = shelf.artifacts.clone();
    let waiting = tokio::spawn(async move { artifacts.list_when_settled(deployment, KEEP).await });
    send(&shelf, execution, 1, b"a").await;
    let found = waiting.await.expect("no panic").expect("listed");
    assert_eq!(found[0].0.state, State::Stored);
}

#[tokio::test]
async fn what_is_not_what_it_was_said_to_be_is_never_stored() {
    let shelf = Shelf::with_quota(100);
    let (deployment, execution) = shelf.attempt(1).await;
    let right = artifact(1, b"right");

    // What came earlier may be what is wrong: once more, from the beginning.
    let receiving = wanted(&shelf, execution, &right).await.push(b"wr".to_vec()).await.expect("pushed");
    drop(receiving);
    let resumed = wanted(&shelf, execution, &right).await.push(b"ong".to_vec()).await.expect("pushed");
    resumed.finish().await.expect_err("once more");
    let anew = wanted(&shelf, execution, &right).await;
    assert_eq!(anew.offset(), 0);

    let damaged = anew.push(b"wrong".to_vec()).await.expect("pushed").finish().await.expect("settled");
    assert_eq!(damaged.reason, Reason::ArtifactDamaged.code());
    assert_eq!(settled(&shelf, execution, &right).await, damaged);
    assert_eq!(shelf.states(deployment).await, [(State::Refused, 0)]);
    assert_eq!(shelf.contents(), 0, "nothing of it is left");

    let more = wanted(&shelf, execution, &artifact(2, b"x")).await.push(b"xx".to_vec()).await.map(drop);
    assert_eq!(more.expect_err("more than it has").reason, Reason::InvalidFile);
}

#[tokio::test]
async fn what_would_not_fit_is_refused_for_good_and_says_how_much_there_is() {
    let shelf = Shelf::with_quota(10);
    let (deployment, execution) = shelf.attempt(1).await;
    send(&shelf, execution, 1, b"123456").await;
    let refused = settled(&shelf, execution, &artifact(2, b"12345")).await;
    assert_eq!(refused.reason, Reason::ArtifactQuota.code());
    for part in ["\"2.bin\" has 5 B", "may have 10 B, of which 6 B are taken", "--artifact-quota"] {
        assert!(refused.detail.contains(part), "{part}: {}", refused.detail);
    }
    send(&shelf, execution, 3, b"1234").await;
    let states: Vec<State> = shelf.states(deployment).await.into_iter().map(|(state, _)| state).collect();
    assert_eq!(states, [State::Stored, State::Refused, State::Stored]);
    let not_stored = shelf.artifacts.open(deployment, &format!("{execution}-2")).await.expect_err("not there");
    assert!(not_stored.sentence.contains("ARTIFACT_QUOTA"), "{not_stored}");
}

#[tokio::test]
async fn what_is_told_of_at_once_counts_one_after_the_other() {
    let shelf = Shelf::with_quota(10);
    let (deployment, execution) = shelf.attempt(1).await;
    let told = [artifact(1, b"123456"), artifact(2, b"12345"), artifact(3, b"1234"), artifact(4, b"1")];
    for _ in 0..2 {
        shelf.artifacts.announce(execution, &told).await.expect("announced, and once more");
        let states: Vec<State> = shelf.states(deployment).await.into_iter().map(|(state, _)| state).collect();
        assert_eq!(states, [State::Arriving, State::Refused, State::Arriving, State::Refused]);
    }
    let plan = shelf.store.read(|connection| {
        let sum = "EXPLAIN QUERY PLAN SELECT sum(size) FROM artifact WHERE state IN ('arriving', 'stored')";
        connection.query_row(sum, [], |row| row.get::<_, String>("detail")).stored("asking for a plan")
    });
    let plan = plan.await.expect("a plan");
    assert!(plan.contains("COVERING INDEX artifact_kept"), "what is gone is not looked at: {plan}");
}

#[tokio::test]
async fn artifacts_go_when_they_were_kept_long_enough_and_a_content_with_its_last_one() {
    let shelf = Shelf::with_quota(100);
    let hour = i64::try_from(KEEP.as_millis()).expect("fits");
    let (old, of_old) = shelf.attempt(1000).await;
    let (new, of_new) = shelf.attempt(2000).await;
    send(&shelf, of_old, 1, b"same").await;
    send(&shelf, of_old, 2, b"other").await;
    send(&shelf, of_new, 1, b"same").await;
    assert_eq!(shelf.contents(), 2, "a content is kept once");

    assert_eq!(shelf.artifacts.remove_expired(1000 + hour).await, Ok(0), "not a moment earlier");
    assert_eq!(shelf.artifacts.remove_expired(1001 + hour).await, Ok(2));
    assert_eq!(shelf.states(old).await, [(State::Expired, 0), (State::Expired, 0)]);
    assert_eq!(shelf.contents(), 1, "somebody else has it still");
    shelf.artifacts.open(new, &format!("{of_new}-1")).await.expect("still there");
    let gone = shelf.artifacts.open(old, &format!("{of_old}-1")).await.expect_err("removed");
    assert_eq!(gone.reason, Reason::ArtifactNotStored);

    assert_eq!(shelf.artifacts.remove_expired(2001 + hour).await, Ok(1));
    assert_eq!(shelf.contents(), 0);
    assert_eq!(settled(&shelf, of_old, &artifact(1, b"same")).await, Settled::default(), "it is not sent again");
}

#[tokio::test]
async fn what_no_worker_of_ours_would_say_is_refused() {
    let shelf = Shelf::with_quota(u64::MAX);
    let (deployment, execution) = shelf.attempt(1).await;
    let good = artifact(1, b"x");
    let named = |name: &str| worker::Artifact { name: name.into(), ..good.clone() };
    for bad in [
        worker::Artifact { number: 0, ..good.clone() },
        worker::Artifact { number: 201, ..good.clone() },
        worker::Artifact { size: -1, ..good.clone() },
        worker::Artifact { size: (5 << 30) + 1, ..good.clone() },
        worker::Artifact { sha256: "../../../etc/passwd".into(), ..good.clone() },
        named(""),
        named(".."),
        named("../../x"),
        named("a\\b"),
        named("a\nb"),
        named(&"x".repeat(256)),
    ] {
        let refused = shelf.artifacts.offer(execution, &bad).await.map(drop).expect_err(&bad.name);
        assert_eq!(refused.reason, Reason::InvalidArgument, "{bad:?}");
        shelf.artifacts.announce(execution, &[good.clone(), bad]).await.expect_err("not announced either");
    }
    assert_eq!(shelf.states(deployment).await, [], "nothing of it was written down");

    shelf.artifacts.announce(execution, std::slice::from_ref(&good)).await.expect("announced");
    let changed = shelf.artifacts.offer(execution, &named("other")).await.map(drop).expect_err("another");
    assert_eq!(changed.reason, Reason::InvalidArgument);
    let stranger = ExecutionId(Uuid::now_v7());
    let unknown = shelf.artifacts.offer(stranger, &good).await.map(drop).expect_err("no attempt");
    assert_eq!(unknown.reason, Reason::AttemptNotOpen);
}
