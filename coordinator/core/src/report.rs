//! What a worker reports of itself, and what a step demands of that: who its own role is in AWS, whether its steps are kept from
//! the instance's metadata, and which tools it has. A report is a worker's word: it decides where a step is offered, and the worker asks AWS again
//! before it starts one.

use std::{collections::BTreeMap, fmt};

pub use shared::plan::demand::{ACCOUNT, ISOLATED, REGION, ROLE, TOOL, is_reported};
use shared::tool::{Demand, demands};

/// What a worker said of itself last.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Report {
    /// Of its own role; absent until it has asked AWS.
    pub aws: Option<AwsReport>,
    /// Whether its steps are kept from the instance's metadata; absent until it has tried.
    pub isolated: Option<bool>,
    /// Its tools and their versions, empty where one did not say; absent until it has looked.
    pub tools: Option<BTreeMap<String, String>>,
}

/// A worker's own role; what it does not have is empty.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AwsReport {
    /// 12 digits.
    pub account: String,
    /// Name of the role.
    pub role: String,
    /// Region of the host.
    pub region: String,
}

/// What the worker's own role must be; what is empty demands nothing.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Expectation {
    /// 12 digits.
    pub account: String,
    /// Name of the role.
    pub role: String,
    /// Region of the host.
    pub region: String,
}

/// An expectation that a report does not meet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Contradiction<'a> {
    what: &'static str,
    expected: &'a str,
    found: &'a str,
}

impl Report {
    /// The value of a reported label; none until the worker has said.
    #[must_use]
    pub fn label(&self, label: &str) -> Option<&str> {
        let aws = self.aws.as_ref();
        match label {
            ACCOUNT => aws.map(|aws| aws.account.as_str()),
            ROLE => aws.map(|aws| aws.role.as_str()),
            REGION => aws.map(|aws| aws.region.as_str()),
            ISOLATED => self.isolated.map(|isolated| if isolated { "true" } else { "false" }),
            _ => None,
        }
    }

    /// The first of these demands that the worker has not said it meets; none when it meets them all. Of demands that nobody can
    /// read, none is met.
    ///
    /// # Errors
    /// Why they cannot be read, as the end of a sentence.
    pub fn unmet_tool<'a>(&self, wanted: &'a str) -> Result<Option<Demand<'a>>, String> {
        let none = BTreeMap::new();
        let tools = self.tools.as_ref().unwrap_or(&none);
        Ok(demands(wanted)?.into_iter().find(|demand| !demand.is_met_by(tools)))
    }

    /// Whether the worker has said that it is what is expected. One that has not asked AWS yet is not asked to try: what it
    /// would refuse fails a step that another worker could run.
    #[must_use]
    pub fn meets(&self, expect: &Expectation) -> bool {
        *expect == Expectation::default() || (self.aws.is_some() && self.contradiction(expect).is_none())
    }

    /// Whether the worker said who its own role is. One without an identity has no role, or could not ask AWS just now:
    /// both may pass.
    #[must_use]
    pub fn is_somebody(&self) -> bool {
        self.aws.as_ref().is_some_and(|aws| !aws.account.is_empty())
    }

    /// What in an expectation this contradicts. A worker that has not asked AWS yet contradicts nothing.
    #[must_use]
    pub fn contradiction<'a>(&'a self, expect: &'a Expectation) -> Option<Contradiction<'a>> {
        let aws = self.aws.as_ref()?;
        let pairs = [
            ("AWS account", &expect.account, &aws.account),
            ("role", &expect.role, &aws.role),
            ("region", &expect.region, &aws.region),
        ];
        pairs
            .into_iter()
            .find(|(_, expected, found)| !expected.is_empty() && expected != found)
            .map(|(what, expected, found)| Contradiction { what, expected, found })
    }
}

impl fmt::Display for Expectation {
    /// `the AWS account 123456789012 and the role deployer`, for the middle of a sentence.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pairs = [("AWS account", &self.account), ("role", &self.role), ("region", &self.region)];
        let filled = pairs.iter().filter(|(_, value)| !value.is_empty());
        let parts: Vec<String> = filled.map(|(what, value)| format!("the {what} {value}")).collect();
        f.write_str(&parts.join(" and "))
    }
}

impl Contradiction<'_> {
    /// `the role deployer`, for the middle of a sentence.
    #[must_use]
    pub fn expected(&self) -> String {
        format!("the {} {}", self.what, self.expected)
    }
}

impl fmt::Display for Contradiction<'_> {
    /// `has the role builder`, for the end of a sentence that begins with the worker.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.found {
            "" => write!(f, "has no {}", self.what),
            found => write!(f, "has the {} {found}", self.what),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let aws = AwsReport { account: "123456789012".into(), role: "shop".into(), region: "eu-west-1".into() };
        Report { aws: Some(aws), isolated: Some(false), tools: None }
    }

    #[test]
    fn what_a_worker_reports_reads_like_labels() {
        let labels =
            [ACCOUNT, ROLE, REGION, ISOLATED, "aws.moon", "disk"].map(|label| report().label(label).map(str::to_owned));
        let expected = [Some("123456789012"), Some("shop"), Some("eu-west-1"), Some("false"), None, None];
        assert_eq!(labels, expected.map(|value| value.map(str::to_owned)));
        assert_eq!(Report::default().label(ACCOUNT), None, "it has not asked yet");
        assert!(is_reported("aws.moon") && !is_reported("awsome"));
    }

    #[test]
    fn an_expectation_is_contradicted_only_by_what_was_said() {
        let expect = Expectation { account: "123456789012".into(), role: "other".into(), region: String::new() };
        let report = report();
        let found = report.contradiction(&expect).expect("another role");
        assert_eq!((found.expected(), found.to_string()), ("the role other".into(), "has the role shop".into()));
        assert_eq!(Report::default().contradiction(&expect), None);
        assert_eq!(report.contradiction(&Expectation::default()), None);
        assert!(!report.meets(&expect) && report.meets(&Expectation { role: "shop".into(), ..expect.clone() }));
        assert!(!Report::default().meets(&expect) && Report::default().meets(&Expectation::default()));
        assert_eq!(expect.to_string(), "the AWS account 123456789012 and the role other");
        let nobody = Report { aws: Some(AwsReport::default()), ..Report::default() };
        assert!(report.is_somebody() && !nobody.is_somebody() && !Report::default().is_somebody());
        assert_eq!(nobody.contradiction(&expect).expect("no account").to_string(), "has no AWS account");
    }
}
