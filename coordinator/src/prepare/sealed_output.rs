//! Sensitive outputs come back from workers sealed: `nonce (12) | text | tag (16)`, AES-256-GCM-SIV under the attempt's output
//! key, bound to the output's name.

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use shared::reason::{Fault, Reason};
use zeroize::Zeroizing;

/// Opens an output of a step.
///
/// # Errors
/// [`Reason::Internal`] when it was not sealed with this key and name.
pub(super) fn open(key: &[u8; 32], step: &str, name: &str, sealed: &[u8]) -> Result<Zeroizing<String>, Fault> {
    opened(key, name, sealed).ok_or_else(|| {
        Fault::new(
            Reason::Internal,
            format!("The sensitive output \"{name}\" of step \"{step}\" does not open: it was not sealed for this attempt. Run the step again."),
        )
    })
}

fn opened(key: &[u8; 32], name: &str, sealed: &[u8]) -> Option<Zeroizing<String>> {
    let (nonce, text) = sealed.split_first_chunk::<NONCE_LEN>()?;
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM_SIV, key).ok()?);
    let mut buffer = Zeroizing::new(text.to_vec());
    let nonce = Nonce::assume_unique_for_key(*nonce);
    let text = key.open_in_place(nonce, Aad::from(name.as_bytes()), buffer.as_mut_slice()).ok()?;
    std::str::from_utf8(text).ok().map(|text| Zeroizing::new(text.to_owned()))
}

#[cfg(test)]
pub(super) fn seal(key: &[u8; 32], name: &str, value: &str) -> Vec<u8> {
    let nonce = [7; NONCE_LEN];
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM_SIV, key).expect("32 bytes"));
    let mut sealed = value.as_bytes().to_vec();
    key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(name.as_bytes()), &mut sealed)
        .expect("sealed");
    [nonce.as_slice(), &sealed].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_opens_under_its_own_name_and_key_only() {
        let sealed = seal(&[1; 32], "Token", "canary");
        assert_eq!(open(&[1; 32], "A", "Token", &sealed).expect("opened").as_str(), "canary");
        for refused in [
            open(&[2; 32], "A", "Token", &sealed),
            open(&[1; 32], "A", "Other", &sealed),
            open(&[1; 32], "A", "Token", &sealed[..9]),
        ] {
            let fault = refused.expect_err("it must not open");
            assert!(!fault.sentence.contains("canary"), "{fault}");
        }
    }
}
