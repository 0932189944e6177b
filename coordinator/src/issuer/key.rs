//! One key that signs tokens: RSA with 2048 bits, since AWS takes RS256 from everybody.

use aws_lc_rs::{
    digest,
    encoding::{AsDer, Pkcs8V1Der},
    rand::SystemRandom,
    rsa::KeySize,
    signature::{KeyPair, RSA_PKCS1_SHA256, RsaKeyPair},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Serialize;
use shared::reason::{Fault, Reason};

use crate::seal::{Place, Seal};

/// A key that signs tokens.
pub(super) struct SigningKey {
    pair: RsaKeyPair,
    jwk: Jwk,
}

/// Its public half, as it is published (RFC 7517, RFC 7518 section 6.3).
#[derive(Clone, Serialize)]
pub(super) struct Jwk {
    kty: &'static str,
    #[serde(rename = "use")]
    usage: &'static str,
    alg: &'static str,
    /// RFC 7638 thumbprint.
    pub(super) kid: String,
    n: String,
    e: String,
}

impl SigningKey {
    /// A new one, and what to store of it. Takes a good part of a second.
    pub(super) fn generate(seal: &Seal) -> Result<(Self, Vec<u8>), Fault> {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048)
            .map_err(|_| Fault::new(Reason::Internal, "A key that signs tokens could not be made."))?;
        // Wiped when it is dropped.
        let pkcs8: Pkcs8V1Der<'_> = pair
            .as_der()
            .map_err(|_| Fault::new(Reason::Internal, "A key that signs tokens could not be written down."))?;
        let jwk = Jwk::of(&pair);
        let sealed = seal.seal(place(&jwk.kid), pkcs8.as_ref())?;
        Ok((Self { pair, jwk }, sealed))
    }

    /// One that was stored.
    pub(super) fn open(seal: &Seal, kid: &str, sealed: &[u8]) -> Result<Self, Fault> {
        let pkcs8 = seal.open(place(kid), sealed)?;
        let pair = RsaKeyPair::from_pkcs8(&pkcs8).map_err(|_| damaged(kid))?;
        let jwk = Jwk::of(&pair);
        if jwk.kid == kid { Ok(Self { pair, jwk }) } else { Err(damaged(kid)) }
    }

    pub(super) fn jwk(&self) -> &Jwk {
        &self.jwk
    }

    /// RS256 (RFC 7518 section 3.3).
    pub(super) fn sign(&self, text: &[u8]) -> Result<Vec<u8>, Fault> {
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text, &mut signature)
            .map_err(|_| Fault::new(Reason::Internal, "A token could not be signed."))?;
        Ok(signature)
    }
}

impl Jwk {
    fn of(pair: &RsaKeyPair) -> Self {
        let public = pair.public_key();
        let number = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let n = number(public.modulus().big_endian_without_leading_zero());
        let e = number(public.exponent().big_endian_without_leading_zero());
        let kid = thumbprint(&n, &e);
        Self { kty: "RSA", usage: "sig", alg: "RS256", kid, n, e }
    }
}

/// RFC 7638: of the members that a key of this type must have, in the order of their names, without blanks.
fn thumbprint(n: &str, e: &str) -> String {
    let members = format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#);
    URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, members.as_bytes()))
}

fn place(kid: &str) -> Place<'_> {
    Place { kind: "oidc key", id: kid, field: "key", version: 1 }
}

fn damaged(kid: &str) -> Fault {
    Fault::new(
        Reason::Internal,
        format!(
            "The key {kid} that signs tokens is not what was stored: the store is damaged. Restore it from a backup, or withdraw \
             its keys with `longshore-coordinator oidc rotate`."
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_thumbprint_is_that_of_the_standards_own_example() {
        // RFC 7638 section 3.1.
        let n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMs\
                 tn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n9\
                 1CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
        assert_eq!(thumbprint(n, "AQAB"), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    }

    #[test]
    fn a_stored_key_opens_under_its_own_name_only() {
        let folder = tempfile::tempdir().expect("a folder");
        let seal = Seal::make(&folder.path().join("master.key"), "store-1").expect("a master key");
        let (key, sealed) = SigningKey::generate(&seal).expect("a key");
        let opened = SigningKey::open(&seal, &key.jwk().kid, &sealed).expect("its name");
        assert_eq!(
            opened.sign(b"text").expect("signed"),
            key.sign(b"text").expect("signed"),
            "RS256 has no randomness"
        );
        assert!(SigningKey::open(&seal, "another", &sealed).is_err());
    }
}
