//! The environment of a step's process: an allow-list, so that nothing of the agent's own gets in, least of all AWS
//! credentials and profiles.

use std::{env, ffi::OsString, path::Path};

use proto::worker::StepSpec;

use crate::exec_dir::{ExecDir, RuntimeDir, ShimOrder};

/// Name and value of each variable.
pub(super) type Environment = Vec<(OsString, OsString)>;

/// What the child inherits from the agent; where the agent has none, it gets what a login gives.
const INHERITED: [(&str, &str); 5] = [
    ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
    ("LANG", "C.UTF-8"),
    ("LC_ALL", ""),
    ("TZ", ""),
    ("USER", ""),
];

/// How the child asks for its AWS credentials.
pub(super) enum AwsAccess<'a> {
    /// It has none.
    None,
    /// A session, refreshed while the step runs: every SDK asks the endpoint by itself.
    Session {
        /// Where.
        url: &'a str,
        /// File that holds the token for it.
        token_file: &'a Path,
    },
    /// Long-lived keys, which SDKs do not take from an endpoint: they run a helper that asks.
    Keys {
        /// AWS configuration that names the helper.
        config_file: &'a Path,
    },
}

/// All of the child's environment.
pub(super) fn environment(
    order: &ShimOrder,
    spec: &StepSpec,
    exec: &ExecDir,
    runtime: &RuntimeDir,
    access: &AwsAccess<'_>,
) -> Environment {
    let mut variables: Environment = INHERITED
        .iter()
        .map(|(name, default)| ((*name).into(), env::var_os(name).unwrap_or_else(|| default.into())))
        .filter(|(_, value): &(OsString, OsString)| !value.is_empty())
        // The agent's name is not that of the step's user, which has none.
        .filter(|(name, _)| name != "USER" || order.step_user().is_none())
        .collect();
    let mut set = |name: &str, value: OsString| variables.push((name.into(), value));
    set("HOME", runtime.step().home().into());
    set("TMPDIR", temporary(exec).into());
    set("LONGSHORE_EXECUTION_ID", spec.execution_id.clone().into());
    set("LONGSHORE_STEP_KEY", order.step_key.clone().into());
    set("LONGSHORE_ATTEMPT", order.attempt_number.to_string().into());
    let way = order.way_to_aws();
    for (name, value) in way.proxy.environment() {
        set(name, value.into());
    }
    set("AWS_EC2_METADATA_DISABLED", "true".into());
    set("AWS_SHARED_CREDENTIALS_FILE", "/dev/null".into());
    match access {
        AwsAccess::Keys { config_file } => set("AWS_CONFIG_FILE", config_file.into()),
        _ => set("AWS_CONFIG_FILE", "/dev/null".into()),
    }
    if let AwsAccess::Session { url, token_file } = access {
        set("AWS_CONTAINER_CREDENTIALS_FULL_URI", url.into());
        set("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", token_file.into());
    }
    if !matches!(access, AwsAccess::None) {
        if !order.region.is_empty() {
            set("AWS_REGION", order.region.clone().into());
            set("AWS_DEFAULT_REGION", order.region.clone().into());
        }
        for (name, value) in way.environment() {
            set(&name, value.into());
        }
    }
    variables
}

/// Where the child puts temporary files: on disk, since they may be large, and gone with the working folder.
pub(super) fn temporary(exec: &ExecDir) -> std::path::PathBuf {
    exec.work().join(".tmp")
}
