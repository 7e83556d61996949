//! Decides, among a few processes that keep the same log, who leads, and which entries count.
//!
//! In: the time, messages of the others, entries that somebody wants to add, and on each start what was kept on disk. Out: an
//! [`Output`] for each step: what has to be on disk, then what is to be sent, and up to where the log counts ([`Output::commit`]).
//! How much: three, five or seven members, or one ([`Members`]); see [`limits`] for the rest.
//! A member that lost its disk keeps from voting until it was told everything again ([`Kept::disk_was_lost`]).
//! Absent on purpose: sockets, files, clocks, randomness, and what entries mean. Members do not change while any of them runs.
//!
//! It is Raft (Ongaro, Ousterhout: "In Search of an Understandable Consensus Algorithm", 2014), with three of the additions of
//! Ongaro's dissertation: a vote before the vote, so that who was away disturbs nobody (9.6); no vote for anybody while a leader
//! is heard (4.2.3); and a lease (6.4.1): [`Replica::may_answer`] says whether nobody else can have become leader. The lease is
//! shorter than the time for which others keep from voting, and who has just started keeps from voting for as long.
//!
//! Reading order: [`types`] are the words, [`Log`] the entries, [`Replica`] is what decides, `leading` what a leader knows of the
//! others. `tests/it/simulation.rs` holds all of it against what has to be true whatever breaks.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod leading;
pub mod limits;
mod log;
mod replica;
mod types;

pub use log::Log;
pub use replica::{Kept, OtherMember, Replica, Role};
pub use types::{
    Entry, Member, Members, MembersError, Message, NotTaken, Output, Position, Settings, SettingsError, Vote,
};
