//! Programs that steps need: which ones workers report, and what a step may demand of them.

use std::{cmp::Ordering, collections::BTreeMap, fmt};

/// A program that workers look for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tool {
    /// What it is called in demands and reports.
    pub name: &'static str,
    /// What it is called on the PATH.
    pub program: &'static str,
    /// Arguments with which it says its version and does nothing else.
    pub version: &'static [&'static str],
}

const fn tool(name: &'static str, program: &'static str, version: &'static [&'static str]) -> Tool {
    Tool { name, program, version }
}

/// Every tool that workers look for.
#[rustfmt::skip]
pub const TOOLS: [Tool; 22] = [
    tool("aws", "aws", &["--version"]),
    tool("bash", "bash", &["--version"]),
    tool("cdk", "cdk", &["--version"]),
    tool("curl", "curl", &["--version"]),
    tool("docker", "docker", &["--version"]),
    tool("dotnet", "dotnet", &["--version"]),
    tool("git", "git", &["--version"]),
    tool("go", "go", &["version"]),
    tool("helm", "helm", &["version", "--short"]),
    tool("java", "java", &["-version"]),
    tool("jq", "jq", &["--version"]),
    tool("kubectl", "kubectl", &["version", "--client"]),
    tool("make", "make", &["--version"]),
    tool("node", "node", &["--version"]),
    tool("npm", "npm", &["--version"]),
    tool("powershell", "pwsh", &["-NoLogo", "-NoProfile", "-Version"]),
    tool("python", "python3", &["--version"]),
    tool("sam", "sam", &["--version"]),
    tool("tar", "tar", &["--version"]),
    tool("terraform", "terraform", &["-version"]),
    tool("unzip", "unzip", &["-v"]),
    tool("zip", "zip", &["-v"]),
];

/// What is demanded of one tool.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Demand<'a> {
    /// Which tool.
    pub tool: &'static str,
    bound: Option<(Bound, &'a str)>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Bound {
    AtLeast,
    Above,
    AtMost,
    Below,
    /// As far as the demanded version goes: `=3.11` is any 3.11.
    Like,
}

/// Longer signs first: `>` begins `>=`.
const BOUNDS: [(&str, Bound); 5] =
    [(">=", Bound::AtLeast), ("<=", Bound::AtMost), (">", Bound::Above), ("<", Bound::Below), ("=", Bound::Like)];

/// Reads demands: names with or without a bound, with commas between them, e.g. `aws>=2, python=3.11, jq`.
///
/// # Errors
/// What is wrong with it, as the end of a sentence.
pub fn demands(text: &str) -> Result<Vec<Demand<'_>>, String> {
    text.split(',').map(demand).collect()
}

fn demand(text: &str) -> Result<Demand<'_>, String> {
    let at = text.find(['<', '>', '=']).unwrap_or(text.len());
    let (name, rest) = (text[..at].trim(), text[at..].trim());
    let tool = TOOLS.iter().find(|tool| tool.name == name).ok_or_else(|| unknown(name))?;
    if rest.is_empty() {
        return Ok(Demand { tool: tool.name, bound: None });
    }
    let bound = BOUNDS.iter().find_map(|(sign, bound)| Some((*bound, rest.strip_prefix(sign)?.trim())));
    let (bound, version) = bound.unwrap_or((Bound::Like, rest));
    if version_in(version) != Some(version) {
        return Err(format!("has \"{version}\" for a version of {name}: write numbers with dots, like {name}>=2.1"));
    }
    Ok(Demand { tool: tool.name, bound: Some((bound, version)) })
}

fn unknown(name: &str) -> String {
    let names: Vec<&str> = TOOLS.iter().map(|tool| tool.name).collect();
    format!("names \"{name}\", for which no worker looks: they look for {}", names.join(", "))
}

impl Demand<'_> {
    /// Whether a worker with these tools and their versions has it. A version that the tool did not say is none.
    #[must_use]
    pub fn is_met_by(&self, tools: &BTreeMap<String, String>) -> bool {
        let Some(found) = tools.get(self.tool) else { return false };
        let Some((bound, version)) = self.bound else { return true };
        if found.is_empty() {
            return false;
        }
        let (found, wanted) = (numbers(found), numbers(version));
        match bound {
            Bound::AtLeast => compared(&found, &wanted).is_ge(),
            Bound::Above => compared(&found, &wanted).is_gt(),
            Bound::AtMost => compared(&found, &wanted).is_le(),
            Bound::Below => compared(&found, &wanted).is_lt(),
            Bound::Like => (0..wanted.len()).all(|at| found.get(at).copied().unwrap_or(0) == wanted[at]),
        }
    }
}

impl fmt::Display for Demand<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.tool)?;
        let Some((bound, version)) = self.bound else { return Ok(()) };
        let sign = BOUNDS.iter().find(|(_, known)| *known == bound).map_or("", |(sign, _)| sign);
        write!(f, "{sign}{version}")
    }
}

/// The first version in what a tool says of itself: digits, with dots between them; the first number when nothing has dots.
#[must_use]
pub fn version_in(text: &str) -> Option<&str> {
    let mut words = text
        .split(|c: char| !c.is_ascii_digit() && c != '.')
        .map(|word| word.trim_matches('.'))
        .filter(|word| !word.is_empty() && !word.contains(".."));
    words.clone().find(|word| word.contains('.')).or_else(|| words.next())
}

/// Where one has fewer numbers, the others are compared with 0.
fn compared(left: &[u64], right: &[u64]) -> Ordering {
    let at = |numbers: &[u64], at: usize| numbers.get(at).copied().unwrap_or(0);
    let longest = left.len().max(right.len());
    (0..longest)
        .map(|place| at(left, place).cmp(&at(right, place)))
        .find(|order| order.is_ne())
        .unwrap_or(Ordering::Equal)
}

fn numbers(version: &str) -> Vec<u64> {
    version.split('.').map(|number| number.parse().unwrap_or(u64::MAX)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_met(demand: &str, found: &str) -> bool {
        let (name, _) = demand.split_once(['<', '>', '=']).unwrap_or((demand, ""));
        let tools = BTreeMap::from([(name.trim().to_owned(), found.to_owned())]);
        let demands = demands(demand).expect(demand);
        assert_eq!(demands.len(), 1);
        demands[0].is_met_by(&tools)
    }

    #[test]
    fn versions_are_compared_number_by_number() {
        for (demand, met, unmet) in [
            ("aws>=2", &["2", "2.0", "2.38.5", "10.0"][..], &["1.32.1", ""][..]),
            ("aws > 2", &["2.0.1", "3"], &["2", "2.0", "1.9"]),
            ("python=3.11", &["3.11", "3.11.2"], &["3.1", "3.110", "3", "4.11"]),
            ("python=3", &["3.9", "3"], &["2.7", "30.1"]),
            ("jq<=1.6", &["1.6", "1.5.9", "1"], &["1.6.1", "1.7"]),
            ("node<20", &["18.19.1", "19"], &["20.0.0", "20"]),
            ("bash", &["5.2", ""], &[]),
            ("go>=1.99999999999999999999999", &["1.99999999999999999999999"], &["1.22"]),
        ] {
            assert!(met.iter().all(|found| is_met(demand, found)), "{demand}");
            assert!(!unmet.iter().any(|found| is_met(demand, found)), "{demand}");
        }
        assert!(!demands("aws").expect("one")[0].is_met_by(&BTreeMap::new()));
    }

    #[test]
    fn demands_are_read_and_shown_as_they_are_written() {
        let shown = |text: &str| {
            demands(text).map(|found| found.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
        };
        assert_eq!(shown("aws >= 2 ,python=3.11,jq"), Ok("aws>=2, python=3.11, jq".into()));
        for (text, part) in [
            ("", "names \"\", for which no worker looks: they look for aws, bash,"),
            ("aws,", "names \"\""),
            ("awscli>=2", "names \"awscli\""),
            ("aws>=two", "has \"two\" for a version of aws: write numbers with dots, like aws>=2.1"),
            ("aws>=", "has \"\" for a version"),
            ("aws>=2.x", "has \"2.x\""),
            ("aws==2", "has \"=2\""),
            ("aws>=2..1", "has \"2..1\""),
        ] {
            let fault = demands(text).expect_err(text);
            assert!(fault.contains(part), "{text}: {fault}");
        }
    }

    #[test]
    fn a_version_is_found_in_what_tools_say() {
        for (said, version) in [
            ("aws-cli/2.15.30 Python/3.11.8 Linux/6.1", Some("2.15.30")),
            ("GNU bash, version 5.2.15(1)-release (x86_64-pc-linux-gnu)", Some("5.2.15")),
            ("Python 3.11.2\n", Some("3.11.2")),
            ("PowerShell 7.4.1", Some("7.4.1")),
            ("jq-1.6", Some("1.6")),
            ("openjdk version \"17\" 2021-09-14", Some("17")),
            ("go version go1.22.1 linux/amd64", Some("1.22.1")),
            ("v3.14.2+gc309b6f", Some("3.14.2")),
            ("... no version ...", None),
            ("", None),
        ] {
            assert_eq!(version_in(said), version, "{said}");
        }
    }
}
