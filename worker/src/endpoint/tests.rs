use super::{
    Address,
    request::{Verdict, judge},
};

fn address() -> Address {
    let address = Address::new("127.0.0.1:4000".parse().unwrap(), "the-id").unwrap();
    assert_eq!(address.token.len(), 43, "32 bytes");
    Address { token: TOKEN.1.into(), ..address }
}

fn request(line: &str, headers: &[(&str, &str)]) -> Vec<u8> {
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!("{line}\r\n{headers}\r\n").into_bytes()
}

fn verdict(line: &str, headers: &[(&str, &str)]) -> Verdict {
    judge(&request(line, headers), &address())
}

const LINE: &str = "GET /v1/credentials/the-id HTTP/1.1";
const HOST: (&str, &str) = ("Host", "127.0.0.1:4000");
const TOKEN: (&str, &str) = ("authorization", "the-token");

#[test]
fn only_the_one_right_request_is_granted() {
    assert_eq!(verdict(LINE, &[HOST, TOKEN]), Verdict::Granted);
    for line in [
        "POST /v1/credentials/the-id HTTP/1.1",
        "HEAD /v1/credentials/the-id HTTP/1.1",
        "GET /v1/credentials/the-id/ HTTP/1.1",
        "GET /v1/credentials/other HTTP/1.1",
        "GET /v1/credentials/the-id?x HTTP/1.1",
        "GET http://127.0.0.1:4000/v1/credentials/the-id HTTP/1.1",
        "nonsense",
    ] {
        assert_eq!(verdict(line, &[HOST, TOKEN]), Verdict::Refused, "{line}");
    }
}

#[test]
fn a_request_for_another_host_or_through_a_proxy_is_refused() {
    for headers in [
        vec![TOKEN],
        vec![("Host", "localhost:4000"), TOKEN],
        vec![("Host", "127.0.0.1"), TOKEN],
        vec![HOST, ("Host", "evil.example"), TOKEN],
        vec![HOST, TOKEN, ("X-Forwarded-For", "10.0.0.1")],
    ] {
        assert_eq!(verdict(LINE, &headers), Verdict::Refused, "{headers:?}");
    }
}

#[test]
fn a_request_without_the_whole_token_is_refused() {
    for given in ["", "Bearer the-token", "the-toke", "he-token", "the-tokenx", "The-token"] {
        assert_eq!(verdict(LINE, &[HOST, ("Authorization", given)]), Verdict::Refused, "{given}");
    }
    assert_eq!(verdict(LINE, &[HOST]), Verdict::Refused);
    assert_eq!(verdict(LINE, &[HOST, TOKEN, TOKEN]), Verdict::Refused);
}

#[test]
fn half_a_request_is_waited_for_and_an_endless_one_is_not() {
    let address = address();
    assert_eq!(judge(b"GET /v1/cred", &address), Verdict::Incomplete);
    let mut endless = b"GET / HTTP/1.1\r\nX: ".to_vec();
    endless.resize(9000, b'a');
    assert_eq!(judge(&endless, &address), Verdict::Refused);
}
