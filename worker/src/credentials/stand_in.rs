//! A small HTTP server that behaves as a test says, also badly.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// What came, in lower case.
pub(super) struct Request {
    /// Method and path, e.g. `get /latest/…`.
    pub(super) line: String,
    /// All headers.
    pub(super) head: String,
    /// As it came.
    pub(super) body: String,
}

/// What goes back.
pub(super) enum Reply {
    /// A status and a body.
    Answer(u16, String),
    /// Nothing, for ever.
    Nothing,
    /// Bytes that are no HTTP.
    Noise,
}

/// The server; it ends with the test's runtime.
pub(super) struct StandIn {
    pub(super) address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
}

impl StandIn {
    pub(super) async fn start(answer: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (answer, seen) = (Arc::new(answer), requests.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(converse(stream, answer.clone(), seen.clone()));
            }
        });
        Self { address, requests }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What was asked, as method and path.
    pub(super) fn requests(&self) -> Vec<String> {
        self.requests.lock().expect("whole").clone()
    }
}

/// An answer with a body.
pub(super) fn answer(status: u16, body: impl Into<String>) -> Reply {
    Reply::Answer(status, body.into())
}

/// When something ends that ends so many seconds from now, as AWS writes it.
pub(super) fn in_seconds(seconds: i64) -> String {
    (jiff::Timestamp::now() + jiff::SignedDuration::from_secs(seconds)).strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

async fn converse(
    mut stream: TcpStream,
    answer: Arc<impl Fn(&Request) -> Reply>,
    seen: Arc<Mutex<Vec<String>>>,
) -> std::io::Result<()> {
    let mut text = String::new();
    let mut chunk = [0; 4096];
    while !is_whole(&text) {
        let read = stream.read(&mut chunk).await?;
        if read == 0 {
            return Ok(());
        }
        text.push_str(&String::from_utf8_lossy(&chunk[..read]));
    }
    let (head, body) = text.split_once("\r\n\r\n").expect("it is whole");
    let (head, body) = (format!("{}\r\n", head.to_lowercase()), body.to_owned());
    let line = head.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
    seen.lock().expect("whole").push(line.clone());
    match answer(&Request { line, head, body }) {
        Reply::Answer(status, body) => {
            let reply = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n{body}", body.len());
            stream.write_all(reply.as_bytes()).await
        }
        Reply::Noise => stream.write_all(b"\x00\x01\x02 220 ready\r\n\r\n").await,
        Reply::Nothing => std::future::pending().await,
    }
}

fn is_whole(text: &str) -> bool {
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let head = head.to_lowercase();
    let length = head.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next()?.parse().ok());
    body.len() >= length.unwrap_or(0)
}
