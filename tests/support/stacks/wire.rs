//! HTTP/1.1 as far as AWS's clients use it for CloudFormation: a form is posted, XML is answered, the connection ends.

use std::{
    io::{BufReader, Read, Write},
    net::TcpStream,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use jiff::{Timestamp, tz::TimeZone};
use uuid::Uuid;

use super::{form::Form, refusal::Refusal, xml::Xml};
use crate::http::{PATIENCE, Response, head_of, read_head};

/// 1 MiB: the longest form that CloudFormation takes.
const LONGEST_BODY: usize = 1 << 20;

/// A call as it came.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) form: Form,
    pub(super) action: String,
    /// Empty when nobody signed.
    pub(super) key_id: String,
    /// The service it was signed for.
    pub(super) service: String,
    pub(super) agent: String,
}

impl Request {
    /// # Errors
    /// When it is no HTTP, too long, or in chunks.
    pub(super) fn read(stream: &mut TcpStream) -> Result<Self> {
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut reader = BufReader::new(stream);
        let head = read_head(&mut reader)?;
        let header = |wanted: &str| {
            let lines = head.split("\r\n").filter_map(|line| line.split_once(':'));
            let mut found = lines.filter(|(name, _)| name.eq_ignore_ascii_case(wanted));
            found.next().map(|(_, value)| value.trim()).unwrap_or_default()
        };
        ensure!(header("transfer-encoding").is_empty(), "a call in chunks is not understood here");
        let length = header("content-length").parse().context("a call without a length")?;
        ensure!(length <= LONGEST_BODY, "a call is longer than {LONGEST_BODY} bytes");
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let form = Form::parse(&String::from_utf8_lossy(&body));
        let scope = header("authorization").split_once("Credential=").map_or("", |(_, scope)| scope);
        let mut scope = scope.split('/');
        Ok(Self {
            action: form.owned("Action").unwrap_or_default(),
            form,
            key_id: scope.next().unwrap_or_default().to_owned(),
            service: scope.nth(2).unwrap_or_default().to_owned(),
            agent: header("user-agent").to_owned(),
        })
    }
}

/// The answer to a call, ready to be sent.
pub(super) fn answer(action: &str, result: std::result::Result<Xml, Refusal>) -> Vec<u8> {
    let request_id = Uuid::new_v4().to_string();
    let (status, body) = match result {
        Ok(xml) => (200, accepted(action, xml, &request_id)),
        Err(refusal) => (refusal.status, refusal.body(&request_id)),
    };
    let mut response = Response::new(status, "text/xml", body);
    response.headers.push(("x-amzn-requestid".into(), request_id));
    let now = Timestamp::now().to_zoned(TimeZone::UTC);
    response.headers.push(("date".into(), now.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()));
    format!("{}{}", head_of(&response), response.body).into_bytes()
}

fn accepted(action: &str, result: Xml, request_id: &str) -> String {
    let mut metadata = Xml::default();
    metadata.inside("ResponseMetadata", |xml| xml.text("RequestId", request_id));
    format!(
        "<{action}Response xmlns=\"http://cloudformation.amazonaws.com/doc/2010-05-15/\"><{action}Result>{}</{action}Result>{}\
         </{action}Response>",
        result.into_text(),
        metadata.into_text()
    )
}

/// Sends an answer. A caller that went away misses it.
pub(super) fn send(mut stream: TcpStream, answer: &[u8]) {
    let _ = stream.write_all(answer);
}

/// Ends a connection so that its caller sees it reset.
pub(super) fn reset(stream: TcpStream) {
    // Without it the end would look like an orderly one.
    let _ = rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO));
    drop(stream);
}
