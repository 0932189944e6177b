//! Who a step is in AWS: what an account means, and what becomes of it for one attempt. An access key leaves the coordinator only
//! where its account says so; otherwise a session does, named after whom it is for. Every release is an audit event, and what
//! cannot be written there is not released.

mod minter;
mod purpose;
mod recipe;
mod release;

pub use self::{
    minter::{Minted, Minter},
    purpose::Purpose,
    recipe::{Base, Recipe, role_of},
    release::{Release, Wanted},
};
