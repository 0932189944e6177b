//! Compiles the contract without `protoc`, and keeps the descriptors for gRPC reflection.

use std::{env, fs, path::PathBuf};

use prost::Message;

const FILES: &[&str] = &[
    "longshore/action/v1/stack.proto",
    "longshore/action/v1/upload.proto",
    "longshore/deployment/v1/account.proto",
    "longshore/deployment/v1/coordinator.proto",
    "longshore/deployment/v1/deployment.proto",
    "longshore/deployment/v1/inventory.proto",
    "longshore/deployment/v1/project.proto",
    "longshore/worker/v1/join.proto",
    "longshore/worker/v1/session.proto",
];

/// Messages with a secret in them: their `Debug` is written by hand in `src/redact.rs`.
const SECRET: &[&str] = &[
    "longshore.action.v1.StackParameter",
    "longshore.deployment.v1.CreateAccountRequest",
    "longshore.deployment.v1.UpdateAccountRequest",
    "longshore.deployment.v1.Variable",
    "longshore.deployment.v1.CreateDeploymentRequest",
    "longshore.deployment.v1.InviteWorkerResponse",
    "longshore.worker.v1.JoinString",
    "longshore.worker.v1.JoinRequest",
    "longshore.worker.v1.StepSpec",
    "longshore.worker.v1.Credentials",
    "longshore.worker.v1.WebIdentity",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=longshore");
    let descriptors = protox::compile(FILES, ["."])?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("descriptors.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure()
        .skip_debug(SECRET)
        .bytes(".longshore.worker.v1.EventBatch.frames")
        .bytes(".longshore.deployment.v1.LogFrame.data")
        .bytes(".longshore.worker.v1.Log.data")
        .compile_fds(descriptors)?;
    Ok(())
}
