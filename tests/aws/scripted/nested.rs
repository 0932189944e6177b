//! Stacks in stacks.

use anyhow::Result;
use tests::{
    Stacks,
    stacks::{Given, Plan, Resource},
};

use super::{call, ok, settled, told};

const NETWORK: &str = r#"{"Resources": {"Network": {"Type": "AWS::CloudFormation::Stack"}}}"#;
const NEW: [(&str, &str); 2] = [("StackName", "shop"), ("TemplateBody", NETWORK)];

fn network(subnet: Resource) -> Resource {
    Resource::nested("Network", Plan::create().with(Resource::new("Vpc", "AWS::EC2::VPC")).with(subnet.after("Vpc")))
}

#[test]
fn a_nested_stack_has_its_own_events_and_its_parent_waits_for_it() -> Result<()> {
    let stacks = Stacks::start()?;
    stacks.on("shop", Plan::create().with(network(Resource::new("Subnet", "AWS::EC2::Subnet").takes(3))));
    ok(&stacks, "CreateStack", &NEW)?;
    assert_eq!(settled(&stacks, "shop")?, "CREATE_COMPLETE");
    let nested = stacks.nested("shop").remove(0);
    assert!(nested.contains(":stack/shop-Network-"), "{nested}");
    assert_eq!(told(&stacks, &nested).last().map(|last| last.ends_with("CREATE_COMPLETE")), Some(true));
    let shown = ok(&stacks, "DescribeStacks", &[("StackName", &nested)])?;
    assert!(shown.contains("<ParentId>") && shown.contains("<RootId>"), "{shown}");
    Ok(())
}

#[test]
fn a_nested_stack_that_fails_fails_its_parent_with_a_reason_that_leads_to_it() -> Result<()> {
    let stacks = Stacks::start()?;
    stacks.on("shop", Plan::create().with(network(Resource::new("Subnet", "AWS::EC2::Subnet").fails("no addresses"))));
    ok(&stacks, "CreateStack", &NEW)?;
    assert_eq!(settled(&stacks, "shop")?, "ROLLBACK_COMPLETE");
    let nested = stacks.nested("shop").remove(0);
    let reason = stacks.events("shop").into_iter().find(|(id, status, _)| id == "Network" && status == "CREATE_FAILED");
    let sentence = format!(
        "Embedded stack {nested} was not successfully created: The following resource(s) failed to create: [Subnet]. "
    );
    assert_eq!(reason.and_then(|event| event.2), Some(sentence));
    assert_eq!(stacks.status(&nested).as_deref(), Some("DELETE_COMPLETE"));
    let own = stacks.events(&nested);
    assert!(own.iter().any(|(id, _, reason)| id == "Subnet" && reason.as_deref() == Some("no addresses")), "{own:?}");
    Ok(())
}

#[test]
fn a_nested_stack_goes_back_with_its_parent() -> Result<()> {
    let stacks = Stacks::start()?;
    stacks.on("shop", Plan::create().with(network(Resource::new("Subnet", "AWS::EC2::Subnet"))));
    ok(&stacks, "CreateStack", &NEW)?;
    settled(&stacks, "shop")?;
    let nested = stacks.nested("shop").remove(0);
    let inner = Plan::update().with(Resource::new("Vpc", "AWS::EC2::VPC"));
    let plan = Plan::update()
        .with(Resource::nested("Network", inner))
        .with(Resource::new("Feed", "AWS::SNS::Topic").after("Network").fails("no"));
    stacks.begin("shop", plan, None)?;
    assert_eq!(settled(&stacks, "shop")?, "UPDATE_ROLLBACK_COMPLETE");
    let own = told(&stacks, &nested);
    assert!(own.iter().any(|event| event.ends_with("UPDATE_COMPLETE")), "{own:?}");
    assert_eq!(own.last().map(|last| last.ends_with("UPDATE_ROLLBACK_COMPLETE")), Some(true), "{own:?}");
    Ok(())
}

#[test]
fn what_is_held_in_a_nested_stack_holds_all() -> Result<()> {
    let stacks = Stacks::start()?;
    stacks.put(Given::new("other"))?;
    stacks.on("shop", Plan::create().at_once().with(network(Resource::new("Subnet", "AWS::EC2::Subnet").holds())));
    ok(&stacks, "CreateStack", &NEW)?;
    for _ in 0..3 {
        call(&stacks, "DescribeStacks", &NEW[..1])?;
    }
    assert_eq!(stacks.status("shop").as_deref(), Some("CREATE_IN_PROGRESS"));
    stacks.release("shop");
    assert_eq!(settled(&stacks, "shop")?, "CREATE_COMPLETE");
    Ok(())
}
