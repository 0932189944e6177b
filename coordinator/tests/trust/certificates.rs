//! What a worker's certificate opens, and when it stops doing so.

use std::time::{Duration, Instant};

use coordinator::{
    clock,
    pki::{CertificateRequest, Pki},
    seal::Seal,
    store::Store,
};
use proto::{
    deployment::{DeleteWorkerRequest, DrainWorkerRequest, RevokeWorkerRequest},
    worker::{RenewCertificateRequest, WorkerMessage, session_service_client::SessionServiceClient},
};
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, KeyPair};
use service::channel::explain;
use shared::id::WorkerId;
use tonic::{Code, Status};
use uuid::Uuid;

use crate::world::{Badge, World, csr, key, knock, reason};

const DAY: i64 = 24 * 3600 * 1000;

async fn renew(world: &World, badge: &Badge) -> Result<Badge, Status> {
    let key = key();
    let renewed = world.session(badge).renew_certificate(RenewCertificateRequest { csr_der: csr(&key) }).await?;
    Ok(Badge { certificate: renewed.into_inner().certificate_der, key })
}

async fn revoke(world: &World, name: &str) {
    let request = RevokeWorkerRequest { worker: name.into(), reason: "its host was sold".into() };
    world.workers().revoke_worker(request).await.expect("revoked");
}

/// The coordinator's own authority, in a thief's hands: what it could sign must still not fit.
fn forge(world: &World, domain: Option<&str>, at: i64, id: WorkerId) -> Badge {
    let data = world.folder.path().join("data");
    let store = Store::open(&data).expect("the store");
    let domain = domain.map(str::to_owned);
    tokio::task::block_in_place(|| {
        let store_id = coordinator::vault::store_id(&store).expect("an id");
        let seal = Seal::read(&data.join("master.key"), &store_id).expect("the key");
        let key = key();
        let request = CertificateRequest::from_der(&csr(&key)).expect("a request");
        let issued = store.write_blocking(move |connection| {
            let pki = Pki::load_or_make(connection, &seal, &domain.unwrap_or(store_id), at)?;
            pki.issue_worker(&request, id, at)
        });
        Badge { certificate: issued.expect("signed").der.to_vec(), key }
    })
}

async fn refusal(world: &World, badge: &Badge) -> String {
    let status = knock(&mut world.session(badge)).await.expect_err("it must not open");
    explain(&status)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_worker_loses_its_open_connection_within_a_second_and_is_told_why_when_it_returns() {
    let world = World::start().await;
    let (_, badge) = world.worker("shop-1").await;
    let mut client = world.session(&badge);
    knock(&mut client).await.expect("before");

    // A stream that the worker holds open and says nothing on.
    let (_said, silence) = tokio::sync::mpsc::channel::<WorkerMessage>(1);
    let open = tokio::spawn(async move {
        let mut client = client;
        match client.control(tokio_stream::wrappers::ReceiverStream::new(silence)).await {
            Ok(stream) => stream.into_inner().message().await.map(drop),
            Err(status) => Err(status),
        }
    });
    knock(&mut world.session(&badge)).await.expect("the stream's request is on its way");
    let revoked_at = Instant::now();
    revoke(&world, "shop-1").await;
    let ended = tokio::time::timeout(Duration::from_secs(5), open).await.expect("it ends").unwrap();
    assert!(ended.is_err(), "the stream ended as if all were well");
    assert!(revoked_at.elapsed() < Duration::from_secs(1), "{:?}", revoked_at.elapsed());

    let refused = knock(&mut world.session(&badge)).await.expect_err("it was revoked");
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::PermissionDenied, "WORKER_REVOKED"));
    world.audited(|event| event.reason == "WORKER_REVOKED" && !event.allowed).await;

    let world = world.restart().await;
    let refused = knock(&mut world.session(&badge)).await.expect_err("after a restart as well");
    assert_eq!(reason(&refused), "WORKER_REVOKED");
    let drain =
        world.workers().drain_worker(DrainWorkerRequest { worker: "shop-1".into() }).await.expect_err("revoked");
    assert_eq!(reason(&drain), "WORKER_REVOKED");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewed_certificate_ends_the_old_one_at_its_first_use_and_not_before() {
    let world = World::start().await;
    let (_, old) = world.worker("shop-1").await;
    let unused = renew(&world, &old).await.expect("renewed");
    let new = renew(&world, &old).await.expect("renewed again, since the first was never used");
    knock(&mut world.session(&old)).await.expect("the new one was not used yet");

    knock(&mut world.session(&new)).await.expect("its first use");
    for (which, badge) in [("the old one", &old), ("the one that was never used", &unused)] {
        let refused = knock(&mut world.session(badge)).await.expect_err(which);
        assert_eq!(reason(&refused), "CERTIFICATE_NOT_CURRENT", "{which}");
    }
    world.audited(|event| event.reason == "CERTIFICATE_NOT_CURRENT").await;

    let world = world.restart().await;
    knock(&mut world.session(&new)).await.expect("after a restart as well");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_a_workers_disk_is_noticed_when_both_renew() {
    let world = World::start().await;
    let (_, stolen) = world.worker("shop-1").await;
    let first = renew(&world, &stolen).await.expect("one renews");
    knock(&mut world.session(&first)).await.expect("and uses it");
    let refused = renew(&world, &stolen).await.err().expect("the other does not");
    assert_eq!(reason(&refused), "CERTIFICATE_NOT_CURRENT");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_needs_a_new_key_and_a_sound_request() {
    let world = World::start().await;
    let (_, badge) = world.worker("shop-1").await;
    for (what, csr_der) in [("the same key", csr(&badge.key)), ("garbage", vec![1, 2, 3])] {
        let refused =
            world.session(&badge).renew_certificate(RenewCertificateRequest { csr_der }).await.expect_err(what);
        assert_eq!(refused.code(), Code::InvalidArgument, "{what}: {refused:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_certificate_or_with_a_strangers_the_worker_listener_stays_shut() {
    let world = World::start().await;
    let mut nobody = SessionServiceClient::new(world.channel_to(&world.running.urls.worker[0]));
    let status = knock(&mut nobody).await.expect_err("no certificate");
    assert_eq!(proto::status::reason_of(&status), None, "the call came through: {status:?}");

    let own = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let stranger = Badge { certificate: params.self_signed(&own).unwrap().der().to_vec(), key: own };
    let status = knock(&mut world.session(&stranger)).await.expect_err("its own authority");
    assert_eq!(proto::status::reason_of(&status), None, "the call came through: {status:?}");
    assert!(explain(&status).contains("refused"), "{}", explain(&status));
}

#[tokio::test(flavor = "multi_thread")]
async fn even_the_right_authority_cannot_sign_for_other_times_names_or_workers() {
    let world = World::start().await;
    let (joined, _) = world.worker("shop-1").await;
    let id: WorkerId = joined.worker_id.parse().unwrap();
    let now = clock::now();
    let through = |sentence: &str| sentence.contains("not known here") || sentence.contains("replaced by a newer");
    for (what, badge) in [
        ("expired", forge(&world, None, now - 2 * DAY, id)),
        ("not valid yet", forge(&world, None, now + 3 * DAY, id)),
        ("another coordinator's name space", forge(&world, Some("elsewhere"), now, id)),
    ] {
        let sentence = refusal(&world, &badge).await;
        assert!(!through(&sentence), "{what} got through the handshake: {sentence}");
    }
    assert!(refusal(&world, &forge(&world, None, now, WorkerId(Uuid::now_v7()))).await.contains("not known here"));
    assert!(refusal(&world, &forge(&world, None, now, id)).await.contains("replaced by a newer"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_may_still_connect_is_not_forgotten_and_a_forgotten_one_does_not_come_back() {
    let world = World::start().await;
    let (_, badge) = world.worker("shop-1").await;
    revoke(&world, "shop-1").await;
    world.workers().delete_worker(DeleteWorkerRequest { worker: "shop-1".into() }).await.expect("forgotten");
    let refused = knock(&mut world.session(&badge)).await.expect_err("forgotten");
    assert_eq!(refused.code(), Code::Unauthenticated);
    let (_, other) = world.worker("shop-1").await;
    knock(&mut world.session(&other)).await.expect("the name is free again");
    knock(&mut world.session(&badge)).await.expect_err("and means another worker");
}
