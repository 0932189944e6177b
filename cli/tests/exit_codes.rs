//! The program as people and scripts meet it: what it prints where, and how it ends.

use std::{
    fs,
    io::Write,
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Command, Output, Stdio},
    thread,
};

/// Runs the tool with nothing of this machine's environment but a home folder.
fn longshore(home: &Path, env: &[(&str, &str)], args: &[&str], stdin: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_longshore"))
        .args(args)
        .env_clear()
        .env("HOME", home)
        .envs(env.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("started");
    // A command that reads nothing may be gone already.
    let _ = child.stdin.take().expect("a pipe").write_all(stdin.as_bytes());
    child.wait_with_output().expect("ended")
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("an exit code")
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn home() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

/// A port where nobody listens.
fn closed_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port()
}

/// A certificate of an authority that nothing here is signed by.
fn some_authority(folder: &Path) -> String {
    let key = rcgen::KeyPair::generate().expect("a key");
    let mut params = rcgen::CertificateParams::new(Vec::<String>::new()).expect("parameters");
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let path = folder.join("ca.pem");
    fs::write(&path, params.self_signed(&key).expect("signed").pem()).expect("written");
    path.to_string_lossy().into_owned()
}

#[test]
fn nobody_listening_is_exit_3_with_address_and_cause() {
    let home = home();
    let url = format!("https://127.0.0.1:{}", closed_port());
    let ca = some_authority(home.path());
    let env = [
        ("LONGSHORE_COORDINATOR", url.as_str()),
        ("LONGSHORE_TOKEN", "lst_canary"),
        ("LONGSHORE_CA_FILE", ca.as_str()),
    ];
    for args in
        [&["account", "list"][..], &["deploy", "shop", "--environment", "staging"], &["deployment", "watch", "x"]]
    {
        let output = longshore(home.path(), &env, args, "");
        assert_eq!(code(&output), 3, "{args:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(&url) && stderr(&output).contains("Nothing listens"), "{}", stderr(&output));
        assert!(!stderr(&output).contains("canary") && output.stdout.is_empty());
    }
}

#[test]
fn a_listener_that_does_not_speak_tls_is_exit_3() {
    let home = home();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("https://{}", listener.local_addr().expect("bound"));
    let answering = thread::spawn(move || {
        let (mut stream, _): (TcpStream, _) = listener.accept().expect("a caller");
        // The caller may have hung up by then.
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    });
    let ca = some_authority(home.path());
    let env = [("LONGSHORE_COORDINATOR", url.as_str()), ("LONGSHORE_TOKEN", "t"), ("LONGSHORE_CA_FILE", ca.as_str())];
    let output = longshore(home.path(), &env, &["pool", "list"], "");
    answering.join().expect("answered");
    assert_eq!(code(&output), 3);
    assert!(stderr(&output).contains("does not speak TLS"), "{}", stderr(&output));
}

#[test]
fn without_a_coordinator_the_sentence_says_how_to_log_in() {
    let home = home();
    let output = longshore(home.path(), &[], &["worker", "list"], "");
    assert_eq!(code(&output), 2);
    assert!(stderr(&output).contains("longshore login"), "{}", stderr(&output));
}

#[test]
fn an_address_of_the_wrong_shape_is_exit_2() {
    let home = home();
    let ca = some_authority(home.path());
    for url in ["http://host:7300", "host", "https://host"] {
        let env = [("LONGSHORE_COORDINATOR", url), ("LONGSHORE_TOKEN", "t"), ("LONGSHORE_CA_FILE", ca.as_str())];
        let output = longshore(home.path(), &env, &["worker", "list"], "");
        assert_eq!(code(&output), 2, "{url}: {}", stderr(&output));
        assert!(stderr(&output).contains(url), "{}", stderr(&output));
    }
}

#[test]
fn a_ca_file_without_a_certificate_is_named() {
    let home = home();
    let path = home.path().join("empty.pem");
    fs::write(&path, "nothing\n").expect("written");
    let named = path.to_string_lossy().into_owned();
    let env = [
        ("LONGSHORE_COORDINATOR", "https://localhost:1"),
        ("LONGSHORE_TOKEN", "t"),
        ("LONGSHORE_CA_FILE", named.as_str()),
    ];
    let output = longshore(home.path(), &env, &["worker", "list"], "");
    assert_eq!(code(&output), 2);
    assert!(stderr(&output).contains(&named), "{}", stderr(&output));
}

#[test]
fn a_login_that_does_not_work_leaves_no_profile() {
    let home = home();
    let url = format!("https://127.0.0.1:{}", closed_port());
    let ca = some_authority(home.path());
    let args = ["login", "--coordinator", &url, "--token-file", "-", "--ca-file", &ca];
    let output = longshore(home.path(), &[], &args, "lst_canary\n");
    assert_eq!(code(&output), 3, "{}", stderr(&output));
    assert!(!stderr(&output).contains("canary"));
    assert!(!home.path().join(".config/longshore/profile.toml").exists());
}

#[test]
fn wrong_usage_is_exit_2() {
    let home = home();
    let role = "arn:aws:iam::123456789012:role/deployer";
    for args in [
        &["nonsense"][..],
        &["deploy"],
        &["account", "create", "a", "aws-role"],
        &["account", "create", "a", "aws-role", "--role-arn", "deployer"],
        &["account", "create", "a", "aws-oidc", "--role-arn", role, "--external-id", "x-1"],
        &["account", "update", "a"],
        &["pool", "create", "p", "--require", "aws.account"],
        &["run", "--pool", "p"],
        &["run", "--pool", "p", "--assume-role", role, "--", "id"],
    ] {
        assert_eq!(code(&longshore(home.path(), &[], args, "")), 2, "{args:?}");
    }
}

#[test]
fn a_requirement_given_twice_is_named_before_anything_is_sent() {
    let home = home();
    let ca = some_authority(home.path());
    let url = format!("https://127.0.0.1:{}", closed_port());
    let env = [("LONGSHORE_COORDINATOR", url.as_str()), ("LONGSHORE_TOKEN", "t"), ("LONGSHORE_CA_FILE", ca.as_str())];
    let args = ["pool", "create", "p", "--require", "zone=a", "--require", "zone=b"];
    let output = longshore(home.path(), &env, &args, "");
    assert_eq!(code(&output), 2, "{}", stderr(&output));
    assert!(stderr(&output).contains("\"zone\""), "{}", stderr(&output));
}

#[test]
fn a_project_file_is_checked_without_a_coordinator() {
    let home = home();
    let file = home.path().join("longshore.yaml");
    fs::write(&file, "project: p\nsteps:\n  - name: S\n    scirpt: { shell: bash, body: x }\n").expect("written");
    let folder = home.path().to_string_lossy().into_owned();
    let output = longshore(home.path(), &[], &["project", "validate", "-f", &folder], "");
    assert_eq!(code(&output), 2);
    assert!(
        stderr(&output).contains("longshore.yaml:4:5: Unknown key `scirpt`: did you mean `script`?"),
        "{}",
        stderr(&output)
    );
    fs::write(&file, "project: p\nsteps:\n  - name: S\n    script: { shell: bash, body: x }\n").expect("written");
    let output = longshore(home.path(), &[], &["project", "validate", "-f", &folder], "");
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    assert!(stderr(&output).contains("1 step,"), "{}", stderr(&output));
    assert!(!stderr(&output).contains("warning"), "{}", stderr(&output));
}

#[test]
fn a_warning_about_a_project_file_is_no_failure() {
    let home = home();
    let file = home.path().join("longshore.yaml");
    let role = "{ arn: arn:aws:iam::123456789012:role/deployer, duration: 2h }";
    let aws = format!("{{ identity: worker-role, assume_role: {role} }}");
    let text = format!("project: p\nsteps:\n  - name: S\n    aws: {aws}\n    script: {{ shell: bash, body: x }}\n");
    fs::write(&file, text).expect("written");
    let file = file.to_string_lossy().into_owned();
    let output = longshore(home.path(), &[], &["project", "validate", "-f", &file], "");
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let warning = format!("warning: {file}:3:11: Step \"S\": `assume_role.duration` is more than 1h");
    assert!(stderr(&output).contains(&warning) && stderr(&output).contains("in order"), "{}", stderr(&output));
    assert!(output.stdout.is_empty());
}

#[test]
fn the_schema_is_json() {
    let home = home();
    let output = longshore(home.path(), &[], &["project", "schema"], "");
    let schema: serde_json::Value = serde_json::from_str(&stdout(&output)).expect("json");
    assert_eq!((code(&output), schema["title"].as_str()), (0, Some("Longshore project file")));
}

#[test]
fn a_text_is_evaluated_without_a_coordinator() {
    let home = home();
    let file = home.path().join("variables.yaml");
    fs::write(&file, "Name: Harbour\nGreeting: 'Hello #{Name}'\n").expect("written");
    let file = file.to_string_lossy().into_owned();
    let output = longshore(home.path(), &[], &["evaluate", "--variables", &file, "#{Greeting}, #{Nobody}"], "");
    assert_eq!((code(&output), stdout(&output).as_str()), (0, "Hello Harbour, #{Nobody}\n"));
    assert!(stderr(&output).contains("Nobody"), "{}", stderr(&output));
}

#[test]
fn every_shell_has_its_completion() {
    let home = home();
    for shell in ["bash", "zsh", "fish", "powershell"] {
        let output = longshore(home.path(), &[], &["completion", shell], "");
        assert_eq!(code(&output), 0);
        assert!(stdout(&output).contains("longshore"), "{shell}");
    }
}

#[test]
fn a_secret_key_that_is_not_there_is_asked_for_before_anything_is_sent() {
    let home = home();
    let args = ["account", "create", "a", "aws", "--access-key-id", "AKIAIOSFODNN7EXAMPLE", "--secret-key-stdin"];
    let output = longshore(home.path(), &[], &args, "");
    assert_eq!(code(&output), 2);
    assert!(stderr(&output).contains("secret key"), "{}", stderr(&output));
}
