//! One account, which all connections share.

use std::{
    net::TcpStream,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
};

use anyhow::Result;

use super::{
    account::{Account, Call},
    refusal::Refusal,
    trouble::Delivery,
    wire::{self, Request},
};

#[derive(Debug, Default)]
pub(super) struct Shared {
    account: Mutex<Account>,
    /// Rings when held answers may go.
    let_go: Condvar,
}

impl Shared {
    // Whatever panicked left the account as it was before or after its step: both are fine for the next.
    pub(super) fn account(&self) -> MutexGuard<'_, Account> {
        self.account.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers one call.
    ///
    /// # Errors
    /// When it is none.
    pub(super) fn serve(&self, mut stream: TcpStream) -> Result<()> {
        let request = Request::read(&mut stream)?;
        let (answer, delivery) = self.answer(request);
        match delivery {
            Delivery::Prompt => wire::send(stream, &answer),
            Delivery::Lost => wire::reset(stream),
            Delivery::Held => {
                let account = self.account();
                let gone = self.let_go.wait_while(account, |account| account.are_answers_held);
                drop(gone.unwrap_or_else(PoisonError::into_inner));
                wire::send(stream, &answer);
            }
        }
        Ok(())
    }

    pub(super) fn let_answers_go(&self) {
        self.account().are_answers_held = false;
        self.let_go.notify_all();
    }

    fn answer(&self, request: Request) -> (Vec<u8>, Delivery) {
        let Request { form, action, key_id, service, agent } = request;
        let mut account = self.account();
        let (result, delivery) = match service.as_str() {
            "cloudformation" => account.answer(&action, &form),
            "" => (Err(Refusal::unsigned()), Delivery::Prompt),
            other => {
                let message =
                    format!("Credential should be scoped to correct service: 'cloudformation', not '{other}'.");
                (Err(Refusal::new(403, "SignatureDoesNotMatch", message)), Delivery::Prompt)
            }
        };
        let refused = result.as_ref().err().map(|refusal| refusal.code.clone());
        account.calls.push(Call { action: action.clone(), parameters: form.into_parameters(), key_id, agent, refused });
        (wire::answer(&action, result), delivery)
    }
}
