//! A call that is made twice with one request id happens once.

use std::fs;

use anyhow::{Context, Result};
use proto::deployment as d;
use service::{channel::channel, tls};
use tests::World;
use tonic::{
    Code, Request,
    metadata::{Ascii, MetadataValue},
};
use uuid::Uuid;

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_creation_answers_what_the_first_one_made() -> Result<()> {
    let world = World::without_aws()?;
    world.apply("hello", "project: hello\nsteps:\n  - { name: One, script: { shell: bash, body: \"true\" } }\n")?;
    world.cli().ok(&["environment", "create", "test"])?;
    let authority = tls::roots_from_pem(&fs::read(world.coordinator().ca_file())?)?;
    let admin = channel(&world.coordinator().url(), tls::client_config(authority, None)?)?;
    let token: MetadataValue<Ascii> =
        format!("Bearer {}", fs::read_to_string(world.coordinator().token_file())?.trim())
            .parse()
            .context("a token")?;
    let with_token = move |mut request: Request<()>| {
        request.metadata_mut().insert("authorization", token.clone());
        Ok(request)
    };

    let mut pools = d::pool_service_client::PoolServiceClient::with_interceptor(admin.clone(), with_token.clone());
    let pool =
        d::CreatePoolRequest { request_id: Uuid::new_v4().to_string(), name: "twice".into(), ..Default::default() };
    let first = pools.create_pool(pool.clone()).await?.into_inner();
    assert_eq!(pools.create_pool(pool.clone()).await?.into_inner(), first);
    let other = d::CreatePoolRequest { name: "another".into(), ..pool.clone() };
    let status = pools.create_pool(other).await.expect_err("an id stands for one request");
    assert_eq!(status.code(), Code::FailedPrecondition, "{status:?}");
    let again = d::CreatePoolRequest { request_id: Uuid::new_v4().to_string(), ..pool };
    let status = pools.create_pool(again).await.expect_err("the name is taken");
    assert_eq!(status.code(), Code::AlreadyExists, "{status:?}");

    let mut deployments = d::deployment_service_client::DeploymentServiceClient::with_interceptor(admin, with_token);
    let deployment = d::CreateDeploymentRequest {
        request_id: Uuid::new_v4().to_string(),
        project: "hello".into(),
        environment: "test".into(),
        ..Default::default()
    };
    let first = deployments.create_deployment(deployment.clone()).await?.into_inner();
    let second = deployments.create_deployment(deployment).await?.into_inner();
    assert_eq!(first.id, second.id);
    let all = deployments.list_deployments(d::ListDeploymentsRequest::default()).await?.into_inner();
    assert_eq!(all.deployments.len(), 1);
    Ok(())
}
