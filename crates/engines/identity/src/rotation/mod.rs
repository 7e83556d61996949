//! Replaces a root or an issuing CA while everything goes on: which step is next, and who is waited for.
//!
//! A rotation is data ([`Rotation`]). What has to be in force follows from it alone ([`Rotation::desired`]), so whoever
//! carries it out compares and corrects, and a stop at any moment is taken up again. [`Rotation::advance`] takes it one
//! step further where the [`Facts`] allow it.
//!
//! The rule behind all others: nobody shows a certificate below a root before everybody alive has said that they trust
//! it, and a root is taken away only when nobody alive shows a certificate below it.

mod advance; // start here: the steps, in their order
mod desired;
mod facts;
mod slots;
mod state;
mod turn; // what people may ask for: force, revert, continue

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;

pub use advance::Plan;
pub use desired::{Desired, Roots};
pub use facts::{Facts, Member, MemberKind};
pub use slots::slots;
pub use state::{Anchor, Pace, Released, Rotation};
pub use turn::TurnError;
