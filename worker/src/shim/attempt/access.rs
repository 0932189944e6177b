//! How the step's process gets its AWS credentials, if it has any.

use std::path::PathBuf;

use super::{Attempt, NotStarted};
use crate::{
    endpoint::{Address, Notices, Server},
    process::own_program_for_others,
    shim::child_env::AwsAccess,
};

/// Open for as long as it is not dropped.
pub(super) enum Access {
    None,
    Session { _server: Server, url: String, token_file: PathBuf },
    Keys { _server: Server, config_file: PathBuf },
}

impl Access {
    /// Masks the credentials and opens the endpoint that hands them out.
    pub(super) fn open(attempt: &mut Attempt<'_>, notices: Notices) -> Result<Self, NotStarted> {
        if attempt.spec.aws.is_none() {
            return Ok(Self::None);
        }
        let runtime = attempt.runtime;
        let credentials = runtime.read_credentials().map_err(NotStarted::unprepared)?.ok_or_else(|| {
            NotStarted::new(
                "CREDENTIALS_MISSING",
                "The step has an AWS identity, and the worker laid no credentials out for it.",
            )
        })?;
        attempt.recorder.learn([credentials.secret_access_key.as_str(), &credentials.session_token]);
        let account = attempt.order.identity.as_ref().map_or("", |identity| &identity.account);
        let id = &attempt.spec.execution_id;
        let user = attempt.order.step_user();
        let server = Server::start(runtime, id, account, user, &credentials, notices);
        let server = server.map_err(NotStarted::unprepared)?;
        let address = server.address().clone();
        attempt.recorder.learn([address.token.as_str()]);
        let step = runtime.step();
        address.write(&step).map_err(NotStarted::unprepared)?;
        if credentials.session_token.is_empty() {
            let config_file = step.path().join("aws-config");
            write_config(attempt).map_err(NotStarted::unprepared)?;
            Ok(Self::Keys { _server: server, config_file })
        } else {
            Ok(Self::Session { _server: server, url: address.url(), token_file: Address::token_file(&step) })
        }
    }

    /// What the child is told.
    pub(super) fn for_child(&self) -> AwsAccess<'_> {
        match self {
            Self::None => AwsAccess::None,
            Self::Session { url, token_file, .. } => AwsAccess::Session { url, token_file },
            Self::Keys { config_file, .. } => AwsAccess::Keys { config_file },
        }
    }
}

fn write_config(attempt: &Attempt<'_>) -> std::io::Result<()> {
    let program = own_program_for_others()?;
    let step = attempt.runtime.step();
    let file = Address::file(&step);
    let config =
        format!("[default]\ncredential_process = \"{}\" credentials \"{}\"\n", program.display(), file.display());
    step.write_private("aws-config", config.as_bytes())
}
