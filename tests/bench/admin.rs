//! An admin who calls the API, without a program to start for each call.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use proto::deployment::{
    self as wire, Project, Script, Step, coordinator_service_client::CoordinatorServiceClient,
    deployment_service_client::DeploymentServiceClient, environment_service_client::EnvironmentServiceClient,
    project_service_client::ProjectServiceClient, script, step, worker_service_client::WorkerServiceClient,
};
use tests::{Coordinator, World};
use tokio_stream::StreamExt;
use tonic::{Request, metadata::MetadataValue, service::Interceptor, transport::Channel};

use super::report::percentile;

/// Adds the admin's token to each call.
#[derive(Clone)]
pub(crate) struct Bearer(MetadataValue<tonic::metadata::Ascii>);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, tonic::Status> {
        request.metadata_mut().insert("authorization", self.0.clone());
        Ok(request)
    }
}

type Authenticated = tonic::service::interceptor::InterceptedService<Channel, Bearer>;

#[derive(Clone)]
pub(crate) struct Admin {
    channel: Channel,
    bearer: Bearer,
}

impl Admin {
    pub(crate) fn of(coordinator: &Coordinator) -> Result<Self> {
        let token = std::fs::read_to_string(coordinator.token_file())?;
        let bearer = Bearer(format!("Bearer {}", token.trim()).parse()?);
        let roots = service::tls::roots_from_pem(&std::fs::read(coordinator.ca_file())?)?;
        let config = service::tls::client_config(roots, None)?;
        Ok(Self { channel: service::channel::channel(&coordinator.url(), config)?, bearer })
    }

    pub(crate) fn deployments(&self) -> DeploymentServiceClient<Authenticated> {
        DeploymentServiceClient::with_interceptor(self.channel.clone(), self.bearer.clone())
    }

    pub(crate) async fn environment(&self) -> Result<()> {
        let request = wire::CreateEnvironmentRequest { name: "bench".into(), ..Default::default() };
        EnvironmentServiceClient::with_interceptor(self.channel.clone(), self.bearer.clone())
            .create_environment(request)
            .await?;
        Ok(())
    }

    pub(crate) async fn apply(&self, project: Project) -> Result<()> {
        let request = wire::ApplyProjectRequest { project: Some(project), validate_only: false };
        ProjectServiceClient::with_interceptor(self.channel.clone(), self.bearer.clone())
            .apply_project(request)
            .await?;
        Ok(())
    }

    pub(crate) async fn set_secret(&self, project: &str, name: &str, value: &str) -> Result<()> {
        let variable = wire::Variable {
            name: name.into(),
            r#type: wire::variable::Type::Sensitive.into(),
            value: Some(value.into()),
            ..Default::default()
        };
        let request = wire::SetVariableRequest { project: project.into(), variable: Some(variable) };
        ProjectServiceClient::with_interceptor(self.channel.clone(), self.bearer.clone()).set_variable(request).await?;
        Ok(())
    }

    pub(crate) async fn deploy(&self, project: &str) -> Result<String> {
        let request = wire::CreateDeploymentRequest {
            project: project.into(),
            environment: "bench".into(),
            ..Default::default()
        };
        Ok(self.deployments().create_deployment(request).await?.into_inner().id)
    }

    /// One ad-hoc `true`.
    pub(crate) async fn run_true(&self) -> Result<String> {
        let request =
            wire::RunCommandRequest { pool: "default".into(), script: Some(bash("true")), ..Default::default() };
        Ok(self.deployments().run_command(request).await?.into_inner().id)
    }

    /// Follows a deployment until an event of this type.
    pub(crate) async fn until(&self, id: &str, event: &str) -> Result<()> {
        let request = wire::WatchDeploymentRequest { id: id.into(), after_sequence: 0 };
        let mut events = self.deployments().watch_deployment(request).await?.into_inner();
        while let Some(seen) = events.next().await {
            if seen?.r#type == event {
                return Ok(());
            }
        }
        anyhow::bail!("deployment {id} ended without {event}")
    }

    pub(crate) async fn succeeded(&self, id: &str) -> Result<wire::Deployment> {
        self.until(id, "deployment_ended").await?;
        let request = wire::GetDeploymentRequest { id: id.into() };
        let deployment = self.deployments().get_deployment(request).await?.into_inner();
        anyhow::ensure!(
            deployment.state() == wire::deployment::State::Succeeded,
            "deployment {id} did not succeed: {:?}",
            deployment.steps.iter().find(|step| step.state() != wire::step_run::State::Succeeded)
        );
        Ok(deployment)
    }

    /// How many workers have a session.
    pub(crate) async fn connected(&self) -> Result<usize> {
        let workers = WorkerServiceClient::with_interceptor(self.channel.clone(), self.bearer.clone())
            .list_workers(wire::ListWorkersRequest::default())
            .await?
            .into_inner();
        Ok(workers.workers.iter().filter(|worker| worker.connected).count())
    }

    /// Milliseconds of one bare call over the same TLS, p50.
    pub(crate) async fn round_trip_ms(&self, samples: usize) -> Result<f64> {
        let mut client = CoordinatorServiceClient::with_interceptor(self.channel.clone(), self.bearer.clone());
        let mut times = Vec::with_capacity(samples);
        for _ in 0..samples {
            let began = Instant::now();
            client.get_coordinator(wire::GetCoordinatorRequest {}).await?;
            times.push(began.elapsed().as_secs_f64() * 1000.0);
        }
        Ok(percentile(&mut times, 0.5))
    }
}

/// A project of steps that all start together.
pub(crate) fn project(name: &str, steps: usize, body: &str) -> Project {
    let step = |at: usize| Step {
        name: format!("Step {at}"),
        start: if at == 0 { step::Start::AfterPrevious } else { step::Start::WithPrevious }.into(),
        action: Some(step::Action::Script(bash(body))),
        ..Default::default()
    };
    Project { name: name.into(), steps: (0..steps).map(step).collect(), ..Default::default() }
}

fn bash(body: &str) -> Script {
    Script { shell: script::Shell::Bash.into(), source: Some(script::Source::Body(body.into())), strict: Some(false) }
}

/// A world with so many real workers of one default pool.
pub(crate) fn world(workers: usize, slots: usize) -> Result<(World, Vec<tests::WorkerHost>)> {
    let world = World::without_aws()?;
    let mut hosts = Vec::with_capacity(workers);
    for at in 0..workers {
        let mut host = world.plain_host(&format!("bench-{at}"))?;
        host.settings_mut().flags.extend(["--slots".into(), slots.to_string()]);
        world.bring_up(&mut host, "default").context("a worker did not come up")?;
        hosts.push(host);
    }
    Ok((world, hosts))
}

/// Resident memory of a process, in KiB.
pub(crate) fn resident_kib(process: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).context("a process without VmRSS")?;
    Ok(line.split_whitespace().nth(1).context("an empty VmRSS")?.parse()?)
}

/// Waits until so many workers have a session.
pub(crate) async fn until_connected(admin: &Admin, workers: usize) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(120);
    while admin.connected().await? < workers {
        anyhow::ensure!(Instant::now() < deadline, "{workers} workers did not connect within two minutes");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}
