//! Through a proxy, and past it.

use std::sync::{Arc, Mutex};

use shared::reason::Reason;
use tokio::{
    io::{AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
};

use super::{
    assert_says, aws, keys,
    server::{Server, caller, read_head},
};
use crate::{Proxy, Settings};

/// A proxy that connects to one place, whatever it is asked for, and remembers what that was.
#[derive(Clone, Default)]
struct Tunnels(Arc<Mutex<Vec<String>>>);

impl Tunnels {
    async fn listen(&self, to: Option<String>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let tunnels = self.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(tunnels.clone().tunnel(stream, to.clone()));
            }
        });
        url
    }

    async fn tunnel(self, mut stream: TcpStream, to: Option<String>) {
        let Some((head, _)) = read_head(&mut stream).await else { return };
        self.0.lock().expect("heads").push(head);
        let Some(to) = to else {
            let _ = stream.write_all(b"HTTP/1.1 403 Forbidden\r\n\r\n").await;
            return;
        };
        let mut onward = TcpStream::connect(to).await.expect("the place is there");
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.expect("the client listens");
        let _ = copy_bidirectional(&mut stream, &mut onward).await;
    }

    fn heads(&self) -> Vec<String> {
        self.0.lock().expect("heads").clone()
    }
}

fn through(proxy: &str, endpoint: &str) -> Settings {
    let proxy = Proxy { https: Some(proxy.into()), http: Some(proxy.into()), no_proxy: Vec::new() };
    Settings { endpoint_url: Some(endpoint.into()), proxy, ..Settings::default() }
}

#[tokio::test]
async fn an_https_endpoint_is_reached_by_connect_and_a_stranger_behind_the_proxy_is_named() {
    let tunnels = Tunnels::default();
    let authority = super::certificates::Authority::new("Inspecting Proxy CA");
    let server = Server::new(&[caller("123456789012")]);
    let place = authority.serve(&server, |_| ()).await.replace("https://", "");
    let proxy = tunnels.listen(Some(place)).await.replace("http://", "http://ada:canary@");
    let settings = through(&proxy, "https://sts.eu-west-1.amazonaws.com");
    assert!(!format!("{settings:?}").contains("canary"));
    let fault = aws(settings).caller("worker-role", &keys(), "eu-west-1").await.expect_err("not trusted");
    let parts = ["https://sts.eu-west-1.amazonaws.com through the proxy http://", "CN=Inspecting Proxy CA"];
    assert_says(&fault, Reason::AwsCertificateNotTrusted, &parts);
    assert!(!fault.sentence.contains("canary"), "{fault}");
    let heads = tunnels.heads();
    assert_eq!(heads.len(), 2, "the call, and the look at the certificate");
    for head in heads {
        assert!(head.starts_with("CONNECT sts.eu-west-1.amazonaws.com:443 HTTP/1.1"), "{head}");
        // "ada:canary" in base64.
        assert!(
            head.to_lowercase().contains("proxy-authorization: basic") && head.contains("YWRhOmNhbmFyeQ=="),
            "{head}"
        );
    }
}

#[tokio::test]
async fn behind_a_proxy_whose_authority_is_trusted_aws_answers() {
    let tunnels = Tunnels::default();
    let authority = super::certificates::Authority::new("Inspecting Proxy CA");
    let folder = tempfile::tempdir().expect("a folder");
    let bundle = folder.path().join("ca.pem");
    std::fs::write(&bundle, &authority.pem).expect("written");
    let server = Server::new(&[caller("123456789012")]);
    let name = rcgen::SanType::DnsName("sts.eu-west-1.amazonaws.com".try_into().expect("a name"));
    let place = authority.serve(&server, |params| params.subject_alt_names = vec![name]).await.replace("https://", "");
    let proxy = tunnels.listen(Some(place)).await;
    // No endpoint is configured: this is where AWS says that STS is.
    let settings = Settings { endpoint_url: None, ca_bundle: Some(bundle), ..through(&proxy, "") };
    let answer = aws(settings).caller("worker-role", &keys(), "eu-west-1").await.expect("an answer");
    assert_eq!((answer.value.account.as_str(), tunnels.heads().len()), ("123456789012", 1));
}

#[tokio::test]
async fn this_host_is_never_asked_through_a_proxy() {
    let (tunnels, server) = (Tunnels::default(), Server::new(&[caller("123456789012")]));
    let proxy = tunnels.listen(None).await;
    aws(through(&proxy, &server.listen().await)).caller("worker-role", &keys(), "").await.expect("an answer");
    assert_eq!((tunnels.heads().len(), server.asked()), (0, 1));
}

#[tokio::test]
async fn a_proxy_that_refuses_is_named_without_its_password() {
    let tunnels = Tunnels::default();
    let proxy = tunnels.listen(None).await.replace("http://", "http://ada:canary@");
    let settings = through(&proxy, "https://sts.eu-west-1.amazonaws.com");
    let fault = aws(settings).caller("worker-role", &keys(), "eu-west-1").await.expect_err("refused");
    assert_says(&fault, Reason::AwsUnavailable, &["https://sts.eu-west-1.amazonaws.com through the proxy http://"]);
    assert!(!fault.sentence.contains("canary"), "{fault}");
}
