//! How many requests a service can bear at once, found out from how long its answers take, and who is let through when there are
//! more: at the gateway, for each service behind it.
//!
//! [`Capacity`] and [`Usual`] are pure: times go in, a limit and a judgement come out. [`Admission`] joins them.

mod admission; // start here: one request
mod capacity; // how many
mod usual; // who comes as usual

pub use admission::{Admission, Admitted};
pub use capacity::Capacity;
pub use usual::Usual;
