//! Asking the endpoint.

use std::{
    io::{self, Read, Write},
    net::TcpStream,
    time::Duration,
};

use proto::worker::Credentials;

use super::{Address, credentials::Answer};

/// 30 seconds: the endpoint may make a client wait for its turn.
const PATIENCE: Duration = Duration::from_secs(30);
/// 64 KiB: credentials are a few kilobytes.
const LONGEST: u64 = 64 << 10;

/// The step's credentials as they are now.
///
/// # Errors
/// When the endpoint is gone or refuses; the sentence says which, and no secret.
pub fn fetch(address: &Address) -> io::Result<Credentials> {
    let mut connection = TcpStream::connect(address.socket)?;
    connection.set_read_timeout(Some(PATIENCE))?;
    let Address { socket, path, token } = address;
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {socket}\r\nAuthorization: {token}\r\nAccept: application/json\r\nConnection: close\r\n\r\n"
    );
    connection.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    connection.take(LONGEST).read_to_end(&mut answer)?;
    parse(&answer)
}

fn parse(answer: &[u8]) -> io::Result<Credentials> {
    let mut headers = [httparse::EMPTY_HEADER; 16];
    let mut response = httparse::Response::new(&mut headers);
    let head = response.parse(answer).map_err(io::Error::other)?;
    let (httparse::Status::Complete(head), Some(code)) = (head, response.code) else {
        return Err(io::ErrorKind::UnexpectedEof.into());
    };
    if code != 200 {
        return Err(io::Error::other(format!("it answered with status {code}")));
    }
    let answer: Answer = serde_json::from_slice(&answer[head..])?;
    Ok(answer.into())
}
