//! A few processes that keep the same state: one leads, a majority has each change on disk before it is made.
//!
//! In: a [`Machine`] (the state), the members with their addresses, an identity by which they know each other; then changes
//! ([`Group::change`]) and questions ([`Group::look`]). Out: what the machine answers, where this process leads and nobody else can;
//! else who does ([`AskError`]).
//! How much: see [`limits`]. Whoever shows a member's identity is believed which member it is and what it says: members fail, they do
//! not lie.
//! When the disk fails, or the machine cannot take a state, the member ends ([`GroupError`]): what is left of the process is to end
//! too, and to come back with what its disk has.
//! Absent on purpose: what the state is; members that change while any of them runs.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod dial; // to each of the others
mod door; // from each of the others
mod driver; // the thread that joins engine, disk and machine
pub mod folder; // a folder that all members have
mod group; // start here: what callers see
mod key; // whoever has it is a member
pub mod limits;
mod machine;
mod wire; // frames between members

pub use bartizan_consensus::{Member, MembersError, OtherMember};
pub use bartizan_replica::ReplicaError;
pub use group::{AskError, Ends, Group, GroupError, Options, Running, Standing, Status};
pub use key::{GroupKey, GroupKeyError};
pub use machine::Machine;

/// Letters as bytes; for those who test them from outside.
pub mod letters {
    pub use crate::wire::{Letter, decode, encode};
}
