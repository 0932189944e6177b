//! The table. A new method begins with a line here; a test walks the contract's descriptors against it, both ways.

use super::{
    Listener::{self, Admin, Join, Worker},
    Required, Rule,
};
use crate::token::Role;

const NOBODY: Required = Required::Nobody;
const VIEWER: Required = Required::Token(Role::Viewer);
const DEPLOYER: Required = Required::Token(Role::Deployer);
const ADMIN: Required = Required::Token(Role::Admin);
const WORKER: Required = Required::Worker;

const fn rule(method: &'static str, listener: Listener, required: Required, action: &'static str) -> Rule {
    Rule { method, listener, required, action }
}

/// Every method of every listener.
#[rustfmt::skip]
pub const RULES: &[Rule] = &[
    rule("/longshore.deployment.v1.AccountService/CreateAccount", Admin, ADMIN, "account.create"),
    rule("/longshore.deployment.v1.AccountService/GetAccount", Admin, VIEWER, "account.read"),
    rule("/longshore.deployment.v1.AccountService/ListAccounts", Admin, VIEWER, "account.list"),
    rule("/longshore.deployment.v1.AccountService/UpdateAccount", Admin, ADMIN, "account.update"),
    rule("/longshore.deployment.v1.AccountService/DeleteAccount", Admin, ADMIN, "account.delete"),
    rule("/longshore.deployment.v1.AccountService/TestAccount", Admin, DEPLOYER, "account.test"),

    rule("/longshore.deployment.v1.EnvironmentService/CreateEnvironment", Admin, ADMIN, "environment.create"),
    rule("/longshore.deployment.v1.EnvironmentService/ListEnvironments", Admin, VIEWER, "environment.list"),
    rule("/longshore.deployment.v1.EnvironmentService/DeleteEnvironment", Admin, ADMIN, "environment.delete"),

    rule("/longshore.deployment.v1.PoolService/CreatePool", Admin, ADMIN, "pool.create"),
    rule("/longshore.deployment.v1.PoolService/GetPool", Admin, VIEWER, "pool.read"),
    rule("/longshore.deployment.v1.PoolService/ListPools", Admin, VIEWER, "pool.list"),
    rule("/longshore.deployment.v1.PoolService/DeletePool", Admin, ADMIN, "pool.delete"),

    rule("/longshore.deployment.v1.WorkerService/InviteWorker", Admin, ADMIN, "worker.invite"),
    rule("/longshore.deployment.v1.WorkerService/GetWorker", Admin, VIEWER, "worker.read"),
    rule("/longshore.deployment.v1.WorkerService/ListWorkers", Admin, VIEWER, "worker.list"),
    rule("/longshore.deployment.v1.WorkerService/DrainWorker", Admin, ADMIN, "worker.drain"),
    rule("/longshore.deployment.v1.WorkerService/ResumeWorker", Admin, ADMIN, "worker.resume"),
    rule("/longshore.deployment.v1.WorkerService/DisableWorker", Admin, ADMIN, "worker.disable"),
    rule("/longshore.deployment.v1.WorkerService/RevokeWorker", Admin, ADMIN, "worker.revoke"),
    rule("/longshore.deployment.v1.WorkerService/DeleteWorker", Admin, ADMIN, "worker.delete"),

    rule("/longshore.deployment.v1.ProjectService/FindMissingFiles", Admin, DEPLOYER, "file.find"),
    rule("/longshore.deployment.v1.ProjectService/UploadFile", Admin, DEPLOYER, "file.upload"),
    rule("/longshore.deployment.v1.ProjectService/ApplyProject", Admin, DEPLOYER, "project.apply"),
    rule("/longshore.deployment.v1.ProjectService/GetProject", Admin, VIEWER, "project.read"),
    rule("/longshore.deployment.v1.ProjectService/ListProjects", Admin, VIEWER, "project.list"),
    rule("/longshore.deployment.v1.ProjectService/DeleteProject", Admin, ADMIN, "project.delete"),
    rule("/longshore.deployment.v1.ProjectService/SetVariable", Admin, DEPLOYER, "variable.set"),
    rule("/longshore.deployment.v1.ProjectService/ListVariables", Admin, VIEWER, "variable.list"),
    rule("/longshore.deployment.v1.ProjectService/DeleteVariable", Admin, DEPLOYER, "variable.delete"),

    rule("/longshore.deployment.v1.DeploymentService/CreateDeployment", Admin, DEPLOYER, "deployment.create"),
    rule("/longshore.deployment.v1.DeploymentService/RunCommand", Admin, DEPLOYER, "deployment.run"),
    rule("/longshore.deployment.v1.DeploymentService/GetDeployment", Admin, VIEWER, "deployment.read"),
    rule("/longshore.deployment.v1.DeploymentService/ListDeployments", Admin, VIEWER, "deployment.list"),
    rule("/longshore.deployment.v1.DeploymentService/WatchDeployment", Admin, VIEWER, "deployment.watch"),
    rule("/longshore.deployment.v1.DeploymentService/ReadLog", Admin, VIEWER, "deployment.log"),
    rule("/longshore.deployment.v1.DeploymentService/ListArtifacts", Admin, VIEWER, "artifact.list"),
    rule("/longshore.deployment.v1.DeploymentService/ReadArtifact", Admin, VIEWER, "artifact.read"),
    rule("/longshore.deployment.v1.DeploymentService/CancelDeployment", Admin, DEPLOYER, "deployment.cancel"),
    rule("/longshore.deployment.v1.DeploymentService/ResolveStep", Admin, ADMIN, "deployment.resolve"),
    rule("/longshore.deployment.v1.DeploymentService/AnswerStep", Admin, DEPLOYER, "deployment.answer"),
    rule("/longshore.deployment.v1.DeploymentService/RetryDeployment", Admin, DEPLOYER, "deployment.retry"),

    rule("/longshore.deployment.v1.CoordinatorService/GetCoordinator", Admin, VIEWER, "coordinator.read"),
    rule("/longshore.deployment.v1.CoordinatorService/GetHold", Admin, VIEWER, "hold.read"),
    rule("/longshore.deployment.v1.CoordinatorService/LiftHold", Admin, ADMIN, "hold.lift"),

    rule("/longshore.deployment.v1.AuditService/ListAuditEvents", Admin, ADMIN, "audit.list"),

    rule("/longshore.worker.v1.JoinService/Join", Join, NOBODY, "worker.join"),

    rule("/longshore.worker.v1.SessionService/Control", Worker, WORKER, "session.control"),
    rule("/longshore.worker.v1.SessionService/Events", Worker, WORKER, "session.events"),
    rule("/longshore.worker.v1.SessionService/FetchStep", Worker, WORKER, "step.fetch"),
    rule("/longshore.worker.v1.SessionService/FetchCredentials", Worker, WORKER, "credentials.fetch"),
    rule("/longshore.worker.v1.SessionService/FetchFile", Worker, WORKER, "file.fetch"),
    rule("/longshore.worker.v1.SessionService/StoreArtifact", Worker, WORKER, "artifact.store"),
    rule("/longshore.worker.v1.SessionService/RenewCertificate", Worker, WORKER, "certificate.renew"),

    // A load balancer that asks whether we live has no token. Reflection lists the whole contract: whoever may read may see it.
    rule("/grpc.health.v1.Health/Check", Admin, NOBODY, "health.check"),
    rule("/grpc.health.v1.Health/Watch", Admin, NOBODY, "health.watch"),
    rule("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", Admin, VIEWER, "reflection"),
    rule("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", Admin, VIEWER, "reflection"),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use prost::Message;
    use prost_types::FileDescriptorSet;

    use super::*;
    use crate::authorization::rule_for;

    fn contract() -> BTreeSet<String> {
        let files = FileDescriptorSet::decode(proto::DESCRIPTORS).expect("descriptors").file;
        let mut methods = BTreeSet::new();
        for file in &files {
            for service in &file.service {
                methods.extend(
                    service
                        .method
                        .iter()
                        .map(|method| format!("/{}.{}/{}", file.package(), service.name(), method.name())),
                );
            }
        }
        methods
    }

    #[test]
    fn every_method_of_the_contract_has_a_rule_and_every_rule_a_method() {
        let contract = contract();
        let ruled: BTreeSet<String> = RULES.iter().map(|rule| rule.method.to_owned()).collect();
        assert_eq!(ruled.len(), RULES.len(), "a method has two rules");
        let unruled: Vec<_> = contract.difference(&ruled).collect();
        assert!(unruled.is_empty(), "methods without a rule: {unruled:?}");
        let unknown: Vec<_> = ruled.difference(&contract).filter(|method| !method.starts_with("/grpc.")).collect();
        assert!(unknown.is_empty(), "rules without a method: {unknown:?}");
    }

    #[test]
    fn only_joining_is_open_to_strangers_and_only_on_the_join_listener() {
        for rule in RULES.iter().filter(|rule| rule.required == Required::Nobody) {
            let expected = rule.listener == Join || rule.method.starts_with("/grpc.health.v1.Health/");
            assert!(expected, "{} is open to strangers", rule.method);
        }
        assert_eq!(RULES.iter().filter(|rule| rule.listener == Join).count(), 1);
    }

    #[test]
    fn workers_call_nothing_but_their_own_service_and_nobody_else_calls_it() {
        for rule in RULES {
            let is_workers = rule.method.starts_with("/longshore.worker.v1.SessionService/");
            assert_eq!(rule.listener == Worker, is_workers, "{}", rule.method);
            assert_eq!(rule.required == Required::Worker, is_workers, "{}", rule.method);
        }
    }

    #[test]
    fn the_contracts_comments_say_what_the_table_does() {
        let texts = [
            include_str!("../../../proto/longshore/deployment/v1/account.proto"),
            include_str!("../../../proto/longshore/deployment/v1/coordinator.proto"),
            include_str!("../../../proto/longshore/deployment/v1/deployment.proto"),
            include_str!("../../../proto/longshore/deployment/v1/inventory.proto"),
            include_str!("../../../proto/longshore/deployment/v1/project.proto"),
        ];
        let mut checked = 0;
        for text in texts {
            let (mut service, mut said) = ("", None);
            for line in text.lines().map(str::trim) {
                if let Some(name) = line.strip_prefix("service ") {
                    service = name.trim_end_matches([' ', '{']);
                } else if let Some((_, callers)) = line.split_once("Callers: ") {
                    said = callers.split(|letter: char| !letter.is_alphabetic()).next();
                } else if let Some(method) = line.strip_prefix("rpc ").and_then(|rest| rest.split('(').next()) {
                    let rule = rule_for(&format!("/longshore.deployment.v1.{service}/{method}")).expect(method);
                    let Required::Token(role) = rule.required else { panic!("{method} needs no token") };
                    assert_eq!(Some(role.name()), said.take(), "{method}");
                    checked += 1;
                }
            }
        }
        assert_eq!(checked, RULES.iter().filter(|rule| rule.method.starts_with("/longshore.deployment.")).count());
    }

    #[test]
    fn a_method_that_nobody_wrote_down_has_no_rule() {
        assert_eq!(rule_for("/longshore.deployment.v1.AccountService/ReadSecret"), None);
        assert_eq!(rule_for("/longshore.deployment.v1.AccountService/GetAccount/"), None);
    }
}
