//! A service that speaks as much of S3's protocol as the engine does, as AWS documents it where emulators differ: the bucket owner
//! condition, checksums of whole objects over parts, and every request on record. Knows neither signatures nor versions; what it
//! lists fits one page, and it is asked by one test only.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    future::pending,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use http_body_util::{BodyExt, Full};
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use percent_encoding::percent_decode_str;
use tokio::{net::TcpListener, sync::Notify};

/// The account that owns the bucket and is the caller's.
pub(crate) const ACCOUNT: &str = "123456789012";
/// The only bucket.
pub(crate) const BUCKET: &str = "shop";

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) method: Method,
    /// Empty for requests about the bucket.
    pub(crate) key: String,
    /// As it stood in the URL.
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
}

/// What the service does instead of what was asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Trouble {
    Denied,
    Broken,
    /// No answer ever.
    Silence,
}

/// An object as it is kept.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kept {
    pub(crate) body: Bytes,
    pub(crate) headers: BTreeMap<String, String>,
}

type Condition = Box<dyn Fn(&Call) -> Option<Trouble> + Send + Sync>;

/// A running one.
pub(crate) struct Service {
    pub(crate) url: String,
    state: Arc<State>,
}

struct State {
    owner: String,
    trouble: Condition,
    silent: Notify,
    calls: Mutex<Vec<Call>>,
    objects: Mutex<BTreeMap<String, Kept>>,
    uploads: Mutex<BTreeMap<String, Upload>>,
}

#[derive(Default)]
struct Upload {
    headers: BTreeMap<String, String>,
    parts: BTreeMap<u32, Bytes>,
}

type Answer = Response<Full<Bytes>>;

impl Service {
    /// A bucket of that account, and trouble with some requests.
    pub(crate) async fn start(owner: &str, trouble: impl Fn(&Call) -> Option<Trouble> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("its address"));
        let state = Arc::new(State {
            owner: owner.into(),
            trouble: Box::new(trouble),
            silent: Notify::new(),
            calls: Mutex::default(),
            objects: Mutex::default(),
            uploads: Mutex::default(),
        });
        let serving = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let state = Arc::clone(&serving);
                let service = service_fn(move |request| answered(Arc::clone(&state), request));
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { url, state }
    }

    /// Every request to S3 so far.
    pub(crate) fn calls(&self) -> Vec<Call> {
        locked(&self.state.calls).clone()
    }

    pub(crate) fn object(&self, key: &str) -> Option<Kept> {
        locked(&self.state.objects).get(key).cloned()
    }

    pub(crate) fn keys(&self) -> Vec<String> {
        locked(&self.state.objects).keys().cloned().collect()
    }

    pub(crate) fn put(&self, key: &str, body: &str) {
        let kept = Kept { body: Bytes::copy_from_slice(body.as_bytes()), headers: BTreeMap::new() };
        locked(&self.state.objects).insert(key.into(), kept);
    }

    /// How many multipart uploads were begun and neither completed nor aborted.
    pub(crate) fn open_uploads(&self) -> usize {
        locked(&self.state.uploads).len()
    }

    /// Waits until a request was met with silence.
    pub(crate) async fn fell_silent(&self) {
        self.state.silent.notified().await;
    }
}

async fn answered(state: Arc<State>, request: Request<Incoming>) -> Result<Answer, Infallible> {
    let (head, body) = request.into_parts();
    let Ok(body) = body.collect().await else { return Ok(refusal(StatusCode::BAD_REQUEST, "IncompleteBody")) };
    let body = body.to_bytes();
    if head.method == Method::POST && head.uri.path() == "/" {
        return Ok(caller());
    }
    let path = percent_decode_str(head.uri.path()).decode_utf8_lossy().into_owned();
    let key = path.trim_start_matches('/').split_once('/').map(|(_, key)| key.to_owned()).unwrap_or_default();
    let query = head.uri.query().unwrap_or_default().to_owned();
    let call = Call { method: head.method, key, query, headers: head.headers };
    locked(&state.calls).push(call.clone());
    match (state.trouble)(&call) {
        Some(Trouble::Denied) => Ok(refusal(StatusCode::FORBIDDEN, "AccessDenied")),
        Some(Trouble::Broken) => Ok(refusal(StatusCode::INTERNAL_SERVER_ERROR, "InternalError")),
        Some(Trouble::Silence) => {
            state.silent.notify_one();
            pending().await
        }
        None => Ok(state.answer(&call, body)),
    }
}

impl State {
    fn answer(&self, call: &Call, body: Bytes) -> Answer {
        let demanded = call.header("x-amz-expected-bucket-owner");
        if !demanded.is_empty() && demanded != self.owner {
            return refusal(StatusCode::FORBIDDEN, "AccessDenied");
        }
        let begins =
            |what: &str| call.query.split('&').any(|part| part == what || part.starts_with(&format!("{what}=")));
        match call.method {
            Method::HEAD if call.key.is_empty() => ok(""),
            Method::HEAD => self.head(call),
            Method::GET if call.key.is_empty() => self.list(call),
            Method::PUT if begins("partNumber") => self.put_part(call, body),
            Method::PUT if begins("tagging") || begins("acl") => ok(""),
            Method::PUT => self.put_object(call, body),
            Method::POST if begins("uploads") => self.create_upload(call),
            Method::POST if begins("uploadId") => self.complete_upload(call),
            Method::POST if begins("delete") => self.delete_objects(&body),
            Method::DELETE => {
                locked(&self.uploads).remove(&call.parameter("uploadId"));
                response(StatusCode::NO_CONTENT, "")
            }
            _ => refusal(StatusCode::NOT_IMPLEMENTED, "NotImplemented"),
        }
    }

    fn head(&self, call: &Call) -> Answer {
        let objects = locked(&self.objects);
        let Some(kept) = objects.get(&call.key) else { return response(StatusCode::NOT_FOUND, "") };
        let mut answer = Response::builder().header("content-length", kept.body.len());
        for (name, value) in &kept.headers {
            answer = answer.header(name, value);
        }
        answer.body(Full::default()).expect("an answer")
    }

    fn list(&self, call: &Call) -> Answer {
        let prefix = call.parameter("prefix");
        let objects = locked(&self.objects);
        let there = objects.iter().filter(|(key, _)| key.starts_with(&prefix));
        let contents: String = there
            .map(|(key, kept)| format!("<Contents><Key>{key}</Key><Size>{}</Size></Contents>", kept.body.len()))
            .collect();
        ok(&format!("<ListBucketResult><IsTruncated>false</IsTruncated>{contents}</ListBucketResult>"))
    }

    fn put_object(&self, call: &Call, body: Bytes) -> Answer {
        if call.header("x-amz-checksum-crc32") != sum(&body) {
            return refusal(StatusCode::BAD_REQUEST, "BadDigest");
        }
        locked(&self.objects).insert(call.key.clone(), Kept { headers: call.kept(&body), body });
        ok("")
    }

    fn create_upload(&self, call: &Call) -> Answer {
        let mut uploads = locked(&self.uploads);
        let id = format!("u{}", uploads.len());
        uploads.insert(id.clone(), Upload { headers: call.kept(b""), parts: BTreeMap::new() });
        let mut answer =
            ok(&format!("<InitiateMultipartUploadResult><UploadId>{id}</UploadId></InitiateMultipartUploadResult>"));
        for name in ["x-amz-checksum-type", "x-amz-checksum-algorithm"] {
            if let Some(value) = call.headers.get(name) {
                answer.headers_mut().insert(name, value.clone());
            }
        }
        answer
    }

    fn put_part(&self, call: &Call, body: Bytes) -> Answer {
        if call.header("x-amz-checksum-crc32") != sum(&body) {
            return refusal(StatusCode::BAD_REQUEST, "BadDigest");
        }
        let number = call.parameter("partNumber").parse().expect("a number");
        match locked(&self.uploads).get_mut(&call.parameter("uploadId")) {
            Some(upload) => drop(upload.parts.insert(number, body)),
            None => return refusal(StatusCode::NOT_FOUND, "NoSuchUpload"),
        }
        let mut answer = ok("");
        answer.headers_mut().insert("etag", format!("\"{number}\"").parse().expect("a value"));
        answer
    }

    fn complete_upload(&self, call: &Call) -> Answer {
        let Some(upload) = locked(&self.uploads).remove(&call.parameter("uploadId")) else {
            return refusal(StatusCode::NOT_FOUND, "NoSuchUpload");
        };
        let body: Bytes = upload.parts.into_values().flatten().collect::<Vec<u8>>().into();
        let (told, size) = (call.header("x-amz-checksum-crc32"), call.header("x-amz-mp-object-size"));
        if told != sum(&body) || size != body.len().to_string() {
            return refusal(StatusCode::BAD_REQUEST, "BadDigest");
        }
        let mut headers = upload.headers;
        headers.insert("x-amz-checksum-crc32".into(), told.clone());
        locked(&self.objects).insert(call.key.clone(), Kept { body, headers });
        ok(&format!(
            "<CompleteMultipartUploadResult><ETag>\"whole\"</ETag><ChecksumCRC32>{told}</ChecksumCRC32></CompleteMultipartUploadResult>"
        ))
    }

    fn delete_objects(&self, body: &Bytes) -> Answer {
        let xml = String::from_utf8_lossy(body);
        for rest in xml.split("<Key>").skip(1) {
            locked(&self.objects).remove(rest.split('<').next().unwrap_or_default());
        }
        ok("<DeleteResult></DeleteResult>")
    }
}

impl Call {
    pub(crate) fn header(&self, name: &str) -> String {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
    }

    pub(crate) fn parameter(&self, name: &str) -> String {
        let found = self.query.split('&').find_map(|part| part.strip_prefix(name)?.strip_prefix('='));
        percent_decode_str(found.unwrap_or_default()).decode_utf8_lossy().into_owned()
    }

    /// What HEAD tells of it later.
    fn kept(&self, body: &[u8]) -> BTreeMap<String, String> {
        let told = |name: &str| name.starts_with("x-amz-meta-") || matches!(name, "content-type" | "cache-control");
        let names = self.headers.keys().map(|name| name.as_str()).filter(|name| told(name));
        let mut kept: BTreeMap<String, String> = names.map(|name| (name.to_owned(), self.header(name))).collect();
        kept.insert("x-amz-checksum-crc32".into(), sum(body));
        kept.insert("x-amz-checksum-type".into(), "FULL_OBJECT".into());
        kept
    }
}

fn caller() -> Answer {
    ok(&format!(
        "<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:iam::{ACCOUNT}:user/ci</Arn><UserId>U</UserId><Account>\
         {ACCOUNT}</Account></GetCallerIdentityResult></GetCallerIdentityResponse>"
    ))
}

fn sum(bytes: &[u8]) -> String {
    let sum = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32IsoHdlc, bytes);
    STANDARD.encode(&sum.to_be_bytes()[4..])
}

fn refusal(status: StatusCode, code: &str) -> Answer {
    response(status, &format!("<Error><Code>{code}</Code><Message>Refused here.</Message></Error>"))
}

fn ok(body: &str) -> Answer {
    response(StatusCode::OK, body)
}

fn response(status: StatusCode, body: &str) -> Answer {
    let mut response = Response::new(Full::from(body.to_owned()));
    *response.status_mut() = status;
    response
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
