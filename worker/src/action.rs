//! Actions that are not scripts: each runs as the step's process, a further run of this program, under its shim. It has
//! the same environment as a script, asks the same endpoint for credentials, and speaks through the same service messages.

mod check_identity;
mod step_credentials;

use std::{env, fs, path::Path, process::ExitCode};

use action::{Failure, Scene, Speech};
use aws::{Aws, Settings};
use aws_credential_types::provider::SharedCredentialsProvider;
use prost::Message;
use proto::worker::{StepSpec, step_spec::Action};
use shared::reason::Reason;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use self::step_credentials::StepCredentials;
use crate::endpoint::Address;

/// Runs the action of a file that the shim wrote; the address of the credential endpoint is beside it.
#[must_use]
pub fn main(file: &Path) -> ExitCode {
    let mut speech = Speech::standard();
    match run(file, &mut speech) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            speech.failure(&failure);
            ExitCode::FAILURE
        }
    }
}

fn run(file: &Path, speech: &mut Speech) -> Result<(), Failure> {
    let spec = fs::read(file).map_err(|error| broken(&error))?;
    let spec = StepSpec::decode(spec.as_slice()).map_err(|error| broken(&error))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| broken(&error))?;
    let action = spec.action.ok_or_else(unknown)?;
    runtime.block_on(async {
        let cancelled = cancelled_by_signal()?;
        let address = file.with_file_name("endpoint");
        let way = Way::new(&address, spec.operation, cancelled)?;
        perform(action, &way, speech).await
    })
}

async fn perform(action: Action, way: &Way, speech: &mut Speech) -> Result<(), Failure> {
    let scene = &way.scene;
    match action {
        Action::Script(_) => Err(unknown()),
        Action::CheckIdentity(_) => check_identity::run(way, speech).await,
        Action::DeployStack(stack) => {
            let stack = (&stack).try_into().map_err(|_| unknown())?;
            action_cloudformation::deploy(&stack, scene, speech).await
        }
        Action::ApplyChangeSet(apply) => action_cloudformation::apply_change_set(&(&apply).into(), scene, speech).await,
        Action::DeleteStack(delete) => action_cloudformation::delete(&(&delete).into(), scene, speech).await,
        Action::UploadToS3(upload) => action_s3::upload(&(&upload).into(), scene, speech).await,
    }
}

/// Set by SIGTERM, which is how a shim says that the step is cancelled or its time is over. From here on the signal ends nothing by
/// itself.
fn cancelled_by_signal() -> Result<CancellationToken, Failure> {
    let cancelled = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate()).map_err(|error| broken(&error))?;
    let told = cancelled.clone();
    tokio::spawn(async move {
        terminate.recv().await;
        told.cancel();
    });
    Ok(cancelled)
}

/// How an action reaches AWS, and as whom: what the shim put into its environment.
struct Way {
    scene: Scene,
    credentials: StepCredentials,
}

impl Way {
    fn new(address: &Path, operation: String, cancelled: CancellationToken) -> Result<Self, Failure> {
        let address = Address::read(address).map_err(|_| {
            let sentence = "The step has no AWS identity. Give it one: `aws: { identity: account }` or `worker-role`.";
            Failure::new(Reason::CredentialsMissing, sentence)
        })?;
        let region = env::var("AWS_REGION").unwrap_or_default();
        if region.is_empty() {
            let sentence = "The step has no AWS region. Name one in the step's `aws`, or in the account.";
            return Err(Failure::new(Reason::NoRegion, sentence));
        }
        let variables =
            env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        let settings = Settings { host: "the worker's host", ..Settings::from_environment(variables) };
        let credentials = StepCredentials::new(address);
        let scene = Scene {
            aws: Aws::new(&settings)?,
            credentials: SharedCredentialsProvider::new(credentials.clone()),
            region,
            folder: env::current_dir().map_err(|error| broken(&error))?,
            operation,
            cancelled,
        };
        Ok(Self { scene, credentials })
    }
}

fn unknown() -> Failure {
    Failure::new(Reason::Unsupported, "This worker does not know the action of this step. Upgrade the worker.")
}

fn broken(error: &dyn std::fmt::Display) -> Failure {
    Failure::new(Reason::NotPrepared, format!("The action cannot be run on this worker: {error}."))
}
