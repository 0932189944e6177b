//! The keys that sign tokens for AWS, on the data folder itself: works while the coordinator serves, and when it does not.

use clap::Subcommand;
use coordinator::{
    clock,
    exit::Exit,
    issuer::{Rotated, rotate_at_once},
};

use super::{complain, place::Place, say};

#[derive(Subcommand)]
pub(super) enum Oidc {
    /// In an emergency: withdraw the key that signs, and sign with the next one at once
    Rotate {
        #[command(flatten)]
        place: Place,
    },
}

impl Oidc {
    pub(super) fn run(self) -> Result<(), Exit> {
        match self {
            Self::Rotate { place } => rotate(&place),
        }
    }
}

fn rotate(place: &Place) -> Result<(), Exit> {
    let (store, seal) = place.store_and_seal()?;
    let now = clock::now();
    let rotated = rotate_at_once(&store, &seal, now)?;
    complain(&consequences(&rotated, now));
    say(&rotated.kid)
}

fn consequences(rotated: &Rotated, now: i64) -> String {
    let hours = (now - rotated.published_at) / (3600 * 1000);
    let known = if hours >= 24 {
        format!("It has been published for {hours} hours, so AWS should know it.")
    } else {
        "AWS may not know it yet: until it fetches the keys anew, it may refuse new tokens, and steps of accounts of kind aws-oidc \
         fail to begin."
            .to_owned()
    };
    format!(
        "The key {} signs from now on. {known}\n\
         Withdrawn: {}. What this breaks: tokens they signed in the last 10 minutes and that no worker has used yet are refused as \
         soon as AWS fetches the keys anew; a copy of them may be kept for a minute here and longer there.\n\
         What it does not end: sessions that AWS gave for earlier tokens. Revoke them role by role in IAM.",
        rotated.kid,
        rotated.withdrawn.join(", ")
    )
}
