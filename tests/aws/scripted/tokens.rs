//! Calls that are repeated.

use std::thread;

use anyhow::Result;
use tests::{
    Stacks,
    stacks::{Kind, Trouble},
};

use super::{SHOP, call, ok, settled, texts};

const NAMED: (&str, &str) = ("StackName", "shop");
const TOKEN: (&str, &str) = ("ClientRequestToken", "token-1");
const NEW: [(&str, &str); 3] = [NAMED, ("TemplateBody", SHOP), TOKEN];

#[test]
fn a_call_that_is_repeated_with_its_token_is_one_operation() -> Result<()> {
    let stacks = Stacks::start()?;
    stacks.trouble("CreateStack", 1, Trouble::Lost);
    assert!(call(&stacks, "CreateStack", &NEW).is_err());
    let again = ok(&stacks, "CreateStack", &NEW)?;
    settled(&stacks, "shop")?;
    assert_eq!(texts(&ok(&stacks, "CreateStack", &NEW)?, "StackId"), texts(&again, "StackId"));
    let (status, body) = call(&stacks, "CreateStack", &NEW[..2])?;
    assert!(status == 400 && body.contains("AlreadyExistsException"), "{body}");
    let (status, body) = call(&stacks, "UpdateStack", &NEW)?;
    assert!(status == 400 && body.contains("TokenAlreadyExistsException"), "{body}");
    let effects = stacks.effects();
    assert_eq!(effects.len(), 1);
    assert_eq!((effects[0].kind, effects[0].token.as_deref()), (Kind::Create, Some("token-1")));
    Ok(())
}

#[test]
fn an_answer_that_is_held_comes_when_it_is_let_go_and_its_deed_is_done_before() -> Result<()> {
    let stacks = Stacks::start()?;
    stacks.trouble("CreateStack", 1, Trouble::Held);
    thread::scope(|scope| {
        let caller = scope.spawn(|| ok(&stacks, "CreateStack", &NEW));
        let done = tests::until("the deed", std::time::Duration::from_secs(20), || {
            Ok((stacks.effects().len() == 1).then_some(()))
        });
        let is_waiting = !caller.is_finished();
        stacks.let_answers_go();
        done?;
        assert!(is_waiting);
        assert!(caller.join().is_ok_and(|answer| answer.is_ok()));
        Ok(())
    })
}
