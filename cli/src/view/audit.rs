//! Audit events.

use jiff::Timestamp;
use proto::deployment as d;
use serde::Serialize;

use super::{View, short, time};

/// One thing that was done or refused.
#[derive(Serialize)]
pub(crate) struct AuditEventView {
    sequence: i64,
    time: Option<Timestamp>,
    actor: String,
    address: String,
    action: String,
    target: String,
    allowed: bool,
    reason: String,
    detail: String,
}

impl From<d::AuditEvent> for AuditEventView {
    fn from(event: d::AuditEvent) -> Self {
        Self {
            sequence: event.sequence,
            time: time(event.time),
            actor: event.actor,
            address: event.address,
            action: event.action,
            target: event.target,
            allowed: event.allowed,
            reason: event.reason,
            detail: event.detail,
        }
    }
}

impl View for AuditEventView {
    const MANY: &'static str = "audit events";
    const COLUMNS: &'static [&'static str] = &["time", "actor", "action", "target", "answer", "from", "detail"];

    fn cells(&self) -> Vec<String> {
        let answer = match (self.allowed, self.reason.as_str()) {
            (true, _) => "done".to_owned(),
            (false, "") => "refused".to_owned(),
            (false, reason) => format!("refused: {reason}"),
        };
        vec![
            short(self.time),
            self.actor.clone(),
            self.action.clone(),
            self.target.clone(),
            answer,
            self.address.clone(),
            self.detail.clone(),
        ]
    }
}
