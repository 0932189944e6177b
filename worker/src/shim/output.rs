//! Output variables on their way to the coordinator: bounded, and sealed when they are secret.

use aws_lc_rs::{
    aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    rand,
};
use proto::worker::{OutputVariable, output_variable::Value};
use shared::limits;

/// 64 bytes: what a variable costs on its way besides name and value, sealed or not. Many empty ones are bounded by it too.
const OVERHEAD: usize = 64;

/// Makes output variables of one attempt.
pub(super) struct Outputs {
    key: Option<LessSafeKey>,
    /// Bytes of all names and values so far.
    total: usize,
}

/// Why an output variable cannot be sent, in a sentence. The step fails: what comes after it would lack the value.
#[derive(PartialEq, Eq, Debug, thiserror::Error)]
pub(super) enum OutputError {
    #[error(
        "Output variable \"{name}\" has {size} bytes; at most {} are allowed. Write large results to a file and upload it.",
        limits::OUTPUT_BYTES
    )]
    TooLarge { name: String, size: usize },
    #[error(
        "An output variable is larger than the {} bytes that are allowed. Write large results to a file and upload it.",
        limits::OUTPUT_BYTES
    )]
    Unreadable,
    #[error("The name of an output variable contains a secret. Names are shown everywhere: give it another one.")]
    SecretName,
    #[error(
        "With output variable \"{name}\" the outputs of this step have more than the {} bytes that are allowed together.",
        limits::OUTPUTS_BYTES
    )]
    TooMany { name: String },
    #[error(
        "Output variable \"{name}\" is a secret and cannot be sealed: the coordinator sent no usable key with the step."
    )]
    NoKey { name: String },
}

impl Outputs {
    /// With the attempt's key; 32 bytes.
    pub(super) fn new(key: &[u8]) -> Self {
        let key = UnboundKey::new(&AES_256_GCM_SIV, key).ok().map(LessSafeKey::new);
        Self { key, total: 0 }
    }

    /// The variable as it travels.
    pub(super) fn make(&mut self, name: &str, value: &str, secret: bool) -> Result<OutputVariable, OutputError> {
        let named = || name.chars().take(limits::NAME_CHARS).collect::<String>();
        if name.len() + value.len() > limits::OUTPUT_BYTES {
            return Err(OutputError::TooLarge { name: named(), size: value.len() });
        }
        self.total += name.len() + value.len() + OVERHEAD;
        if self.total > limits::OUTPUTS_BYTES {
            return Err(OutputError::TooMany { name: named() });
        }
        let value = if secret {
            Value::Sealed(self.seal(name, value).ok_or_else(|| OutputError::NoKey { name: named() })?)
        } else {
            Value::Plain(value.to_owned())
        };
        Ok(OutputVariable { name: name.to_owned(), value: Some(value) })
    }

    /// Nonce, ciphertext, tag; bound to the name.
    fn seal(&self, name: &str, value: &str) -> Option<Vec<u8>> {
        let mut nonce = [0; NONCE_LEN];
        rand::fill(&mut nonce).ok()?;
        let mut text = value.as_bytes().to_vec();
        let key = self.key.as_ref()?;
        key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(name), &mut text).ok()?;
        Some([nonce.as_slice(), &text].concat())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_output_opens_under_its_own_name_only() {
        let key = [7; 32];
        let Some(Value::Sealed(sealed)) = Outputs::new(&key).make("Name", "Wert 🎈", true).unwrap().value else {
            panic!("not sealed")
        };
        let open = |name: &str| {
            let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM_SIV, &key).unwrap());
            let (nonce, rest) = sealed.split_at(NONCE_LEN);
            let nonce = Nonce::try_assume_unique_for_key(nonce).unwrap();
            let mut rest = rest.to_vec();
            key.open_in_place(nonce, Aad::from(name), &mut rest).map(|text| String::from_utf8(text.to_vec()).unwrap())
        };
        assert_eq!(open("Name").unwrap(), "Wert 🎈");
        assert!(open("Other").is_err());
    }

    #[test]
    fn too_much_is_refused_with_a_sentence() {
        let mut outputs = Outputs::new(&[]);
        let large = "x".repeat(limits::OUTPUT_BYTES + 1);
        let error = outputs.make("Big", &large, false).unwrap_err();
        assert!(error.to_string().starts_with("Output variable \"Big\" has 65537 bytes; at most 65536 are allowed."));
        let some = "x".repeat(60_000);
        let refused = (0..20).find_map(|_| outputs.make("Many", &some, false).err());
        assert_eq!(refused, Some(OutputError::TooMany { name: "Many".into() }));
        assert!(matches!(Outputs::new(&[]).make("S", "v", true), Err(OutputError::NoKey { .. })));
    }
}
