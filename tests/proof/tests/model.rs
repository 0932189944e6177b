//! Small fleets, every order of everything.

use proof::{
    model::explore,
    scenario::{Budget, Scenario, one_locked_step, one_retried_step, one_step},
};

#[test]
fn probe() {
    let base = Scenario { name: "", workers: 1, slots: 1, deployments: vec![one_step()], attempts: 2, budget: Budget::default() };
    let b = Budget { hellos: 3, ..Budget::default() };
    let scenarios = vec![
        Scenario { name: "agent+coord crash", budget: Budget { agent_deaths: 1, coordinator_deaths: 1, ..b }, ..base.clone() },
        Scenario { name: "shim", budget: Budget { shim_deaths: 1, agent_deaths: 1, coordinator_deaths: 1, ..b }, ..base.clone() },
        Scenario { name: "reboot", budget: Budget { reboots: 1, agent_deaths: 1, ..b }, ..base.clone() },
        Scenario { name: "amnesia", budget: Budget { amnesias: 1, agent_deaths: 1, ..b }, ..base.clone() },
        Scenario { name: "silence", budget: Budget { short_silences: 1, long_silences: 1, agent_deaths: 1, ..b }, ..base.clone() },
        Scenario { name: "cancel", budget: Budget { cancels: 1, agent_deaths: 1, shim_deaths: 1, ..b }, ..base.clone() },
        Scenario { name: "decide", budget: Budget { long_silences: 1, decisions: 1, agent_deaths: 1, ..b }, ..base.clone() },
        Scenario { name: "retry", deployments: vec![one_retried_step()], budget: Budget { failures: 2, agent_deaths: 1, ..b }, ..base.clone() },
        Scenario { name: "lock", deployments: vec![one_locked_step(), one_locked_step()], slots: 2, budget: Budget { agent_deaths: 1, long_silences: 1, ..b }, ..base.clone() },
        Scenario { name: "two workers", workers: 2, budget: Budget { agent_deaths: 1, short_silences: 1, ..b }, ..base.clone() },
    ];
    let scenarios = if std::env::var("R").is_ok() { vec![
        Scenario { name: "restore", budget: Budget { restores: 1, coordinator_deaths: 1, hellos: 4, ..b }, ..base.clone() },
        Scenario { name: "restore, two workers", workers: 2, budget: Budget { restores: 1, coordinator_deaths: 1, hellos: 4, ..b }, ..base.clone() },
        Scenario { name: "restore, silence", budget: Budget { restores: 1, coordinator_deaths: 1, hellos: 4, short_silences: 1, long_silences: 1, ..b }, ..base.clone() },
        Scenario { name: "restore, retry", attempts: 3, deployments: vec![one_retried_step()], budget: Budget { restores: 1, coordinator_deaths: 1, hellos: 4, failures: 2, ..b }, ..base.clone() },
        Scenario { name: "restore, cancel", budget: Budget { restores: 1, coordinator_deaths: 1, hellos: 4, cancels: 1, ..b }, ..base.clone() },
    ]} else { scenarios };
    for s in scenarios {
        let explored = explore(s, 2_000_000);
        println!("{:20} {:>9} {} {:.1}s {:#?}", explored.name, explored.states, explored.is_exhaustive, explored.seconds, explored.breach);
    }
}
