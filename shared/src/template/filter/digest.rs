//! Digests, in lower-case hex: `Sha256`, with an encoding, with the number of digits that are wanted, or with both.

use ::md5::Md5;
use ::sha1::Sha1;
use sha2::{Digest, Sha256, Sha384, Sha512};

use super::{Answer, Call, fault, text::encoded};

pub(super) fn md5(call: &Call<'_>) -> Answer {
    digest::<Md5>(call)
}

pub(super) fn sha1(call: &Call<'_>) -> Answer {
    digest::<Sha1>(call)
}

pub(super) fn sha256(call: &Call<'_>) -> Answer {
    digest::<Sha256>(call)
}

pub(super) fn sha384(call: &Call<'_>) -> Answer {
    digest::<Sha384>(call)
}

pub(super) fn sha512(call: &Call<'_>) -> Answer {
    digest::<Sha512>(call)
}

fn digest<D: Digest>(call: &Call<'_>) -> Answer {
    call.at_most(2)?;
    let is_number = |text: &&str| text.bytes().all(|byte| byte.is_ascii_digit());
    let given = || call.arguments.iter().map(String::as_str);
    let encoding = given().find(|argument| !is_number(argument));
    let digits = given().find(is_number).map(|number| number.parse::<usize>());
    let bytes = D::digest(encoded(call.text()?, encoding)?);
    let mut hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    match digits {
        None => {}
        Some(Ok(digits)) if (1..=hex.len()).contains(&digits) => hex.truncate(digits),
        Some(_) => return Err(fault(&format!("has {} digits", hex.len()))),
    }
    Ok(hex)
}
