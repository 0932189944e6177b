//! Actions that are not scripts: each runs as the step's process, a further run of this program, under its shim. It has
//! the same environment as a script, asks the same endpoint for credentials, and speaks through the same service messages.

mod check_identity;
mod deploy_stack;
mod speech;
mod step_credentials;

use std::{env, fs, path::Path, process::ExitCode};

use aws::{Aws, Settings};
use aws_config::SdkConfig;
use aws_credential_types::provider::SharedCredentialsProvider;
use prost::Message;
use proto::worker::{StepSpec, step_spec::Action};

use self::{speech::Speech, step_credentials::StepCredentials};
use crate::endpoint::Address;

/// Why an action failed, in a sentence.
struct Failure(String);

/// Runs the action of a file that the shim wrote; the address of the credential endpoint is beside it.
#[must_use]
pub fn main(file: &Path) -> ExitCode {
    let mut speech = Speech::new();
    match run(file, &mut speech) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure(sentence)) => {
            speech.failure(&sentence);
            ExitCode::FAILURE
        }
    }
}

fn run(file: &Path, speech: &mut Speech) -> Result<(), Failure> {
    let broken = |error: &dyn std::fmt::Display| Failure(format!("The action cannot be run on this worker: {error}."));
    let spec = fs::read(file).map_err(|error| broken(&error))?;
    let spec = StepSpec::decode(spec.as_slice()).map_err(|error| broken(&error))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| broken(&error))?;
    let way = Way::new(&file.with_file_name("endpoint"))?;
    runtime.block_on(async {
        match spec.action {
            Some(Action::DeployStack(action)) => {
                deploy_stack::run(&action, &way.config("cloudformation"), speech).await
            }
            Some(Action::CheckIdentity(_)) => check_identity::run(&way, speech).await,
            _ => Err(Failure("This worker does not know the action of this step. Upgrade the worker.".into())),
        }
    })
}

/// How an action reaches AWS, and as whom: what the shim put into its environment.
struct Way {
    aws: Aws,
    credentials: StepCredentials,
    region: String,
}

impl Way {
    fn new(address: &Path) -> Result<Self, Failure> {
        let address = Address::read(address).map_err(|_| {
            Failure("The step has no AWS identity. Give it one: `aws: { identity: account }` or `worker-role`.".into())
        })?;
        let region = env::var("AWS_REGION").unwrap_or_default();
        if region.is_empty() {
            return Err(Failure("The step has no AWS region. Name one in the step's `aws`, or in the account.".into()));
        }
        let variables =
            env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        let settings = Settings { host: "the worker's host", ..Settings::from_environment(variables) };
        let aws = Aws::new(&settings).map_err(|fault| Failure(fault.sentence))?;
        Ok(Self { aws, credentials: StepCredentials::new(address), region })
    }

    fn config(&self, service: &str) -> SdkConfig {
        self.aws.sdk_config(SharedCredentialsProvider::new(self.credentials.clone()), &self.region, service)
    }
}
