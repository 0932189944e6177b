//! PowerShell steps. Where no `pwsh` is on the PATH, what Longshore does around it is tested with a stand-in that writes down how it
//! was called; the bootstrap itself is then only read, by tests/hosts.

use std::{env, fs, os::unix::fs::PermissionsExt, path::Path};

use proto::deployment::log_frame::Level;
use shared::outcome::OutcomeKind;
use tempfile::TempDir;

use crate::stage::Stage;

/// Says how it was called, reads the variables as the bootstrap does, and speaks on the side channel.
const STAND_IN: &str = r###"#!/bin/bash
printf '%s\n' "${@/#*\/step\//step/}"
env | grep -c correct-horse
while [ "$1" != -File ]; do shift; done
mapfile -d '' -t texts <"$3"
printf '%s\n' "${texts[@]}"
head -c 3 "$4" | od -An -tx1
tail -c +4 "$4"
printf "##octopus[setVariable name='%s' value='%s']\n" "$(printf Caller | base64)" "$(printf me | base64)" >&199
exit 7
"###;

fn stand_in(folder: &Path) -> String {
    let path = folder.join("pwsh");
    fs::write(&path, STAND_IN).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    format!("{}:{}", folder.display(), env::var("PATH").unwrap())
}

#[test]
fn it_is_called_without_a_profile_and_with_files_for_everything_that_is_secret() {
    let folder = TempDir::new().unwrap();
    let left = Stage::script("strict powershell", "Write-Host 'hé'\r\n")
        .variable("AWS Account.AccessKey", "AKIAEXAMPLE")
        .secret("Password", "correct-horse")
        .agent_has("PATH", &stand_in(folder.path()))
        .run();
    let said = left.stdout();
    let expected = "-NoLogo\n-NoProfile\n-NonInteractive\n-ExecutionPolicy\nBypass\n-File\nstep/bootstrap.ps1\nstep/variables\n\
                    step/script/deploy/step.sh.ps1\nThe step\nstrict\n0\nAWS Account.AccessKey\nAKIAEXAMPLE\nPassword\n********\n \
                    ef bb bf\nWrite-Host 'hé'\n";
    assert_eq!(said, expected);
    assert_eq!((left.outcome.exit_code, left.outputs["Caller"].as_str()), (Some(7), "me"));
}

#[test]
fn a_worker_without_it_says_so() {
    let left = Stage::script("powershell", "1").agent_has("PATH", "/nowhere").run();
    assert_eq!(left.outcome.reason, "NOT_EXECUTABLE");
    assert!(left.outcome.detail.contains("\"pwsh\" cannot be executed on worker"), "{}", left.outcome.detail);
}

#[test]
fn a_real_one_runs_scripts_as_octopus_does() {
    let is_there = env::split_paths(&env::var_os("PATH").unwrap()).any(|folder| folder.join("pwsh").exists());
    if !is_there {
        return eprintln!("skipped: there is no pwsh on the PATH");
    }
    let body = r#"
$OctopusParameters["AWS Account.AccessKey"]; $OctopusParameters["aws account.accesskey"]; $Region
Set-OctopusVariable -name "Out" -value "a'b ]`n🎈"; $OctopusParameters["out"]
Set-OctopusVariable "Hidden" "new-secret-value" -sensitive; "new-secret-value"
Write-Verbose "v"; Write-Highlight "h"; Write-Wait "w"; Write-Warning "x"; Update-Progress 42 "half"
$script:tries = 0
Execute-WithRetry { $script:tries++; if ($script:tries -lt 2) { throw "again" } } -sleepBetweenFailures 0
"tries $script:tries"
"#;
    let stage = |shell: &str, body: &str| {
        Stage::script(shell, body).variable("AWS Account.AccessKey", "AKIAEXAMPLE").variable("Region", "eu-west-1")
    };
    let left = stage("strict powershell", body).run();
    assert_eq!(left.outcome.kind, OutcomeKind::Succeeded, "{}", left.at(Level::Error));
    let said = left.stdout();
    for expected in ["AKIAEXAMPLE\nAKIAEXAMPLE\neu-west-1\n", "a'b ]\n🎈\n", "********\n", "tries 2\n"] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
    assert_eq!((left.outputs["Out"].as_str(), left.at(Level::Highlight).as_str()), ("a'b ]\n🎈", "h\n"));
    assert_eq!(stage("strict powershell", "/bin/false; 'never'").run().stdout(), "");
    assert_eq!(stage("strict powershell", "throw 'no'").run().outcome.exit_code, Some(1));
    assert_eq!(stage("powershell", "/bin/sh -c 'exit 9'").run().outcome.exit_code, Some(9));
    assert_eq!(stage("powershell", "Fail-Step 'The moon is full'").run().outcome.detail, "The moon is full");
}
