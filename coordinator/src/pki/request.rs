//! A worker's certificate request: proof that it has the key, and nothing else.

use aws_lc_rs::digest;
use rcgen::{CertificateSigningRequestParams, PublicKey, PublicKeyData};
use x509_parser::{certification_request::X509CertificationRequest, prelude::FromDer};

/// 4 KiB: a request with a P-256 key and no extension has 250 bytes.
const MAX_LEN: usize = 4096;
/// An uncompressed point on P-256.
const P256_POINT: usize = 65;

/// A request whose signature was verified. Its names and extensions are forgotten.
pub struct CertificateRequest {
    key: PublicKey,
    spki: [u8; 32],
}

impl CertificateRequest {
    /// Reads PKCS #10 in DER.
    ///
    /// # Errors
    /// Why it is refused, for the audit log.
    pub fn from_der(der: &[u8]) -> Result<Self, &'static str> {
        if der.is_empty() {
            return Err("there is no certificate request");
        }
        if der.len() > MAX_LEN {
            return Err("the certificate request is larger than 4 KiB");
        }
        let (rest, parsed) =
            X509CertificationRequest::from_der(der).map_err(|_| "the certificate request is not PKCS #10")?;
        if !rest.is_empty() {
            return Err("something follows the certificate request");
        }
        let checked = CertificateSigningRequestParams::from_der(&der.into())
            .map_err(|_| "the certificate request is not signed by its own key, or asks for something unknown")?;
        let spki = parsed.certification_request_info.subject_pki.raw;
        // The library takes the key's kind from the signature's: it must be the one the key itself names.
        if checked.public_key.subject_public_key_info() != spki || checked.public_key.der_bytes().len() != P256_POINT {
            return Err("the key of the certificate request is not ECDSA P-256");
        }
        let mut hash = [0; 32];
        hash.copy_from_slice(digest::digest(&digest::SHA256, spki).as_ref());
        Ok(Self { key: checked.public_key, spki: hash })
    }

    /// SHA-256 of its public key.
    #[must_use]
    pub fn spki(&self) -> &[u8; 32] {
        &self.spki
    }

    pub(super) fn key(&self) -> &PublicKey {
        &self.key
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384};

    use super::*;

    fn request(key: &KeyPair) -> Vec<u8> {
        CertificateParams::default().serialize_request(key).expect("a request").der().to_vec()
    }

    #[test]
    fn a_request_is_refused_when_a_byte_of_it_was_changed() {
        let good = request(&KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key"));
        assert!(CertificateRequest::from_der(&good).is_ok());
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            // The last bytes may still be the same signature, written otherwise; a request that passes has the same key.
            if let Ok(passed) = CertificateRequest::from_der(&bad) {
                assert_eq!(passed.spki(), CertificateRequest::from_der(&good).expect("good").spki(), "flip at {at}");
            }
        }
    }

    #[test]
    fn requests_of_the_wrong_shape_are_refused() {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key");
        let good = request(&key);
        let mut trailing = good.clone();
        trailing.push(0);
        let other_kind = request(&KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).expect("a key"));
        for (what, bytes) in [
            ("empty", vec![]),
            ("garbage", vec![0x30; 100]),
            ("trailing", trailing),
            ("large", vec![0; 5000]),
            ("P-384", other_kind),
        ] {
            assert!(CertificateRequest::from_der(&bytes).is_err(), "{what} was taken");
        }
    }

    #[test]
    fn a_request_with_the_key_of_another_is_refused() {
        let (mine, other) = (KeyPair::generate().expect("a key"), KeyPair::generate().expect("a key"));
        let (mut bytes, theirs) = (request(&mine), other.public_key_raw().to_vec());
        let at = bytes.windows(theirs.len()).position(|window| window == mine.public_key_raw()).expect("the key");
        bytes[at..at + theirs.len()].copy_from_slice(&theirs);
        assert!(CertificateRequest::from_der(&bytes).is_err());
    }
}
