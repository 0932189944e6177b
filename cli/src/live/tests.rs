//! Followed over a real connection that breaks, from a coordinator that plays a script.

use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    sync::{Arc, Mutex},
};

use proto::deployment::{
    self as d,
    deployment_service_server::{DeploymentService, DeploymentServiceServer},
};
use tokio_stream::{Stream, wrappers::TcpListenerStream};
use tonic::{Request, Response, Status, transport::Server};

use super::*;

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// One answer to a streaming call: what comes, and how it ends.
type Part<T> = (Vec<T>, Result<(), Status>);

/// Answers each streaming call with the next part of its script, and says what it was asked.
#[derive(Clone, Default)]
struct Script {
    deployment: Arc<Mutex<d::Deployment>>,
    events: Arc<Mutex<VecDeque<Part<d::DeploymentEvent>>>>,
    log: Arc<Mutex<VecDeque<Part<d::LogChunk>>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Script {
    fn next<T: Send + 'static>(&self, parts: &Mutex<VecDeque<Part<T>>>, asked: String) -> Answers<T> {
        self.asked.lock().expect("unpoisoned").push(asked);
        match parts.lock().expect("unpoisoned").pop_front() {
            Some((items, end)) => {
                let items = items.into_iter().map(Ok).chain(end.err().map(Err));
                Box::pin(tokio_stream::iter(items.collect::<Vec<_>>()))
            }
            None => Box::pin(tokio_stream::pending()),
        }
    }
}

#[tonic::async_trait]
impl DeploymentService for Script {
    type WatchDeploymentStream = Answers<d::DeploymentEvent>;
    type ReadLogStream = Answers<d::LogChunk>;
    type ReadArtifactStream = Answers<d::ArtifactChunk>;

    async fn watch_deployment(
        &self,
        request: Request<d::WatchDeploymentRequest>,
    ) -> Result<Response<Self::WatchDeploymentStream>, Status> {
        let asked = format!("events after {}", request.get_ref().after_sequence);
        Ok(Response::new(self.next(&self.events, asked)))
    }

    async fn read_log(&self, request: Request<d::ReadLogRequest>) -> Result<Response<Self::ReadLogStream>, Status> {
        let asked = format!("log {} from {}", request.get_ref().execution_id, request.get_ref().from_sequence);
        Ok(Response::new(self.next(&self.log, asked)))
    }

    async fn get_deployment(&self, _: Request<d::GetDeploymentRequest>) -> Result<Response<d::Deployment>, Status> {
        Ok(Response::new(self.deployment.lock().expect("unpoisoned").clone()))
    }

    async fn create_deployment(
        &self,
        _: Request<d::CreateDeploymentRequest>,
    ) -> Result<Response<d::Deployment>, Status> {
        Err(Status::unimplemented("not in this script"))
    }

    async fn run_command(&self, _: Request<d::RunCommandRequest>) -> Result<Response<d::Deployment>, Status> {
        Err(Status::unimplemented("not in this script"))
    }

    async fn list_deployments(
        &self,
        _: Request<d::ListDeploymentsRequest>,
    ) -> Result<Response<d::ListDeploymentsResponse>, Status> {
        Err(Status::unimplemented("not in this script"))
    }

    async fn list_artifacts(
        &self,
        _: Request<d::ListArtifactsRequest>,
    ) -> Result<Response<d::ListArtifactsResponse>, Status> {
        Err(Status::unimplemented("not in this script"))
    }

    async fn read_artifact(
        &self,
        _: Request<d::ReadArtifactRequest>,
    ) -> Result<Response<Self::ReadArtifactStream>, Status> {
        Err(Status::unimplemented("not in this script"))
    }

    async fn cancel_deployment(
        &self,
        _: Request<d::CancelDeploymentRequest>,
    ) -> Result<Response<d::Deployment>, Status> {
        Err(Status::unimplemented("not in this script"))
    }

    async fn resolve_step(&self, _: Request<d::ResolveStepRequest>) -> Result<Response<d::Deployment>, Status> {
        Err(Status::unimplemented("not in this script"))
    }

    async fn answer_step(&self, _: Request<d::AnswerStepRequest>) -> Result<Response<d::Deployment>, Status> {
        Err(Status::unimplemented("not in this script"))
    }

    async fn retry_deployment(&self, _: Request<d::RetryDeploymentRequest>) -> Result<Response<d::Deployment>, Status> {
        Err(Status::unimplemented("not in this script"))
    }
}

/// Writes down what it is told to show.
#[derive(Default)]
struct Notes(Vec<String>);

impl Presenter for Notes {
    fn begin(&mut self, _: &d::Deployment) -> io::Result<()> {
        Ok(())
    }

    fn event(&mut self, event: &d::DeploymentEvent) -> io::Result<()> {
        self.0.push(format!("event {}", event.sequence));
        Ok(())
    }

    fn stands(&mut self, _: &Board) -> io::Result<()> {
        Ok(())
    }

    fn frame(&mut self, step: &str, _: &str, frame: &d::LogFrame) -> io::Result<()> {
        self.0.push(format!("{step}: {}", String::from_utf8_lossy(&frame.data)));
        Ok(())
    }

    fn log_ended(&mut self, step: &str, _: &str, missing: &str) -> io::Result<()> {
        self.0.push(format!("{step}: log ended {missing}").trim_end().to_owned());
        Ok(())
    }

    fn settled(&mut self, step: &d::StepRun) -> io::Result<()> {
        self.0.push(format!("{} settled", step.name));
        Ok(())
    }

    fn say(&mut self, text: &str) -> io::Result<()> {
        self.0.push(format!("said: {text}"));
        Ok(())
    }

    fn end(&mut self, _: &d::Deployment) -> io::Result<()> {
        self.0.push("end".to_owned());
        Ok(())
    }
}

fn deployment(state: d::deployment::State, step_state: d::step_run::State, attempt: &str) -> d::Deployment {
    let mut step = d::StepRun {
        name: "S".into(),
        attempts: vec![d::Attempt { execution_id: "x".into(), state: attempt.into(), ..Default::default() }],
        ..Default::default()
    };
    step.set_state(step_state);
    let mut deployment = d::Deployment { id: "d".into(), steps: vec![step], ..Default::default() };
    deployment.set_state(state);
    deployment
}

fn succeeded() -> d::Deployment {
    deployment(d::deployment::State::Succeeded, d::step_run::State::Succeeded, "SUCCEEDED")
}

fn events(sequences: &[i64]) -> Vec<d::DeploymentEvent> {
    sequences.iter().map(|&sequence| d::DeploymentEvent { sequence, ..Default::default() }).collect()
}

fn chunk(frames: &[(i64, &str)], complete: bool) -> d::LogChunk {
    let frame = |&(sequence, data): &(i64, &str)| d::LogFrame {
        sequence,
        data: data.as_bytes().to_vec().into(),
        ..Default::default()
    };
    d::LogChunk { frames: frames.iter().map(frame).collect(), complete, incomplete_reason: String::new() }
}

async fn follow_script(script: &Script) -> (Result<Exit, Failure>, Vec<String>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let server = Server::builder().add_service(DeploymentServiceServer::new(script.clone()));
    let server = tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    let mut notes = Notes::default();
    let began = script.deployment.lock().expect("unpoisoned").clone();
    let connection = Connection::plain(&format!("http://{address}"));
    let answer = Follower::new(connection, began, &mut notes).run().await;
    server.abort();
    (answer, notes.0)
}

#[tokio::test]
async fn a_stream_that_breaks_goes_on_after_the_last_thing_seen() {
    let script = Script::default();
    *script.deployment.lock().expect("unpoisoned") = d::Deployment { last_event_sequence: 4, ..succeeded() };
    *script.events.lock().expect("unpoisoned") = [
        (events(&[1, 2]), Err(Status::unavailable("broken"))),
        // A coordinator that repeats itself is not believed twice.
        (events(&[2, 3, 4]), Ok(())),
    ]
    .into();
    *script.log.lock().expect("unpoisoned") = [
        (vec![chunk(&[(0, "zero"), (1, "one")], false)], Err(Status::unknown("broken"))),
        (vec![chunk(&[(1, "one"), (2, "two")], true)], Ok(())),
    ]
    .into();
    let (answer, notes) = follow_script(&script).await;
    assert_eq!(answer, Ok(Exit::Ok));
    let of = |what: &str| notes.iter().filter(|note| note.starts_with(what)).cloned().collect::<Vec<_>>();
    assert_eq!(of("S:"), ["S: zero", "S: one", "S: two", "S: log ended"]);
    assert_eq!(of("event"), ["event 1", "event 2", "event 3", "event 4"]);
    assert_eq!(of("S settled").len(), 1);
    assert_eq!(notes.last().map(String::as_str), Some("end"));
    assert_eq!(of("said:").first().map(|said| said.contains("Trying again")), Some(true), "{notes:?}");
    let asked = script.asked.lock().expect("unpoisoned").clone();
    assert!(asked.contains(&"log x from 2".to_owned()), "{asked:?}");
}

#[tokio::test]
async fn events_are_told_each_once_and_in_order() {
    let script = Script::default();
    *script.deployment.lock().expect("unpoisoned") =
        deployment(d::deployment::State::Running, d::step_run::State::Running, "GRANTED");
    *script.events.lock().expect("unpoisoned") = [
        (events(&[1, 2]), Err(Status::unavailable("broken"))),
        (events(&[2, 3]), Err(Status::permission_denied("Your role was taken away."))),
    ]
    .into();
    let (answer, notes) = follow_script(&script).await;
    assert_eq!(answer, Err(Failure::new(Exit::Refused, "Your role was taken away.")));
    let told: Vec<_> = notes.iter().filter(|note| note.starts_with("event")).collect();
    assert_eq!(told, ["event 1", "event 2", "event 3"]);
    assert_eq!(*script.asked.lock().expect("unpoisoned"), ["events after 0", "events after 2"]);
}

#[tokio::test]
async fn a_deployment_that_needs_a_decision_is_left_with_exit_5() {
    let script = Script::default();
    *script.deployment.lock().expect("unpoisoned") =
        deployment(d::deployment::State::Unknown, d::step_run::State::Unknown, "NOT_STARTED");
    let (answer, notes) = follow_script(&script).await;
    assert_eq!(answer, Ok(Exit::Unknown));
    assert_eq!(notes, ["S settled", "end"]);
}

#[tokio::test]
async fn a_log_that_never_ends_does_not_hold_up_the_end() {
    let unknown = deployment(d::deployment::State::Unknown, d::step_run::State::Unknown, "UNKNOWN");
    let mut notes = Notes::default();
    let mut follower = Follower::new(Connection::plain("http://127.0.0.1:9"), unknown, &mut notes);
    follower.go_on().expect("shown");
    assert!(!follower.is_done() && follower.waiting_for_logs.is_some());
    follower.give_up_on_logs().expect("shown");
    assert!(follower.is_done());
    assert_eq!(notes.0, ["S: log ended The rest of this log has not reached the coordinator.", "S settled"]);
}

#[tokio::test]
async fn where_nothing_breaks_nothing_is_said_about_it() {
    let script = Script::default();
    *script.deployment.lock().expect("unpoisoned") = succeeded();
    *script.events.lock().expect("unpoisoned") = [(Vec::new(), Ok(()))].into();
    *script.log.lock().expect("unpoisoned") = [(vec![chunk(&[(0, "zero")], true)], Ok(()))].into();
    let (answer, notes) = follow_script(&script).await;
    assert_eq!(answer, Ok(Exit::Ok));
    assert_eq!(notes, ["S: zero", "S: log ended", "S settled", "end"]);
}
