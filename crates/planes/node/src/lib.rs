//! The node: the process on a machine that vouches for the proxies there, and gives programs their identities.
//!
//! In: a join token or the machine's certificate, or the cache of an earlier life; then tickets announced by the supervisor ([`api::Expect`]) and redeemed by proxies
//! ([`api::Vouch`]) on a Unix socket. Out: vouchers that control exchanges for identities, and the keys under which
//! proxies seal what they keep on disk. How much: [`limits`].
//!
//! A voucher takes three things: the kernel's word that the caller runs as the expected user, that its executable is the
//! proxy as it was when the node started, and a ticket that counts once. The ticket is what proves; the executable is a
//! second hurdle. Programs that run under the same user as the node are not kept apart by this: such a program can read
//! the memory of its neighbours. A supervisor that wants more runs programs as other users.
//!
//! On a second socket any program may ask who it is (SPIFFE Workload API, Envoy's SDS): it gets what the fleet's entries give it, by the kernel's word.
//!
//! Absent on purpose: policy, events. While control is away the node goes on vouching with the identity it holds, over a
//! restart too where it has a cache; once that has run out it ends, where only a new join token helps.
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod api; // what is said on the socket
mod attest; // what the kernel says of a caller
mod cache; // what survives a restart, sealed
mod desk; // who gets a voucher
mod join; // how the node comes by its own identity
pub mod limits;
pub mod netns; // a network namespace for a program
mod own; // that identity
mod proof; // what it shows where it has none
mod run; // start here: `run`
mod secret; // keys for sealing
mod start; // what it begins with: cache or token
mod ticket; // tickets, announced and redeemed
mod workload; // identities for programs: Workload API and SDS

pub use attest::{AttestError, Attestor};
pub use cache::CacheError;
pub use desk::{Desk, DeskError};
pub use own::{Own, OwnError};
pub use proof::{MachineFiles, Proof, ProofError};
pub use run::{NodeError, Options, run};
pub use secret::NodeSecret;
pub use ticket::TicketError;
pub use workload::{ClusterError, Kubernetes};
