//! A folder for one attempt, the shim that runs it, and what can be read afterwards.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use prost::Message;
use proto::{
    deployment::log_frame::{Level, Source},
    worker::{
        AwsSpec, Credentials, Frame, OutputVariable, ScriptAction, SpecVariable, StepIdentity, StepSpec, frame::Body,
        output_variable::Value, step_spec::Action,
    },
};
use shared::outcome::Outcome;
use tempfile::TempDir;
use worker::exec_dir::{EventReader, ExecDir, RuntimeDir, ShimOrder};

/// The key that seals outputs in these tests.
pub(crate) const OUTPUT_KEY: [u8; 32] = [7; 32];
/// Long enough for a busy machine, short enough for a person.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// One attempt, not started yet.
pub(crate) struct Stage {
    pub(crate) order: ShimOrder,
    pub(crate) exec: ExecDir,
    pub(crate) runtime: RuntimeDir,
    pub(crate) id: String,
    environment: Vec<(String, String)>,
    _data: TempDir,
    _memory: TempDir,
}

/// One line or piece of the log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Entry {
    pub(crate) source: Source,
    pub(crate) level: Level,
    pub(crate) data: Vec<u8>,
}

/// What an attempt left.
pub(crate) struct Left {
    pub(crate) outcome: Outcome,
    pub(crate) log: Vec<Entry>,
    pub(crate) outputs: BTreeMap<String, String>,
    pub(crate) frames: Vec<Frame>,
}

impl Stage {
    /// A bash step.
    pub(crate) fn bash(body: &str) -> Self {
        Self::script("bash", body)
    }

    /// A Python step.
    pub(crate) fn python(body: &str) -> Self {
        Self::script("python", body)
    }

    pub(crate) fn script(shell: &str, body: &str) -> Self {
        Self::action(script_action(shell, body))
    }

    pub(crate) fn action(action: Action) -> Self {
        Self::in_folder(action, TempDir::new().unwrap())
    }

    /// With a data folder of the test's choice.
    pub(crate) fn in_folder(action: Action, data: TempDir) -> Self {
        let memory = TempDir::new_in("/dev/shm").unwrap();
        let id = uuid::Uuid::new_v4().to_string();
        let exec = ExecDir::new(data.path().join("exec").join(&id));
        let runtime = RuntimeDir::new(memory.path().join(&id));
        exec.create().unwrap();
        runtime.create().unwrap();
        let spec = StepSpec {
            execution_id: id.clone(),
            step_name: "The step".into(),
            action: Some(action),
            output_key: OUTPUT_KEY.to_vec(),
            ..Default::default()
        };
        let order = ShimOrder {
            spec: Some(spec),
            timeout_ms: 120_000,
            grace_ms: 2_000,
            worker_name: "worker-1".into(),
            attempt_number: 3,
            step_key: "a".repeat(64),
            ..Default::default()
        };
        Self { order, exec, runtime, id, environment: Vec::new(), _data: data, _memory: memory }
    }

    pub(crate) fn spec(&mut self) -> &mut StepSpec {
        self.order.spec.as_mut().unwrap()
    }

    pub(crate) fn variable(mut self, name: &str, value: &str) -> Self {
        self.spec().variables.push(SpecVariable { name: name.into(), value: value.into(), sensitive: false });
        self
    }

    pub(crate) fn secret(mut self, name: &str, value: &str) -> Self {
        self.spec().variables.push(SpecVariable { name: name.into(), value: value.into(), sensitive: true });
        self
    }

    pub(crate) fn timeout(mut self, timeout: Duration, grace: Duration) -> Self {
        self.order.timeout_ms = timeout.as_millis() as u64;
        self.order.grace_ms = grace.as_millis() as u64;
        self
    }

    /// The agent's own environment has this, too.
    pub(crate) fn agent_has(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// AWS credentials, as the agent lays them out.
    pub(crate) fn aws(mut self, credentials: &Credentials) -> Self {
        self.spec().aws = Some(AwsSpec { source: 1, account_name: "shop".into(), ..Default::default() });
        self.order.region = "eu-west-1".into();
        self.order.identity = Some(StepIdentity {
            account: "123456789012".into(),
            arn: "arn:aws:iam::123456789012:user/deployer".into(),
            region: "eu-west-1".into(),
            source: "account shop".into(),
            expires_at: credentials.expires_at,
        });
        self.runtime.write_credentials(credentials).unwrap();
        self
    }

    /// Starts the shim.
    pub(crate) fn start(&self) -> Child {
        self.runtime.write_order(&self.order).unwrap();
        self.shim().spawn().unwrap()
    }

    /// The shim's command line, as the agent writes it.
    pub(crate) fn shim(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_longshore-worker"));
        command
            .args(["shim".as_ref(), self.exec.path(), self.runtime.path()])
            .env_clear()
            .envs(std::env::vars().filter(|(name, _)| matches!(name.as_str(), "PATH" | "HOME")))
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        command
    }

    /// Runs the attempt to its end.
    pub(crate) fn run(&self) -> Left {
        let status = wait(self.start());
        assert!(status.success(), "the shim ended with {status}");
        self.left()
    }

    /// What the attempt left, checked for what always holds.
    pub(crate) fn left(&self) -> Left {
        let exit = self.exec.read_exit().unwrap().expect("an exit record");
        let frames = self.frames();
        assert_eq!(frames.len() as u64, exit.final_seq, "all frames are there");
        assert_eq!(digest(&frames), exit.digest, "and they are what was written");
        assert!(!self.runtime.path().exists(), "nothing is left in memory");
        assert!(!self.exec.work().exists(), "the working folder is gone");
        let cgroup = self.exec.read_shim_info().unwrap().unwrap().cgroup;
        assert!(cgroup.is_none_or(|cgroup| !cgroup.exists()), "the step's cgroup is gone");
        let log = frames.iter().filter_map(entry).collect();
        let outputs = frames.iter().filter_map(output).collect();
        Left { outcome: exit.outcome, log, outputs, frames }
    }

    /// Whatever whole frames there are now.
    pub(crate) fn frames(&self) -> Vec<Frame> {
        let mut frames = Vec::new();
        let Ok(mut reader) = EventReader::open(&self.exec.events_path()) else { return frames };
        while let Some(bytes) = reader.read().unwrap() {
            frames.push(Frame::decode(bytes).unwrap());
        }
        frames
    }

    /// Waits until the log has a text; no event tells, since the shim's file grows without us.
    pub(crate) fn wait_for(&self, text: &str) {
        until(|| {
            let log: Vec<u8> = self.frames().iter().filter_map(entry).flat_map(|entry| entry.data).collect();
            String::from_utf8_lossy(&log).contains(text)
        });
    }

    /// Every file below the data folder.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let mut files = Vec::new();
        collect(self._data.path(), &mut files);
        files
    }
}

impl Left {
    /// All that came from one source, as text.
    pub(crate) fn text(&self, source: Source) -> String {
        String::from_utf8_lossy(&self.bytes(source)).into_owned()
    }

    pub(crate) fn bytes(&self, source: Source) -> Vec<u8> {
        self.log.iter().filter(|entry| entry.source == source).flat_map(|entry| entry.data.clone()).collect()
    }

    pub(crate) fn stdout(&self) -> String {
        self.text(Source::Stdout)
    }

    pub(crate) fn system(&self) -> String {
        self.text(Source::System)
    }

    /// All that was said at one level.
    pub(crate) fn at(&self, level: Level) -> String {
        let bytes: Vec<u8> =
            self.log.iter().filter(|entry| entry.level == level).flat_map(|entry| entry.data.clone()).collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

pub(crate) fn script_action(shell: &str, body: &str) -> Action {
    let (shell, strict) = shell.strip_prefix("strict ").map_or((shell, false), |shell| (shell, true));
    Action::Script(ScriptAction { shell: shell.into(), body: body.into(), name: "deploy/step.sh".into(), strict })
}

pub(crate) fn session() -> Credentials {
    Credentials {
        access_key_id: "ASIAEXAMPLEEXAMPLE01".into(),
        secret_access_key: "sEcReTaCcEsSkEy0123456789abcdefghijklmno".into(),
        session_token: "tOkEn0123456789sessionsessionsessionsession".into(),
        expires_at: 4_000_000_000,
    }
}

pub(crate) fn keys() -> Credentials {
    Credentials {
        access_key_id: "AKIAEXAMPLEEXAMPLE01".into(),
        session_token: String::new(),
        expires_at: 0,
        ..session()
    }
}

pub(crate) fn wait(mut child: Child) -> ExitStatus {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if Instant::now() > deadline {
            child.kill().unwrap();
            return ExitStatus::from_raw(9);
        }
        thread::sleep(Duration::from_millis(5));
    }
}

pub(crate) fn until(mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "it did not happen");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Whether a process is there and not a zombie.
pub(crate) fn is_alive(pid: i32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit(')').next().unwrap_or_default().trim_start().starts_with('Z'))
}

fn digest(frames: &[Frame]) -> String {
    use aws_lc_rs::digest::{Context, SHA256};
    let mut last = vec![0; 32];
    for frame in frames {
        let mut context = Context::new(&SHA256);
        context.update(&last);
        context.update(&frame.encode_to_vec());
        last = context.finish().as_ref().to_vec();
    }
    last.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn entry(frame: &Frame) -> Option<Entry> {
    match &frame.body {
        Some(Body::Log(log)) => Some(Entry {
            source: Source::try_from(log.source).unwrap(),
            level: Level::try_from(log.level).unwrap(),
            data: log.data.to_vec(),
        }),
        _ => None,
    }
}

fn output(frame: &Frame) -> Option<(String, String)> {
    match &frame.body {
        Some(Body::Output(output)) => Some((output.name.clone(), opened(output))),
        _ => None,
    }
}

/// A sealed value is shown as what it is.
fn opened(output: &OutputVariable) -> String {
    use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, Nonce, UnboundKey};
    match output.value.clone().unwrap() {
        Value::Plain(value) => value,
        Value::Sealed(sealed) => {
            let (nonce, rest) = sealed.split_at(12);
            let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM_SIV, &OUTPUT_KEY).unwrap());
            let nonce = Nonce::try_assume_unique_for_key(nonce).unwrap();
            let mut rest = rest.to_vec();
            let value = key.open_in_place(nonce, Aad::from(&output.name), &mut rest).unwrap();
            format!("sealed {}", String::from_utf8_lossy(value))
        }
    }
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        if entry.path().is_dir() {
            collect(&entry.path(), files);
        } else {
            files.push(entry.path());
        }
    }
}
