//! What a step is given, and what it is refused for, against a real store.

use std::{collections::BTreeMap, time::Duration};

use coordinator_core::fact::{
    Created, DeploymentFact, ExitResult, Fact, Moved, Offered, Output, OutputValue, Settled, StepEnd,
};
use proto::worker::{StepSpec, aws_spec, step_spec};
use shared::{
    attempt::AttemptEvent,
    id::{AssignSeq, WorkerId},
    outcome::{Outcome, OutcomeKind},
    plan::{
        Action, Asks, AssumeRole, Aws, Expect, File, Identity, Process, Retries, Script, Shell, Source, Start,
        VariableKind, Waits,
        stack::{DeployStack, StackParameter, StackTemplate},
        upload::UploadToS3,
    },
};
use tempfile::TempDir;
use uuid::Uuid;

use super::{
    snapshot::{Snapshot, Variable},
    *,
};
use crate::{
    files::Files,
    registry::{account, pool},
    store::facts,
};

mod conditions;
mod identities;
mod names;
mod outputs;
mod printing;
mod refusals;
mod scripts;

/// Role of the account `Deployer`, which stands on `AWS Account`.
const DEPLOYER: &str = "arn:aws:iam::210987654321:role/teams/shop/deployer";

const SECRET: &str = "wJalrXUtnFEMIcanaryKEY";

/// A coordinator's store with the pool `default` and the accounts `AWS Account` and `Deployer`.
struct Bench {
    _folder: TempDir,
    store: Store,
    seal: Seal,
    files: Files,
    preparer: Preparer,
}

const FIRST: Attempt = Attempt { execution: ExecutionId(Uuid::nil()), number: 1 };

impl Bench {
    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(folder.path()).expect("a store");
        let seal = Seal::make(&folder.path().join("master.key"), "store").expect("a key");
        let files = Files::new(folder.path().join("files"));
        let row =
            account::Row { region: "eu-central-1".into(), ..account::Row::with_key(&seal, "AWS Account", SECRET) };
        let deployer = account::Row::with_role("Deployer", DEPLOYER, "AWS Account", &seal);
        store
            .write(move |connection| {
                pool::ensure_default(connection, 0)?;
                account::insert(connection, &row)?;
                account::insert(connection, &deployer)
            })
            .await
            .expect("an account");
        let preparer = Preparer::new(store.clone(), seal.clone(), files.clone());
        Self { _folder: folder, store, seal, files, preparer }
    }

    /// A stored deployment #7 of "shop" to "staging".
    async fn deploy(&self, process: Process, variables: Vec<Variable>) -> DeploymentId {
        let id = DeploymentId(Uuid::now_v7());
        let snapshot = Snapshot { variables, ..Snapshot::default() };
        let sealed = snapshot.seal(&self.seal, id).expect("sealed");
        let created = Created {
            project: "shop".into(),
            environment: "staging".into(),
            number: 7,
            revision: 1,
            by: "token ci".into(),
            retry_of: None,
            carried: Vec::new(),
            process,
        };
        let fact = Fact::Deployment(id, DeploymentFact::Created(created));
        self.store
            .write(move |tx| {
                facts::apply(tx, 1, &fact)?;
                facts::keep_variables(tx, id, &sealed)
            })
            .await
            .expect("stored");
        id
    }

    async fn tell(&self, id: DeploymentId, fact: DeploymentFact) {
        let fact = Fact::Deployment(id, fact);
        self.store.write(move |tx| facts::apply(tx, 2, &fact).map(drop)).await.expect("stored");
    }

    /// The one step, prepared and rendered.
    async fn spec_of(&self, step: Step, variables: Vec<Variable>) -> Result<StepSpec, Refusal> {
        let id = self.deploy(one(step), variables).await;
        self.spec(id, 0).await
    }

    async fn spec(&self, id: DeploymentId, step: usize) -> Result<StepSpec, Refusal> {
        self.preparer.prepare(id, step).await?;
        self.preparer.spec(id, step, FIRST, "red").await
    }

    async fn refusal_of(&self, step: Step, variables: Vec<Variable>) -> Refusal {
        self.spec_of(step, variables).await.expect_err("it must be refused")
    }

    /// Stores a file as an upload would.
    fn upload(&self, path: &str, bytes: &[u8]) -> File {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
        let sha256: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        let mut upload = self.files.begin(&sha256).expect("begun");
        upload.push(bytes).expect("pushed");
        upload.finish().expect("stored");
        File { path: path.into(), sha256, size: bytes.len() as u64, executable: false }
    }
}

fn one(step: Step) -> Process {
    Process { steps: vec![step], files: Vec::new() }
}

fn step(action: Action) -> Step {
    Step {
        name: "Who am I".into(),
        pool: String::new(),
        requires: BTreeMap::new(),
        condition: Condition::Success,
        start: Start::AfterPrevious,
        environments: Vec::new(),
        timeout: Duration::from_secs(60),
        waits: Waits::default(),
        asks: Asks::default(),
        retries: Retries::default(),
        retry_safe: false,
        locks: Vec::new(),
        aws: Aws::default(),
        action,
    }
}

fn bash(body: &str) -> Step {
    step(Action::Script(Script {
        shell: Shell::Bash,
        source: Source::Body(body.into()),
        substitute: true,
        strict: false,
    }))
}

fn with_identity(step: Step, identity: Identity) -> Step {
    Step { aws: Aws { identity, ..Aws::default() }, ..step }
}

fn variable(name: &str, kind: VariableKind, value: &str) -> Variable {
    Variable { name: name.into(), kind, value: value.into(), scope: Default::default(), given: false }
}

fn text(name: &str, value: &str) -> Variable {
    variable(name, VariableKind::Text, value)
}

fn aws_account() -> Variable {
    variable("AWS Account", VariableKind::AwsAccount, "AWS Account")
}

fn body(spec: &StepSpec) -> &str {
    match &spec.action {
        Some(step_spec::Action::Script(script)) => &script.body,
        _ => panic!("no script"),
    }
}

fn value<'a>(spec: &'a StepSpec, name: &str) -> Option<(&'a str, bool)> {
    let found = spec.variables.iter().find(|variable| variable.name == name)?;
    Some((&found.value, found.sensitive))
}
