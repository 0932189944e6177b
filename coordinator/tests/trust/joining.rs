//! How a stranger becomes a worker, and does not.

use std::time::Duration;

use proto::{
    deployment::{
        GetWorkerRequest, ListAccountsRequest, ListWorkersRequest, account_service_client::AccountServiceClient,
    },
    worker::{JoinRequest, join_service_client::JoinServiceClient, session_service_client::SessionServiceClient},
};
use service::{
    channel::{channel, explain},
    tls,
};
use tonic::Code;

use crate::world::{World, csr, join, key, knock, reason, request};

const NOBODY: &str = "there is nobody to join";

#[tokio::test(flavor = "multi_thread")]
async fn a_join_string_makes_one_worker_with_the_name_pool_and_labels_of_its_invitation() {
    let world = World::start().await;
    let (joined, badge) = world.worker("shop-1").await;
    assert_eq!((joined.worker_name.as_str(), joined.pool.as_str()), ("shop-1", "default"));
    knock(&mut world.session(&badge)).await.expect("its certificate is good");

    let shown = world.workers().get_worker(GetWorkerRequest { worker: "shop-1".into() }).await.unwrap().into_inner();
    assert_eq!((shown.id, shown.labels["team"].as_str()), (joined.worker_id, "shop"));
    let line = world.audited(|event| event.action == "worker.join" && event.allowed).await;
    assert_eq!((line.actor.as_str(), line.target.as_str()), ("worker shop-1", "shop-1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_used_join_string_is_refused_to_another_key_and_the_audit_log_knows_why() {
    let world = World::start().await;
    let invitation = world.invite("shop-1", None).await;
    join(&invitation, request(&invitation, &key())).await.expect("the first");
    let refused = join(&invitation, request(&invitation, &key())).await.expect_err("the second");
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::PermissionDenied, "JOIN_REFUSED"));
    world.audited(|event| event.reason == "JOIN_REFUSED" && event.detail.contains("used before")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_does_not_burn_the_join_string() {
    let world = World::start().await;
    let invitation = world.invite("shop-1", None).await;
    let key = key();
    let first = join(&invitation, request(&invitation, &key)).await.expect("the first");
    let again = join(&invitation, request(&invitation, &key)).await.expect("the same key again");
    assert_eq!(first.worker_id, again.worker_id);
    let all = world.workers().list_workers(ListWorkersRequest::default()).await.unwrap().into_inner().workers;
    assert_eq!(all.len(), 1);
    knock(&mut world.session(&crate::world::Badge { certificate: again.certificate_der, key }))
        .await
        .expect("the newer certificate");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_ten_who_use_one_join_string_at_once_one_becomes_a_worker() {
    let world = World::start().await;
    let invitation = world.invite("shop-1", None).await;
    let tries = (0..10).map(|_| {
        let invitation = invitation.clone();
        tokio::spawn(async move { join(&invitation, request(&invitation, &key())).await.is_ok() })
    });
    let mut admitted = 0;
    for one in tries.collect::<Vec<_>>() {
        admitted += usize::from(one.await.unwrap());
    }
    assert_eq!(admitted, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_refusal_looks_the_same_from_outside_and_makes_no_worker() {
    let world = World::start().await;
    let good = world.invite("shop-1", None).await;
    let expired = world.invite("shop-2", Some(Duration::from_millis(1))).await;
    let stolen_key = key();
    let other = world.invite("shop-3", None).await;
    join(&other, request(&other, &stolen_key)).await.expect("a worker with this key");

    let honest = || request(&good, &key());
    let mut flipped = honest();
    flipped.secret[0] ^= 1;
    let mut trailing = honest();
    trailing.csr_der.push(0);
    let cases: Vec<(&str, JoinRequest)> = vec![
        ("no such invitation", JoinRequest { invitation_id: vec![0; 10], ..honest() }),
        ("the secret is wrong", flipped),
        ("wrong length", JoinRequest { secret: vec![], ..honest() }),
        ("expired", request(&expired, &key())),
        ("no certificate request", JoinRequest { csr_der: vec![], ..honest() }),
        ("not PKCS #10", JoinRequest { csr_der: vec![0x30; 64], ..honest() }),
        ("larger than 4 KiB", JoinRequest { csr_der: vec![0x30; 5000], ..honest() }),
        ("something follows", trailing),
        ("another worker", JoinRequest { csr_der: csr(&stolen_key), ..honest() }),
    ];
    let mut sentences = std::collections::BTreeSet::new();
    for (why, request) in cases {
        let refused = join(&good, request).await.expect_err(why);
        assert_eq!(reason(&refused), "JOIN_REFUSED", "{why}: {refused:?}");
        sentences.insert(refused.message().to_owned());
        world.audited(|event| event.reason == "JOIN_REFUSED" && event.detail.contains(why)).await;
    }
    assert_eq!(sentences.len(), 1, "a refusal tells more than that it is one: {sentences:?}");
    let all = world.workers().list_workers(ListWorkersRequest::default()).await.unwrap().into_inner().workers;
    assert_eq!(all.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_eleventh_try_in_a_minute_waits() {
    let world = World::start().await;
    let invitation = world.invite("shop-1", None).await;
    let wrong = JoinRequest { secret: vec![0; 32], ..request(&invitation, &key()) };
    for _ in 0..10 {
        assert_eq!(reason(&join(&invitation, wrong.clone()).await.expect_err(NOBODY)), "JOIN_REFUSED");
    }
    let refused = join(&invitation, wrong).await.expect_err(NOBODY);
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::ResourceExhausted, "TOO_MANY_REQUESTS"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_cannot_send_a_large_message() {
    let world = World::start().await;
    let invitation = world.invite("shop-1", None).await;
    let large = JoinRequest { version: "x".repeat(33 << 10), ..request(&invitation, &key()) };
    let refused = join(&invitation, large).await.expect_err("33 KiB");
    assert_eq!(refused.code(), Code::OutOfRange, "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_join_string_of_another_coordinator_meets_no_trust_and_sends_nothing() {
    let (world, other) = (World::start().await, World::start().await);
    let mut invitation = other.invite("shop-1", None).await;
    invitation.urls = world.running.urls.join.clone();
    let failed = join(&invitation, request(&invitation, &key())).await.expect_err("another authority");
    assert!(explain(&failed).contains("is not trusted"), "{}", explain(&failed));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_listener_serves_its_own_service_only() {
    let world = World::start().await;
    let (_, badge) = world.worker("shop-1").await;

    let join_channel = world.channel_to(&world.running.urls.join[0]);
    let denied = AccountServiceClient::new(join_channel.clone())
        .list_accounts(ListAccountsRequest {})
        .await
        .expect_err("join listener");
    assert_eq!(denied.code(), Code::PermissionDenied);
    let denied = knock(&mut SessionServiceClient::new(join_channel)).await.expect_err("join listener");
    assert_eq!(denied.code(), Code::PermissionDenied);
    let denied =
        JoinServiceClient::new(world.channel()).join(JoinRequest::default()).await.expect_err("admin listener");
    assert_eq!(denied.code(), Code::PermissionDenied);
    let denied = knock(&mut SessionServiceClient::new(world.channel())).await.expect_err("admin listener");
    assert_eq!(denied.code(), Code::PermissionDenied);
    knock(&mut world.session(&badge)).await.expect("the worker listener");
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_text_gets_no_answer() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let world = World::start().await;
    let address = world.running.urls.join[0].trim_start_matches("https://").to_owned();
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    // What comes, if anything, is a TLS alert, and then the end.
    let _ = stream.read_to_end(&mut answer).await;
    assert!(answer.len() <= 7, "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_where_nobody_listens_is_named() {
    tls::install_provider();
    let config = tls::pinned_client_config(&[[0; 32]]).unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut client = JoinServiceClient::new(channel(&format!("https://127.0.0.1:{port}"), config).unwrap());
    let failed = client.join(JoinRequest::default()).await.expect_err(NOBODY);
    assert!(explain(&failed).contains(&format!("Nothing listens at 127.0.0.1:{port}")), "{}", explain(&failed));
}
