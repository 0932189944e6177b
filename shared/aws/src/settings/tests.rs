use super::*;
use crate::{ALWAYS_DIRECT, without_password};

#[test]
fn what_cannot_work_is_refused_by_name() {
    let proxy = |url: &str| Proxy { https: Some(url.into()), ..Proxy::default() };
    let at = |url: &str| Settings { endpoint_url: Some(url.into()), ..Settings::default() };
    let of =
        |service: &str| Settings { endpoints: [(service.into(), "http://x".into())].into(), ..Settings::default() };
    for (settings, part) in [
        (at("localhost"), "--aws-endpoint-url is \"localhost\""),
        (at("ftp://x"), "--aws-endpoint-url"),
        (at("http://"), "--aws-endpoint-url"),
        (at("http://x?y=z"), "--aws-endpoint-url"),
        (of("STS"), "the service \"STS\""),
        (of("cloudwatch logs"), "with _ for blanks"),
        (of(""), "the service \"\""),
        (Settings { endpoints: [("s3".into(), "x".into())].into(), ..Settings::default() }, "--aws-endpoint of s3"),
        (
            Settings { proxy: proxy("ftp://ada:canary@x"), ..Settings::default() },
            "--https-proxy is \"ftp://ada:***@x\"",
        ),
        (
            Settings { proxy: Proxy { no_proxy: vec!["a b".into()], ..Proxy::default() }, ..Settings::default() },
            "--no-proxy",
        ),
        (Settings { ca_bundle: Some("/nowhere/ca.pem".into()), ..Settings::default() }, "/nowhere/ca.pem"),
    ] {
        let fault = settings.check().expect_err(part);
        assert_eq!(fault.reason, Reason::InvalidArgument);
        assert!(fault.sentence.contains(part) && !fault.sentence.contains("canary"), "{fault}");
    }
}

#[test]
fn what_works_passes() {
    let settings = Settings {
        endpoint_url: Some("http://127.0.0.1:4566".into()),
        endpoints: [("cloudwatch_logs".into(), "https://logs.internal/path".into())].into(),
        proxy: Proxy {
            https: Some("proxy.internal:3128".into()),
            http: Some("http://ada:secret@proxy.internal:3128".into()),
            no_proxy: vec!["*".into(), ".internal".into(), "10.0.0.0/8".into()],
        },
        ..Settings::default()
    };
    assert_eq!(settings.check(), Ok(()));
    assert_eq!(service_endpoint("s3=https://s3.internal:9000"), Ok(("s3".into(), "https://s3.internal:9000".into())));
    assert!(service_endpoint("s3").expect_err("no URL").contains("SERVICE=URL"));
    assert!(service_endpoint("s3=x").expect_err("no URL").contains("must be a URL"));
}

#[test]
fn a_steps_programs_are_told_the_proxy_and_what_is_never_behind_it() {
    let environment = |name: &str| match name {
        "https_proxy" => Some("proxy.internal:3128".to_owned()),
        "HTTP_PROXY" => Some("  ".to_owned()),
        "NO_PROXY" => Some("internal.example, ,10.0.0.0/8".to_owned()),
        _ => None,
    };
    let proxy = Proxy::from_environment(environment);
    assert_eq!((proxy.https.as_deref(), &proxy.http), (Some("proxy.internal:3128"), &None));
    let told: std::collections::BTreeMap<_, _> = proxy.environment().into_iter().collect();
    assert_eq!(told.keys().copied().collect::<Vec<_>>(), ["HTTPS_PROXY", "NO_PROXY", "https_proxy", "no_proxy"]);
    assert_eq!(told["https_proxy"], "http://proxy.internal:3128");
    assert!(told["NO_PROXY"].starts_with("internal.example,10.0.0.0/8,"));
    for direct in ALWAYS_DIRECT {
        assert!(told["no_proxy"].split(',').any(|rule| rule == direct), "{direct}");
    }
    assert!(Proxy { no_proxy: vec!["x".into()], ..Proxy::default() }.environment().is_empty());
}

#[test]
fn no_proxy_stands_before_metadata_or_what_is_excluded() {
    let proxy = Proxy {
        https: Some("http://p:1".into()),
        http: Some("http://p:2".into()),
        no_proxy: vec!["*.internal".into(), "10.0.0.0/8".into()],
    };
    let before = |url: &str| proxy.before(&url.parse().expect("a URL")).map(|before| before.uri().to_string());
    assert_eq!(before("https://sts.amazonaws.com").as_deref(), Some("http://p:1/"));
    assert_eq!(before("http://sts.amazonaws.com").as_deref(), Some("http://p:2/"));
    for direct in [
        "https://s3.internal",
        "https://10.1.2.3",
        "http://169.254.169.254",
        "http://[fd00:ec2::254]",
        "http://localhost:1",
    ] {
        assert_eq!(before(direct), None, "{direct}");
    }
}

#[test]
fn what_is_set_above_wins_and_the_rest_comes_from_below() {
    let endpoints = |pairs: &[(&str, &str)]| pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
    let above = Settings {
        endpoints: endpoints(&[("s3", "http://above")]),
        proxy: Proxy { https: Some("http://above".into()), ..Proxy::default() },
        ..Settings::default()
    };
    let below = Settings {
        endpoint_url: Some("http://below".into()),
        endpoints: endpoints(&[("s3", "http://below"), ("sts", "http://below")]),
        ca_bundle: Some("/below.pem".into()),
        proxy: Proxy { https: Some("http://below".into()), http: None, no_proxy: vec!["below".into()] },
        ..Settings::default()
    };
    let both = above.or(below);
    assert_eq!((both.endpoint("s3"), both.endpoint("sts")), (Some("http://above"), Some("http://below")));
    assert_eq!((both.endpoint("ec2"), both.ca_bundle.as_deref()), (Some("http://below"), Some("/below.pem".as_ref())));
    assert_eq!((both.proxy.https.as_deref(), both.proxy.no_proxy), (Some("http://above"), vec!["below".to_owned()]));
}

#[test]
fn what_a_steps_process_is_told_is_what_it_understands() {
    let settings = Settings {
        endpoint_url: Some("http://127.0.0.1:4566".into()),
        endpoints: [("cloudwatch_logs".into(), "https://logs.internal".into())].into(),
        ca_bundle: Some("/data/bundle.pem".into()),
        ..Settings::default()
    };
    let told = settings.environment();
    let names: Vec<_> = told.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS", "AWS_CA_BUNDLE"]);
    assert_eq!(Settings::from_environment(told), settings);
}

#[test]
fn a_password_is_not_shown() {
    for (url, shown) in [
        ("http://ada:canary@proxy:3128", "http://ada:***@proxy:3128"),
        ("ada:canary@proxy", "ada:***@proxy"),
        ("http://canary@proxy", "http://***@proxy"),
        ("http://proxy:3128", "http://proxy:3128"),
    ] {
        assert_eq!(without_password(url), shown);
    }
    let proxy =
        Proxy { https: Some("http://ada:canary@proxy".into()), http: Some("proxy".into()), no_proxy: Vec::new() };
    assert_eq!(proxy.passwords(), ["canary"]);
}
