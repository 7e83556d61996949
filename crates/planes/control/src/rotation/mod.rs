//! Carries out the rotation of a root or an issuing CA: what `bartizan_identity::rotation` decides is kept, then done.
//!
//! The state lies in `rotation.json` and is written before anything of it happens. Everything that happens follows from the
//! state alone, so a process that starts looks at it, puts right what is not as it should be, and goes on.

mod ask; // what people ask for
mod book; // start here: the state, in memory and on disk
mod drive; // the task that takes one step after the other
mod facts; // what is known of the fleet; nodes come in here
mod files;
mod next; // the issuer that everybody goes over to
mod orders; // who is to renew when
mod status;

pub(crate) use ask::Refused;
pub(crate) use book::Book;
pub(crate) use drive::drive;
pub(crate) use facts::node_member;
pub(crate) use next::Next;
pub(crate) use orders::{OrderBook, Orders};
pub(crate) use status::shown;
