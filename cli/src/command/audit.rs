//! `longshore audit`.

use clap::Subcommand;
use proto::deployment as d;

use crate::{
    connection::Connection,
    failure::{Exit, Failure},
    screen::Screen,
    view::AuditEventView,
};

/// As many as the coordinator gives at once.
const PAGE: u32 = 1000;

#[derive(Subcommand, Debug)]
pub(super) enum Audit {
    /// What was done and refused, newest first
    List {
        /// At most so many
        #[arg(long, default_value_t = 100, value_name = "NUMBER")]
        limit: u32,
        /// Only what was done with this account: its changes, and every release of its credentials to an attempt
        #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
        account: String,
    },
}

impl Audit {
    pub(super) async fn run(self, screen: Screen) -> Result<Exit, Failure> {
        let Self::List { limit, account } = self;
        let connection = Connection::open()?;
        let mut client = connection.audit();
        let mut events = Vec::new();
        let mut page_token = String::new();
        while events.len() < limit as usize {
            let left = limit - events.len() as u32;
            let request =
                d::ListAuditEventsRequest { page_size: left.min(PAGE) as i32, page_token, account: account.clone() };
            let answer = connection.answer(client.list_audit_events(request)).await?;
            events.extend(answer.events.into_iter().map(AuditEventView::from));
            page_token = answer.next_page_token;
            if page_token.is_empty() {
                break;
            }
        }
        screen.list(&events)?;
        Ok(Exit::Ok)
    }
}
