//! What the agent tells the shim.

use std::collections::BTreeMap;

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
    /// Where single services of AWS are, by their ids in lower case.
    #[prost(btree_map = "string, string", tag = "20")]
    pub aws_endpoints: BTreeMap<String, String>,
    /// File of all authorities to trust for AWS; empty when what the step's programs trust by themselves is enough.
    #[prost(string, tag = "21")]
    pub aws_ca_bundle: String,
    /// Proxy for `https://`; empty for none.
    #[prost(string, tag = "22")]
    pub https_proxy: String,
    /// Proxy for `http://`; empty for none.
    #[prost(string, tag = "23")]
    pub http_proxy: String,
    /// What is reached without a proxy.
    #[prost(string, repeated, tag = "24")]
    pub no_proxy: Vec<String>,
    /// How often AWS asked for fewer calls before the step's credentials were there.
    #[prost(uint32, tag = "25")]
    pub throttled: u32,
    /// User that the step runs as and has to itself; 0 means the agent's own.
    #[prost(uint32, tag = "11")]
    pub step_uid: u32,
}

impl ShimOrder {
    /// With the way to AWS that the step shall take.
    #[must_use]
    pub fn reaching_aws(self, way: &aws::Settings) -> Self {
        let bundle = way.ca_bundle.as_ref().map(|path| path.display().to_string());
        Self {
            aws_endpoint_url: way.endpoint_url.clone().unwrap_or_default(),
            aws_endpoints: way.endpoints.clone(),
            aws_ca_bundle: bundle.unwrap_or_default(),
            https_proxy: way.proxy.https.clone().unwrap_or_default(),
            http_proxy: way.proxy.http.clone().unwrap_or_default(),
            no_proxy: way.proxy.no_proxy.clone(),
            ..self
        }
    }

    /// The way to AWS that the step takes.
    #[must_use]
    pub fn way_to_aws(&self) -> aws::Settings {
        let given = |text: &String| Some(text).filter(|text| !text.is_empty()).cloned();
        aws::Settings {
            endpoint_url: given(&self.aws_endpoint_url),
            endpoints: self.aws_endpoints.clone(),
            ca_bundle: given(&self.aws_ca_bundle).map(Into::into),
            proxy: aws::Proxy {
                https: given(&self.https_proxy),
                http: given(&self.http_proxy),
                no_proxy: self.no_proxy.clone(),
            },
            ..aws::Settings::default()
        }
    }

    /// The step's own user; none when it runs as the agent's.
    #[must_use]
    pub fn step_user(&self) -> Option<u32> {
        Some(self.step_uid).filter(|uid| *uid != 0)
    }
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
