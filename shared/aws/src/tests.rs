//! The unmodified SDK against small real servers that answer as AWS does, and as it does not.

mod certificates;
mod proxies;
mod server;
mod stories;

use std::time::Duration;

use shared::reason::{Fault, Reason};
use zeroize::Zeroizing;

use crate::{Aws, Credentials, Settings};

/// Must be in no sentence.
const SECRET: &str = "canaryCANARYcanaryCANARYcanaryCANARY0001";

fn keys() -> Credentials {
    Credentials {
        access_key_id: "AKIAIOSFODNN7EXAMPLE".into(),
        secret_access_key: Zeroizing::new(SECRET.into()),
        session_token: Zeroizing::new(String::new()),
        expires_at: None,
    }
}

/// A way to AWS that does not wait long between two tries.
fn aws(settings: Settings) -> Aws {
    let mut aws = Aws::new(&settings).expect("sound settings");
    aws.first_wait = Duration::from_millis(1);
    aws
}

fn at(url: &str) -> Aws {
    aws(Settings { endpoint_url: Some(url.into()), host: "the worker's host", ..Settings::default() })
}

#[track_caller]
fn assert_says(fault: &Fault, reason: Reason, parts: &[&str]) {
    assert_eq!(fault.reason, reason, "{fault}");
    for part in parts {
        assert!(fault.sentence.contains(part), "\"{part}\" is missing in: {fault}");
    }
    assert!(!fault.sentence.contains(SECRET), "{fault}");
}
