//! Whom a token speaks for. The decisive parts come first and in a fixed order, and no value can hold what IAM's `StringLike`
//! or the grammar itself would read as something else.

use std::fmt;

use shared::reason::{Fault, Reason};

/// 255 characters: what STS gives back of a subject at most (STS API reference, `SubjectFromWebIdentityToken`).
const MAX: usize = 255;

/// Whom a token speaks for; written `longshore:…`, which is the token's `sub` and what trust policies compare.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Subject {
    /// `longshore:project:<p>:environment:<e>:pool:<pool>:step:<s>`
    Step {
        /// The project.
        project: String,
        /// Where it is deployed to.
        environment: String,
        /// Whose workers run the step.
        pool: String,
        /// The step.
        step: String,
    },
    /// `longshore:run:pool:<pool>`: an ad-hoc command.
    Run {
        /// Whose workers run it.
        pool: String,
    },
    /// `longshore:account-test:account:<name>`
    AccountTest {
        /// The account that is tested.
        account: String,
    },
}

impl Subject {
    /// As the token's `sub`: ASCII, every value percent-encoded but for letters, digits and `-._~` (RFC 3986).
    ///
    /// # Errors
    /// [`Reason::InvalidName`] when it is longer than AWS takes.
    pub fn sub(&self) -> Result<String, Fault> {
        let sub = self.to_string();
        if sub.len() > MAX {
            return Err(Fault::new(
                Reason::InvalidName,
                format!(
                    "The subject {sub} is {} characters long and AWS takes {MAX}: shorten the names in it. A letter that is not \
                     ASCII counts as three to twelve.",
                    sub.len()
                ),
            ));
        }
        Ok(sub)
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Step { project, environment, pool, step } => write!(
                f,
                "longshore:project:{}:environment:{}:pool:{}:step:{}",
                Encoded(project),
                Encoded(environment),
                Encoded(pool),
                Encoded(step)
            ),
            Self::Run { pool } => write!(f, "longshore:run:pool:{}", Encoded(pool)),
            Self::AccountTest { account } => write!(f, "longshore:account-test:account:{}", Encoded(account)),
        }
    }
}

struct Encoded<'a>(&'a str);

impl fmt::Display for Encoded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0.bytes() {
            match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => write!(f, "{}", byte as char)?,
                _ => write!(f, "%{byte:02X}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn step(project: &str, environment: &str, pool: &str, step: &str) -> Subject {
        Subject::Step { project: project.into(), environment: environment.into(), pool: pool.into(), step: step.into() }
    }

    #[test]
    fn a_subject_reads_from_the_decisive_to_the_free() {
        for (subject, sub) in [
            (
                step("web-shop", "staging", "default", "Who am I?"),
                "longshore:project:web-shop:environment:staging:pool:default:step:Who%20am%20I%3F",
            ),
            (Subject::Run { pool: "a*".into() }, "longshore:run:pool:a%2A"),
            (Subject::AccountTest { account: "shop:eu".into() }, "longshore:account-test:account:shop%3Aeu"),
            (step("ü", "%41", "a/b", "~_.-"), "longshore:project:%C3%BC:environment:%2541:pool:a%2Fb:step:~_.-"),
        ] {
            assert_eq!(subject.sub().expect("short enough"), sub);
        }
    }

    #[test]
    fn what_aws_would_not_take_is_refused_with_both_lengths() {
        let longest = "x".repeat(MAX - "longshore:run:pool:".len());
        assert_eq!(Subject::Run { pool: longest.clone() }.sub().expect("just fits").len(), MAX);
        let fault = Subject::Run { pool: longest + "x" }.sub().expect_err("too long");
        assert_eq!(fault.reason, Reason::InvalidName);
        assert!(fault.sentence.contains("256 characters") && fault.sentence.contains("255"), "{fault}");
    }

    /// Names that look like pieces of the grammar, or differ from each other by very little, beside any others.
    fn name() -> impl Strategy<Value = String> {
        prop_oneof![
            "[a%:*? ]{0,6}",
            "(pool|step|environment|run|:|:pool:|%3A|%253A){0,4}",
            "\\PC{0,8}",
            any::<String>(),
        ]
    }

    fn subject() -> impl Strategy<Value = Subject> {
        prop_oneof![
            (name(), name(), name(), name()).prop_map(|(p, e, pool, s)| step(&p, &e, &pool, &s)),
            name().prop_map(|pool| Subject::Run { pool }),
            name().prop_map(|account| Subject::AccountTest { account }),
        ]
    }

    /// Reads a subject back by its grammar alone: what can be read back cannot be two.
    fn read(sub: &str) -> Option<Subject> {
        let decoded = |text: &str| {
            let mut bytes = text.bytes();
            let mut out = Vec::new();
            while let Some(byte) = bytes.next() {
                out.push(if byte == b'%' {
                    let digits = [bytes.next()?, bytes.next()?];
                    u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
                } else {
                    byte
                });
            }
            String::from_utf8(out).ok()
        };
        match sub.split(':').collect::<Vec<_>>()[..] {
            ["longshore", "project", p, "environment", e, "pool", pool, "step", s] => {
                Some(step(&decoded(p)?, &decoded(e)?, &decoded(pool)?, &decoded(s)?))
            }
            ["longshore", "run", "pool", pool] => Some(Subject::Run { pool: decoded(pool)? }),
            ["longshore", "account-test", "account", account] => {
                Some(Subject::AccountTest { account: decoded(account)? })
            }
            _ => None,
        }
    }

    proptest! {
        #[test]
        fn two_different_subjects_never_read_the_same(one in subject(), other in subject()) {
            prop_assert_eq!(one == other, one.to_string() == other.to_string());
            prop_assert_eq!(read(&one.to_string()), Some(one));
        }

        #[test]
        fn nothing_in_a_subject_is_a_wildcard_a_blank_or_unprintable(subject in subject()) {
            let sub = subject.to_string();
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%:".contains(&byte);
            prop_assert!(sub.bytes().all(allowed), "{}", sub);
            let colons = if matches!(subject, Subject::Step { .. }) { 8 } else { 3 };
            prop_assert_eq!(sub.matches(':').count(), colons);
        }
    }
}
