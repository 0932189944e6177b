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
fn script_modules_of_the_scripts_own_shell_lie_in_its_folder() {
    let with_modules = |shell: &str, body: &str| {
        let modules = [
            ("Greetings", "Bash", "greet() { echo \"Hello $1\"; }\r\n"),
            ("greetings_too", "python", "def greet(name):\n    print('Hello ' + name)\n"),
            ("Other", "PowerShell", "function Greet {}"),
            ("../escaped", "Bash", "echo escaped"),
        ];
        let stage = modules.iter().fold(Stage::script(shell, body), |stage, (name, language, text)| {
            let module = format!("Octopus.Script.Module[{name}]");
            stage.variable(&module, text).variable(&format!("Octopus.Script.Module.Language[{name}]"), language)
        });
        stage
            .variable("Octopus.Script.Module[unsaid]", "no language is PowerShell")
            .variable("octopus.script.module.language[hidden]", shell)
            .secret("Octopus.Script.Module[hidden]", "correct-horse")
            .run()
    };
    let left = with_modules("bash", "source Greetings.sh; greet world; ls");
    assert_eq!(left.stdout(), "Hello world\nGreetings.sh\n", "{}", left.at(Level::Error));
    let warnings = left.at(Level::Warning);
    assert!(warnings.contains("\"../escaped\" is left out: its name cannot be that of a file."), "{warnings}");
    assert!(warnings.contains("\"hidden\" is left out: it is or holds a secret"), "{warnings}");
    let left = with_modules(
        "python",
        "import greetings_too, os\ngreetings_too.greet('world')\nprint([name for name in os.listdir() if name.endswith('.py')])",
    );
    assert_eq!(left.stdout(), "Hello world\n['greetings_too.py']\n", "{}", left.at(Level::Error));
    let laid = Stage::bash("cat Greetings.sh").variable("Octopus.Script.Module[Greetings]", "echo module");
    let laid = laid.variable("Octopus.Script.Module.Language[Greetings]", "bash");
    std::fs::write(laid.exec.work().join("Greetings.sh"), "the project's own\n").unwrap();
    let left = laid.run();
    assert_eq!(left.stdout(), "the project's own\n");
    assert!(left.at(Level::Warning).contains("the project has a file of that name"));
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

#[test]
fn a_strict_script_ends_at_the_first_command_that_fails_and_says_which() {
    for (body, line, command) in [
        ("echo one\nfalse\necho never", 2, "false"),
        ("echo one\nfalse | cat\necho never", 2, "cat"),
        ("echo one\nf() {\n  ls /nowhere\n}\nf\necho never", 3, "ls /nowhere"),
        ("echo one\nx=$(exit 3)\necho never", 2, "x=$(exit 3)"),
    ] {
        let left = Stage::script("strict bash", body).run();
        assert_eq!(left.stdout(), "one\n", "{body}");
        let said = format!("deploy/step.sh: line {line}: this command failed with exit code");
        let error = left.at(Level::Error);
        assert!(error.contains(&said) && error.contains(command), "{body}: {error}");
        assert_ne!(left.outcome.exit_code, Some(0));
    }
    let left = Stage::script("strict bash", "echo \"$nobody\"\necho never").run();
    assert!(left.at(Level::Error).contains("line 1: nobody: unbound variable"), "{}", left.at(Level::Error));
}

#[test]
fn what_is_asked_and_not_demanded_does_not_end_a_strict_script() {
    let body = "if false; then echo no; fi\nfalse || echo or\nx=$(get_octopusvariable Nobody)\necho \"[$x]\"\ntrap 'echo bye' EXIT";
    let left = Stage::script("strict bash", body).run();
    assert_eq!((left.outcome.kind, left.stdout().as_str()), (OutcomeKind::Succeeded, "or\n[]\nbye\n"));
}

#[test]
fn no_secret_is_told_with_the_command_that_failed() {
    let body = "password=$(get_octopusvariable Password)\ntest \"$password\" = other";
    let left = Stage::script("strict bash", body).secret("Password", "correct-horse").run();
    let error = left.at(Level::Error);
    assert!(error.contains("test \"$password\" = other") && !error.contains("correct-horse"), "{error}");
}

#[test]
fn every_function_works_in_a_strict_script() {
    let body = r#"
set_octopusvariable Empty ""
set_octopusvariable Secret "a secret value" -sensitive
get_octopusvariable empty
write_verbose; write_highlight; write_wait; write_warning "*  a   b"
update_progress; update_progress 5
encode_servicemessagevalue ""; encode_servicemessagevalue a; encode_servicemessagevalue ab; echo
set_environmentstate k v; new_octopustarget --name x; remove-octopustarget x
get_octopusvariable; get_octopusvariable ""
echo done
"#;
    let left = stage("strict bash", body).run();
    assert_eq!(left.outcome.kind, OutcomeKind::Succeeded, "{}", left.at(Level::Error));
    assert_eq!(left.stdout().lines().last(), Some("done"));
    assert_eq!(left.outputs["Empty"], "");
    let warnings = left.at(Level::Warning);
    assert!(warnings.contains("*  a   b\n") && warnings.contains("new_octopustarget has no meaning"), "{warnings}");
    let left = stage("strict bash", "fail_step").run();
    assert_eq!(left.outcome.exit_code, Some(1));
}

#[test]
fn thousands_of_variables_are_found_and_only_the_last_of_a_name_counts() {
    let fill = |shell: &str, body: &str| {
        let stage = Stage::script(shell, body).variable("Step 7 é", "first").variable("STEP 7 É", "last");
        (0..3000).fold(stage, |stage, number| {
            stage.variable(&format!("Octopus.Action[Step {number}].Output.Ö{number}"), &format!("value {number}"))
        })
    };
    let bash = r#"
get_octopusvariable 'octopus.action[STEP 2999].output.ö2999'; get_octopusvariable 'Octopus.Action[Step 0].Output.Ö0'
get_octopusvariable 'step 7 é'; get_octopusvariable zzz; get_octopusvariable aaa
set_octopusvariable 'x' y; get_octopusvariable X
"#;
    assert_eq!(fill("strict bash", bash).run().stdout(), "value 2999\nvalue 0\nlast\ny\n");
    let whole = r#"echo "${octopus_parameters[Octopus.Action[Step 1500].Output.Ö1500]} ${#octopus_parameters[@]}""#;
    assert_eq!(fill("strict bash", whole).run().stdout(), "value 1500 3001\n");
    let python = "print(get_octopusvariable('octopus.action[STEP 2999].output.ö2999'), len(octopusvariables))";
    assert_eq!(fill("python", python).run().stdout(), "value 2999 3001\n");
}

#[test]
fn a_variable_named_like_one_that_loads_code_loads_none() {
    let names =
        ["LD_PRELOAD", "LD_LIBRARY_PATH", "BASH_ENV", "ENV", "PYTHONPATH", "PYTHONSTARTUP", "PROMPT_COMMAND", "PATH"];
    let filled = |shell: &str, body: &str| {
        names.iter().fold(Stage::script(shell, body), |stage, name| stage.variable(name, "/evil/code"))
    };
    let left = filled("bash", "env; bash -c env; get_octopusvariable LD_PRELOAD").run();
    assert_eq!(left.stdout().matches("/evil/code").count(), 1, "{}", left.stdout());
    let left = filled("python", "import os\nprint(os.environ)\nprint(get_octopusvariable('PYTHONPATH'))").run();
    assert_eq!(left.stdout().matches("/evil/code").count(), 1, "{}", left.stdout());
}

#[test]
fn a_python_function_takes_none_for_a_message() {
    let body =
        "updateprogress(5, None)\nset_octopusvariable('N', None)\nset_environmentstate('a', 'b')\nfailstep(None)";
    let left = Stage::python(body).run();
    assert_eq!((left.outcome.exit_code, left.outputs["N"].as_str()), (Some(1), ""));
}

#[test]
fn without_a_side_channel_messages_go_to_standard_output() {
    let left = Stage::bash("exec 199>&-\nset_octopusvariable A b\nupdate_progress 3 x\necho done").run();
    assert_eq!((left.stdout().as_str(), left.outputs["A"].as_str()), ("done\n", "b"));
    let left = Stage::python("import os\nos.close(199)\nset_octopusvariable('A', 'b')\nprint('done')").run();
    assert_eq!((left.stdout().as_str(), left.outputs["A"].as_str()), ("done\n", "b"));
}
