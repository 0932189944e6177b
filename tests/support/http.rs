//! The little HTTP/1.1 that the emulator's client and the instance metadata service need: one request a connection.

use std::{
    collections::BTreeMap,
    io::{BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};

/// 64 KiB: more than any head that is sent here.
const MAX_HEAD: usize = 64 << 10;

/// 30 s: the emulator loads a service on its first call.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A request without its body: nobody sends one here.
#[derive(Clone, Debug)]
pub struct Request {
    /// E.g. `GET`.
    pub method: String,
    /// As sent, with the query.
    pub path: String,
    /// By lower-case name.
    pub headers: BTreeMap<String, String>,
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Response {
    /// E.g. 200.
    pub status: u16,
    /// Beside `content-length` and `connection`.
    pub headers: Vec<(String, String)>,
    /// The body, whatever its bytes.
    pub body: String,
    /// How long a server lets its caller wait for it; `None` is for ever.
    pub after: Option<Duration>,
}

impl Response {
    /// An answer with a body.
    #[must_use]
    pub fn new(status: u16, content_type: &str, body: impl Into<String>) -> Self {
        let headers = vec![("content-type".into(), content_type.into())];
        Self { status, headers, body: body.into(), after: Some(Duration::ZERO) }
    }

    /// The same, later; `None` never comes.
    #[must_use]
    pub fn after(self, after: Option<Duration>) -> Self {
        Self { after, ..self }
    }
}

/// A server that answers until it is dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    listener: TcpListener,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Answers on `listener`, one thread a connection.
    ///
    /// # Errors
    /// When the listener has no address.
    pub fn start(listener: TcpListener, answer: impl Fn(&Request) -> Response + Send + Sync + 'static) -> Result<Self> {
        let address = listener.local_addr().context("a listener has no address")?;
        let incoming = listener.try_clone().context("a listener cannot be shared")?;
        let answer = Arc::new(answer);
        let thread = thread::spawn(move || {
            for stream in incoming.incoming().map_while(Result::ok) {
                let answer = Arc::clone(&answer);
                thread::spawn(move || serve_one(stream, &*answer));
            }
        });
        Ok(Self { address, listener, thread: Some(thread) })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Ends the wait for a caller, wherever the listener is: it may be in another network, where nobody here could call.
        let shut = rustix::net::shutdown(&self.listener, rustix::net::Shutdown::Both);
        if let Some(thread) = self.thread.take()
            && shut.is_ok()
        {
            let _ = thread.join();
        }
    }
}

fn serve_one(mut stream: TcpStream, answer: &(impl Fn(&Request) -> Response + ?Sized)) {
    let Ok(request) = read_request(&mut stream) else {
        return;
    };
    let response = answer(&request);
    let Some(after) = response.after else {
        // Until the caller gives up and closes the connection.
        let _ = stream.read(&mut [0]);
        return;
    };
    thread::sleep(after);
    let head = head_of(&response);
    // A caller that went away misses the answer; nobody else does.
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(response.body.as_bytes()));
}

/// The head of an answer that ends its connection.
pub(crate) fn head_of(response: &Response) -> String {
    let mut head = format!("HTTP/1.1 {} {}\r\n", response.status, phrase(response.status));
    for (name, value) in &response.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("content-length: {}\r\nconnection: close\r\n\r\n", response.body.len()));
    head
}

fn read_request(stream: &mut TcpStream) -> Result<Request> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let head = read_head(&mut BufReader::new(stream))?;
    let mut lines = head.split("\r\n");
    let mut first = lines.next().unwrap_or_default().split(' ');
    let (Some(method), Some(path), Some(_version)) = (first.next(), first.next(), first.next()) else {
        bail!("this is not HTTP");
    };
    let headers = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    Ok(Request { method: method.into(), path: path.into(), headers })
}

/// Up to the blank line and with it, byte by byte: what comes after it is left to whoever reads on.
pub(crate) fn read_head(reader: &mut impl Read) -> Result<String> {
    let mut head = Vec::new();
    let mut byte = [0_u8; 1];
    while !head.ends_with(b"\r\n\r\n") {
        ensure!(head.len() < MAX_HEAD, "the head is longer than {MAX_HEAD} bytes");
        ensure!(reader.read(&mut byte)? == 1, "the caller went away");
        head.push(byte[0]);
    }
    String::from_utf8(head).context("the head is not text")
}

fn phrase(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        _ => "Error",
    }
}

/// Sends one request and reads the answer to its end.
///
/// # Errors
/// When nobody answers, or not in HTTP.
pub fn send(address: &str, method: &str, path: &str, headers: &[(String, String)], body: &str) -> Result<Response> {
    let mut stream = TcpStream::connect(address).with_context(|| format!("{address} cannot be reached"))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut request = format!("{method} {path} HTTP/1.1\r\n");
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str(&format!("content-length: {}\r\nconnection: close\r\n\r\n{body}", body.len()));
    stream.write_all(request.as_bytes()).with_context(|| format!("{address} does not listen"))?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).with_context(|| format!("{address} does not answer"))?;
    parse_response(&String::from_utf8_lossy(&answer)).with_context(|| format!("{address} does not answer in HTTP"))
}

pub(crate) fn parse_response(text: &str) -> Result<Response> {
    let (head, body) = text.split_once("\r\n\r\n").context("the head has no end")?;
    let mut lines = head.split("\r\n");
    let status = lines
        .next()
        .and_then(|line| line.split(' ').nth(1))
        .and_then(|code| code.parse().ok())
        .context("there is no status")?;
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let chunked = headers.iter().any(|(name, value)| name == "transfer-encoding" && value == "chunked");
    let body = if chunked { unchunk(body) } else { body.to_owned() };
    Ok(Response { status, headers, body, after: Some(Duration::ZERO) })
}

fn unchunk(mut rest: &str) -> String {
    let mut body = String::new();
    while let Some((size, after)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size.trim(), 16).unwrap_or(0);
        if size == 0 || after.len() < size {
            break;
        }
        body.push_str(&after[..size]);
        rest = after[size..].trim_start_matches("\r\n");
    }
    body
}
