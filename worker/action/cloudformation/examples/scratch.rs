#![allow(clippy::unwrap_used, clippy::print_stdout)]
use action::{Scene, Speech};
use aws::{Aws, Settings};
use aws_sdk_cloudformation::config::{Credentials, SharedCredentialsProvider};
use shared::plan::stack::*;
use std::{env, fs};
use tokio_util::sync::CancellationToken;

fn main() {
    let args: Vec<String> = env::args().collect();
    let settings = Settings { endpoint_url: Some(env::var("ENDPOINT").unwrap()), ..Settings::default() };
    let cancelled = CancellationToken::new();
    let scene = Scene {
        aws: Aws::new(&settings).unwrap(),
        credentials: SharedCredentialsProvider::new(Credentials::new(
            env::var("KEY").unwrap_or("123456789012".into()),
            env::var("SECRET").unwrap_or("test".into()),
            None,
            None,
            "x",
        )),
        region: "eu-west-1".into(),
        folder: env::current_dir().unwrap(),
        operation: args[2].clone(),
        cancelled: cancelled.clone(),
    };
    let mut speech = Speech::to(std::io::stdout(), std::io::stderr());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let ended = runtime.block_on(async {
        if let Ok(after) = env::var("CANCEL_AFTER") {
            let after = std::time::Duration::from_millis(after.parse().unwrap());
            tokio::spawn(async move {
                tokio::time::sleep(after).await;
                cancelled.cancel();
            });
        }
        match args[1].as_str() {
            "deploy" => {
                let order: DeployStack = serde_json::from_str(&fs::read_to_string(&args[3]).unwrap()).unwrap();
                action_cloudformation::deploy(&order, &scene, &mut speech).await
            }
            "apply" => {
                let order: ApplyChangeSet = serde_json::from_str(&fs::read_to_string(&args[3]).unwrap()).unwrap();
                action_cloudformation::apply_change_set(&order, &scene, &mut speech).await
            }
            _ => {
                action_cloudformation::delete(
                    &DeleteStack { stack: args[3].clone(), retain: args[4..].to_vec(), ..Default::default() },
                    &scene,
                    &mut speech,
                )
                .await
            }
        }
    });
    match ended {
        Ok(()) => println!("== OK"),
        Err(failure) => println!("== FAILED {}: {}", failure.reason.code(), failure.sentence),
    }
}
