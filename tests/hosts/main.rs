//! Workers on hosts: what is killed, cut off or set to a wrong time, and what must still be true afterwards.

mod artifacts;
mod asking;
mod clocks;
mod counting;
mod crash;
mod hold;
mod isolation;
mod joining;
mod namespaces;
mod pages;
mod peers;
mod powershell;
mod queue;
