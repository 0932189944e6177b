//! Steps under a user of their own. Only root can become somebody else: elsewhere these say so and prove nothing.

use std::{
    fs::{self, Permissions},
    io::{Read, Write},
    net::TcpStream,
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
};

use proto::deployment::log_frame::Level;
use shared::outcome::OutcomeKind;

use crate::stage::{Stage, is_alive, session, wait};

/// One user a test: they run at the same time, and what a step leaves is found by its user.
const USERS: u32 = 61_200;

/// As [`Stage`], with a user of its own and folders that it may pass through.
fn stage(number: u32, body: &str) -> Option<Stage> {
    if !rustix::process::geteuid().is_root() {
        skip();
        return None;
    }
    let mut stage = Stage::bash(body);
    stage.order.step_uid = USERS + number;
    let everybodys = [std::env::temp_dir(), "/dev/shm".into()];
    for folder in [stage.exec.path(), stage.runtime.path()] {
        for above in folder.ancestors().skip(1).take_while(|above| !everybodys.iter().any(|path| path == above)) {
            fs::set_permissions(above, Permissions::from_mode(0o711)).unwrap();
        }
    }
    Some(stage)
}

#[allow(clippy::print_stderr, reason = "a test that proved nothing must not look like one that did")]
fn skip() {
    eprintln!("skipped: becoming another user needs root");
}

#[test]
fn a_step_is_its_user_and_that_users_group_and_nobody_else() {
    let body = "echo $(id -u) $(id -G) ${USER-none}; grep NoNewPrivs /proc/self/status; touch here \"$HOME/there\" \"$TMPDIR/too\"";
    let Some(stage) = stage(0, body) else { return };
    fs::write(stage.exec.work().join("laid"), "by the agent").unwrap();
    let left = stage.agent_has("USER", "root").run();
    assert_eq!(left.outcome.kind, OutcomeKind::Succeeded, "{}", left.at(Level::Error));
    assert_eq!(left.stdout(), format!("{0} {0} none\nNoNewPrivs:\t1\n", USERS));
}

#[test]
fn what_only_the_shim_may_read_a_step_cannot() {
    let body = "for file in \"$HOME/../../\"* ../*; do cat \"$file\" 2>/dev/null; done; ls .. 2>&1; ls \"$HOME/../..\" 2>&1\n\
                cat ../step-user ../shim.info ../events.log \"$HOME/../../credentials\" 2>&1; true";
    let Some(stage) = stage(1, body) else { return };
    stage.exec.write_user(USERS + 1).unwrap();
    let left = stage.aws(&session()).run();
    assert_eq!(left.stdout().matches("Permission denied").count(), 6, "{}", left.stdout());
    assert_eq!(left.stdout().lines().count(), 6, "{}", left.stdout());
}

#[test]
fn the_endpoint_answers_the_steps_user_and_not_even_root() {
    let body = r#"
url=${AWS_CONTAINER_CREDENTIALS_FULL_URI#http://}; socket=${url%%/*}
exec 5<>"/dev/tcp/${socket%:*}/${socket#*:}"
printf 'GET /%s HTTP/1.1\r\nHost: %s\r\nAuthorization: %s\r\n\r\n' "${url#*/}" "$socket" "$(<"$AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")" >&5
read -r answer <&5; echo "$answer"
echo ready; until [ -e go ]; do sleep 0.05; done"#;
    let Some(stage) = stage(2, body) else { return };
    let stage = stage.aws(&session());
    let shim = stage.start();
    stage.wait_for("ready");
    let file = fs::read_to_string(stage.runtime.step().path().join("endpoint")).unwrap();
    let [socket, path, token] = file.lines().collect::<Vec<_>>()[..] else { panic!("{file}") };
    let mut connection = TcpStream::connect(socket).unwrap();
    // It may be refused before all of it is said.
    let _ = write!(connection, "GET {path} HTTP/1.1\r\nHost: {socket}\r\nAuthorization: {token}\r\n\r\n");
    let mut answer = [0; 12];
    connection.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 401");
    fs::write(stage.exec.work().join("go"), "").unwrap();
    assert!(wait(shim).success());
    assert!(stage.left().stdout().starts_with("HTTP/1.1 200 OK"), "{}", stage.left().stdout());
}

#[test]
fn whatever_a_step_leaves_running_is_killed() {
    let body = "(setsid env -i /bin/sleep 3000 </dev/null >/dev/null 2>&1 & echo $!)";
    let Some(stage) = stage(3, body) else { return };
    let left = stage.run();
    let pid = left.stdout().trim().parse().unwrap();
    assert!(!is_alive(pid));
}

#[test]
fn a_step_that_multiplies_without_end_stays_within_its_limit_and_is_ended() {
    let limit = shared::limits::STEP_PROCESSES.to_string();
    let body = "ulimit -Su; mkfifo pause; exec 9<>pause; ulimit -Su 200; bomb() { bomb | bomb & }; bomb 2>/dev/null\n\
                read -r -t 0.5 -u 9 || exit 3";
    let Some(stage) = stage(20, body) else { return };
    let user = stage.order.step_uid;
    let left = stage.run();
    assert_eq!(left.outcome.exit_code, Some(3), "{}", left.system());
    assert_eq!(left.stdout().lines().next(), Some(limit.as_str()));
    assert_eq!(of_user(user), Vec::<String>::new());
    assert!(left.system().contains("Processes that the step left behind are ended."), "{}", left.system());
}

#[test]
fn a_helper_with_a_setuid_bit_becomes_nobody_else_and_does_not_outlive_its_step() {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    let helper = folder.path().join("helper");
    let body = format!("{} 3000 >/dev/null 2>&1 & echo $!; sleep 0.2; stat -c %u /proc/$!", helper.display());
    let Some(stage) = stage(21, &body) else { return };
    let user = stage.order.step_uid.to_string();
    fs::copy("/bin/sleep", &helper).unwrap();
    fs::set_permissions(&helper, Permissions::from_mode(0o4755)).unwrap();
    let left = stage.run();
    assert_eq!(left.outcome.kind, OutcomeKind::Succeeded, "{}", left.system());
    let said = left.stdout();
    let mut said = said.lines();
    assert!(!is_alive(said.next().unwrap().parse().unwrap()));
    assert_eq!(said.next(), Some(user.as_str()), "it was nobody else while it lived");
}

/// Command lines of what runs as a user.
fn of_user(user: u32) -> Vec<String> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let theirs = processes.filter(|process| process.metadata().is_ok_and(|it| it.uid() == user));
    theirs.map(|process| fs::read_to_string(process.path().join("cmdline")).unwrap_or_default()).collect()
}

#[test]
fn a_link_among_the_steps_files_is_given_away_itself_and_never_what_it_leads_to() {
    let Some(stage) = stage(4, "stat -c %u link; rm link; ln -s \"$(dirname \"$PWD\")\" up") else { return };
    let treasure = stage.exec.path().join("treasure");
    fs::write(&treasure, "root's").unwrap();
    symlink(&treasure, stage.exec.work().join("link")).unwrap();
    let left = stage.run();
    assert_eq!(left.stdout(), format!("{}\n", USERS + 4), "{}", left.at(Level::Error));
    assert_eq!(fs::metadata(&treasure).unwrap().uid(), 0);
    assert_eq!(fs::read_to_string(&treasure).unwrap(), "root's");
    let closed = fs::metadata(stage.exec.path()).unwrap().mode() & 0o777;
    assert_eq!(closed, 0o700, "the user's next step cannot even get there");
}

#[test]
fn an_artifact_is_read_with_the_steps_own_rights_only() {
    let body = "echo mine > mine; chmod 600 mine; new_octopusartifact mine\n\
                new_octopusartifact /etc/shadow; new_octopusartifact ../events.log; new_octopusartifact \"$HOME/../../order\"";
    let Some(stage) = stage(5, body) else { return };
    let left = stage.run();
    let kept = stage.exec.artifacts().list().unwrap();
    assert_eq!(kept.iter().map(|artifact| artifact.name.as_str()).collect::<Vec<_>>(), ["mine"], "{}", left.system());
    assert_eq!(fs::read_to_string(stage.exec.artifacts().content(1)).unwrap(), "mine\n");
    let content = fs::metadata(stage.exec.artifacts().content(1)).unwrap();
    assert_eq!((content.uid(), content.mode() & 0o777), (0, 0o600), "and nobody else's from then on");
    for refused in ["/etc/shadow\" cannot be read by the step", "events.log\" cannot be read by the step"] {
        assert!(left.at(Level::Warning).contains(refused), "{refused}: {}", left.system());
    }
}
