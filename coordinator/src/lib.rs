//! The coordinator's shell: listeners, trust, storage and the composition of it all. What happens next is decided in
//! `coordinator-core`.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use aws::Aws;
use coordinator_core::Patience;
use proto::{
    DESCRIPTORS,
    deployment::{
        account_service_server::AccountServiceServer, audit_service_server::AuditServiceServer,
        coordinator_service_server::CoordinatorServiceServer, deployment_service_server::DeploymentServiceServer,
        environment_service_server::EnvironmentServiceServer, pool_service_server::PoolServiceServer,
        project_service_server::ProjectServiceServer, worker_service_server::WorkerServiceServer,
    },
    worker::{join_service_server::JoinServiceServer, session_service_server::SessionServiceServer},
};
use service::{shutdown::Shutdown, tls};
use shared::limits;
use tokio::{task::JoinHandle, time};
use tonic::service::Routes;
use tonic_health::pb::health_server::{Health, HealthServer};

use crate::{
    accounts::{Minter, Release},
    artifacts::{Artifacts, Keeping},
    audit::Refusals,
    authorization::{Listener, Trust},
    config::Config,
    data_dir::DataDir,
    drain::Drain,
    driver::Driver,
    enrolment::Enrolment,
    exit::Exit,
    files::Files,
    fleet::LiveFleet,
    issuer::Issuer,
    listener::Admission,
    log_store::LogStore,
    prepare::Preparer,
    presence::Presence,
    rate::RateLimit,
    rpc::{
        accounts::Accounts,
        coordinator::Coordinator,
        deployments::Deployments,
        environments::Environments,
        fleet::Fleet,
        join::Join,
        pools::Pools,
        projects::Projects,
        session::{ASKED_A_MINUTE, Session},
        workers::Workers,
    },
    server::{Bound, Certificate},
    standing::Standings,
    vault::Vault,
};

pub mod accounts;
pub mod artifacts;
pub mod audit;
pub mod authorization;
pub mod backup;
pub mod clock;
pub mod config;
pub mod data_dir;
pub mod drain;
pub mod driver;
pub mod enrolment;
pub mod exit;
pub mod files;
pub mod fleet;
pub mod issuer;
pub mod listener;
pub mod log_store;
pub mod pki;
pub mod prepare;
pub mod presence;
pub mod rate;
pub mod registry;
pub mod rpc;
pub mod seal;
pub mod server;
pub mod standing;
pub mod store;
pub mod token;
pub mod vault;

/// 5 seconds for calls to end after the end was asked for; what runs on workers goes on without us.
const GRACE: Duration = Duration::from_secs(5);

/// A coordinator that serves.
pub struct Running {
    /// Where the CLI connects to, best first.
    pub admin_urls: Vec<String>,
    /// Where hosts join and workers connect to.
    pub urls: enrolment::Urls,
    /// Makes tokens for AWS, if it was configured to.
    pub issuer: Issuer,
    /// Where what verifies these tokens is served.
    pub oidc: Option<SocketAddr>,
    servers: Vec<JoinHandle<()>>,
    shutdown: Shutdown,
    // Held until everything else has ended.
    _data_dir: DataDir,
}

/// Puts a coordinator together and serves it.
///
/// # Errors
/// [`Exit`] with code and sentence when it cannot begin; no port is bound unless the configuration and the data folder are
/// good.
pub async fn start(config: Config, shutdown: Shutdown) -> Result<Running, Exit> {
    let aws = Aws::new(&config.aws).map_err(|fault| Exit::usage(fault.sentence))?;
    let data_dir = DataDir::hold(&config.data_dir)?;
    let (vault, logs) = open(&data_dir, &config).await?;
    let bound = Bound::bind(&config).await?;
    let (join_address, worker_address) = (server::address(&bound.join)?, server::address(&bound.worker)?);
    let admin_urls = config.urls_of(server::address(&bound.admin)?);
    let urls = config.urls(join_address, worker_address);
    let oidc = bound.oidc.as_ref().map(server::address).transpose()?;

    // Trust
    let standings = Standings::load(&vault.store).await?;
    let refusals = Refusals::start(vault.store.clone());
    let trust = Arc::new(Trust {
        store: vault.store.clone(),
        seal: vault.seal.clone(),
        standings: standings.clone(),
        refusals,
    });
    let enrolment = Arc::new(Enrolment::new(Arc::clone(&trust), Arc::clone(&vault.pki), urls.clone()));
    let certificate = Certificate::keep(Arc::clone(&vault.pki), config.certificate_names(), shutdown.clone())?;
    let files = Files::new(config.data_dir.join("files"));
    let keeping = Keeping { quota: config.artifact_quota, retention: config.artifact_retention };
    let artifacts = Artifacts::new(vault.store.clone(), config.data_dir.join("artifacts"), keeping);
    artifacts.keep_tidy(shutdown.clone());
    let issuer = match &config.oidc_issuer {
        Some(url) => Issuer::open(url.clone(), vault.store.clone(), vault.seal.clone(), clock::now()).await?,
        None => Issuer::disabled(),
    };

    let minter = Minter { aws, issuer: issuer.clone() };

    // The brain and its hands
    let (store, seal) = (vault.store.clone(), vault.seal.clone());
    let routes = driver::routes::Routes::default();
    let drain = Drain::new(store.clone(), logs.clone(), routes.clone());
    let preparer = Preparer::new(store.clone(), seal.clone(), files.clone());
    let presence = Presence::default();
    let driver = Driver::start(driver::Parts {
        store: store.clone(),
        preparer: preparer.clone(),
        drain: drain.clone(),
        routes: routes.clone(),
        patience: Patience::default(),
        shutdown: shutdown.clone(),
    })
    .await?;
    let fleet: Arc<dyn Fleet> =
        Arc::new(LiveFleet { driver: driver.clone(), store: store.clone(), presence: presence.clone() });

    // Services
    let deployments = Deployments::new(
        store.clone(),
        seal.clone(),
        preparer.clone(),
        driver.clone(),
        logs.clone(),
        artifacts.clone(),
        shutdown.clone(),
    );
    let coordinator =
        Coordinator { trust: Arc::clone(&trust), driver: driver.clone(), store_id: Arc::clone(&vault.store_id) };
    let accounts =
        Accounts { trust: Arc::clone(&trust), minter: minter.clone(), workers: Arc::new(deployments.clone()) };
    let environments = Environments { trust: Arc::clone(&trust) };
    let pools = Pools { trust: Arc::clone(&trust), fleet: Arc::clone(&fleet) };
    let workers = Workers { trust: Arc::clone(&trust), enrolment: Arc::clone(&enrolment), fleet: Arc::clone(&fleet) };
    let projects = Projects { trust: Arc::clone(&trust), files: files.clone() };
    let join = Join { enrolment: Arc::clone(&enrolment), fleet };
    let release = Release { store: store.clone(), seal, minter };
    let session = Session {
        driver,
        store,
        logs,
        drain,
        preparer,
        presence,
        enrolment,
        release,
        asked: Arc::new(RateLimit::new(ASKED_A_MINUTE, Duration::from_secs(60))),
        files,
        artifacts,
        store_id: Arc::clone(&vault.store_id),
        shutdown: shutdown.clone(),
    };

    let max = limits::MESSAGE_BYTES;
    let admin_routes = Routes::new(AccountServiceServer::new(accounts).max_decoding_message_size(max))
        .add_service(CoordinatorServiceServer::new(coordinator.clone()))
        .add_service(AuditServiceServer::new(coordinator))
        .add_service(EnvironmentServiceServer::new(environments))
        .add_service(PoolServiceServer::new(pools))
        .add_service(WorkerServiceServer::new(workers))
        .add_service(ProjectServiceServer::new(projects).max_decoding_message_size(max))
        .add_service(DeploymentServiceServer::new(deployments).max_decoding_message_size(max))
        .add_service(health().await)
        .add_service(described(contract().build_v1())?)
        .add_service(described(contract().build_v1alpha())?);
    let join_routes = Routes::new(JoinServiceServer::new(join).max_decoding_message_size(limits::JOIN_MESSAGE_BYTES));
    let worker_routes = Routes::new(SessionServiceServer::new(session).max_decoding_message_size(max));

    let anyone = Admission::Anyone;
    let only_workers = Admission::Workers { trust_domain: vault.pki.trust_domain().into(), standings };
    let worker_authority = tls::roots([vault.pki.worker_authority().clone()])
        .map_err(|error| Exit::software(format!("The worker authority cannot be used: {error}")))?;
    let doors = server::Doors { certificate, trust, shutdown: shutdown.clone() };
    let mut servers = vec![
        doors.open(Listener::Admin, bound.admin, admin_routes, anyone.clone(), None)?,
        doors.open(Listener::Join, bound.join, join_routes, anyone, None)?,
        doors.open(Listener::Worker, bound.worker, worker_routes, only_workers, Some(worker_authority))?,
    ];
    if let Some(listener) = bound.oidc {
        servers.extend(issuer.start(listener, &shutdown));
    }
    Ok(Running { admin_urls, urls, issuer, oidc, servers, shutdown, _data_dir: data_dir })
}

impl Running {
    /// Serves until the end is asked for, and lets the calls under way end.
    pub async fn ended(self) {
        self.shutdown.requested().await;
        let all = async {
            for server in self.servers {
                // A server that panicked has been logged.
                let _ = server.await;
            }
        };
        if time::timeout(GRACE, all).await.is_err() {
            tracing::info!("calls that did not end in time were cut off");
        }
    }
}

async fn open(data_dir: &DataDir, config: &Config) -> Result<(Vault, LogStore), Exit> {
    // The disk may be slow, and so may a migration: not on a thread that runs tasks.
    tokio::task::block_in_place(|| {
        let vault = Vault::open(data_dir, config)?;
        let logs = LogStore::open(data_dir.path())?;
        Ok((vault, logs))
    })
}

async fn health() -> HealthServer<impl Health> {
    let (reporter, service) = tonic_health::server::health_reporter();
    // Whoever can ask it gets this answer: it is served only once everything else is.
    reporter.set_service_status("", tonic_health::ServingStatus::Serving).await;
    service
}

/// What reflection tells. Older clients ask by its v1alpha name only.
fn contract() -> tonic_reflection::server::Builder<'static> {
    tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
}

fn described<S>(built: Result<S, tonic_reflection::server::Error>) -> Result<S, Exit> {
    built.map_err(|error| Exit::software(format!("The contract cannot be described to callers: {error}.")))
}
