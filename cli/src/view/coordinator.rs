//! The coordinator itself.

use jiff::Timestamp;
use proto::deployment as d;
use serde::Serialize;

use super::{View, short, time};

/// Which coordinator this is, and who asked it.
#[derive(Serialize)]
pub(crate) struct CoordinatorView {
    version: String,
    store_id: String,
    caller: String,
    caller_role: String,
    time: Option<Timestamp>,
}

impl From<d::Coordinator> for CoordinatorView {
    fn from(coordinator: d::Coordinator) -> Self {
        Self {
            version: coordinator.version,
            store_id: coordinator.store_id,
            caller: coordinator.caller,
            caller_role: coordinator.caller_role,
            time: time(coordinator.time),
        }
    }
}

impl View for CoordinatorView {
    const MANY: &'static str = "coordinators";
    const COLUMNS: &'static [&'static str] = &["token", "role", "version", "store", "time"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.caller.clone(),
            self.caller_role.clone(),
            self.version.clone(),
            self.store_id.clone(),
            short(self.time),
        ]
    }
}
