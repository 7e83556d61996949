//! The ledger: what was denied, what changed, and what administrators and people did, in a form in which nothing can be changed or left
//! out unseen. The engine hashes and signs (`bartizan-audit`), files are kept by `bartizan-ledger`; here both meet.
//!
//! An event is on the disk, under a signed checkpoint, before its batch is confirmed. Where the disk fails, events go on being stored
//! and decided: this fails open, is counted, shown in `status`, and leaves an entry of its own as soon as it can.

mod archive;
mod keep;
mod key;

pub(crate) use archive::Bounds;
pub(crate) use keep::{Ledger, Recorded};
pub use key::LedgerKeyError;
