//! The permission that a refusal of AWS is about, read out of AWS's words.

/// What somebody was not allowed to do. Empty texts are what AWS did not say.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Permission {
    /// ARN of whoever asked.
    pub who: String,
    /// E.g. `cloudformation:CreateStack`.
    pub action: String,
    /// ARN of what it was about.
    pub resource: String,
    /// Why, in AWS's words, e.g. `no identity-based policy allows the s3:PutObject action`.
    pub because: String,
}

impl Permission {
    /// The permission that a message names as missing; none when it names none.
    #[must_use]
    pub fn missing(message: &str) -> Option<Self> {
        let (before, after) = message.split_once("is not authorized to perform: ")?;
        let who = before.rsplit_once("User: ").map(|(_, who)| who.trim()).unwrap_or_default();
        let action = first_word(after);
        let resource = after.split_once("on resource: ").map(|(_, rest)| first_word(rest)).unwrap_or_default();
        (!action.is_empty()).then(|| Self {
            who: who.to_owned(),
            action: action.to_owned(),
            resource: resource.trim_matches('"').to_owned(),
            because: because(after).to_owned(),
        })
    }

    /// What is missing, and who lacks it.
    #[must_use]
    pub fn sentence(&self) -> String {
        let who = if self.who.is_empty() { "The step's identity" } else { &self.who };
        let on = if self.resource.is_empty() { String::new() } else { format!(" on {}", self.resource) };
        let because = if self.because.is_empty() { String::new() } else { format!(": {}", self.because) };
        let advice = if self.because.contains("explicit deny") {
            "Take the denial away, or give the step another identity."
        } else {
            "Allow it in a policy of that identity."
        };
        format!("{who} lacks the permission {}{on}{because}. {advice}", self.action)
    }
}

/// The encoded message within AWS's words, which `sts:DecodeAuthorizationMessage` makes readable.
#[must_use]
pub fn encoded_authorization(message: &str) -> Option<&str> {
    let (_, rest) = message.split_once("ncoded authorization failure message: ")?;
    Some(first_word(rest)).filter(|word| !word.is_empty())
}

fn first_word(text: &str) -> &str {
    let end = text.find(|letter: char| letter.is_whitespace() || letter == ',').unwrap_or(text.len());
    text[..end].trim_end_matches(['.', ';'])
}

fn because(text: &str) -> &str {
    let found = text.split_once("because ").map(|(_, rest)| rest);
    let denied = || text.find("an explicit deny").map(|at| &text[at..]);
    let found = found.or_else(denied).unwrap_or_default();
    let end = found.find(". ").or_else(|| found.find(" (Service")).unwrap_or(found.len());
    found[..end].trim_end_matches('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_who_lacks_what_on_what_and_why() {
        let missing = Permission::missing(
            "User: arn:aws:sts::123456789012:assumed-role/deployer/longshore is not authorized to perform: \
             cloudformation:CreateStack on resource: arn:aws:cloudformation:eu-west-1:123456789012:stack/shop/* because no \
             identity-based policy allows the cloudformation:CreateStack action",
        )
        .expect("a permission");
        assert_eq!(missing.who, "arn:aws:sts::123456789012:assumed-role/deployer/longshore");
        assert_eq!(missing.action, "cloudformation:CreateStack");
        assert_eq!(missing.resource, "arn:aws:cloudformation:eu-west-1:123456789012:stack/shop/*");
        assert_eq!(missing.because, "no identity-based policy allows the cloudformation:CreateStack action");
        assert!(
            missing.sentence().ends_with("action. Allow it in a policy of that identity."),
            "{}",
            missing.sentence()
        );
    }

    #[test]
    fn an_explicit_denial_is_not_mended_by_allowing_more() {
        let missing = Permission::missing(
            "User: arn:aws:iam::123456789012:user/ada is not authorized to perform: s3:PutObject on resource: \
             \"arn:aws:s3:::shop/a.zip\" with an explicit deny in a resource-based policy",
        )
        .expect("a permission");
        assert_eq!(missing.resource, "arn:aws:s3:::shop/a.zip");
        assert_eq!(missing.because, "an explicit deny in a resource-based policy");
        assert!(missing.sentence().ends_with("Take the denial away, or give the step another identity."));
    }

    #[test]
    fn what_aws_does_not_say_is_left_out() {
        let missing =
            Permission::missing("User: x is not authorized to perform: sts:TagSession.").expect("a permission");
        assert_eq!((missing.action.as_str(), missing.resource.as_str()), ("sts:TagSession", ""));
        assert_eq!(missing.sentence(), "x lacks the permission sts:TagSession. Allow it in a policy of that identity.");
        assert_eq!(Permission::missing("Access Denied"), None);
        assert_eq!(Permission::missing(""), None);
    }

    #[test]
    fn an_encoded_message_is_found_wherever_it_stands() {
        let message = "You are not authorized to perform this operation. Encoded authorization failure message: aB-3_x (Service: Ec2)";
        assert_eq!(encoded_authorization(message), Some("aB-3_x"));
        assert_eq!(encoded_authorization("You are not authorized."), None);
    }
}
