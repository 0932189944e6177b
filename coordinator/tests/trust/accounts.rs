//! Accounts: what is asked for, what is kept, and what never comes out.

use std::collections::HashMap;

use proto::deployment::{
    Account, CreateAccountRequest, CreatePoolRequest, DeleteAccountRequest, DeletePoolRequest, GetAccountRequest,
    ListAccountsRequest, TestAccountRequest, UpdateAccountRequest, account_test::Answer,
};
use tonic::{Code, Status};
use uuid::Uuid;

use crate::world::{World, files_with, reason};

const SECRET: &str = "canaryCANARYcanaryCANARYcanaryCANARY0001";

fn shop() -> CreateAccountRequest {
    CreateAccountRequest {
        request_id: String::new(),
        name: "Shop (Staging)".into(),
        description: "The shop's staging account".into(),
        access_key_id: "AKIAIOSFODNN7EXAMPLE".into(),
        secret_access_key: SECRET.into(),
        region: "eu-west-1".into(),
        ..CreateAccountRequest::default()
    }
}

async fn create(world: &World, request: CreateAccountRequest) -> Result<Account, Status> {
    world.accounts().create_account(request).await.map(tonic::Response::into_inner)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_goes_in_and_never_comes_out() {
    let world = World::start().await;
    let created = create(&world, shop()).await.expect("created");
    assert_eq!(created.slug, "amazonwebservicesaccount-shop-staging");
    assert_eq!(created.secret_fingerprint.len(), 8);
    let listed = world.accounts().list_accounts(ListAccountsRequest {}).await.unwrap().into_inner();
    let line = world.audited(|event| event.action == "account.create").await;
    for shown in [format!("{created:?}"), format!("{listed:?}"), format!("{line:?}"), format!("{:?}", shop())] {
        assert!(!shown.contains("canary"), "{shown}");
    }
    let found = files_with(&world.folder.path().join("data"), SECRET.as_bytes());
    assert!(found.is_empty(), "the secret is readable in {found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_the_wrong_shape_say_what_is_wrong_and_repeat_no_secret() {
    let world = World::start().await;
    for (request, part) in [
        (CreateAccountRequest { access_key_id: "ASIAIOSFODNN7EXAMPLE".into(), ..shop() }, "session token"),
        (CreateAccountRequest { access_key_id: SECRET.into(), ..shop() }, "begins with AKIA"),
        (CreateAccountRequest { access_key_id: "AKIA".into(), ..shop() }, "begins with AKIA"),
        (CreateAccountRequest { secret_access_key: format!("{SECRET} "), ..shop() }, "a blank or a line break"),
        (CreateAccountRequest { secret_access_key: String::new(), ..shop() }, "secret key is empty"),
        (CreateAccountRequest { name: " shop".into(), ..shop() }, "begins or ends with a blank"),
        (CreateAccountRequest { region: "Ireland!".into(), ..shop() }, "not an AWS region"),
    ] {
        let refused = create(&world, request).await.expect_err(part);
        assert_eq!(refused.code(), Code::InvalidArgument, "{part}");
        assert!(refused.message().contains(part) && !refused.message().contains("canary"), "{}", refused.message());
    }
    let left = world.accounts().list_accounts(ListAccountsRequest {}).await.unwrap().into_inner().accounts;
    assert!(left.is_empty(), "a refused call saved something");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_request_makes_one_account_and_another_request_under_its_id_is_refused() {
    let world = World::start().await;
    let request = CreateAccountRequest { request_id: Uuid::now_v7().to_string(), ..shop() };
    let first = create(&world, request.clone()).await.expect("first");
    assert_eq!(create(&world, request.clone()).await.expect("again"), first);
    let other = CreateAccountRequest { secret_access_key: "another0secret".into(), ..request.clone() };
    assert_eq!(reason(&create(&world, other).await.expect_err("another secret")), "REQUEST_ID_REUSED");
    let unnamed = create(&world, shop()).await.expect_err("the name is taken");
    assert_eq!((unnamed.code(), reason(&unnamed).as_str()), (Code::AlreadyExists, "ALREADY_EXISTS"));
    let misshaped = CreateAccountRequest { request_id: "one".into(), ..request };
    assert_eq!(create(&world, misshaped).await.expect_err("no UUID").code(), Code::InvalidArgument);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_changes_what_it_names_and_leaves_the_rest() {
    let world = World::start().await;
    let before = create(&world, shop()).await.expect("created");
    let change = |request: UpdateAccountRequest| {
        let mut accounts = world.accounts();
        async move { accounts.update_account(UpdateAccountRequest { name: "Shop (Staging)".into(), ..request }).await }
    };
    let described = change(UpdateAccountRequest { description: Some("Other".into()), ..Default::default() })
        .await
        .unwrap()
        .into_inner();
    assert_eq!((described.description.as_str(), &described.secret_fingerprint), ("Other", &before.secret_fingerprint));
    let half =
        change(UpdateAccountRequest { access_key_id: Some("AKIAIOSFODNN7OTHERXX".into()), ..Default::default() }).await;
    assert_eq!(half.expect_err("half a pair").code(), Code::InvalidArgument);
    let new = change(UpdateAccountRequest { secret_access_key: Some("new0secret".into()), ..Default::default() })
        .await
        .unwrap()
        .into_inner();
    assert_ne!(new.secret_fingerprint, before.secret_fingerprint);
    let same = change(UpdateAccountRequest { secret_access_key: Some(SECRET.into()), ..Default::default() })
        .await
        .unwrap()
        .into_inner();
    assert_eq!(same.secret_fingerprint, before.secret_fingerprint);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_is_gone_is_not_found_and_can_be_made_anew() {
    let world = World::start().await;
    create(&world, shop()).await.expect("created");
    let name = || DeleteAccountRequest { name: "Shop (Staging)".into() };
    world.accounts().delete_account(name()).await.expect("deleted");
    let again = world.accounts().delete_account(name()).await.expect_err("it is gone");
    assert_eq!((again.code(), reason(&again).as_str()), (Code::NotFound, "ACCOUNT_NOT_FOUND"));
    let read =
        world.accounts().get_account(GetAccountRequest { name: "Shop (Staging)".into() }).await.expect_err("gone");
    assert!(read.message().contains("Shop (Staging)"), "{}", read.message());
    create(&world, shop()).await.expect("the name is free");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_where_aws_cannot_be_reached_is_an_answer_that_names_the_endpoint() {
    let folder = tempfile::tempdir().unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("http://127.0.0.1:{port}");
    let settings =
        coordinator::config::Settings { aws_endpoint_url: Some(url.clone()), ..crate::world::settings(folder.path()) };
    let world = World::of(folder, settings).await;
    create(&world, shop()).await.expect("created");
    let request = TestAccountRequest { name: "Shop (Staging)".into(), from: None };
    let answer = world.accounts().test_account(request).await.expect("an answer").into_inner();
    let [result] = &answer.results[..] else { panic!("{answer:?}") };
    assert_eq!(result.asked_from, "coordinator");
    let Some(Answer::Refusal(sentence)) = &result.answer else { panic!("{answer:?}") };
    assert!(sentence.contains(&url), "{sentence}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_default_pool_is_there_from_the_start_and_a_pool_with_workers_stays() {
    let world = World::start().await;
    let refused = world.pools().delete_pool(DeletePoolRequest { name: "default".into() }).await.expect_err("default");
    assert_eq!(reason(&refused), "IN_USE");
    world.pools().create_pool(CreatePoolRequest { name: "eu".into(), ..Default::default() }).await.expect("created");
    world.pools().delete_pool(DeletePoolRequest { name: "eu".into() }).await.expect("it is empty");
    let gone = world.pools().delete_pool(DeletePoolRequest { name: "eu".into() }).await.expect_err("gone");
    assert_eq!(reason(&gone), "POOL_NOT_FOUND");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_that_demands_what_no_worker_can_be_is_not_made() {
    let world = World::start().await;
    let pool = |label: &str, value: &str| CreatePoolRequest {
        name: "eu".into(),
        requires: HashMap::from([(label.to_owned(), value.to_owned())]),
        ..Default::default()
    };
    for (label, value) in
        [("aws.acount", "123456789012"), ("aws.account", "123"), ("aws.role", "arn:aws:iam::123456789012:role/shop")]
    {
        let refused = world.pools().create_pool(pool(label, value)).await.expect_err("refused");
        assert_eq!(reason(&refused), "INVALID_ARGUMENT", "{label}");
        assert!(refused.message().contains(&format!("{label}={value}, which is")), "{}", refused.message());
    }
    world.pools().create_pool(pool("aws.role", "shop")).await.expect("created");
}
