//! Workers: the hosts that run steps, and who they are in AWS by themselves.

use std::collections::BTreeMap;

use jiff::Timestamp;
use proto::deployment as d;
use serde::Serialize;

use super::{View, labels, short, time, word};
use crate::screen;

/// A host that runs steps.
#[derive(Serialize)]
pub(crate) struct WorkerView {
    id: String,
    name: String,
    pool: String,
    labels: BTreeMap<String, String>,
    state: String,
    connected: bool,
    last_seen_time: Option<Timestamp>,
    version: String,
    slots: i32,
    running: i32,
    identity: Option<Identity>,
    certificate_expire_time: Option<Timestamp>,
    create_time: Option<Timestamp>,
    disk_free_bytes: i64,
    clock_offset_ms: i64,
    identity_problem: String,
    identity_problem_reason: String,
    imds_isolated: bool,
    isolation_detail: String,
    equipment: Option<Equipment>,
    /// When this is read: ages are as of then.
    #[serde(skip)]
    now: Timestamp,
}

/// A worker's own AWS identity.
#[derive(Serialize)]
struct Identity {
    account: String,
    arn: String,
    region: String,
    source: String,
    partition: String,
    obtain_time: Option<Timestamp>,
    expire_time: Option<Timestamp>,
}

/// What a worker has for steps.
#[derive(Serialize)]
struct Equipment {
    tools: BTreeMap<String, String>,
    cgroups: bool,
    cgroups_detail: String,
}

impl WorkerView {
    /// A worker as it is read at some time.
    pub(crate) fn at(now: Timestamp, it: d::Worker) -> Self {
        Self {
            state: word(it.state().as_str_name(), "STATE_"),
            id: it.id,
            name: it.name,
            pool: it.pool,
            labels: it.labels.into_iter().collect(),
            connected: it.connected,
            last_seen_time: time(it.last_seen_time),
            version: it.version,
            slots: it.slots,
            running: it.running,
            identity: it.identity.map(Identity::from),
            certificate_expire_time: time(it.certificate_expire_time),
            create_time: time(it.create_time),
            disk_free_bytes: it.disk_free_bytes,
            clock_offset_ms: it.clock_offset_ms,
            identity_problem: it.identity_problem,
            identity_problem_reason: it.identity_problem_reason,
            imds_isolated: it.imds_isolated,
            isolation_detail: it.isolation_detail,
            equipment: it.equipment.map(Equipment::from),
            now,
        }
    }
}

impl From<d::WorkerIdentity> for Identity {
    fn from(it: d::WorkerIdentity) -> Self {
        Self {
            account: it.account,
            arn: it.arn,
            region: it.region,
            source: it.source,
            partition: it.partition,
            obtain_time: time(it.obtain_time),
            expire_time: time(it.expire_time),
        }
    }
}

impl From<d::WorkerEquipment> for Equipment {
    fn from(it: d::WorkerEquipment) -> Self {
        Self { tools: it.tools.into_iter().collect(), cgroups: it.cgroups, cgroups_detail: it.cgroups_detail }
    }
}

impl View for WorkerView {
    const MANY: &'static str = "workers";
    const COLUMNS: &'static [&'static str] =
        &["name", "pool", "state", "connected", "running", "own identity", "isolated", "labels", "last seen"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.name.clone(),
            self.pool.clone(),
            self.state.clone(),
            if self.connected { "yes" } else { "no" }.to_owned(),
            self.once_seen(format!("{}/{}", self.running, self.slots)),
            self.identity_in_a_word(),
            self.isolated().to_owned(),
            labels(&self.labels),
            short(self.last_seen_time),
        ]
    }

    fn page(&self) -> String {
        /// Bytes in a MiB.
        const MIB: i64 = 1 << 20;
        screen::facts(&[
            ("name", self.name.clone()),
            ("id", self.id.clone()),
            ("pool", self.pool.clone()),
            ("labels", labels(&self.labels)),
            ("state", self.state.clone()),
            ("connected", if self.connected { "yes" } else { "no" }.to_owned()),
            ("last seen", short(self.last_seen_time)),
            ("running", self.once_seen(format!("{} of {}", self.running, self.slots))),
            ("own identity", self.identity_in_full()),
            ("aws account", self.of_identity(|it| it.account.clone())),
            ("partition", self.of_identity(|it| it.partition.clone())),
            ("region", self.of_identity(|it| it.region.clone())),
            ("source", self.of_identity(|it| it.source.clone())),
            ("credentials", self.of_identity(|it| it.age(self.now))),
            ("steps kept from instance metadata", self.isolation()),
            ("step control groups", self.of_equipment(Equipment::control_groups)),
            ("tools", self.of_equipment(Equipment::all_tools)),
            ("version", self.version.clone()),
            ("certificate until", short(self.certificate_expire_time)),
            ("disk free", self.once_seen(format!("{} MiB", self.disk_free_bytes / MIB))),
            ("clock", self.once_seen(clock(self.clock_offset_ms))),
            ("registered", short(self.create_time)),
        ])
    }
}

impl WorkerView {
    /// What a worker says of itself; nothing before it has.
    fn once_seen(&self, said: String) -> String {
        if self.last_seen_time.is_some() { said } else { String::new() }
    }

    fn of_identity(&self, read: impl Fn(&Identity) -> String) -> String {
        self.identity.as_ref().map(read).unwrap_or_default()
    }

    fn of_equipment(&self, read: impl Fn(&Equipment) -> String) -> String {
        self.equipment.as_ref().map(read).unwrap_or_default()
    }

    fn identity_in_a_word(&self) -> String {
        match (&self.identity, self.identity_problem_reason.as_str()) {
            (Some(identity), _) => identity.arn.clone(),
            (None, "") => "not known".to_owned(),
            (None, reason) => format!("none ({reason})"),
        }
    }

    fn identity_in_full(&self) -> String {
        let problem = if self.identity.is_some() { "" } else { self.identity_problem.as_str() };
        match problem {
            "" => self.identity_in_a_word(),
            problem => format!("{}: {problem}", self.identity_in_a_word()),
        }
    }

    fn isolated(&self) -> &'static str {
        match (self.imds_isolated, self.isolation_detail.as_str()) {
            (true, _) => "yes",
            (false, "") => "not known",
            (false, _) => "no",
        }
    }

    fn isolation(&self) -> String {
        match (self.imds_isolated, self.isolation_detail.as_str()) {
            (false, detail) if !detail.is_empty() => format!("no: {detail}"),
            _ => self.isolated().to_owned(),
        }
    }
}

impl Equipment {
    /// E.g. `aws 2.38.5, bash 5.2.15`.
    fn all_tools(&self) -> String {
        let one = |(name, version): (&String, &String)| format!("{name} {version}").trim_end().to_owned();
        self.tools.iter().map(one).collect::<Vec<_>>().join(", ")
    }

    fn control_groups(&self) -> String {
        if self.cgroups { "yes".into() } else { format!("no: {}", self.cgroups_detail) }
    }
}

impl Identity {
    /// E.g. `12m old, until 2026-09-21T15:00:00Z`.
    fn age(&self, now: Timestamp) -> String {
        let age = self.obtain_time.map(|obtained| format!("{} old", old(now.duration_since(obtained).as_secs())));
        let end = self.expire_time.map(|end| format!("until {}", short(Some(end))));
        age.into_iter().chain(end).collect::<Vec<_>>().join(", ")
    }
}

/// E.g. `80 ms behind`, as the coordinator sees it.
fn clock(offset_ms: i64) -> String {
    match offset_ms {
        0 => "exact".to_owned(),
        ahead @ 1.. => format!("{ahead} ms ahead"),
        behind => format!("{} ms behind", behind.unsigned_abs()),
    }
}

/// As short as an age can be read; a clock that is behind makes nothing younger than new.
fn old(seconds: i64) -> String {
    match seconds.max(0) {
        seconds @ 0..60 => format!("{seconds}s"),
        seconds @ 60..3600 => format!("{}m", seconds / 60),
        seconds => format!("{}h{:02}m", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_790_000_000;

    fn at(seconds: i64) -> Option<prost_types::Timestamp> {
        Some(prost_types::Timestamp { seconds, nanos: 0 })
    }

    fn view(it: d::Worker) -> WorkerView {
        WorkerView::at(Timestamp::from_second(NOW).expect("a time"), it)
    }

    fn somebody() -> d::Worker {
        let identity = d::WorkerIdentity {
            account: "123456789012".into(),
            arn: "arn:aws:sts::123456789012:assumed-role/worker/i-0abc".into(),
            region: "eu-west-1".into(),
            source: "worker-role (imds)".into(),
            partition: "aws".into(),
            obtain_time: at(NOW - 750),
            expire_time: at(NOW + 2850),
        };
        d::Worker {
            name: "red".into(),
            pool: "default".into(),
            last_seen_time: at(NOW - 5),
            identity: Some(identity),
            imds_isolated: true,
            equipment: Some(equipment(true)),
            ..d::Worker::default()
        }
    }

    fn equipment(cgroups: bool) -> d::WorkerEquipment {
        let tools = [("jq", ""), ("bash", "5.2.15"), ("aws", "2.38.5")];
        d::WorkerEquipment {
            tools: tools.map(|(name, version)| (name.into(), version.into())).into(),
            cgroups,
            cgroups_detail: if cgroups { "" } else { "The host has no cgroup v2." }.into(),
        }
    }

    fn nobody() -> d::Worker {
        d::Worker {
            identity: None,
            identity_problem: "The instance has no role.".into(),
            identity_problem_reason: "NO_INSTANCE_ROLE".into(),
            imds_isolated: false,
            isolation_detail: "Steps run as the worker's own user.".into(),
            equipment: Some(equipment(false)),
            ..somebody()
        }
    }

    #[test]
    fn a_worker_says_who_it_is_and_since_when() {
        insta::assert_snapshot!([view(somebody()).page(), view(nobody()).page()].join("\n"));
    }

    #[test]
    fn a_list_tells_no_role_from_not_asked_yet() {
        let cells = |it: d::Worker| view(it).cells()[5..7].join(" | ");
        assert_eq!(cells(somebody()), "arn:aws:sts::123456789012:assumed-role/worker/i-0abc | yes");
        assert_eq!(cells(nobody()), "none (NO_INSTANCE_ROLE) | no");
        assert_eq!(cells(d::Worker::default()), "not known | not known");
    }

    #[test]
    fn a_worker_that_was_never_seen_has_no_disk_no_clock_and_no_slots() {
        let unseen = view(d::Worker { last_seen_time: None, ..somebody() }).page();
        assert!(!["running:", "disk free:", "clock:"].iter().any(|fact| unseen.contains(fact)), "{unseen}");
        let seen = d::Worker { slots: 4, disk_free_bytes: 5 << 20, clock_offset_ms: -80, ..somebody() };
        assert_eq!(view(seen.clone()).cells()[4], "0/4");
        let seen = view(seen).page();
        for fact in ["0 of 4", "5 MiB", "80 ms behind"] {
            assert!(seen.contains(fact), "{fact} is not in: {seen}");
        }
        assert_eq!([clock(0), clock(3)], ["exact", "3 ms ahead"]);
    }

    #[test]
    fn programs_read_the_contracts_names_and_no_ages() {
        let json = serde_json::to_value(view(somebody())).expect("json");
        assert_eq!(json["identity"]["partition"], "aws");
        assert_eq!(json["identity"]["obtain_time"], "2026-09-21T14:00:50Z");
        assert_eq!((&json["imds_isolated"], json.get("now")), (&serde_json::json!(true), None));
        let json = serde_json::to_value(view(nobody())).expect("json");
        assert_eq!(json["identity_problem_reason"], "NO_INSTANCE_ROLE");
    }

    #[test]
    fn ages_are_short_and_never_below_nothing() {
        let shown: Vec<_> = [-5, 59, 750, 7500].into_iter().map(old).collect();
        assert_eq!(shown, ["0s", "59s", "12m", "2h05m"]);
    }
}
