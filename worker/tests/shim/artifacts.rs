//! Files that scripts leave behind: what becomes of each, whatever it is.

use std::{fs, time::Duration};

use proto::deployment::log_frame::Level;
use shared::{limits, outcome::OutcomeKind};
use worker::exec_dir::Artifact;

use crate::stage::{Left, Stage, until, wait};

fn kept(stage: &Stage) -> Vec<(String, String)> {
    let folder = stage.exec.artifacts();
    let text = |artifact: &Artifact| {
        let bytes = fs::read(folder.content(artifact.number)).unwrap();
        assert_eq!(bytes.len() as u64, artifact.size, "{}", artifact.name);
        assert_eq!(digest(&bytes), artifact.sha256, "{}", artifact.name);
        String::from_utf8(bytes).unwrap()
    };
    folder.list().unwrap().iter().map(|artifact| (artifact.name.clone(), text(artifact))).collect()
}

fn digest(bytes: &[u8]) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn assert_kept(stage: &Stage, left: &Left, wanted: &[(&str, &str)]) {
    let found = kept(stage);
    let found: Vec<(&str, &str)> = found.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    assert_eq!(found, wanted, "{}{}", left.at(Level::Error), left.system());
}

#[test]
fn what_bash_names_is_kept_as_it_is_in_the_end() {
    let body = r#"
set -Eeuo pipefail
mkdir -p 'a b/Größe 🎈' && cd 'a b'
echo one > 'Größe 🎈/re port*.txt'
new_octopusartifact 'Größe 🎈/re port*.txt'
new_octopusartifact later.txt 'It'"'"'s "later".txt'
echo gone > gone.txt; new_octopusartifact gone.txt; rm gone.txt
echo old > swapped; new_octopusartifact swapped; echo new > other; mv other swapped
echo first > grows.log; new_octopusartifact grows.log 'sub/log'; echo second >> grows.log
: > empty; new_octopusartifact empty
echo later > later.txt
"#;
    let stage = Stage::bash(body);
    let left = stage.run();
    assert_eq!(left.outcome.kind, OutcomeKind::Succeeded, "{}", left.at(Level::Error));
    let wanted = [
        ("re port*.txt", "one\n"),
        ("It's \"later\".txt", "later\n"),
        ("swapped", "new\n"),
        ("sub-log", "first\nsecond\n"),
        ("empty", ""),
    ];
    assert_kept(&stage, &left, &wanted);
    assert!(left.at(Level::Info).contains("Artifact \"sub-log\" is kept (13 B)."), "{}", left.system());
    assert!(
        left.at(Level::Warning).contains("Artifact \"gone.txt\" is left out. There was no file"),
        "{}",
        left.system()
    );
}

#[test]
fn python_and_a_message_on_stdout_name_files_too() {
    let body = r###"
import os
os.makedirs("out")
os.chdir("out")
open("a.txt", "w").write("a")
createartifact("a.txt")
createartifact(os.path.abspath("a.txt"), fileName="ä b.txt")
new_octopusartifact("a.txt", None)
import base64
code = lambda text: base64.b64encode(text.encode()).decode()
print(f"##octopus[createArtifact path='{code('out/a.txt')}' name='{code('said.txt')}' length='{code('1')}']")
"###;
    let stage = Stage::python(body);
    let left = stage.run();
    assert_eq!(left.outcome.kind, OutcomeKind::Succeeded, "{}", left.at(Level::Error));
    assert_kept(&stage, &left, &[("a.txt", "a"), ("ä b.txt", "a"), ("a (2).txt", "a"), ("said.txt", "a")]);
}

#[test]
fn what_is_no_file_is_left_out_with_a_sentence_and_nothing_hangs() {
    let body = r#"
ln -s /etc/shadow link; mkfifo pipe; mkdir folder
for path in link pipe folder /dev/zero /proc/self/environ nothing nothing/below; do new_octopusartifact "$path"; done
"#;
    let stage = Stage::bash(body);
    let left = stage.run();
    assert_eq!(left.outcome.kind, OutcomeKind::Succeeded, "{}", left.at(Level::Error));
    assert_kept(&stage, &left, &[]);
    let warnings = left.at(Level::Warning);
    for (name, why) in [
        ("link", "is a symbolic link to \"/etc/shadow\", and links are not followed."),
        ("pipe", "is a named pipe, and only files can be artifacts."),
        ("folder", "is a folder. Pack it into one file"),
        ("zero", "is a device, and only files can be artifacts."),
        ("environ", "is a file of the kernel's, and only files can be artifacts."),
        ("nothing", "There was no file"),
        ("below", "There was no file"),
    ] {
        let line = warnings.lines().find(|line| line.starts_with(&format!("Artifact \"{name}\" is left out. ")));
        assert!(line.is_some_and(|line| line.contains(why)), "{name}: {warnings}");
    }
}

#[test]
fn a_script_that_names_nothing_is_told_so() {
    let left = Stage::bash("new_octopusartifact || echo \"said $?\"").run();
    assert_eq!(left.stdout(), "said 1\n");
    assert!(left.at(Level::Error).contains("needs the path of a file"));
}

#[test]
fn a_secret_in_a_name_is_masked_wherever_the_name_is_seen() {
    let body = "echo x > \"of-$(get_octopusvariable Password).txt\"; new_octopusartifact \"of-$(get_octopusvariable Password).txt\"\n\
                new_octopusartifact \"no-$(get_octopusvariable Password)\"";
    let stage = Stage::bash(body).secret("Password", "hunter22-canary");
    let left = stage.run();
    assert_kept(&stage, &left, &[("of-********.txt", "x\n")]);
    assert!(
        left.system().contains("\"of-********.txt\" is kept") && left.system().contains("no-********"),
        "{}",
        left.system()
    );
    for file in stage.files() {
        let bytes = fs::read(&file).unwrap();
        assert!(!bytes.windows(15).any(|window| window == b"hunter22-canary"), "{}", file.display());
        assert!(!file.to_string_lossy().contains("canary"), "{}", file.display());
    }
}

#[test]
fn what_a_script_that_failed_or_took_too_long_had_named_is_kept() {
    let failed = Stage::bash("echo why > why.txt; new_octopusartifact why.txt; exit 3");
    let left = failed.run();
    assert_eq!(left.outcome.exit_code, Some(3));
    assert_kept(&failed, &left, &[("why.txt", "why\n")]);

    let slow = Stage::bash("echo why > why.txt; new_octopusartifact why.txt; sleep 1000")
        .timeout(Duration::from_secs(1), Duration::from_secs(1));
    let left = slow.run();
    assert_eq!(left.outcome.kind, OutcomeKind::TimedOut);
    assert_kept(&slow, &left, &[("why.txt", "why\n")]);
}

#[test]
fn more_artifacts_than_an_attempt_may_have_are_counted_and_left_out() {
    let body = "for ((i = 1; i <= 203; i++)); do echo $i > $i.txt; new_octopusartifact $i.txt; done";
    let stage = Stage::bash(body);
    let left = stage.run();
    let artifacts = stage.exec.artifacts().list().unwrap();
    assert_eq!(artifacts.len(), limits::ARTIFACTS);
    assert_eq!(artifacts.last().unwrap().name, "200.txt");
    assert!(left.at(Level::Warning).contains("at most 200 artifacts: 3 more are left out"), "{}", left.system());
}

#[test]
fn whoever_asks_for_the_end_does_not_wait_for_copies() {
    let stage =
        Stage::bash("truncate -s 4G large; new_octopusartifact large; echo small > small; new_octopusartifact small");
    let shim = stage.start();
    let copy = stage.exec.artifacts().content(1);
    until(|| fs::metadata(&copy).is_ok_and(|found| found.len() > 0));
    stage.exec.request_cancel(Duration::from_secs(10)).unwrap();
    assert!(wait(shim).success());
    let left = stage.left();
    assert_eq!(left.outcome.kind, OutcomeKind::Succeeded, "the script had ended before");
    assert_kept(&stage, &left, &[]);
    let warnings = left.at(Level::Warning);
    assert_eq!(warnings.matches("The end of the step was asked for").count(), 2, "{warnings}");
    assert!(!copy.exists(), "half of one is nothing");
}

#[test]
fn a_file_that_is_too_large_is_not_even_begun() {
    let stage =
        Stage::bash("truncate -s 6G large; new_octopusartifact large; truncate -s 5M fits; new_octopusartifact fits");
    let left = stage.run();
    let artifacts = stage.exec.artifacts().list().unwrap();
    assert_eq!(artifacts.iter().map(|artifact| artifact.size).collect::<Vec<_>>(), [5 << 20], "{}", left.system());
    assert!(
        left.at(Level::Warning)
            .contains("\"large\" has 6442450944 bytes; an artifact has at most 5368709120 (5.0 GiB)."),
        "{}",
        left.system()
    );
}
