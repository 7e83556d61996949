//! Who comes much more often than is usual for it waits before it is refused: for routes of the gateway and for a service, where the
//! fleet file says `slow_down`.
//!
//! [`Usual`] and [`Memory`] are pure: a request and the time go in, and whether it goes on, waits or is too much comes out. [`Pace`]
//! joins them with what is declared, and counts who waits; the waiting itself is [`crate::forward`]'s.

mod memory; // of whom something is known
mod pace; // start here: one request
mod usual; // what is usual for one caller
mod waiting; // what is asked once it waited

pub use memory::Memory;
pub use pace::{NAME, Pace, Slowed, TooMuch};
pub use usual::{Allowance, Turn, Usual};
pub use waiting::{OwnedAsked, Stopped, Waiting, WentOn};
