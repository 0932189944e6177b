//! What the agent tells the shim.

use proto::worker::{StepIdentity, StepSpec};

/// What a shim is to do. Secret: it holds the step's variables; its `Debug` shows none of them.
#[derive(Clone, PartialEq, prost::Message)]
#[prost(skip_debug)]
pub struct ShimOrder {
    /// The step.
    #[prost(message, optional, tag = "1")]
    pub spec: Option<StepSpec>,
    /// Longest run, in milliseconds; 0 means the default.
    #[prost(uint64, tag = "2")]
    pub timeout_ms: u64,
    /// Between TERM and kill, in milliseconds.
    #[prost(uint64, tag = "3")]
    pub grace_ms: u64,
    /// Set when nothing shall be started.
    #[prost(message, optional, tag = "4")]
    pub refusal: Option<Refusal>,
    /// Who AWS says the step runs as; absent for a step without AWS credentials.
    #[prost(message, optional, tag = "5")]
    pub identity: Option<StepIdentity>,
    /// Where AWS is, when it is not where AWS says it is.
    #[prost(string, tag = "6")]
    pub aws_endpoint_url: String,
    /// AWS region.
    #[prost(string, tag = "7")]
    pub region: String,
    /// Name of the worker.
    #[prost(string, tag = "8")]
    pub worker_name: String,
    /// From 1.
    #[prost(int32, tag = "9")]
    pub attempt_number: i32,
    /// Stable over attempts.
    #[prost(string, tag = "10")]
    pub step_key: String,
}

/// Why nothing shall be started.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct Refusal {
    /// Stable code, e.g. `CREDENTIALS_REFUSED`.
    #[prost(string, tag = "1")]
    pub reason: String,
    /// In a sentence.
    #[prost(string, tag = "2")]
    pub detail: String,
}

impl std::fmt::Debug for ShimOrder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ShimOrder")
            .field("spec", &self.spec)
            .field("refusal", &self.refusal)
            .field("attempt_number", &self.attempt_number)
            .finish_non_exhaustive()
    }
}
