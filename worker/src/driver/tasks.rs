//! What the driver does beside its loop: preparing, spawning, looking, removing. Each answers with a fact.

use std::{io, sync::Arc};

use proto::worker::Equipment;
use service::task;
use shared::id::ExecutionId;
use tokio::{sync::mpsc, task::spawn_blocking};
use tracing::{error, info, warn};
use worker_core::Finding;

use super::Fact;
use crate::{
    credentials::own_identity::Watch,
    examine::examine,
    exec_dir::remove_tree,
    host::Host,
    preparation::{Access, CredentialSource, Prepared, Wanted, prepare},
    process::{Cgroup, spawn_shim},
    result, tools,
};

pub(super) async fn preparation(host: Arc<Host>, access: Access, wanted: Wanted, facts: mpsc::Sender<Fact>) {
    let execution = wanted.execution;
    let fact = match prepare(host, access, wanted).await {
        Ok(prepared) => Fact::Prepared(execution, Box::new(prepared)),
        Err(why) => Fact::Unpreparable(execution, why.to_string()),
    };
    // The driver is gone when the agent stops.
    let _ = facts.send(fact).await;
}

/// Writes what the shim needs into memory, and starts it.
pub(super) fn spawning(host: Arc<Host>, execution: ExecutionId, prepared: Box<Prepared>, facts: mpsc::Sender<Fact>) {
    spawn_blocking(move || {
        let mut prepared = prepared;
        let fact = match spawn(&host, execution, &mut prepared) {
            Ok(pid) => Fact::Spawned(execution, pid),
            Err(error) => {
                error!(%execution, %error, "shim cannot be started");
                Fact::NotSpawned(execution)
            }
        };
        let _ = facts.blocking_send(fact);
    });
}

fn spawn(host: &Host, execution: ExecutionId, prepared: &mut Prepared) -> io::Result<i32> {
    let (exec, runtime) = (host.home.exec(execution), host.home.runtime(execution));
    exec.create()?;
    runtime.create()?;
    if let Some(users) = &host.step_users {
        prepared.order.step_uid = users.hold(&host.home, execution)?;
    }
    runtime.write_order(&prepared.order)?;
    if let Some((credentials, source)) = &prepared.credentials {
        runtime.write_credentials(credentials)?;
        runtime.write_private(CredentialSource::FILE, &source.note())?;
    }
    let child = spawn_shim(exec.path(), runtime.path())?;
    // Reaped with all others; the pid cannot be another's before that.
    i32::try_from(child.id()).map_err(io::Error::other)
}

/// Looks at an attempt, and reads its result if it ended.
pub(super) fn examination(host: Arc<Host>, execution: ExecutionId, facts: mpsc::Sender<Fact>) {
    spawn_blocking(move || {
        let finding = examine(&host.home, execution);
        let notice = match finding {
            Some(Finding::Ended) => result::notice(&host.home.exec(execution), execution),
            _ => Ok(None),
        };
        let notice = notice.unwrap_or_else(|error| {
            error!(%execution, %error, "result cannot be read");
            None
        });
        let _ = facts.blocking_send(Fact::Examined(execution, finding, notice.map(Box::new)));
    });
}

/// Removes everything of an attempt.
pub(super) fn removal(host: Arc<Host>, execution: ExecutionId) {
    spawn_blocking(move || {
        let wiped = host.home.runtime(execution).wipe();
        if let Err(error) = wiped.and_then(|()| remove_tree(host.home.exec(execution).path())) {
            warn!(%execution, %error, "files of a forgotten attempt cannot be removed");
        }
    });
}

/// Looks who the worker's own role is, for as long as the agent lives.
pub(super) async fn own_identity(host: Arc<Host>, facts: mpsc::Sender<Fact>) {
    let mut watch = Watch::default();
    loop {
        let seen = watch.look(&host.aws).await;
        if facts.send(Fact::OwnIdentity(Box::new(seen))).await.is_err() {
            return;
        }
        tokio::time::sleep(watch.patience()).await;
    }
}

/// Looks what the host has for steps, for as long as the agent lives. Tools are asked when others are found than before, and again
/// when not all of them answered in time.
pub(super) async fn equipment(host: Arc<Host>, facts: mpsc::Sender<Fact>) {
    let (mut asked, mut told) = (None, None);
    loop {
        let found = tools::Found::now();
        if asked.as_ref() != Some(&found) {
            match look_at_equipment(&host).await {
                Ok((equipment, is_whole)) => {
                    asked = is_whole.then_some(found);
                    if told.as_ref() != Some(&equipment) {
                        told = Some(equipment.clone());
                        tell(&equipment);
                        if facts.send(Fact::Equipment(equipment)).await.is_err() {
                            return;
                        }
                    }
                }
                Err(error) => warn!(%error, "tools cannot be asked for their versions"),
            }
        }
        tokio::time::sleep(tools::LOOK_AGAIN).await;
    }
}

fn tell(equipment: &Equipment) {
    let Equipment { tools, cgroups, cgroups_detail } = equipment;
    info!(?tools, cgroups, why = cgroups_detail, "the host's equipment is known");
}

async fn look_at_equipment(host: &Host) -> io::Result<(Equipment, bool)> {
    let user = host.step_users.as_ref().map(|_| tools::NOBODY);
    let refusal = Cgroup::refusal();
    let said = tools::ask(user).await?;
    let equipment = Equipment {
        tools: said.versions.into_iter().collect(),
        cgroups: refusal.is_none(),
        cgroups_detail: refusal.unwrap_or_default(),
    };
    Ok((equipment, said.is_whole))
}

/// Starts a task whose end may be cut short.
pub(super) fn abortable(
    name: &'static str,
    future: impl Future<Output = ()> + Send + 'static,
) -> tokio::task::AbortHandle {
    task::spawn(name, future).abort_handle()
}
