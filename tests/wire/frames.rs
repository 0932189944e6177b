//! Messages that are too long, and bytes that are no message, on each of the three listeners.

use std::{fs, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use proto::worker as w;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use service::{
    channel::channel,
    tls::{self, Identity},
};
use tests::{WorkerHost, World, until};
use tonic::{
    Code, Request, Status,
    client::Grpc,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    codegen::http::uri::PathAndQuery,
    metadata::{Ascii, MetadataValue},
    transport::Channel,
};

const CREATE_POOL: &str = "/longshore.deployment.v1.PoolService/CreatePool";
const JOIN: &str = "/longshore.worker.v1.JoinService/Join";

/// More questions about one attempt than a coordinator answers in two minutes.
const ASKED: u32 = 200;
/// 60 seconds: a step on a busy machine.
const SOON: Duration = Duration::from_secs(60);

/// Field 1 of a message, as long as wanted: for most requests a name.
fn field_one(length: usize) -> Vec<u8> {
    let mut bytes = vec![0x0a];
    let mut rest = length;
    while rest >= 0x80 {
        bytes.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
    bytes.resize(bytes.len() + length, b'x');
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_too_long_or_none_at_all_changes_nothing() -> Result<()> {
    let world = World::without_aws()?;
    let admin = channel(&world.coordinator().url(), tls::client_config(authority(&world)?, None)?)?;
    let token = token(&world)?;
    for (what, bytes) in [
        ("too long", field_one(3 << 20)),
        ("random", vec![0xff; 64]),
        ("cut short", field_one(100)[..50].to_vec()),
        ("a name that is not UTF-8", vec![0x12, 0x02, 0xff, 0xfe]),
    ] {
        let status = call(&admin, CREATE_POOL, bytes, Some(&token)).await.expect_err(what);
        assert_ne!(status.code(), Code::Ok, "{what}");
        assert_ne!(status.code(), Code::Unknown, "{what}: {status:?}");
        assert_ne!(status.code(), Code::Unavailable, "{what}: the connection is still good: {status:?}");
    }
    let status = call(&admin, "/longshore.deployment.v1.PoolService/NoSuchCall", Vec::new(), Some(&token)).await;
    let code = status.expect_err("there is no such call").code();
    assert!(matches!(code, Code::Unimplemented | Code::PermissionDenied), "{code:?}");
    let pools = world.cli().json(&["pool", "list"])?;
    assert_eq!(pools.as_array().map(Vec::len), Some(1), "nothing changed: {pools:#}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_at_the_join_listener_get_nothing_else_there() -> Result<()> {
    let world = World::without_aws()?;
    let settings = world.coordinator().settings();
    let url = format!("https://{}:{}", settings.address, settings.join);
    let join = channel(&url, tls::client_config(authority(&world)?, None)?)?;
    let status = call(&join, JOIN, field_one(33 << 10), None).await.expect_err("33 KiB");
    assert!(matches!(status.code(), Code::OutOfRange | Code::ResourceExhausted), "{status:?}");
    for method in [
        CREATE_POOL,
        "/longshore.worker.v1.SessionService/FetchStep",
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    ] {
        let status = call(&join, method, Vec::new(), Some(&token(&world)?)).await.expect_err(method);
        assert!(matches!(status.code(), Code::Unimplemented | Code::PermissionDenied), "{method}: {status:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_gets_nothing_that_is_not_its_own() -> Result<()> {
    let world = World::without_aws()?;
    let host = world.host("one")?;
    let settings = world.coordinator().settings();
    let url = format!("https://{}:{}", settings.address, settings.worker);

    let nobody = channel(&url, tls::client_config(authority(&world)?, None)?)?;
    let status = call(&nobody, "/longshore.worker.v1.SessionService/FetchStep", Vec::new(), None).await;
    let code = status.expect_err("without a certificate").code();
    // Our own side's words: TLS 1.3 refuses after the client's last flight, so the call may be under way and be cancelled.
    assert!(
        matches!(code, Code::Unavailable | Code::Unknown | Code::Cancelled),
        "no connection comes about, so nobody answers: {code:?}"
    );

    let worker = channel(&url, tls::client_config(authority(&world)?, Some(identity(&host)?))?)?;
    let mut client = w::session_service_client::SessionServiceClient::new(worker.clone());
    let foreign = uuid::Uuid::now_v7().to_string();
    let status = client.fetch_credentials(w::FetchCredentialsRequest { execution_id: foreign.clone() }).await;
    assert_eq!(status.expect_err("an attempt of nobody").code(), Code::FailedPrecondition);
    let status = client.fetch_step(w::FetchStepRequest { execution_id: foreign }).await;
    assert_eq!(status.expect_err("an attempt of nobody").code(), Code::FailedPrecondition);
    let status =
        call(&worker, CREATE_POOL, Vec::new(), Some(&token(&world)?)).await.expect_err("another listener's call");
    assert!(matches!(status.code(), Code::Unimplemented | Code::PermissionDenied), "{status:?}");
    for bytes in [vec![0xff; 64], field_one(3 << 20)] {
        let status =
            call(&worker, "/longshore.worker.v1.SessionService/FetchStep", bytes, None).await.expect_err("no message");
        assert_ne!(status.code(), Code::Unavailable, "the connection is still good: {status:?}");
    }
    assert_eq!(world.run_script("hello", "echo hello")?["state"], "succeeded", "the true worker is not disturbed");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_asks_without_end_what_its_step_needs_is_told_to_wait() -> Result<()> {
    let world = World::without_aws()?;
    let host = world.host("one")?;
    let go_on = world.folder().join("go-on");
    let script = format!("until [ -e {} ]; do sleep 0.1; done", go_on.display());
    let id = world.start_script("asked", &script)?;
    let execution_id = until("the step to run", SOON, || {
        let shown = world.deployment(&id)?;
        let attempt = &shown["steps"][0]["attempts"][0];
        Ok(attempt["execution_id"].as_str().filter(|_| attempt["state"] == "running").map(String::from))
    })?;
    let settings = world.coordinator().settings();
    let url = format!("https://{}:{}", settings.address, settings.worker);
    let worker = channel(&url, tls::client_config(authority(&world)?, Some(identity(&host)?))?)?;
    let mut client = w::session_service_client::SessionServiceClient::new(worker);
    for _ in 0..ASKED {
        if let Err(status) = client.fetch_step(w::FetchStepRequest { execution_id: execution_id.clone() }).await {
            assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
            break;
        }
    }
    let asked = client.fetch_credentials(w::FetchCredentialsRequest { execution_id: execution_id.clone() }).await;
    let status = asked.expect_err("both questions count");
    assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
    assert!(status.message().contains(&execution_id), "it says for which attempt: {status:?}");
    fs::write(&go_on, "")?;
    assert_eq!(world.ended(&id)?["state"], "succeeded", "the step itself is not disturbed");
    Ok(())
}

async fn call(
    channel: &Channel,
    method: &str,
    message: Vec<u8>,
    token: Option<&MetadataValue<Ascii>>,
) -> Result<Vec<u8>, Status> {
    let mut grpc = Grpc::new(channel.clone());
    grpc.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
    let mut request = Request::new(message);
    if let Some(token) = token {
        request.metadata_mut().insert("authorization", token.clone());
    }
    let path = PathAndQuery::try_from(method).expect("a path");
    grpc.unary(request, path, Raw).await.map(tonic::Response::into_inner)
}

fn token(world: &World) -> Result<MetadataValue<Ascii>> {
    let token = fs::read_to_string(world.coordinator().token_file())?;
    format!("Bearer {}", token.trim()).parse().context("a token is text")
}

fn authority(world: &World) -> Result<rustls::RootCertStore> {
    Ok(tls::roots_from_pem(&fs::read(world.coordinator().ca_file())?)?)
}

fn identity(host: &WorkerHost) -> Result<Arc<Identity>> {
    let folder = host.data_dir().join("id");
    let chain = CertificateDer::pem_file_iter(folder.join("cert.pem"))?.collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_file(folder.join("key.pem"))?;
    Ok(Identity::new(chain, key)?)
}

/// Bytes as they are.
#[derive(Clone, Copy)]
struct Raw;

impl Codec for Raw {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        prost::bytes::BufMut::put_slice(buffer, &item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        let mut bytes = vec![0; prost::bytes::Buf::remaining(buffer)];
        prost::bytes::Buf::copy_to_slice(buffer, &mut bytes);
        Ok(Some(bytes))
    }
}
