//! The engine as a step uses it, against a service that answers as AWS is documented to where emulators do not.

mod service;

use std::{
    fs,
    io::{self, Write},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use action::{Failure, Scene, Speech};
use action_s3::{Bucket, upload};
use aws::{Aws, Settings};
use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use hyper::Method;
use service::{ACCOUNT, BUCKET, Call, Service, Trouble};
use shared::{
    plan::upload::{DeleteExtraneous, ObjectSettings, UploadToS3},
    reason::Reason,
};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

/// A step's folder, what it is to do, and what it said.
struct Step {
    folder: TempDir,
    order: UploadToS3,
    cancelled: CancellationToken,
    said: Said,
}

#[derive(Clone, Default)]
struct Said(Arc<Mutex<Vec<u8>>>);

impl Write for Said {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("what was said").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Step {
    fn with(files: &[(&str, &[u8])]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, bytes) in files {
            let path = folder.path().join("dist").join(name);
            fs::create_dir_all(path.parent().expect("a parent")).expect("its folder");
            fs::write(path, bytes).expect("a file");
        }
        let order = UploadToS3 {
            bucket: BUCKET.into(),
            source: vec!["dist/**".into()],
            key_prefix: "web/".into(),
            ..UploadToS3::default()
        };
        Self { folder, order, cancelled: CancellationToken::new(), said: Said::default() }
    }

    fn scene(&self, service: &Service) -> Scene {
        let settings = Settings { endpoint_url: Some(service.url.clone()), ..Settings::default() };
        let credentials = Credentials::new("AKIAIOSFODNN7EXAMPLE", "secret", None, None, "test");
        Scene {
            aws: Aws::new(&settings).expect("settings"),
            credentials: SharedCredentialsProvider::new(credentials),
            region: "eu-west-1".into(),
            folder: self.folder.path().into(),
            operation: "longshore-1".into(),
            cancelled: self.cancelled.clone(),
        }
    }

    async fn run(&self, service: &Service) -> Result<(), Failure> {
        upload(&self.order, &self.scene(service), &mut Speech::to(self.said.clone(), io::sink())).await
    }

    fn said(&self) -> String {
        String::from_utf8(self.said.0.lock().expect("what was said").clone()).expect("UTF-8")
    }
}

fn none(_: &Call) -> Option<Trouble> {
    None
}

fn puts(calls: &[Call]) -> usize {
    calls.iter().filter(|call| call.method == Method::PUT).count()
}

fn noise(length: usize) -> Vec<u8> {
    (0..length).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

#[tokio::test]
async fn every_request_says_who_must_own_the_bucket_and_nothing_is_sent_that_nobody_asked_for() {
    let service = Service::start(ACCOUNT, none).await;
    let big = noise((16 << 20) + 1);
    let step = Step::with(&[("index.html", b"hello"), ("css/a.css", b""), ("big.bin", &big)]);
    step.run(&service).await.expect("uploaded");
    assert_eq!(service.keys(), ["web/big.bin", "web/css/a.css", "web/index.html"]);
    for call in service.calls() {
        assert_eq!(call.header("x-amz-expected-bucket-owner"), ACCOUNT, "{call:?}");
        for name in ["x-amz-acl", "x-amz-server-side-encryption", "x-amz-tagging", "x-amz-storage-class"] {
            assert_eq!(call.header(name), "", "{name} of {call:?}");
        }
    }
    assert_eq!(service.object("web/big.bin").expect("the object").body, big);
    let html = service.object("web/index.html").expect("the object");
    assert_eq!(html.headers.get("content-type").map(String::as_str), Some("text/html"));
}

#[tokio::test]
async fn a_second_run_sends_only_what_changed_and_still_tells_of_all() {
    let service = Service::start(ACCOUNT, none).await;
    let big = noise((40 << 20) + 7);
    let mut step = Step::with(&[("a.txt", b"one"), ("b.txt", b"two"), ("big.bin", &big)]);
    step.order.settings.tags.insert("team".into(), "shop".into());
    step.run(&service).await.expect("uploaded");
    fs::write(step.folder.path().join("dist/a.txt"), "new").expect("a file of the same length");
    let before = service.calls().len();
    step.said = Said::default();
    step.run(&service).await.expect("uploaded");
    let calls = service.calls().split_off(before);
    let sent: Vec<_> =
        calls.iter().filter(|call| call.method == Method::PUT && call.query.contains("PutObject")).collect();
    assert_eq!(sent.iter().map(|call| call.key.as_str()).collect::<Vec<_>>(), ["web/a.txt"]);
    assert_eq!(calls.iter().filter(|call| call.query.contains("tagging")).count(), 2, "tags are set again");
    assert_eq!(service.object("web/a.txt").expect("the object").body, "new");
    let said = step.said();
    assert!(said.contains("dist/a.txt → s3://shop/web/a.txt (3 bytes; its content differs)"), "{said}");
    assert!(said.contains("1 uploaded (3 bytes), 2 unchanged (41.9 MB), 0 deleted"), "{said}");
    assert_eq!(said.matches("##octopus[setVariable").count(), 3 + 3 + 3 * 5);
}

#[tokio::test]
async fn whatever_else_is_to_be_said_of_an_object_is_said_of_parts_too() {
    let service = Service::start(ACCOUNT, none).await;
    let mut step = Step::with(&[("small", b"x"), ("big", &noise((16 << 20) + 1))]);
    step.order.settings = ObjectSettings {
        cache_control: "max-age=60".into(),
        storage_class: "STANDARD_IA".into(),
        encryption: "aws:kms".into(),
        kms_key: "1234".into(),
        acl: "private".into(),
        metadata: [("Release".to_owned(), "7".to_owned())].into(),
        tags: [("a b".to_owned(), "c&d".to_owned())].into(),
        ..ObjectSettings::default()
    };
    step.run(&service).await.expect("uploaded");
    let begun = |call: &&Call| {
        call.method == Method::PUT && call.parameter("partNumber").is_empty() || call.query.contains("uploads")
    };
    let calls = service.calls();
    let begun: Vec<_> = calls.iter().filter(begun).collect();
    assert_eq!(begun.len(), 2);
    for call in begun {
        for (name, value) in [
            ("cache-control", "max-age=60"),
            ("content-type", "application/octet-stream"),
            ("x-amz-storage-class", "STANDARD_IA"),
            ("x-amz-server-side-encryption", "aws:kms"),
            ("x-amz-server-side-encryption-aws-kms-key-id", "1234"),
            ("x-amz-acl", "private"),
            ("x-amz-meta-release", "7"),
            ("x-amz-tagging", "a%20b=c%26d"),
        ] {
            assert_eq!(call.header(name), value, "{name} of {call:?}");
        }
    }
}

#[tokio::test]
async fn a_bucket_of_another_account_is_refused_though_the_caller_could_write_to_it() {
    let service = Service::start("999999999999", none).await;
    let step = Step::with(&[("a", b"x"), ("b", b"y")]);
    let failure = step.run(&service).await.expect_err("refused");
    assert_eq!(failure.reason, Reason::BucketRefused, "{}", failure.sentence);
    assert!(failure.sentence.contains("does not belong to AWS account 123456789012"), "{}", failure.sentence);
    assert_eq!(service.keys(), [""; 0]);
    let bucket = Bucket::new(&step.scene(&service), BUCKET, ACCOUNT);
    assert_eq!(bucket.exists().await.expect_err("refused").reason, Reason::BucketRefused);
    let bucket = Bucket::new(&step.scene(&service), BUCKET, "");
    assert_eq!(bucket.exists().await, Ok(true));
}

#[tokio::test]
async fn a_file_that_is_refused_is_named_and_the_others_are_uploaded() {
    let denied = |call: &Call| (call.method == Method::PUT && call.key.ends_with("/b")).then_some(Trouble::Denied);
    let service = Service::start(ACCOUNT, denied).await;
    let mut step = Step::with(&[("a", b"x"), ("b", b"y"), ("c", b"z")]);
    service.put("web/old", "x");
    step.order.delete_extraneous = Some(DeleteExtraneous { at_most: 1 });
    let failure = step.run(&service).await.expect_err("refused");
    assert_eq!(failure.reason, Reason::UploadFailed);
    assert!(
        failure.sentence.starts_with("1 of 3 files could not be uploaded to s3://shop/web/: dist/b."),
        "{}",
        failure.sentence
    );
    assert!(failure.sentence.contains("s3:PutObject"), "{}", failure.sentence);
    assert_eq!(service.keys(), ["web/a", "web/c", "web/old"], "nothing is deleted by a step that fails");
}

#[tokio::test]
async fn what_no_file_stands_for_is_deleted_within_the_bound_only() {
    let service = Service::start(ACCOUNT, none).await;
    let mut step = Step::with(&[("a", b"x")]);
    for key in ["web/old", "web/older", "web/", "other/kept"] {
        service.put(key, if key.ends_with('/') { "" } else { "x" });
    }
    step.order.delete_extraneous = Some(DeleteExtraneous { at_most: 1 });
    let refused = step.run(&service).await.expect_err("too many");
    assert_eq!(refused.reason, Reason::TooManyDeletions);
    assert_eq!(puts(&service.calls()), 0, "nothing is changed at all");
    step.order.delete_extraneous = Some(DeleteExtraneous { at_most: 2 });
    step.run(&service).await.expect("uploaded");
    assert_eq!(service.keys(), ["other/kept", "web/", "web/a"]);
}

#[tokio::test]
async fn a_part_that_is_refused_leaves_nothing_behind() {
    let denied = |call: &Call| (call.parameter("partNumber") == "2").then_some(Trouble::Denied);
    let service = Service::start(ACCOUNT, denied).await;
    let step = Step::with(&[("big", &noise((32 << 20) + 1))]);
    let failure = step.run(&service).await.expect_err("refused");
    assert_eq!(failure.reason, Reason::PermissionMissing, "{}", failure.sentence);
    assert!(failure.sentence.contains("The parts that had arrived were removed."), "{}", failure.sentence);
    assert_eq!((service.open_uploads(), service.keys().len()), (0, 0));
}

#[tokio::test]
async fn a_cancelled_step_removes_its_parts_and_says_what_is_missing() {
    let silent = |call: &Call| (call.parameter("partNumber") == "2").then_some(Trouble::Silence);
    let service = Service::start(ACCOUNT, silent).await;
    let step = Step::with(&[("big", &noise((32 << 20) + 1))]);
    let (ended, ()) = tokio::join!(step.run(&service), async {
        service.fell_silent().await;
        step.cancelled.cancel();
    });
    let failure = ended.expect_err("cancelled");
    assert_eq!(failure.reason, Reason::UploadFailed);
    assert!(failure.sentence.starts_with("The step was cancelled: 0 of 1 files were uploaded"), "{}", failure.sentence);
    assert!(failure.sentence.contains("1 are missing"), "{}", failure.sentence);
    assert_eq!((service.open_uploads(), service.keys().len()), (0, 0));
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_asked_for_again() {
    let tries = AtomicUsize::new(0);
    let service = Service::start(ACCOUNT, move |call: &Call| {
        let is_first = call.method == Method::PUT && tries.fetch_add(1, Ordering::Relaxed) == 0;
        is_first.then_some(Trouble::Broken)
    })
    .await;
    let step = Step::with(&[("a", b"x")]);
    step.run(&service).await.expect("uploaded");
    assert_eq!((puts(&service.calls()), service.keys().len()), (2, 1));
}

#[tokio::test]
async fn who_may_only_put_still_uploads() {
    let service = Service::start(ACCOUNT, |call: &Call| {
        matches!(call.method, Method::GET | Method::HEAD).then_some(Trouble::Denied)
    })
    .await;
    let step = Step::with(&[("a", b"x"), ("b", b"y")]);
    step.run(&service).await.expect("uploaded");
    step.run(&service).await.expect("uploaded again");
    assert_eq!(puts(&service.calls()), 4);
    assert!(step.said().contains("s3:GetObject or s3:ListBucket is missing"), "{}", step.said());
}
