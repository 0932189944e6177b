//! The agent from start to end, as a list.

use std::{path::Path, sync::Arc, time::Duration};

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use secrecy::SecretString;
use service::{shutdown::Shutdown, task, tls};
use tokio::sync::{Notify, mpsc, watch};
use tracing::{error, info, warn};

use crate::{
    config::Config,
    driver::{Driver, Parts},
    environment::RoleVariables,
    failure::{Exit, Failure},
    home::Home,
    host::{Host, boot_id},
    identity::WorkerIdentity,
    invitation, isolation, join,
    journal::{Journal, Opened},
    outbox::Outbox,
    session::{self, Session, renew_for_ever},
    uploads::Uploads,
};

/// 256 messages from the coordinator that the driver has not looked at: more than it says about 64 slots at once.
const FROM_SESSION: usize = 256;
/// 64 attempts whose artifacts are settled and of which the driver has not heard: more wait in the uploads.
const SETTLED: usize = 64;
/// Half a second for the last words to the coordinator.
const GOODBYE_LIMIT: Duration = Duration::from_millis(500);

/// Runs the agent until it is asked to stop. Steps that run then go on.
///
/// # Errors
/// See [`Exit`]: configuration, data folder, joining, journal.
pub async fn run(
    config: Config,
    role: RoleVariables,
    join_string: Option<SecretString>,
    shutdown: Shutdown,
) -> Result<(), Failure> {
    keep_memory_private();
    tls::install_provider();
    let (home, _lock) = Home::open(&config.data_dir, config.runtime_dir.as_deref())?;
    let identity = identity(&home, &config, join_string).await?;
    let (step_users, isolation) = isolation::establish(&config, &home).await?;
    let host = Host::new(home, identity, &config, role, step_users, isolation)?;
    if !host.isolation.holds {
        warn!(why = host.isolation.why, "steps are not isolated");
    }
    let Opened { journal, memory, lost } = open_journal(&host)?;
    if let Some(why) = lost {
        error!(error = why, "records of earlier attempts are lost; the coordinator will ask a person about them");
    }
    let outbox = Outbox::default();
    // The bound is explained above.
    let (to_settled, settled) = mpsc::channel(SETTLED);
    let uploads = Uploads::new(to_settled);
    let (access, client) = watch::channel(None);
    // The bound is explained above.
    let (to_driver, session) = mpsc::channel(FROM_SESSION);
    let reconnect = Arc::new(Notify::new());
    let journal_id = journal.id().to_owned();
    let parts = Parts {
        host: host.clone(),
        journal,
        session,
        access: client.clone(),
        outbox: outbox.clone(),
        uploads: uploads.clone(),
        settled,
    };
    let driver = Driver::recover(parts, memory).await?;
    let session = Session {
        host: host.clone(),
        journal_id,
        driver: to_driver,
        outbox,
        uploads,
        access,
        reconnect: reconnect.clone(),
    };
    let session = session::start(session, shutdown.clone());
    let renewal = task::spawn("certificate renewal", renew_for_ever(host.clone(), client, reconnect));
    info!(worker = host.identity.membership().worker_name, slots = host.slots, "agent started");

    let ended = driver.run(&shutdown).await;
    shutdown.request();
    renewal.abort();
    // A coordinator that does not hear them will notice the silence.
    let _ = tokio::time::timeout(GOODBYE_LIMIT, session).await;
    ended
}

/// No core dump and no debugger may show a step's secrets.
fn keep_memory_private() {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    let kept = setrlimit(Resource::Core, none).and_then(|()| set_dumpable_behavior(DumpableBehavior::NotDumpable));
    if let Err(error) = kept {
        warn!(%error, "memory cannot be kept private");
    }
}

async fn identity(home: &Home, config: &Config, join_string: Option<SecretString>) -> Result<WorkerIdentity, Failure> {
    let folder = home.identity();
    if let Some(identity) = WorkerIdentity::load(&folder)? {
        return Ok(identity);
    }
    let invitation = invitation::read(config.join_string_file.as_deref(), join_string)?.ok_or_else(|| {
        let sentence = "This worker has not joined a coordinator. Run `longshore worker invite --pool POOL` where the CLI is, then \
                        `longshore-worker join --join-string-file FILE` here.";
        Failure::new(Exit::Usage, sentence)
    })?;
    let membership = join::join(&folder, invitation.text()).await?;
    invitation.spend();
    info!(worker = membership.worker_name, pool = membership.pool, "joined");
    WorkerIdentity::load(&folder)?.ok_or_else(|| no_identity(&folder))
}

fn no_identity(folder: &Path) -> Failure {
    Failure::new(Exit::Data, format!("The identity just written to {} is not there.", folder.display()))
}

fn open_journal(host: &Host) -> Result<Opened, Failure> {
    let folder = host.home.journal();
    let failed = |error: std::io::Error| Failure::data(&folder, &error);
    let executions = host.home.executions().map_err(failed)?;
    let started: Vec<_> =
        executions.iter().copied().filter(|execution| host.home.exec(*execution).is_started()).collect();
    let opened = Journal::open(&folder, &boot_id(), &started).map_err(failed)?;
    // Made for an offer that never became durable, or forgotten already: nothing waits for them.
    for execution in executions {
        if !opened.memory.held.contains_key(&execution) {
            remove(host, execution);
        }
    }
    Ok(opened)
}

fn remove(host: &Host, execution: shared::id::ExecutionId) {
    let wiped = host.home.runtime(execution).wipe();
    if let Err(error) = wiped.and_then(|()| crate::exec_dir::remove_tree(host.home.exec(execution).path())) {
        warn!(%execution, %error, "left-over files cannot be removed");
    }
}
