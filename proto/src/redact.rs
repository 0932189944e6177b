//! `Debug` for the messages that carry secrets: shows whose they are, never what they are.

use std::fmt::{Debug, Formatter, Result};

use crate::{action as a, deployment as d, worker as w};

impl Debug for a::StackParameter {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("StackParameter").field("use_previous", &self.use_previous).finish_non_exhaustive()
    }
}

impl Debug for d::CreateAccountRequest {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("CreateAccountRequest").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Debug for d::UpdateAccountRequest {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("UpdateAccountRequest").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Debug for d::Variable {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("Variable").field("name", &self.name).field("type", &self.r#type).finish_non_exhaustive()
    }
}

impl Debug for d::CreateDeploymentRequest {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("CreateDeploymentRequest")
            .field("project", &self.project)
            .field("environment", &self.environment)
            .finish_non_exhaustive()
    }
}

impl Debug for d::InviteWorkerResponse {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("InviteWorkerResponse").field("worker_name", &self.worker_name).finish_non_exhaustive()
    }
}

impl Debug for w::JoinString {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("JoinString").field("urls", &self.urls).finish_non_exhaustive()
    }
}

impl Debug for w::JoinRequest {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("JoinRequest").field("version", &self.version).finish_non_exhaustive()
    }
}

impl Debug for w::StepSpec {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("StepSpec").field("execution_id", &self.execution_id).finish_non_exhaustive()
    }
}

impl Debug for w::Credentials {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("Credentials").field("access_key_id", &self.access_key_id).finish_non_exhaustive()
    }
}

impl Debug for w::WebIdentity {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("WebIdentity").field("role_arn", &self.role_arn).finish_non_exhaustive()
    }
}
