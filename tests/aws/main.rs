//! Steps under AWS identities, against an emulator that verifies signatures, and the emulator's own surroundings first.

mod accounts;
mod corpus;
mod deployed;
mod every_way;
mod identities;
mod kinds;
mod matching;
mod metadata;
mod own_role;
mod pages;
mod policies;
mod refresh;
mod scripted;
mod secrets;
mod stacks;
mod tokens;
mod trouble;
mod uploads;
