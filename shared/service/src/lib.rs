//! What a long-running process needs no matter what it does: logs, tasks, an orderly end, waiting before another try, TLS
//! and gRPC channels. Knows nothing of deployments, workers or stores.

pub mod backoff;
pub mod channel;
pub mod shutdown;
pub mod task;
pub mod telemetry;
pub mod tls;
