//! A server with a list of answers, over any stream.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpListener,
};

/// Answers each request with the next of its answers, and the last one for ever.
#[derive(Clone)]
pub(super) struct Server {
    answers: Arc<Vec<String>>,
    next: Arc<AtomicUsize>,
    bodies: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub(super) fn new(answers: &[String]) -> Self {
        Self { answers: Arc::new(answers.to_vec()), next: Arc::default(), bodies: Arc::default() }
    }

    /// Listens, and says where.
    pub(super) async fn listen(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let server = self.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(server.clone().serve(stream));
            }
        });
        url
    }

    /// How often it was asked.
    pub(super) fn asked(&self) -> usize {
        self.next.load(Ordering::Relaxed)
    }

    /// What it was asked last.
    pub(super) fn last_body(&self) -> String {
        self.bodies.lock().expect("bodies").last().cloned().unwrap_or_default()
    }

    /// One request, then the connection ends.
    pub(super) async fn serve(self, mut stream: impl AsyncRead + AsyncWrite + Unpin) {
        let Some((head, mut body)) = read_head(&mut stream).await else { return };
        let length =
            head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
        let mut rest = vec![0; length.unwrap_or(0_usize).saturating_sub(body.len())];
        if stream.read_exact(&mut rest).await.is_err() {
            return;
        }
        body.extend(rest);
        self.bodies.lock().expect("bodies").push(String::from_utf8_lossy(&body).into_owned());
        let at = self.next.fetch_add(1, Ordering::Relaxed).min(self.answers.len() - 1);
        let _ = stream.write_all(self.answers[at].as_bytes()).await;
        let _ = stream.shutdown().await;
    }
}

/// The head of a request, and what came of its body together with it.
pub(super) async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> Option<(String, Vec<u8>)> {
    let mut read = Vec::new();
    loop {
        if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            let body = read.split_off(end + 4);
            return Some((String::from_utf8(read).ok()?, body));
        }
        let mut more = [0; 4096];
        match stream.read(&mut more).await {
            Ok(0) | Err(_) => return None,
            Ok(bytes) => read.extend(&more[..bytes]),
        }
    }
}

pub(super) fn answer(status: &str, headers: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/xml\r\nConnection: close\r\n{headers}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// An error as AWS's query protocol writes it.
pub(super) fn error(status: &str, code: &str, message: &str) -> String {
    error_at(status, code, message, "")
}

pub(super) fn error_at(status: &str, code: &str, message: &str, headers: &str) -> String {
    let body = format!(
        "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type><Code>{code}</Code>\
         <Message>{message}</Message></Error><RequestId>1</RequestId></ErrorResponse>"
    );
    answer(status, headers, &body)
}

/// What GetCallerIdentity answers.
pub(super) fn caller(account: &str) -> String {
    answer(
        "200 OK",
        "",
        &format!(
            "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult>\
             <Arn>arn:aws:iam::123456789012:user/shop</Arn><UserId>AIDA1</UserId><Account>{account}</Account>\
             </GetCallerIdentityResult></GetCallerIdentityResponse>"
        ),
    )
}

/// What a call that gives a session answers.
pub(super) fn session(call: &str, token: &str) -> String {
    answer(
        "200 OK",
        "",
        &format!(
            "<{call}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{call}Result><Credentials>\
             <AccessKeyId>ASIAEXAMPLE</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>{token}</SessionToken>\
             <Expiration>2030-01-01T00:00:00Z</Expiration></Credentials></{call}Result></{call}Response>"
        ),
    )
}
