//! The credential endpoint as scripts and SDKs meet it.

use proto::{deployment::log_frame::Level, worker::Credentials};
use shared::outcome::OutcomeKind;

use crate::stage::{Stage, keys, session, wait};

/// Asks the endpoint as SDKs do, and prints each field of the answer with its characters apart, so that no mask hides it.
const ASK: &str = r#"
import json, os, urllib.request
def ask(uri=None, **headers):
    token = open(os.environ["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"]).read()
    uri = uri or os.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"]
    request = urllib.request.Request(uri, headers={"Authorization": token, **headers})
    try:
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code
def tell(text):
    print(" ".join(text), flush=True)
"#;

fn apart(text: &str) -> String {
    text.chars().map(String::from).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_script_gets_its_session_and_nothing_of_it_is_readable_in_the_log() {
    let body = format!("{ASK}\nfound = ask()\ntell(found['SecretAccessKey'])\ntell(found['Token'])\nprint(found)");
    let left = Stage::python(&body).aws(&session()).run();
    assert_eq!(left.outcome.kind, OutcomeKind::Succeeded, "{}", left.at(Level::Error));
    let text = left.stdout();
    assert!(text.contains(&apart(&session().secret_access_key)) && text.contains(&apart(&session().session_token)));
    assert!(text.contains("'SecretAccessKey': '********', 'Token': '********', 'Expiration': '2096-10-02T07:06:40Z', 'AccountId': '123456789012'"), "{text}");
}

#[test]
fn fresh_credentials_are_masked_before_they_are_handed_out() {
    let body = format!(
        "{ASK}\nask()\nprint('ready', flush=True)\nimport time\nwhile True:\n    found = ask()\n    if found['AccessKeyId'] == 'ASIAFRESH': break\n    time.sleep(0.3)\nprint(found['SecretAccessKey'], found['Token'])"
    );
    let stage = Stage::python(&body).aws(&session());
    let shim = stage.start();
    stage.wait_for("ready");
    stage
        .runtime
        .write_credentials(&Credentials {
            access_key_id: "ASIAFRESH".into(),
            secret_access_key: "another-secret-key-for-the-rest".into(),
            session_token: "another-session-token-for-the-rest".into(),
            expires_at: 4_100_000_000,
        })
        .unwrap();
    assert!(wait(shim).success());
    let left = stage.left();
    assert_eq!(left.stdout(), "ready\n******** ********\n", "{}", left.at(Level::Error));
}

#[test]
fn strangers_are_refused_and_after_twenty_of_them_the_endpoint_is_closed() {
    let body = format!(
        r#"{ASK}
uri = os.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"]
tell(str(ask(Authorization="wrong")))
tell(str(ask(uri + "x")))
tell(str(ask(**{{"X-Forwarded-For": "1.2.3.4"}})))
tell(str(ask(Host="evil.example")))
for i in range(16): ask(Authorization="guess")
try: ask()
except OSError: print("closed", flush=True)
"#
    );
    let left = Stage::python(&body).aws(&session()).run();
    assert_eq!(left.stdout(), "4 0 1\n4 0 1\n4 0 1\n4 0 1\nclosed\n", "{}", left.at(Level::Error));
    assert!(left.at(Level::Warning).contains("refused 20 requests"));
}

#[test]
fn a_burst_is_answered_and_what_is_beyond_it_waits() {
    let body = format!(
        "{ASK}\nimport time\nbegun = time.monotonic()\nfor i in range(25): assert ask()['AccessKeyId']\nprint(time.monotonic() - begun >= 0.7)"
    );
    let left = Stage::python(&body).aws(&session()).run();
    assert_eq!(left.stdout(), "True\n", "{}", left.at(Level::Error));
}

#[test]
fn long_lived_keys_come_through_the_helper_program() {
    let body = r#"
import configparser, json, os, subprocess
config = configparser.ConfigParser()
config.read(os.environ["AWS_CONFIG_FILE"])
found = json.loads(subprocess.check_output(config["default"]["credential_process"], shell=True))
print(sorted(found), found["Version"], found["AccessKeyId"], " ".join(found["SecretAccessKey"]))
"#;
    let left = Stage::python(body).aws(&keys()).run();
    let expected = format!(
        "['AccessKeyId', 'SecretAccessKey', 'Version'] 1 AKIAEXAMPLEEXAMPLE01 {}\n",
        apart(&keys().secret_access_key)
    );
    assert_eq!(left.stdout(), expected, "{}", left.at(Level::Error));
}

/// Waits for the log's line before it asks, so that the line came by itself.
const ASK_WHEN_TOLD: &str = "import time\nwhile not os.path.exists('told'): time.sleep(0.05)\nask()\nprint('asked')";

#[test]
fn credentials_that_end_and_are_not_refreshed_are_told_of_once_before_and_again_when_newer_ones_came() {
    let stage = Stage::python(&format!("{ASK}\n{ASK_WHEN_TOLD}")).aws(&ending_in(8));
    stage.runtime.write_credentials_problem(Some("AWS STS is away.")).unwrap();
    let shim = stage.start();
    // No agent runs here: the shim alone says it.
    stage.wait_for("could not be refreshed: AWS STS is away. Its AWS calls fail from then on.");
    stage.runtime.write_credentials(&session()).unwrap();
    stage.runtime.write_credentials_problem(None).unwrap();
    std::fs::write(stage.exec.work().join("told"), "").unwrap();
    assert!(wait(shim).success());
    let left = stage.left();
    assert_eq!(left.stdout(), "asked\n", "{}", left.at(Level::Error));
    assert_eq!(left.at(Level::Warning).matches("could not be refreshed").count(), 1, "{}", left.system());
    let told = left.at(Level::Info);
    assert!(told.contains("The step's AWS credentials were refreshed; they end at 2096-10-02T07:06:40Z."), "{told}");
}

#[test]
fn credentials_that_end_with_nobody_to_refresh_them_are_told_of_without_a_request() {
    let stage = Stage::bash("while [ ! -e told ]; do sleep 0.05; done").aws(&ending_in(8));
    let shim = stage.start();
    stage.wait_for("were not refreshed: the worker's agent does not run");
    std::fs::write(stage.exec.work().join("told"), "").unwrap();
    assert!(wait(shim).success());
    assert_eq!(stage.left().outcome.kind, OutcomeKind::Succeeded);
}

/// A session with so many seconds left.
fn ending_in(seconds: i64) -> Credentials {
    Credentials { expires_at: jiff::Timestamp::now().as_second() + seconds, ..session() }
}
