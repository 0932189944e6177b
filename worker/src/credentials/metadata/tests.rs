//! Against a small server that speaks version 2: token by PUT, then GET with it.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::Metadata;

const TOKEN: &str = "the-session-token";

/// Answers as the function says: path to status and body.
async fn serve(answer: fn(&str) -> (u16, &'static str)) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(converse(stream, answer));
        }
    });
    address
}

async fn converse(mut stream: TcpStream, answer: fn(&str) -> (u16, &'static str)) -> std::io::Result<()> {
    let mut text = String::new();
    let mut chunk = [0; 4096];
    loop {
        while !text.contains("\r\n\r\n") {
            let read = stream.read(&mut chunk).await?;
            if read == 0 {
                return Ok(());
            }
            text.push_str(&String::from_utf8_lossy(&chunk[..read]));
        }
        let request = std::mem::take(&mut text).to_lowercase();
        let path = request.split_whitespace().nth(1).unwrap_or_default().to_owned();
        let has_token = request.contains(&format!("x-aws-ec2-metadata-token: {TOKEN}"));
        let (status, body) = match request.starts_with("put /latest/api/token") {
            true => (200, TOKEN),
            false if has_token => answer(&path),
            false => (401, ""),
        };
        let reply = format!(
            "HTTP/1.1 {status} X\r\ncontent-length: {}\r\nx-aws-ec2-metadata-token-ttl-seconds: 21600\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(reply.as_bytes()).await?;
    }
}

async fn metadata(answer: fn(&str) -> (u16, &'static str)) -> Metadata {
    Metadata::new(Some(&format!("http://{}", serve(answer).await)))
}

#[tokio::test]
async fn a_role_gives_its_credentials_and_the_instance_its_region() {
    let metadata = metadata(|path| match path {
        "/latest/meta-data/iam/security-credentials/" => (200, "shop"),
        "/latest/meta-data/iam/security-credentials/shop" => (
            200,
            r#"{"Code":"Success","AccessKeyId":"ASIA1","SecretAccessKey":"s","Token":"t","Expiration":"2026-11-23T15:04:05Z"}"#,
        ),
        "/latest/meta-data/placement/region" => (200, "eu-west-1"),
        _ => (404, ""),
    })
    .await;
    let credentials = metadata.credentials().await.expect("credentials");
    assert_eq!((credentials.access_key_id.as_str(), credentials.session_token.as_str()), ("ASIA1", "t"));
    assert_eq!(credentials.expires_at, 1_795_446_245);
    assert_eq!(metadata.region().await.expect("a region"), "eu-west-1");
}

#[tokio::test]
async fn an_instance_without_a_role_says_so() {
    let refusal = metadata(|_| (404, "")).await.credentials().await.expect_err("refused");
    assert_eq!(refusal.reason, "NO_INSTANCE_ROLE");
    assert!(refusal.detail.contains("No role is attached"), "{}", refusal.detail);
}

#[tokio::test]
async fn a_host_without_metadata_says_so() {
    let nowhere = Metadata::new(Some("http://127.0.0.1:1"));
    let refusal = nowhere.credentials().await.expect_err("refused");
    assert_eq!(refusal.reason, "NO_INSTANCE_METADATA");
    assert!(refusal.detail.contains("http://127.0.0.1:1"), "{}", refusal.detail);
    assert_eq!(nowhere.region().await.expect_err("refused").reason, "NO_REGION");
}

#[tokio::test]
async fn a_role_that_cannot_be_assumed_says_so_and_shows_no_secret() {
    let metadata = metadata(|path| match path {
        "/latest/meta-data/iam/security-credentials/" => (200, "shop"),
        _ => (200, r#"{"Code":"AssumeRoleUnauthorizedAccess","Message":"EC2 cannot assume the role shop"}"#),
    })
    .await;
    let refusal = metadata.credentials().await.expect_err("refused");
    assert_eq!(refusal.reason, "CREDENTIALS_REFUSED");
    assert!(refusal.detail.contains("AssumeRoleUnauthorizedAccess"), "{}", refusal.detail);
}
