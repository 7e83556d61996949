//! Decides whether one workload may do something to another: Cedar policies, compiled, indexed and explained.
//!
//! In: a [`snapshot::Policies`](bartizan_core::snapshot::Policies), made by [`from_fleet`], and one [`Ask`] at a time.
//! Out: a [`Decision`](bartizan_core::Decision) with the policies that led to it; or [`PolicyErrors`] with places.
//! How much: see [`limits`]. The cost of a decision grows with the policies whose scope fits, not with all of them.
//! Absent on purpose: files, sockets, clocks, tasks; policy templates; users as principals.
//!
//! Default deny, a forbid wins, and a policy that cannot be evaluated denies.

mod between; // which policies are about an edge
mod check; // `bartizan policy check`
mod declared; // declared calls, which are too many to read one by one
mod draft; // all of that in one go
mod enforceable; // controls that a proxy could not keep
mod engine; // start here: `Engine::compile` and `Engine::decide`
mod error; // what is wrong with a policy: place, message, help
mod explain; // `bartizan explain`
mod from_fleet; // the fleet's schema, and its declared calls as policies
mod index; // scopes, by what they name
mod judge; // from Cedar's answer to ours
mod known; // the entities of a fleet
mod lexer; // where policies begin and end, before Cedar looks at them
pub mod limits;
mod matrix; // who may do what to whom
mod memo; // a connection's memory of its own decisions
mod reach; // which guards ask which policy
mod read; // policy files, from text to policies
mod scope; // the part of a policy before `when`
mod shadow; // policies that are tried out
mod shares; // what each guard needs of them
mod slots; // what was prepared for the calls seen so far
mod suggest; // what would let a denied call through
mod validate; // types, and entities that do not exist
mod warnings; // controls that do less than they seem to, or more

pub use between::{Between, Edges};
pub use check::{Summary, check};
pub use engine::{Ask, Engine};
pub use error::{PolicyError, PolicyErrors};
pub use explain::{Place, explain, explain_shadow, places};
pub use from_fleet::{CALLS_FILE, OWN_PREFIX, from_fleet};
pub use matrix::{Matrix, matrix};
pub use memo::Memo;
pub use reach::{Reach, reach};
pub use shadow::Prediction;
pub use shares::Shares;
pub use suggest::{Change, NoChange, suggest};
