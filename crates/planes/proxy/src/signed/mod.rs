//! Signed events at the gateway: who sends them, and what they sent lately.
//!
//! Whose an event is, its whole body has to say, so the filters run twice for one: until they need it, and, once it is here and its
//! sender known, from the beginning. In between nothing is believed of it.

mod held; // a sender: its keys, read anew where their file changed
mod judge; // reads an event whole, and finds its sender
mod room; // what may be held of events that nobody judged yet
mod shown; // what a sender sent lately

pub use held::{Held, Senders};
pub use judge::{Signed, Wanted, denied, refused};
pub use room::Room;

/// What stands for the policies where an event is refused: no policy was asked.
pub const BY: &str = "fleet:events";
