//! Service messages and secrets.

use std::fs;

use proto::deployment::log_frame::Level;
use shared::{limits, outcome::OutcomeKind};

use crate::stage::Stage;

#[test]
fn messages_on_standard_output_are_taken_out() {
    let left = Stage::bash(
        "echo before\necho \"##octopus[setVariable name='Tg==' value='VmFsdWU=']\"\nprintf 'no newline'\necho \"##octopus[progress percentage='NTA=' message='']\"\necho after",
    )
    .run();
    assert_eq!(left.stdout(), "before\nno newline\nafter\n");
    assert_eq!(left.outputs["N"], "Value");
}

#[test]
fn what_looks_like_a_message_and_is_none_is_shown_and_warned_about() {
    let left = Stage::bash("echo \"##octopus[setVariable name='?']\"; echo \"##octopus[selfDestruct]\"; echo ok").run();
    assert!(left.stdout().contains("##octopus[setVariable name='?']\n") && left.stdout().ends_with("ok\n"));
    assert!(left.at(Level::Warning).contains("looks like a service message"));
    assert!(left.at(Level::Warning).contains("\"selfdestruct\""));
    assert_eq!(left.outcome.kind, OutcomeKind::Succeeded);
}

#[test]
fn messages_of_another_infrastructure_and_unknown_ones_are_warned_about_once_each() {
    let body = r###"
for i in 1 2 3; do
  echo "##octopus[delete-target name='YQ==']"; echo "##octopus[Unheard-of]"; echo "##octopus[setVariable value='YQ==']"
  echo "##octopus[mask value=YQ==]"
done
for i in {1..100}; do echo "##octopus[kind-$i]"; done
"###;
    let left = Stage::bash(body).run();
    let warnings = left.at(Level::Warning);
    for once in
        ["\"delete-target\" has no meaning in Longshore", "\"unheard-of\" is left out", "\"setvariable\" is left out"]
    {
        assert_eq!(warnings.matches(once).count(), 1, "{once}: {warnings}");
    }
    assert_eq!(warnings.matches("looks like a service message").count(), 1, "{warnings}");
    assert_eq!(left.stdout().matches("##octopus[mask value=YQ==]").count(), 3, "it is shown as it is");
    assert!(warnings.lines().count() <= 21, "{warnings}");
}

#[test]
fn a_message_with_a_megabyte_in_it_fails_the_step_with_a_sentence_and_is_shown_nowhere() {
    let body = "import base64, sys\nprint(\"##octopus[setVariable name='Tg==' value='\" + 'QUFB' * 350000 + \"']\")\nprint('went on')";
    let left = Stage::python(body).run();
    assert_eq!((left.outcome.reason.as_str(), left.stdout().as_str()), ("OUTPUT_REFUSED", "went on\n"));
}

#[test]
fn ordinary_output_cannot_speak_on_the_side_channel_by_accident() {
    let left = Stage::bash("echo '##octopus[progress percentage=' ; echo \"'NTA=']\"; echo plain").run();
    assert!(left.stdout().contains("##octopus[progress percentage=\n'NTA=']\nplain\n"), "{}", left.stdout());
}

#[test]
fn a_sensitive_output_is_sealed_and_masked_from_then_on_on_both_streams() {
    for (shell, body) in [
        (
            "bash",
            "set_octopusvariable Key new-secret-value -sensitive; echo new-secret-value; echo new-secret-value >&2",
        ),
        (
            "python",
            "import sys\nset_octopusvariable('Key', 'new-secret-value', True)\nprint('new-secret-value')\nprint('new-secret-value', file=sys.stderr)",
        ),
    ] {
        let stage = Stage::script(shell, body);
        let left = stage.run();
        assert_eq!(left.outputs["Key"], "sealed new-secret-value", "{shell}");
        assert_eq!(left.stdout(), "********\n", "{shell}");
        assert_eq!(left.at(Level::Error), "********\n", "{shell}");
        assert_nowhere(&stage, "new-secret-value");
    }
}

#[test]
fn a_mask_message_masks() {
    let left =
        Stage::bash("echo \"##octopus[mask value='$(printf hide-me-please | base64)']\"; echo hide-me-please").run();
    assert_eq!(left.stdout(), "********\n");
}

#[test]
fn a_plain_output_with_a_secret_in_it_is_kept_as_a_secret() {
    let left = Stage::bash("set_octopusvariable Url \"https://u:$(get_octopusvariable Password)@host\"")
        .secret("Password", "correct-horse")
        .run();
    assert_eq!(left.outputs["Url"], "sealed https://u:correct-horse@host");
    assert!(left.at(Level::Warning).contains("\"Url\" contains a secret"));
}

#[test]
fn a_secret_in_the_name_of_an_output_fails_the_step_and_is_shown_nowhere() {
    let left = Stage::bash("set_octopusvariable \"pre-$(get_octopusvariable Password)\" x")
        .secret("Password", "correct-horse")
        .run();
    assert_eq!(left.outcome.reason, "OUTPUT_REFUSED");
    assert!(!left.outcome.detail.contains("correct-horse") && left.outputs.is_empty());
}

#[test]
fn an_output_that_is_too_large_fails_the_step_and_says_so() {
    let left = Stage::python("set_octopusvariable('Big', 'x' * 70000)\nprint('went on')").run();
    assert_eq!((left.outcome.kind, left.outcome.reason.as_str()), (OutcomeKind::Failed, "OUTPUT_REFUSED"));
    assert!(left.outcome.detail.contains(&format!("\"Big\" has 70000 bytes; at most {}", limits::OUTPUT_BYTES)));
    assert_eq!(left.stdout(), "went on\n", "the script is not torn down for it");
    let left = Stage::python("for i in range(40): set_octopusvariable(f'O{i}', 'x' * 60000)").run();
    assert!(left.outcome.detail.contains("together"), "{}", left.outcome.detail);
    let left = Stage::python("set_octopusvariable('Endless', 'x' * 10000000)").run();
    assert_eq!(left.outcome.reason, "OUTPUT_REFUSED");
}

#[test]
fn secrets_are_masked_however_they_are_written_and_stand_in_no_file() {
    let secret = "s3cr3t/with+chars&'quote";
    let stage = Stage::bash(
        r#"
s=$(get_octopusvariable Secret)
echo "plain $s"
printf '%s' "$s" | base64 -w0; echo
printf '%s' "$s" | od -An -tx1 | tr -d ' \n'; echo
printf '%q\n' "$s"
for ((i = 0; i < ${#s}; i++)); do printf '%s' "${s:i:1}"; sleep 0.02; done; echo
printf '%s' "${s:0:8}"; sleep 0.5; echo "${s:8}"
echo "$s" >&2
bash -xc 'true "$1"' - "$s"
"#,
    )
    .secret("Secret", secret);
    let left = stage.run();
    let log: String = left.log.iter().map(|entry| String::from_utf8_lossy(&entry.data).into_owned()).collect();
    assert!(!log.contains("s3cr3t") && !log.contains("with+chars"), "{log}");
    assert!(log.contains("plain ********\n"));
    assert!(!log.contains("czNjcjN0"));
    assert_nowhere(&stage, secret);
    assert_nowhere(&stage, "s3cr3t");
}

#[test]
fn a_secret_is_masked_through_the_colours_of_a_terminal_and_over_wrapped_lines() {
    let body = r#"
s=$(get_octopusvariable Secret)
printf 'key %s\033[01;31m\033[K%s\033[m\n' "${s:0:5}" "${s:5}"
printf '%s' "$s" | fold -w 12; echo
printf 'x%.0s' {1..50} | cat - <(printf '%s' "$s") | base64 -w 76
printf '%s' "$s" | iconv -t UTF-16LE; echo
"#;
    let stage = Stage::bash(body).secret("Secret", "correct-horse-battery-staple-0815");
    let left = stage.run();
    let log = String::from_utf8_lossy(&left.bytes(proto::deployment::log_frame::Source::Stdout)).into_owned();
    for part in ["corre", "horse", "staple", "Y29ycmVjdC1ob3JzZS", "t\0a\0p\0l"] {
        assert!(!log.contains(part), "{part}: {log:?}");
    }
    assert!(log.starts_with("key ********\u{1b}[m\n********\n"), "{log:?}");
}

#[test]
fn a_short_secret_is_warned_about() {
    let left = Stage::bash("echo abc abcdef abcdefgh").secret("Pin", "abc").secret("Word", "abcdef").run();
    let warnings = left.at(Level::Warning);
    assert!(warnings.contains("\"Pin\" has fewer than 4 characters, so it is not masked"), "{warnings}");
    assert!(warnings.contains("\"Word\" has fewer than 8 characters: it is masked"), "{warnings}");
    assert_eq!(left.stdout(), "abc ******** ********gh\n");
}

#[test]
fn printed_variables_are_masked_too() {
    let mut stage = Stage::bash("true").secret("AWS Account.SecretKey", "a-very-secret-key");
    let line = |text: &str| proto::worker::PreambleLine { level: Level::Verbose as i32, text: text.into() };
    stage.spec().preamble = vec![line("[A] = 'plain'"), line("[AWS Account.SecretKey] = 'a-very-secret-key'")];
    assert_eq!(stage.run().system(), "[A] = 'plain'\n[AWS Account.SecretKey] = '********'\n");
}

#[test]
fn no_secret_is_on_a_command_line_or_in_the_environment() {
    let left = Stage::bash("cat /proc/*/cmdline /proc/$$/environ | tr '\\0' '\\n' | grep -c 'canary-0815' || true")
        .secret("Secret", "canary-0815-value")
        .run();
    // grep's own pattern is one, in grep's command line, and another in nobody's: the script is a file.
    assert!(left.stdout().trim().parse::<u32>().unwrap() <= 1, "{}", left.stdout());
}

fn assert_nowhere(stage: &Stage, secret: &str) {
    for file in stage.files() {
        let bytes = fs::read(&file).unwrap();
        let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
        assert!(!found, "{} holds the secret", file.display());
    }
}
