//! The functions that scripts know from Octopus, in both shells, with values that break careless quoting.

use proto::deployment::log_frame::Level;
use shared::outcome::OutcomeKind;

use crate::stage::Stage;

fn awkward() -> Vec<(&'static str, String)> {
    vec![
        ("spaces", "  two  spaces  ".into()),
        ("glob", "* ? [a-z] ~ {a,b}".into()),
        ("quotes", r#"it's "quoted" \ back`tick` $HOME $(id) !x"#.into()),
        ("newlines", "one\n\ntwo\r\n three\t".into()),
        ("emoji", "Grüße 🎈 日本".into()),
        ("empty", String::new()),
        ("dash", "-n -e".into()),
        ("message", "##octopus[stdout-error] %s".into()),
        ("A name] with 'quotes' \"and\" $(id) `id`", "found".into()),
        ("Octopus.Action[First step].Output.Url", "https://example".into()),
        ("AWS Account.AccessKey", "AKIAEXAMPLE".into()),
        ("*", "star".into()),
        ("@", "at".into()),
        ("large", "0123456789".repeat(10_000)),
    ]
}

fn stage(shell: &str, body: &str) -> Stage {
    awkward().iter().fold(Stage::script(shell, body), |stage, (name, value)| stage.variable(name, value))
}

/// Sends every variable but the largest back under its own name with a prefix.
fn assert_round_trip(shell: &str, body: &str) {
    let left = stage(shell, body).run();
    assert_eq!(left.outcome.kind, OutcomeKind::Succeeded, "{:?} {}", left.outcome, left.at(Level::Error));
    for (name, value) in awkward().iter().filter(|(name, _)| *name != "large") {
        assert_eq!(left.outputs.get(&format!("Copy {name}")), Some(value), "{name}");
    }
    assert_eq!(left.outputs["Size of large"], "100000");
}

#[test]
fn bash_reads_and_sets_any_value() {
    assert_round_trip(
        "bash",
        r#"
set -euo pipefail
for name in "${!octopus_parameters[@]}"; do
  [[ $name == large ]] || set_octopusvariable "Copy $name" "${octopus_parameters[$name]}"
done
large=$(get_octopusvariable LARGE)
set_octopusvariable "Size of large" "${#large}"
"#,
    );
}

#[test]
fn python_reads_and_sets_any_value() {
    assert_round_trip(
        "python",
        r#"
for name in list(octopusvariables):
    if name != "large":
        set_octopusvariable("Copy " + name, get_octopusvariable(name))
set_octopusvariable("Size of large", len(get_octopusvariable("LARGE")))
"#,
    );
}

#[test]
fn names_are_found_in_any_case_and_absent_ones_are_empty() {
    let body = r#"
echo "[$(get_octopusvariable 'aws account.ACCESSKEY')] [$(get_octopusvariable nothing)] [$(get_octopusvariable '')]"
echo "[$(get_octopusvariable 'A name] with '"'quotes'"' "and" $(id) `id`')]"
"#;
    assert_eq!(stage("bash", body).run().stdout(), "[AKIAEXAMPLE] [] []\n[found]\n");
    let body = "print([get_octopusvariable('aws account.ACCESSKEY'), get_octopusvariable('nothing')])";
    assert_eq!(stage("python", body).run().stdout(), "['AKIAEXAMPLE', '']\n");
}

#[test]
fn a_script_sees_its_own_outputs_at_once_and_in_any_case() {
    let body = r#"
set_octopusvariable Colour "red and blue"
get_octopusvariable colour
get_octopusvariable "Octopus.Action[The step].Output.Colour"
set_octopusvariable COLOUR green
get_octopusvariable Colour
"#;
    let left = Stage::bash(body).run();
    assert_eq!(left.stdout(), "red and blue\nred and blue\ngreen\n");
    let body = r#"
set_octopusvariable("Colour", "red and blue")
print(get_octopusvariable("colour"))
print(get_octopusvariable("Octopus.Action[The step].Output.Colour"))
set_octopusvariable("COLOUR", "green")
print(get_octopusvariable("Colour"))
"#;
    assert_eq!(Stage::python(body).run().stdout(), "red and blue\nred and blue\ngreen\n");
}

#[test]
fn levels_are_what_the_function_says_and_text_arrives_unchanged() {
    let bash = r#"
write_verbose "a  *  b"; write_highlight "-n"; write_wait "w"; write_warning "c" "d"; echo plain
"#;
    let python = r#"
printverbose("a  *  b"); write_highlight("-n"); printwait("w"); write_warning("c d"); print("plain")
"#;
    for (shell, body) in [("bash", bash), ("python", python)] {
        let left = Stage::script(shell, body).run();
        assert_eq!(left.at(Level::Verbose), "a  *  b\n", "{shell}");
        assert_eq!(left.at(Level::Highlight), "-n\n", "{shell}");
        assert_eq!(left.at(Level::Wait), "w\n", "{shell}");
        assert_eq!(left.at(Level::Warning), "c d\n", "{shell}");
        assert_eq!(left.at(Level::Info), "plain\n", "{shell}");
    }
}

#[test]
fn failing_on_purpose_gives_the_reason() {
    for (shell, body) in
        [("bash", "fail_step 'The moon is full'; echo never"), ("python", "failstep('The moon is full')")]
    {
        let left = Stage::script(shell, body).run();
        assert_eq!((left.outcome.exit_code, left.outcome.detail.as_str()), (Some(1), "The moon is full"), "{shell}");
        assert_eq!(left.stdout(), "");
    }
}

#[test]
fn progress_is_told() {
    use proto::worker::{Progress, frame::Body};
    for (shell, body) in [("bash", "update_progress 42 'half way'"), ("python", "update_progress(42, 'half way')")] {
        let left = Stage::script(shell, body).run();
        let told = Progress { percentage: 42, message: "half way".into() };
        assert!(left.frames.iter().any(|frame| frame.body == Some(Body::Progress(told.clone()))), "{shell}");
    }
}

#[test]
fn errors_name_the_script_and_its_line() {
    let left = Stage::bash("echo one\n\nnosuchcommand\n").run();
    assert!(left.at(Level::Error).contains("deploy/step.sh: line 3: nosuchcommand: command not found"));
    assert_eq!(left.outcome.exit_code, Some(127));
    let left = Stage::python("x = 1\n\nraise ValueError('no')\n").run();
    let error = left.at(Level::Error);
    assert!(error.contains("deploy/step.sh\", line 3, in <module>") && error.contains("ValueError: no"), "{error}");
    assert!(!error.contains("bootstrap"), "{error}");
    assert_eq!(left.outcome.exit_code, Some(1));
}

#[test]
fn exits_and_traps_work_and_the_last_command_counts() {
    let left = Stage::bash("trap 'echo goodbye' EXIT; exit 7").run();
    assert_eq!((left.outcome.exit_code, left.stdout().as_str()), (Some(7), "goodbye\n"));
    assert_eq!(Stage::bash("false").run().outcome.exit_code, Some(1));
    assert_eq!(Stage::bash("set -e\nfalse\necho never").run().stdout(), "");
    assert_eq!(Stage::python("import sys; sys.exit(7)").run().outcome.exit_code, Some(7));
    assert_eq!(Stage::python("def f():\n  return x\nx = 5\nprint(f(), __name__)").run().stdout(), "5 __main__\n");
}

#[test]
fn lines_ended_by_a_foreign_editor_are_lines() {
    assert_eq!(Stage::bash("echo one\r\nif true; then\r\n  echo two\r\nfi\r\n").run().stdout(), "one\ntwo\n");
}

#[test]
fn values_are_encoded_and_decoded_as_service_messages_want_it() {
    let body = r#"
for text in "" a ab abc "Grüße 🎈" "$(printf '%0400d' 0)"; do
  encoded=$(encode_servicemessagevalue "$text")
  [[ $encoded == "$(printf '%s' "$text" | base64 -w0)" ]] || echo "wrong: $encoded"
  [[ $(decode_servicemessagevalue "$encoded") == "$text" ]] || echo "not back: $text"
done
"#;
    assert_eq!(Stage::bash(body).run().stdout(), "");
}
