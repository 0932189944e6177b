//! What a token opens.

use std::sync::Arc;

use coordinator::{
    clock,
    seal::Seal,
    store::Store,
    token::Role,
    vault::{make_token, store_id},
};
use proto::deployment::{
    CreateEnvironmentRequest, GetCoordinatorRequest, ListEnvironmentsRequest,
    coordinator_service_client::CoordinatorServiceClient, environment_service_client::EnvironmentServiceClient,
};
use tonic::{Code, Status};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use crate::world::{Authorised, Bearer, World, reason};

/// Makes a token as `admin-token create` does, beside the running coordinator.
fn token(world: &World, name: &'static str, role: Role, expires_at: Option<i64>) -> String {
    tokio::task::block_in_place(|| {
        let data = world.folder.path().join("data");
        let store = Store::open(&data).expect("the store");
        let seal = Seal::read(&data.join("master.key"), &store_id(&store).expect("an id")).expect("the key");
        let made =
            store.write_blocking(move |connection| make_token(connection, &seal, name, role, expires_at, clock::now()));
        made.expect("a token").reveal().to_string()
    })
}

fn environments(world: &World, token: &str) -> EnvironmentServiceClient<Authorised> {
    EnvironmentServiceClient::with_interceptor(world.channel(), Bearer(token.to_owned()))
}

async fn create(world: &World, token: &str) -> Result<(), Status> {
    let request = CreateEnvironmentRequest { name: "staging".into(), ..CreateEnvironmentRequest::default() };
    environments(world, token).create_environment(request).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_admin_token_says_who_its_holder_is() {
    let world = World::start().await;
    let mut client = CoordinatorServiceClient::with_interceptor(world.channel(), Bearer(world.token()));
    let me = client.get_coordinator(GetCoordinatorRequest {}).await.unwrap().into_inner();
    assert_eq!((me.caller.as_str(), me.caller_role.as_str()), ("first-admin", "admin"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_without_a_good_token_gets_nothing_and_the_audit_log_has_it() {
    let world = World::start().await;
    let good = world.token();
    let expired = token(&world, "old", Role::Admin, Some(clock::now() - 1));
    let mut other_secret = good.clone().into_bytes();
    other_secret[20] ^= 1;
    let stranger = coordinator::token::Token::generate().unwrap().reveal().to_string();
    for (what, bad, expected) in [
        ("empty", String::new(), "UNAUTHENTICATED"),
        ("damaged", String::from_utf8(other_secret).unwrap(), "UNAUTHENTICATED"),
        ("of another coordinator", stranger, "UNAUTHENTICATED"),
        ("expired", expired, "TOKEN_EXPIRED"),
    ] {
        let refused = create(&world, &bad).await.expect_err(what);
        assert_eq!((refused.code(), reason(&refused).as_str()), (Code::Unauthenticated, expected), "{what}");
        assert!(bad.len() < 20 || !refused.message().contains(&bad[20..40]), "{what}: the answer repeats the token");
    }
    let none = EnvironmentServiceClient::new(world.channel()).list_environments(ListEnvironmentsRequest {}).await;
    assert_eq!(none.expect_err("no token").code(), Code::Unauthenticated);
    world
        .audited(|event| event.reason == "TOKEN_EXPIRED" && event.action == "environment.create" && !event.allowed)
        .await;
    let left = world.environments().list_environments(ListEnvironmentsRequest {}).await.unwrap().into_inner();
    assert!(left.environments.is_empty(), "a refused call changed something");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_opens_what_it_includes_and_nothing_above() {
    let world = World::start().await;
    let (viewer, deployer) = (token(&world, "eyes", Role::Viewer, None), token(&world, "ci", Role::Deployer, None));
    for (name, low) in [("eyes", &viewer), ("ci", &deployer)] {
        environments(&world, low).list_environments(ListEnvironmentsRequest {}).await.expect("reading");
        let refused = create(&world, low).await.expect_err("admins only");
        assert_eq!((refused.code(), reason(&refused).as_str()), (Code::PermissionDenied, "PERMISSION_DENIED"));
        assert!(refused.message().contains(name) && refused.message().contains("admin"), "{}", refused.message());
    }
    create(&world, &world.token()).await.expect("an admin");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_revoked_on_the_host_is_no_good_from_the_next_call_on() {
    let world = World::start().await;
    let viewer = token(&world, "eyes", Role::Viewer, None);
    environments(&world, &viewer).list_environments(ListEnvironmentsRequest {}).await.expect("before");
    let store = Arc::new(Store::open(&world.folder.path().join("data")).unwrap());
    store
        .write(|connection| coordinator::registry::token::revoke(connection, "eyes", clock::now()))
        .await
        .expect("revoked");
    let refused = environments(&world, &viewer).list_environments(ListEnvironmentsRequest {}).await.expect_err("after");
    assert_eq!(reason(&refused), "UNAUTHENTICATED");
}

#[tokio::test(flavor = "multi_thread")]
async fn whether_it_lives_may_be_asked_by_anybody() {
    let world = World::start().await;
    let answer = HealthClient::new(world.channel()).check(HealthCheckRequest::default()).await.unwrap().into_inner();
    assert_eq!(answer.status, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_method_that_does_not_exist_is_denied_and_not_merely_unknown() {
    let world = World::start().await;
    let reflection = tonic_health::pb::health_client::HealthClient::with_origin(
        world.channel(),
        format!("{}/longshore.deployment.v1.Secret", world.running.admin_urls[0]).parse().unwrap(),
    );
    let mut client = reflection;
    let refused = client.check(HealthCheckRequest::default()).await.expect_err("no such method");
    assert_eq!(refused.code(), Code::PermissionDenied);
}
