//! Whether a request may be answered.

use super::Address;

/// 8 KiB: SDKs send a few hundred bytes.
pub(super) const LONGEST: usize = 8 << 10;
/// 32 headers: SDKs send fewer than ten.
const HEADERS: usize = 32;

/// What a request is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    /// Its end has not come yet.
    Incomplete,
    /// It may be answered.
    Granted,
    /// It may not; nobody is told why.
    Refused,
}

/// Judges the bytes of a request.
pub(super) fn judge(bytes: &[u8], address: &Address) -> Verdict {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(bytes) {
        Ok(status) if status.is_partial() => {
            if bytes.len() < LONGEST {
                Verdict::Incomplete
            } else {
                Verdict::Refused
            }
        }
        Ok(_) if may_be_answered(&request, address) => Verdict::Granted,
        _ => Verdict::Refused,
    }
}

fn may_be_answered(request: &httparse::Request<'_, '_>, address: &Address) -> bool {
    let header = |name: &str| {
        let mut found = request.headers.iter().filter(|header| header.name.eq_ignore_ascii_case(name));
        // Twice is as good as never: it is not clear which one counts.
        found.next().filter(|_| found.next().is_none()).map(|header| header.value)
    };
    let forwarded = request.headers.iter().any(|header| header.name.eq_ignore_ascii_case("x-forwarded-for"));
    request.method == Some("GET")
        && request.path == Some(&address.path)
        // Another name for this address is a web page that had its name point here.
        && header("host") == Some(address.socket.to_string().as_bytes())
        && !forwarded
        && header("authorization").is_some_and(|token| same(token, address.token.as_bytes()))
}

/// In a time that does not tell where they differ.
fn same(given: &[u8], expected: &[u8]) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(given, expected).is_ok()
}
