//! Who may call what: one table over all methods. A method that is not in it is denied, wherever it is served.

use shared::{
    id::WorkerId,
    reason::{Fault, Reason},
};

use crate::{audit, listener::Peer, token::Role};

mod guard;
mod table;

pub use guard::{Guard, Trust};
pub use table::RULES;

/// Which port a method is served on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Listener {
    /// What people and their programs call.
    Admin,
    /// Where strangers become workers.
    Join,
    /// What workers call.
    Worker,
}

/// What a caller must be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Required {
    /// Anybody.
    Nobody,
    /// Holder of a token with at least this role.
    Token(Role),
    /// A worker, by its certificate.
    Worker,
}

/// A line of the table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rule {
    /// `/package.Service/Method`.
    pub method: &'static str,
    /// Where it is served.
    pub listener: Listener,
    /// Who may call it.
    pub required: Required,
    /// What the audit log calls it.
    pub action: &'static str,
}

/// The rule for a path.
#[must_use]
pub fn rule_for(path: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.method == path)
}

/// Who called, as the table let them in; in every request's extensions.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Who it is.
    pub principal: Principal,
    /// Where it comes from.
    pub peer: Peer,
    /// What the audit log calls this call.
    pub action: &'static str,
}

/// Who a caller proved to be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Principal {
    /// Nobody in particular.
    Anyone,
    /// Holder of a token.
    Token {
        /// The token's name.
        name: String,
        /// What it may do.
        role: Role,
    },
    /// A worker with a certificate.
    Worker {
        /// As in its certificate.
        id: WorkerId,
        /// For people.
        name: String,
    },
}

impl Caller {
    /// Who makes this request.
    ///
    /// # Errors
    /// [`Reason::Internal`] when it did not pass the guard: then nobody knows who it is.
    pub fn of<T>(request: &tonic::Request<T>) -> Result<Self, Fault> {
        request
            .extensions()
            .get::<Self>()
            .cloned()
            .ok_or_else(|| Fault::new(Reason::Internal, "The call did not pass the authorisation table."))
    }

    /// As the audit log and `created_by` have it: `token NAME`, `worker NAME`, or `unknown`.
    #[must_use]
    pub fn actor(&self) -> String {
        match &self.principal {
            Principal::Anyone => "unknown".into(),
            Principal::Token { name, .. } => format!("token {name}"),
            Principal::Worker { name, .. } => format!("worker {name}"),
        }
    }

    /// The worker that calls.
    ///
    /// # Errors
    /// [`Reason::Internal`] for a method that the table does not keep for workers.
    pub fn worker(&self) -> Result<WorkerId, Fault> {
        match self.principal {
            Principal::Worker { id, .. } => Ok(id),
            _ => Err(Fault::new(Reason::Internal, "The call is for workers, and the table let somebody else in.")),
        }
    }

    /// The audit line for what this call did; to be written in the transaction that did it.
    #[must_use]
    pub fn did(&self, target: impl Into<String>, detail: impl Into<String>) -> audit::Entry {
        self.entry(target, None, detail)
    }

    /// The audit line for a refusal that the table did not decide.
    #[must_use]
    pub fn was_refused(&self, target: impl Into<String>, why: Reason, detail: impl Into<String>) -> audit::Entry {
        self.entry(target, Some(why), detail)
    }

    fn entry(&self, target: impl Into<String>, refusal: Option<Reason>, detail: impl Into<String>) -> audit::Entry {
        audit::Entry {
            actor: self.actor(),
            address: self.peer.address.ip().to_string(),
            action: self.action,
            target: target.into(),
            refusal,
            detail: detail.into(),
        }
    }
}
