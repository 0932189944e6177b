//! Policy routing: one rule a family and address, by the `ip` program of iproute2.

use std::{ffi::OsString, io, net::IpAddr, path::Path, process::Stdio};

use serde::Deserialize;

use crate::step_users::UidRange;

/// Before all rules for everybody (from 32766 on), after the table of the host's own addresses (0).
const PRIORITY: u32 = 100;
/// Where distributions have it, if not on PATH.
const FOLDERS: [&str; 2] = ["/usr/sbin", "/sbin"];

/// A rule as `ip -j rule show` tells it.
#[derive(Deserialize, PartialEq, Eq, Debug, Default)]
#[serde(default)]
struct Rule {
    priority: u32,
    dst: String,
    uid_start: u32,
    uid_end: u32,
    action: String,
}

/// Adds the rules that are not there yet, and touches no other. Without a table of their own: a rule that prohibits needs
/// none, and holds for sockets bound to a device in IPv6.
pub(super) async fn add(range: UidRange, addresses: &[IpAddr]) -> Result<(), String> {
    let program = find().ok_or("there is no `ip` program; install iproute2")?;
    for (family, wanted) in [("-4", ipv4(addresses)), ("-6", ipv6(addresses))] {
        // A kernel without IPv6 needs no rule against it.
        if family == "-6" && !Path::new("/proc/net/if_inet6").exists() {
            continue;
        }
        let shown = run(&program, &[family, "-j", "rule", "show"]).await?;
        let there = parse(&shown)
            .map_err(|error| format!("`ip -j rule show` is not understood ({error}); upgrade iproute2"))?;
        for address in wanted {
            let rule = Rule {
                priority: PRIORITY,
                dst: address.to_string(),
                uid_start: range.first(),
                uid_end: range.last(),
                action: "prohibit".into(),
            };
            if !there.contains(&rule) {
                let (users, priority) = (range.to_string(), PRIORITY.to_string());
                let words =
                    [family, "rule", "add", "uidrange", &users, "to", &rule.dst, "priority", &priority, "prohibit"];
                run(&program, &words).await?;
            }
        }
    }
    Ok(())
}

fn ipv4(addresses: &[IpAddr]) -> Vec<IpAddr> {
    addresses.iter().copied().filter(IpAddr::is_ipv4).collect()
}

fn ipv6(addresses: &[IpAddr]) -> Vec<IpAddr> {
    addresses.iter().copied().filter(IpAddr::is_ipv6).collect()
}

/// No rules at all are shown as nothing.
fn parse(shown: &str) -> serde_json::Result<Vec<Rule>> {
    if shown.trim().is_empty() { Ok(Vec::new()) } else { serde_json::from_str(shown) }
}

fn find() -> Option<OsString> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(FOLDERS.map(Into::into));
    folders.map(|folder| folder.join("ip")).find(|program| program.is_file()).map(Into::into)
}

async fn run(program: &OsString, words: &[&str]) -> Result<String, String> {
    let failed = |error: &dyn std::fmt::Display| {
        format!("`ip {}` failed ({error}); let the agent keep the capability NET_ADMIN", words.join(" "))
    };
    let output = tokio::process::Command::new(program).args(words).stdin(Stdio::null()).output().await;
    let output = output.map_err(|error: io::Error| failed(&error))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(failed(&String::from_utf8_lossy(&output.stderr).trim()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_recognised_as_iproute2_shows_it() {
        let shown = r#"[{"priority":0,"src":"all","table":"local"},
            {"priority":100,"src":"all","dst":"fd00:ec2::254","uid_start":60100,"uid_end":60163,"action":"prohibit"},
            {"priority":32766,"src":"all","table":"main"}]"#;
        let rule = Rule {
            priority: PRIORITY,
            dst: "fd00:ec2::254".into(),
            uid_start: 60100,
            uid_end: 60163,
            action: "prohibit".into(),
        };
        assert!(parse(shown).expect("JSON").contains(&rule));
        assert_eq!(parse("\n").expect("nothing"), []);
    }
}
