//! AWS's own words, as far as both sides must read them alike: partitions, role ARNs, and what a session is called.
//!
//! Knows nothing of AWS's services or of credentials.

use std::{fmt, str::FromStr};

/// A part of AWS that knows nothing of the others.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Partition {
    /// First part of its ARNs after `arn:`.
    pub id: &'static str,
    /// End of its services' names.
    pub dns_suffix: &'static str,
    /// A region of it that every account of it has.
    pub home_region: &'static str,
    /// How its regions begin.
    region_prefix: &'static str,
}

/// AWS's partitions; the first one has every region that no other claims.
/// Source: the `partitions.json` that AWS's SDKs ship.
const PARTITIONS: [Partition; 8] = [
    partition("aws", "amazonaws.com", "us-east-1", ""),
    partition("aws-cn", "amazonaws.com.cn", "cn-north-1", "cn-"),
    partition("aws-us-gov", "amazonaws.com", "us-gov-west-1", "us-gov-"),
    partition("aws-iso", "c2s.ic.gov", "us-iso-east-1", "us-iso-"),
    partition("aws-iso-b", "sc2s.sgov.gov", "us-isob-east-1", "us-isob-"),
    partition("aws-iso-e", "cloud.adc-e.uk", "eu-isoe-west-1", "eu-isoe-"),
    partition("aws-iso-f", "csp.hci.ic.gov", "us-isof-south-1", "us-isof-"),
    partition("aws-eusc", "amazonaws.eu", "eusc-de-east-1", "eusc-"),
];

const fn partition(
    id: &'static str,
    dns_suffix: &'static str,
    home_region: &'static str,
    region_prefix: &'static str,
) -> Partition {
    Partition { id, dns_suffix, home_region, region_prefix }
}

impl Partition {
    /// The partition that a region is in; regions nobody knows yet are of the partition `aws`.
    #[must_use]
    pub fn of_region(region: &str) -> Self {
        let of_other = PARTITIONS[1..].iter().find(|partition| region.starts_with(partition.region_prefix));
        *of_other.unwrap_or(&PARTITIONS[0])
    }

    /// By the second part of an ARN; none for a word that AWS does not use there.
    #[must_use]
    pub fn named(id: &str) -> Option<Self> {
        PARTITIONS.into_iter().find(|partition| partition.id == id)
    }
}

/// Whether a text may be a region: 64 letters, digits and `-` at most, since it becomes one label of host names.
#[must_use]
pub fn is_region(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

/// A role as IAM names it, e.g. `arn:aws:iam::123456789012:role/teams/shop/deployer`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RoleArn {
    /// Where it is.
    pub partition: Partition,
    /// 12 digits.
    pub account: String,
    /// Between `role/` and the name; empty, or ends with `/`.
    pub path: String,
    /// As it is in the ARN of its sessions, which drops the path.
    pub name: String,
}

impl FromStr for RoleArn {
    type Err = String;

    /// # Errors
    /// What is wrong with it, as the end of a sentence that begins with the ARN.
    fn from_str(arn: &str) -> Result<Self, String> {
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        let ["arn", partition, "iam", "", account, resource] = parts[..] else {
            return Err("is no ARN of a role: write it like arn:aws:iam::123456789012:role/NAME".into());
        };
        let partition = Partition::named(partition)
            .ok_or_else(|| format!("names the partition \"{partition}\", which AWS does not have"))?;
        if account.len() != 12 || !account.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(format!("names the account \"{account}\", which is not 12 digits"));
        }
        let path_and_name =
            resource.strip_prefix("role/").ok_or("is not an ARN of a role: after the account follows role/NAME")?;
        let (path, name) = path_and_name.rsplit_once('/').map_or(("", path_and_name), |(path, name)| (path, name));
        if name.is_empty() || name.len() > 64 || !name.chars().all(is_of_a_name) {
            return Err(format!("names the role \"{name}\": 1 to 64 letters, digits and +=,.@_- are allowed"));
        }
        if path.len() > 510 || !path.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("has a path that IAM does not allow".into());
        }
        let path = if path.is_empty() { String::new() } else { format!("{path}/") };
        Ok(Self { partition, account: account.into(), path, name: name.into() })
    }
}

impl fmt::Display for RoleArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "arn:{}:iam::{}:role/{}{}", self.partition.id, self.account, self.path, self.name)
    }
}

/// The role in `arn:aws:sts::123456789012:assumed-role/NAME/session`; empty for anybody who is no role.
#[must_use]
pub fn role_of_session(arn: &str) -> &str {
    let resource = arn.splitn(6, ':').nth(5).unwrap_or_default();
    let mut parts = resource.split('/');
    match (parts.next(), parts.next()) {
        (Some("assumed-role"), Some(role)) => role,
        _ => "",
    }
}

/// The partition in an ARN; empty for what is none.
#[must_use]
pub fn partition_of(arn: &str) -> &str {
    arn.strip_prefix("arn:").and_then(|rest| rest.split(':').next()).unwrap_or_default()
}

/// Characters of a session's name, and of a source identity.
const SESSION_NAME_CHARS: usize = 64;
/// A tag's value.
const TAG_VALUE_CHARS: usize = 256;

/// What a text becomes where STS takes 2 to 64 of `[A-Za-z0-9+=,.@_-]`: a session's name or a source identity.
#[must_use]
pub fn session_word(text: &str) -> String {
    let mut word: String =
        text.chars().map(|letter| if is_of_a_name(letter) { letter } else { '-' }).take(SESSION_NAME_CHARS).collect();
    while word.len() < 2 {
        word.push('-');
    }
    word
}

/// What a text becomes as the value of a session tag: letters, digits, blanks and `_.:/=+-@`, 256 characters at most.
#[must_use]
pub fn tag_value(text: &str) -> String {
    let allowed = |letter: char| {
        letter.is_alphanumeric() || matches!(letter, ' ' | '_' | '.' | ':' | '/' | '=' | '+' | '-' | '@')
    };
    text.chars().map(|letter| if allowed(letter) { letter } else { '-' }).take(TAG_VALUE_CHARS).collect()
}

fn is_of_a_name(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || matches!(letter, '+' | '=' | ',' | '.' | '@' | '_' | '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_tells_its_partition() {
        for (region, id, suffix) in [
            ("eu-west-1", "aws", "amazonaws.com"),
            ("cn-north-1", "aws-cn", "amazonaws.com.cn"),
            ("us-gov-west-1", "aws-us-gov", "amazonaws.com"),
            ("us-isob-east-1", "aws-iso-b", "sc2s.sgov.gov"),
            ("eusc-de-east-1", "aws-eusc", "amazonaws.eu"),
            ("mars-north-1", "aws", "amazonaws.com"),
        ] {
            let partition = Partition::of_region(region);
            assert_eq!((partition.id, partition.dns_suffix), (id, suffix), "{region}");
        }
        for partition in PARTITIONS {
            assert_eq!(Partition::of_region(partition.home_region), partition);
            assert_eq!(Partition::named(partition.id), Some(partition));
        }
    }

    #[test]
    fn a_role_is_read_with_its_path_and_written_as_it_was() {
        for text in ["arn:aws:iam::123456789012:role/deployer", "arn:aws-cn:iam::123456789012:role/teams/shop/deployer"]
        {
            let arn: RoleArn = text.parse().expect("a role");
            assert_eq!((arn.name.as_str(), arn.account.as_str()), ("deployer", "123456789012"));
            assert_eq!(arn.to_string(), text);
        }
    }

    #[test]
    fn what_is_no_role_says_why() {
        for (text, part) in [
            ("deployer", "no ARN"),
            ("arn:aws:sts::123456789012:assumed-role/x/y", "no ARN"),
            ("arn:aws:iam::123456789012:user/x", "role/NAME"),
            ("arn:aws:iam::12345:role/x", "12 digits"),
            ("arn:moon:iam::123456789012:role/x", "partition \"moon\""),
            ("arn:aws:iam::123456789012:role/", "1 to 64"),
            ("arn:aws:iam::123456789012:role/a b", "1 to 64"),
        ] {
            let why = text.parse::<RoleArn>().expect_err(text);
            assert!(why.contains(part), "{text}: {why}");
        }
    }

    #[test]
    fn a_user_has_no_role() {
        assert_eq!(role_of_session("arn:aws:sts::123456789012:assumed-role/shop/i-0abc"), "shop");
        assert_eq!(role_of_session("arn:aws:iam::123456789012:user/assumed-role/x"), "");
        assert_eq!(role_of_session("nonsense"), "");
        assert_eq!(partition_of("arn:aws-cn:iam::1:role/x"), "aws-cn");
        assert_eq!(partition_of("nonsense"), "");
    }

    #[test]
    fn any_text_becomes_a_word_that_sts_takes() {
        assert_eq!(session_word("token first admin"), "token-first-admin");
        assert_eq!(session_word("ü"), "--");
        assert_eq!(session_word(&"x".repeat(99)).len(), 64);
        assert_eq!(tag_value("Who am I? (1)"), "Who am I- -1-");
    }
}
