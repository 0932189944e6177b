//! One request and its answer, handed on as they came.

use std::{
    io::{BufReader, Read, Write},
    net::TcpStream,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::http::{PATIENCE, Response, head_of, parse_response, read_head};

/// 16 MiB: a part of a large object; nothing longer is sent to AWS here.
const LONGEST_BODY: usize = 16 << 20;
/// 30 seconds for a client that opened a connection to send something.
const SILENCE: Duration = Duration::from_secs(30);

/// A client, with TLS or without.
pub(super) enum Stream {
    Plain(BufReader<TcpStream>),
    Tls(Box<BufReader<StreamOwned<ServerConnection, TcpStream>>>),
}

impl Stream {
    pub(super) fn accept(stream: TcpStream, tls: Option<Arc<ServerConfig>>) -> Result<Self> {
        stream.set_read_timeout(Some(SILENCE))?;
        Ok(match tls {
            None => Self::Plain(BufReader::new(stream)),
            Some(config) => {
                let stream = StreamOwned::new(ServerConnection::new(config)?, stream);
                Self::Tls(Box::new(BufReader::new(stream)))
            }
        })
    }

    /// Writes an answer and takes leave.
    pub(super) fn answer(mut self, bytes: &[u8]) -> Result<()> {
        match &mut self {
            Self::Plain(stream) => stream.get_mut().write_all(bytes)?,
            Self::Tls(stream) => {
                let stream = stream.get_mut();
                stream.write_all(bytes)?;
                stream.conn.send_close_notify();
                stream.flush()?;
            }
        }
        Ok(())
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }
}

/// A request as it came.
pub(super) struct Message {
    head: String,
    body: Vec<u8>,
}

impl Message {
    pub(super) fn read(stream: &mut impl Read) -> Result<Self> {
        let head = read_head(stream)?;
        let mut message = Self { head, body: Vec::new() };
        ensure!(message.header("transfer-encoding").is_empty(), "a request in chunks is not handed on here");
        let length = message.header("content-length").parse().unwrap_or(0);
        ensure!(length <= LONGEST_BODY, "a request is longer than {LONGEST_BODY} bytes");
        message.body.resize(length, 0);
        stream.read_exact(&mut message.body)?;
        Ok(message)
    }

    /// Empty when it is not there.
    pub(super) fn header(&self, name: &str) -> String {
        let lines = self.head.split("\r\n").filter_map(|line| line.split_once(':'));
        let found = lines.filter(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).next();
        found.unwrap_or_default().to_owned()
    }

    /// `Action` of its form or of its query, or what clients of S3 call their requests there.
    pub(super) fn action(&self) -> String {
        let is_form = self.header("content-type").starts_with("application/x-www-form-urlencoded");
        let form = if is_form { String::from_utf8_lossy(&self.body) } else { "".into() };
        let path = self.head.split(' ').nth(1).unwrap_or_default();
        let query = path.split_once('?').map_or("", |(_, query)| query);
        let mut pairs = form.split('&').chain(query.split('&'));
        let named = pairs.find_map(|pair| pair.strip_prefix("Action=").or(pair.strip_prefix("x-id=")));
        named.unwrap_or_default().to_owned()
    }

    /// From `Credential=AKIA…/20261125/eu-west-1/sts/aws4_request`.
    pub(super) fn key_id(&self) -> String {
        let signed = self.header("authorization");
        let scope = signed.split_once("Credential=").map_or("", |(_, scope)| scope);
        scope.split('/').next().unwrap_or_default().to_owned()
    }
}

/// AWS's answer as it came, but for its word on the connection.
pub(super) struct Answer {
    head: String,
    rest: Vec<u8>,
}

impl Answer {
    /// The body in one piece.
    pub(super) fn text(&self) -> String {
        let whole = format!("{}{}", self.head, String::from_utf8_lossy(&self.rest));
        parse_response(&whole).map(|response| response.body).unwrap_or_default()
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        [self.head.as_bytes(), &self.rest].concat()
    }

    /// The same with another body.
    pub(super) fn with_body(&self, body: &str) -> Vec<u8> {
        let head = without(&self.head, &["content-length", "transfer-encoding"]);
        let head =
            format!("{}content-length: {}\r\n\r\n", head.trim_end_matches("\r\n").to_owned() + "\r\n", body.len());
        [head.as_bytes(), body.as_bytes()].concat()
    }
}

/// Hands a request on, and reads what AWS says to its end.
pub(super) fn ask(upstream: &str, request: &Message) -> Result<Answer> {
    let mut stream = TcpStream::connect(upstream).with_context(|| format!("{upstream} cannot be reached"))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(closing(&request.head).as_bytes())?;
    stream.write_all(&request.body)?;
    let mut reader = BufReader::new(stream);
    let head = closing(&read_head(&mut reader)?);
    let mut rest = Vec::new();
    reader.read_to_end(&mut rest).with_context(|| format!("{upstream} breaks off"))?;
    Ok(Answer { head, rest })
}

/// An answer of our own.
pub(super) fn to_bytes(response: &Response) -> Vec<u8> {
    format!("{}{}", head_of(response), response.body).into_bytes()
}

/// A head after which the connection ends.
fn closing(head: &str) -> String {
    let kept = without(head, &["connection", "keep-alive"]);
    format!("{}\r\nconnection: close\r\n\r\n", kept.trim_end_matches("\r\n"))
}

fn without(head: &str, names: &[&str]) -> String {
    let is_left_out = |line: &&str| {
        let name = line.split_once(':').map_or("", |(name, _)| name);
        names.iter().any(|left_out| name.eq_ignore_ascii_case(left_out))
    };
    head.split("\r\n").filter(|line| !is_left_out(line)).collect::<Vec<_>>().join("\r\n")
}
